//! `rumormill keygen` and `keyring`, key files, and secrets that stay secret.

use super::process::{Agent, Run, rumormill, run, until};
use std::fs;
use std::path::{Path, PathBuf};

fn keygen(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    run(&["keygen", path.to_str().unwrap()]).good();
    path
}

/// The secret part of the keys in a file.
fn secrets(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter(|line| line.starts_with("rmk1_")).map(str::to_owned).collect()
}

fn encryption(agent: &Agent) -> serde_json::Value {
    agent.run(&["status", "--format", "json"]).good().json()["encryption"].clone()
}

/// Agents with a copy each of one key file, that have joined by the first.
fn locked_fleet(folder: &Path, count: usize, log: &str) -> Vec<Agent> {
    let original = keygen(folder, "original");
    let mut agents: Vec<Agent> = Vec::new();
    for n in 0..count {
        let file = folder.join(format!("key{n}"));
        fs::copy(&original, &file).unwrap();
        agents.push(start(folder, n, agents.first().map(Agent::gossip), &[], log));
    }
    super::fleet::all_alive(&agents);
    agents
}

fn start(folder: &Path, n: usize, seed: Option<&str>, more: &[&str], log: &str) -> Agent {
    let (name, file) = (format!("n{n}"), folder.join(format!("key{n}")));
    let data = folder.join(&name);
    let mut args = vec!["--name", &name, "--key-file", file.to_str().unwrap()];
    args.extend(["--data", data.to_str().unwrap()]);
    args.extend(super::fleet::QUICK);
    args.extend(more);
    if let Some(seed) = seed {
        args.extend(["--join", seed]);
    }
    Agent::start_with(&args, |command| {
        command.env("RUST_LOG", log);
    })
}

#[test]
fn keygen_makes_private_files_and_overwrites_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = keygen(folder.path(), "key");
    let before = fs::read_to_string(&path).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = run(&["keygen", path.to_str().unwrap()]);
    assert_eq!(again.code, 1, "{}", again.stderr);
    assert!(again.stderr.contains("exists"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    let printed = run(&["keygen"]).good().text();
    assert!(printed.starts_with("rmk1_") && printed.lines().count() == 1);
    assert_ne!(printed, run(&["keygen"]).good().text());
    let json = run(&["keygen", "--format", "json"]).good().json();
    assert_eq!(json["id"].as_str().unwrap().len(), 16);
}

#[cfg(unix)]
#[test]
fn bad_key_files_are_clear_errors_that_give_nothing_away() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = keygen(folder.path(), "key");
    let secret = secrets(&path).remove(0);
    let try_it = |expected: &str| {
        let failed = run(&["agent", "--exit-with-stdin", "--key-file", path.to_str().unwrap()]);
        assert_eq!(failed.code, 2, "{}", failed.stderr);
        assert!(failed.stderr.contains(expected), "{expected}: {}", failed.stderr);
        assert!(!failed.stderr.contains(&secret[8..20]), "{}", failed.stderr);
    };
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    try_it("chmod 600");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, format!("# mine\n{}\n", &secret[..30])).unwrap();
    try_it(":2: this key has 25 letters");
    fs::write(&path, format!("{}A\n", &secret[..52])).unwrap();
    if secrets(&path)[0] != secret {
        try_it(":1: this key has a typo");
    }
    fs::write(&path, "").unwrap();
    try_it("there is no key in it");
    fs::remove_file(&path).unwrap();
    try_it("rumormill keygen");
    // In the environment a typo is no more talkative.
    let mut command = rumormill(&["agent", "--exit-with-stdin"]);
    command.env("RUMORMILL_KEY", &secret[..40]);
    let failed = Run::from(command.output().unwrap());
    assert_eq!(failed.code, 2);
    assert!(failed.stderr.contains("RUMORMILL_KEY"), "{}", failed.stderr);
    assert!(!failed.stderr.contains(&secret[8..20]), "{}", failed.stderr);
    let failed = run(&["agent", "--exit-with-stdin", "--encryption", "send"]);
    assert!(failed.stderr.contains("there is no key"), "{}", failed.stderr);
    assert_eq!(failed.code, 2);
}

#[test]
fn a_key_opens_the_port_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = keygen(folder.path(), "key");
    let open = ["--gossip", "0.0.0.0:0", "--advertise", "127.0.0.1:0"];
    let mut agent = Agent::start(&[&open[..], &["--key-file", path.to_str().unwrap()]].concat());
    assert!(agent.stop().success());
    let secret = secrets(&path).remove(0);
    let mut agent = Agent::start_with(&open, |command| {
        command.env("RUMORMILL_KEY", &secret);
    });
    assert_eq!(encryption(&agent)["mode"], "require");
    assert!(agent.stop().success());
}

#[cfg(target_os = "linux")]
#[test]
fn keys_are_nowhere_to_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let agents = locked_fleet(folder.path(), 2, "trace");
    let added = agents[0].run(&["keyring", "add", "--format", "json"]).good().json();
    let added = added["added"].as_str().unwrap().to_owned();
    let file = folder.path().join("key1");
    until("the file has both keys", || (secrets(&file).len() == 2).then_some(()));
    let all = secrets(&file);
    agents[1].run(&["set", "greeting", "hello"]).good();
    let list = agents[1].run(&["keyring", "list", "--format", "json"]).good().text();
    assert!(list.contains(&added), "{list}");
    for agent in &agents {
        let fetch = |path: &str| {
            let mut answer = ureq::get(format!("http://{}{path}", agent.http)).call().unwrap();
            answer.body_mut().read_to_string().unwrap()
        };
        let cmdline = fs::read(format!("/proc/{}/cmdline", agent.pid())).unwrap();
        let said = [
            agent.said(),
            fetch("/v1/status"),
            fetch("/v1/keyring"),
            fetch("/metrics"),
            agent.run(&["status"]).good().text(),
            agent.run(&["keyring", "list"]).good().text(),
            String::from_utf8_lossy(&cmdline).into_owned(),
            agent.hello.to_string(),
        ];
        assert!(said[0].contains("key ring has changed"), "the log says nothing");
        for text in said {
            for secret in &all {
                for at in (5..secret.len() - 8).step_by(4) {
                    assert!(!text.contains(&secret[at..at + 8]), "{text}");
                }
            }
        }
    }
    // Not in the data folder either, where the ring is kept as well.
    let mut store = Vec::new();
    let mut folders = vec![folder.path().join("n0"), folder.path().join("n1")];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => store.extend(fs::read(path).unwrap()),
            }
        }
    }
    assert!(store.windows(5).any(|part| part == b"ring/"));
    for secret in &all {
        let bytes = secret.as_bytes();
        assert!(!store.windows(12).any(|part| part == &bytes[8..20]), "a key is on the disk");
    }
}

#[test]
fn a_rotation_by_commands_survives_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let mut agents = locked_fleet(folder.path(), 3, "warn");
    let old = encryption(&agents[0])["primary"].as_str().unwrap().to_owned();

    // The new key comes from a file this time.
    let file = keygen(folder.path(), "new");
    let said = agents[0].run(&["keyring", "add", file.to_str().unwrap()]).good().text();
    let new = said.split_whitespace().nth(1).unwrap().to_owned();
    let refused = agents[0].run(&["keyring", "remove", &old]);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(refused.stderr.contains("primary"), "{}", refused.stderr);
    let refused = agents[0].run(&["keyring", "use", "0123456789abcdef"]);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert_eq!(agents[0].run(&["keyring", "use", "nonsense"]).code, 2);
    until("all have the new key", || {
        (agents[1].run(&["keyring", "use", &new]).code == 0).then_some(())
    });
    until("the old one is not needed", || {
        (agents[2].run(&["keyring", "remove", &old]).code == 0).then_some(())
    });
    until("all have the new one alone", || {
        agents
            .iter()
            .all(|agent| encryption(agent)["keys"] == serde_json::json!([new]))
            .then_some(())
    });
    let table = agents[0].run(&["keyring", "list"]).good().text();
    assert!(table.contains(&format!("{new}\tprimary\t3 of 3")), "{table}");

    for n in 0..3 {
        let file = folder.path().join(format!("key{n}"));
        until("the file is in step", || (secrets(&file).len() == 1).then_some(()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
    let gossip = agents[2].gossip().to_owned();
    agents.remove(2).kill();
    agents[0].run(&["set", "while", "away"]).good();
    agents.push(start(folder.path(), 2, None, &["--gossip", &gossip], "warn"));
    super::fleet::all_alive(&agents);
    super::fleet::agree(&agents);
    // The old key file opens nothing any more.
    let file = folder.path().join("original");
    let seed = agents[0].gossip();
    let mut stranger = Agent::start(&["--key-file", file.to_str().unwrap(), "--join", seed]);
    until("it is counted", || {
        (encryption(&agents[0])["dropped"]["unknown_key"].as_u64() > Some(1)).then_some(())
    });
    assert_eq!(stranger.members("alive"), 1);
    stranger.stop();
}
