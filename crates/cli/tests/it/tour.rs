//! The tour of README, as a newcomer types it: three agents, real clients, and what they show.

use super::epidemics::matches;
use super::process::{Agent, listen, rumormill, until, without_settings};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// A command of a `console` block, and the lines that the page shows after it.
struct Step {
    line: String,
    shown: Vec<String>,
}

/// The page from one heading to the next.
fn section(heading: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let page = std::fs::read_to_string(page).unwrap().replace("\\\n", " ");
    let lines = page.lines().skip_while(|line| *line != heading).skip(1);
    let lines: Vec<&str> = lines.take_while(|line| !line.starts_with("## ")).collect();
    lines.join("\n")
}

/// The blocks of a kind, line by line.
fn blocks(section: &str, kind: &str) -> Vec<Vec<String>> {
    let (mut found, mut inside) = (Vec::new(), None);
    for line in section.lines() {
        match (inside, line.strip_prefix("```")) {
            (None, Some(begun)) => {
                inside = Some(begun);
                if begun == kind {
                    found.push(Vec::new());
                }
            }
            (Some(_), Some(_)) => inside = None,
            (Some(begun), None) if begun == kind => found.last_mut().unwrap().push(line.into()),
            _ => {}
        }
    }
    found
}

fn steps(block: &[String]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block {
        match line.strip_prefix("$ ") {
            Some(line) => steps.push(Step { line: line.into(), shown: Vec::new() }),
            None => {
                steps.last_mut().expect("a block begins with a command").shown.push(line.clone())
            }
        }
    }
    steps
}

/// The words of a text, small, without what differs from run to run: ids, times and numbers that
/// count what a machine has, and how long something took.
fn words(text: &str, counts: bool) -> Vec<String> {
    let tame = |word: &str| {
        let word = word.to_lowercase();
        let mut tamed = String::new();
        let mut rest = word.as_str();
        while let Some(first) = rest.chars().next() {
            let run = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (skip, shown) = match () {
                () if digits == 13 => (13, "<ms>"),
                () if run == 16 => (16, "<id>"),
                () if counts && digits > 0 => (digits, "<n>"),
                () if run > 0 => (run, &rest[..run]),
                () => (first.len_utf8(), &rest[..first.len_utf8()]),
            };
            tamed.push_str(shown);
            rest = &rest[skip..];
        }
        tamed.replace("<n>,<n>", "<n>").replace("<n>.<n>", "<n>")
    };
    text.split_whitespace().map(tame).collect()
}

/// Where the tour takes place: all its ports, at an address that nothing else has.
struct Place {
    address: String,
    folder: tempfile::TempDir,
}

impl Place {
    /// A line of the page, as it is to be run here.
    fn here(&self, line: &str) -> String {
        let line = line.replace("127.0.0.1", &self.address);
        let line = line.replace("curl ", "curl -sS ");
        line.replace("redis-cli ", &format!("redis-cli --no-raw -h {} ", self.address))
    }

    /// Runs a line as a shell does; what it prints, with the address of the page.
    fn run(&self, line: &str) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_rumormill")).parent().unwrap();
        let paths = std::env::var("PATH").unwrap();
        let mut command = without_settings("bash");
        command.args(["-c", &self.here(line)]).current_dir(self.folder.path());
        command.env("PATH", format!("{}:{paths}", program.display()));
        command.env("RUMORMILL_HTTP", format!("{}:7480", self.address));
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (text + &String::from_utf8_lossy(&output.stderr)).replace(&self.address, "127.0.0.1")
    }

    /// One of the agents of the tour.
    fn agent(&self, line: &str) -> Agent {
        let line = self.here(line);
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..2], ["rumormill", "agent"], "{line}");
        let mut command = rumormill(&["--format", "json"]);
        command.args(&words[1..]).args(["--exit-with-stdin", "--log", "warn"]);
        command.current_dir(self.folder.path());
        for (name, port) in [("GOSSIP", 7400), ("REDIS", 6380), ("HTTP", 7480)] {
            command.env(format!("RUMORMILL_{name}"), format!("{}:{port}", self.address));
        }
        Agent::spawn(command)
    }

    /// What happens at other nodes while one watches.
    fn change_while_watched(&self, step: &Step) {
        let line = self.here(&step.line);
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut watch = rumormill(&words[1..]);
        watch.stderr(Stdio::null());
        let (mut child, lines) = listen(&mut watch);
        // What was written before it listens is not shown.
        until("the watch is there", || {
            self.run("rumormill set greet/first v");
            lines.recv_timeout(Duration::from_millis(50)).ok()
        });
        self.run("rumormill set greeting hi");
        self.run("rumormill del greeting --http 127.0.0.1:7481");
        self.run("rumormill set greeting2 v --ttl 1s --http 127.0.0.1:7481");
        let seen: Vec<String> =
            lines.iter().filter(|line| !line.contains("first")).take(step.shown.len()).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        let (shown, seen) = (step.shown.join("\n"), seen.join("\n"));
        assert!(
            matches(&self::words(&shown, false), &self::words(&seen, false), "…"),
            "{shown}\n{seen}"
        );
    }
}

/// A loopback address of this process.
fn address() -> String {
    let [.., high, low] = std::process::id().to_be_bytes();
    format!("127.88.{high}.{}", low.max(1))
}

#[test]
fn the_tour_of_readme_shows_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place { address: address(), folder };
    let section = section("## A tour: three agents by hand");
    let scripts = blocks(&section, "sh").concat();
    let agents: Vec<&String> =
        scripts.iter().filter(|line| line.starts_with("rumormill agent")).collect();
    assert_eq!(agents.len(), 3);
    let agents: Vec<Agent> = agents.into_iter().map(|line| place.agent(line)).collect();
    let text = blocks(&section, "text").concat();
    assert!(text[0].contains("agent a is up") && agents[0].hello["name"] == "a", "{text:?}");
    until("all have met", || {
        let members = place.run("rumormill members --http 127.0.0.1:7482");
        (members.matches("alive").count() == 3).then_some(())
    });
    let mut count = 0;
    for step in blocks(&section, "console").iter().flat_map(|block| steps(block)) {
        count += 1;
        if step.line.starts_with("rumormill watch") {
            place.change_while_watched(&step);
            continue;
        }
        // What the machine has, and what is rounded.
        let counts = ["dpkg", "export", "bash", "ttl "].iter().any(|word| step.line.contains(word));
        let shown = words(&step.shown.join("\n"), counts);
        // What was written at one node is at the others at once, but not at the same instant.
        let (mut said, mut tries) = (String::new(), 0);
        until(&format!("{} shows what the page shows", step.line), || {
            tries += 1;
            assert!(tries < 100, "{}\nthe page: {shown:?}\nthe program: {said}", step.line);
            said = place.run(&step.line);
            matches(&shown, &words(&said, counts), "…").then_some(())
        });
    }
    assert!(count >= 14, "only {count} commands were found");
}
