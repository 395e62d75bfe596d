//! Running the executable.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The executable with no settings from the environment.
pub fn rumormill(args: &[&str]) -> Command {
    let mut command = without_settings(env!("CARGO_BIN_EXE_rumormill"));
    command.args(args);
    command
}

/// Any program with no settings of the executable in its environment, and nothing to read.
pub fn without_settings(program: &str) -> Command {
    let mut command = Command::new(program);
    let inherited = std::env::vars_os().map(|(name, _)| name);
    for name in inherited.filter(|name| name.to_string_lossy().starts_with("RUMORMILL_")) {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// What a finished run said.
pub struct Run {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Run {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.text(), self.stderr))
    }

    /// Itself, if it ended well.
    #[track_caller]
    pub fn good(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.text(), self.stderr);
        self
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Starts a process; its lines of output come as they are written.
pub fn listen(command: &mut Command) -> (Child, Receiver<String>) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (said, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        while let Some(Ok(line)) = lines.next() {
            said.send(line).unwrap();
        }
    });
    (child, heard)
}

/// Writes a file and answers its path.
pub fn file_in(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs to the end.
pub fn run(args: &[&str]) -> Run {
    rumormill(args).output().unwrap().into()
}

/// Runs to the end with this on standard input.
pub fn run_with(args: &[&str], input: &[u8]) -> Run {
    let mut command = rumormill(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || {
        // The program may have enough before the end.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output.into()
}

/// A running agent; stopped at the end.
pub struct Agent {
    child: Child,
    /// The line that it printed.
    pub hello: serde_json::Value,
    pub http: String,
    said: Said,
}

/// What an agent has written to standard error so far. A pipe that nobody reads would fill up and
/// stop the agent.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<String>>);

impl Said {
    fn listen(mut from: impl std::io::Read + Send + 'static) -> Self {
        let said = Self::default();
        let copy = said.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(got) = from.read(&mut buffer)
                && got > 0
            {
                copy.text().push_str(&String::from_utf8_lossy(&buffer[..got]));
            }
        });
        said
    }

    fn text(&self) -> std::sync::MutexGuard<'_, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agent {
    /// An agent on free ports.
    pub fn start(more: &[&str]) -> Self {
        Self::start_with(more, |_| {})
    }

    pub fn start_with(more: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let free = "127.0.0.1:0";
        let mut args = vec!["--format", "json", "agent", "--exit-with-stdin", "--log", "warn"];
        for port in ["--gossip", "--redis", "--http"] {
            if !more.contains(&port) {
                args.extend([port, free]);
            }
        }
        // What a node holds is looked at from its first moment on.
        if !more.contains(&"--loading") {
            args.extend(["--loading", "0s"]);
        }
        args.extend(more);
        let mut command = rumormill(&args);
        change(&mut command);
        Self::spawn(command)
    }

    /// An agent by a command that prints its line of JSON.
    pub fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            panic!("the agent did not start, {}: {said}", child.wait().unwrap());
        }
        let hello: serde_json::Value = serde_json::from_str(&line).unwrap();
        let http = hello["http"].as_str().unwrap_or_default().to_owned();
        let said = Said::listen(child.stderr.take().unwrap());
        Self { child, hello, http, said }
    }

    pub fn in_folder(folder: &Path) -> Self {
        Self::start(&["--data", folder.to_str().unwrap()])
    }

    /// Runs a client command against it.
    pub fn run(&self, args: &[&str]) -> Run {
        run(&[args, &["--http", &self.http]].concat())
    }

    pub fn run_with(&self, args: &[&str], input: &[u8]) -> Run {
        run_with(&[args, &["--http", &self.http]].concat(), input)
    }

    /// Ends its standard input, on which it stops.
    pub fn stop(&mut self) -> ExitStatus {
        drop(self.child.stdin.take());
        self.wait()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// What it has written to standard error so far.
    pub fn said(&self) -> String {
        self.said.text().clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, not for ever.
    pub fn wait(&mut self) -> ExitStatus {
        until("the agent ends", || self.child.try_wait().unwrap())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = self.said();
            let tail = said.char_indices().rev().nth(2000).map_or(0, |(at, _)| at);
            eprintln!(
                "--- agent {}, state at the failure: {:?}",
                self.hello["name"],
                self.try_status()
            );
            eprintln!("--- it said: {}", &said[tail..]);
        }
        // Both fail if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Polls until there is an answer, for a minute.
#[track_caller]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited a minute until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
