//! The agents of a demo: processes of this program's own executable, which end with it.

use super::stop::Stop;
use crate::client::Client;
use crate::commands::agent::Hello;
use anyhow::Context as _;
use rumormill::{Key, KeyRing, key_file};
use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long an agent may take to start, and to stop before it is killed.
const PATIENCE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(20);
/// The key of the cluster, in its folder.
const KEY: &str = "cluster.key";
/// Longest first line of an agent, bytes.
const MAX_HELLO: u64 = 64 * 1024;

/// All agents.
pub struct Fleet {
    executable: PathBuf,
    folder: PathBuf,
    /// The file with the key of the cluster.
    key: PathBuf,
    pub agents: Vec<Process>,
}

/// One agent.
pub struct Process {
    name: String,
    folder: PathBuf,
    pub hello: Hello,
    child: Running,
}

/// A process that ends when this is dropped.
struct Running(Child);

impl Fleet {
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        let executable = std::env::current_exe().context("cannot find this program's file")?;
        let key = folder.join(KEY);
        // That of an earlier demo in this folder is what its agents know each other by.
        match key_file::create(&key, &KeyRing::new(Key::generate())) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("cannot write {}", key.display()));
            }
            Ok(()) | Err(_) => {}
        }
        Ok(Self { executable, folder: folder.to_owned(), key, agents: Vec::new() })
    }

    /// Starts one more agent, which joins by the first two.
    pub fn add(&mut self, stop: &Stop) -> anyhow::Result<()> {
        let name = format!("node-{}", self.agents.len() + 1);
        let folder = self.folder.join(&name);
        let seeds: Vec<SocketAddr> =
            self.agents.iter().take(2).map(|agent| agent.hello.gossip).collect();
        let agent = Process::start(
            (self.executable.as_path(), self.key.as_path()),
            name,
            folder,
            &seeds,
            None,
            stop,
        )?;
        self.agents.push(agent);
        Ok(())
    }

    pub fn first(&self) -> anyhow::Result<&Process> {
        self.agents.first().context("there is no agent")
    }

    pub fn last(&self) -> anyhow::Result<&Process> {
        self.agents.last().context("there is no agent")
    }

    /// Kills the last agent with SIGKILL.
    pub fn kill_last(&mut self) -> anyhow::Result<()> {
        let agent = self.agents.last_mut().context("there is no agent")?;
        agent.child.0.kill().with_context(|| format!("cannot kill {}", agent.name))?;
        agent.child.0.wait().with_context(|| format!("cannot wait for {}", agent.name))?;
        Ok(())
    }

    /// Starts the killed last agent from its folder, at the addresses that it had.
    pub fn restart_last(&mut self, stop: &Stop) -> anyhow::Result<()> {
        let dead = self.agents.pop().context("there is no agent")?;
        let seeds: Vec<SocketAddr> =
            self.agents.iter().take(2).map(|agent| agent.hello.gossip).collect();
        let Process { name, folder, hello, .. } = dead;
        let with = (self.executable.as_path(), self.key.as_path());
        let again = Process::start(with, name, folder, &seeds, Some(&hello), stop)?;
        self.agents.push(again);
        Ok(())
    }

    /// An error if an agent has ended by itself.
    pub fn check(&mut self) -> anyhow::Result<()> {
        self.agents.iter_mut().try_for_each(Process::check)
    }

    /// Stops all: asks every one, then waits, then kills who is left.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        // Who has ended before has been told of.
        self.agents.retain_mut(|agent| agent.ended().is_none());
        for agent in &mut self.agents {
            agent.child.ask();
        }
        let until = Instant::now() + PATIENCE;
        let mut failed = Vec::new();
        for agent in &mut self.agents {
            match agent.child.wait(until) {
                Some(status) if status.success() => {}
                Some(status) => failed.push(format!("{}: {status}", agent.name)),
                None => failed.push(format!("{} did not stop and was killed", agent.name)),
            }
        }
        self.agents.clear();
        if failed.is_empty() {
            return Ok(());
        }
        anyhow::bail!("not all agents stopped in order: {}", failed.join(", "))
    }
}

impl Process {
    fn start(
        (executable, key): (&Path, &Path),
        name: String,
        folder: PathBuf,
        seeds: &[SocketAddr],
        before: Option<&Hello>,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        let cannot = || format!("cannot start {name}");
        std::fs::create_dir_all(&folder).with_context(cannot)?;
        let log = File::options().create(true).append(true).open(folder.join("agent.log"));
        let log = log.with_context(cannot)?;
        let addr = |addr: Option<SocketAddr>| {
            addr.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))).to_string()
        };
        let mut command = Command::new(executable);
        // Settings of this machine are not the demo's.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RUMORMILL_") {
                command.env_remove(name);
            }
        }
        command
            .args(["--format", "json", "agent", "--exit-with-stdin", "--cluster", "demo"])
            .args(["--protocol", "local", "--name", &name])
            .args(["--gossip", &addr(before.map(|hello| hello.gossip))])
            .args(["--redis", &addr(before.and_then(|hello| hello.redis))])
            .args(["--http", &addr(before.and_then(|hello| hello.http))])
            .arg("--data")
            .arg(folder.join("data"))
            .arg("--key-file")
            .arg(key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        for seed in seeds {
            command.args(["--join", &seed.to_string()]);
        }
        // A group of its own: Ctrl-C is for the demo, which then stops its agents in order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = Running(command.spawn().with_context(cannot)?);
        let stdout = child.0.stdout.take().with_context(cannot)?;
        let hello = hello(&mut child, stdout, stop)
            .with_context(|| format!("{} ({})", cannot(), tail(&folder.join("agent.log"))))?;
        Ok(Self { name, folder, hello, child })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// A client of its HTTP port.
    pub fn client(&self) -> Client {
        // Every agent of a demo serves HTTP; port 0 would answer nothing.
        Client::local(self.hello.http.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))))
    }

    /// How the process has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.0.try_wait().ok().flatten()
    }

    /// An error if the agent has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.child.0.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                let log = tail(&self.folder.join("agent.log"));
                anyhow::bail!("{} ended by itself, {status} ({log})", self.name)
            }
            Err(error) => anyhow::bail!("cannot tell whether {} runs: {error}", self.name),
        }
    }
}

/// Reads the line that an agent prints when it has started.
fn hello(child: &mut Running, stdout: ChildStdout, stop: &Stop) -> anyhow::Result<Hello> {
    let (said, heard) = mpsc::channel();
    let listen = move || {
        let mut line = String::new();
        let read = BufReader::new(stdout.take(MAX_HELLO)).read_line(&mut line);
        // Nobody listens any more when the demo has given up.
        let _ = said.send(read.map(|_| line));
    };
    std::thread::Builder::new().name("hello".into()).spawn(listen)?;
    let until = Instant::now() + PATIENCE;
    loop {
        match heard.recv_timeout(STEP) {
            Ok(line) => {
                let line = line?;
                if line.is_empty() {
                    let status = child.wait(until).map(|status| status.to_string());
                    anyhow::bail!("it ended, {}", status.unwrap_or_else(|| "killed".into()));
                }
                return serde_json::from_str(&line)
                    .with_context(|| format!("it said {:?}", line.trim_end()));
            }
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("it said nothing"),
            Err(RecvTimeoutError::Timeout) if Instant::now() > until => {
                anyhow::bail!("it said nothing for {} s", PATIENCE.as_secs())
            }
            Err(RecvTimeoutError::Timeout) => stop.nap(Duration::ZERO)?,
        }
    }
}

/// The last line of a log.
fn tail(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("its log is empty");
    crate::encoding::shorten(last, 400)
}

impl Running {
    /// Asks the process to stop: an agent that was started so stops when its input ends.
    fn ask(&mut self) {
        drop(self.0.stdin.take());
    }

    /// Waits, and kills the process when the time is over; `None` if it was killed.
    fn wait(&mut self, until: Instant) -> Option<ExitStatus> {
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < until => std::thread::sleep(STEP),
                _ => break,
            }
        }
        // Errors mean that it has ended after all.
        let _ = self.0.kill();
        let _ = self.0.wait();
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ask();
        self.wait(Instant::now() + Duration::from_secs(5));
    }
}
