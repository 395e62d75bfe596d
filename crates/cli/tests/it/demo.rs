//! `rumormill demo`.

use super::process::{rumormill, run, until};
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

/// The process ids of the agents in a `nodes` event.
fn pids(event: &serde_json::Value) -> Vec<u64> {
    let nodes = event["nodes"].as_array().unwrap();
    nodes.iter().map(|node| node["pid"].as_u64().unwrap()).collect()
}

#[cfg(target_os = "linux")]
fn runs(pid: u64) -> bool {
    // A process that has ended and that nobody has waited for is no longer running.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}

fn events(stdout: &[u8]) -> Vec<serde_json::Value> {
    let text = String::from_utf8_lossy(stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn it_shows_a_file_on_every_node_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in.csv");
    let lines: String = (0..500).map(|number| format!("k/{number},v{number}\n")).collect();
    std::fs::write(&file, lines).unwrap();
    let args = ["demo", "--nodes", "3", "--for", "0s", "--import", file.to_str().unwrap()];
    let run = run(&[&args[..], &["--format", "json"]].concat()).good();
    let events = events(&run.stdout);
    let nodes = &events[0];
    assert_eq!((&nodes["event"], &nodes["imported"]), (&"nodes".into(), &500.into()));
    assert_eq!(nodes["agree"], true);
    for node in nodes["nodes"].as_array().unwrap() {
        assert_eq!(node["entries"], 500);
        assert!(!std::path::Path::new(node["data"].as_str().unwrap()).exists());
    }
    assert_eq!(events.last().unwrap()["event"], "stopped");
    #[cfg(target_os = "linux")]
    assert_eq!(pids(nodes).into_iter().find(|pid| runs(*pid)), None);
}

#[test]
fn chaos_loses_nothing() {
    let run = run(&["demo", "--nodes", "3", "--for", "0s", "--chaos", "--format", "json"]).good();
    let events = events(&run.stdout);
    let chaos = events.iter().find(|event| event["event"] == "chaos").unwrap();
    assert_eq!((&chaos["ok"], &chaos["same_id"]), (&true.into(), &true.into()));
    assert!(chaos["acknowledged_by_killed"].as_u64().unwrap() >= 600);
    assert_eq!(chaos["lost"].as_array().unwrap().len(), 0);
}

#[test]
fn people_get_a_table_and_lines_to_paste() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plain.txt");
    std::fs::write(&file, "one\ntwo\n").unwrap();
    let data = folder.path().join("data");
    let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
    let args = ["demo", "--nodes", "2", "--for", "0s", "--import", file, "--data", data];
    let text = run(&args).good().text();
    for expected in ["redis-cli -p ", "curl http://127.0.0.1:", "The page: http://", "node-2\t"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    // Gossip is encrypted with a key that only its owner reads, and that is shown nowhere.
    let key = std::fs::read_to_string(folder.path().join("data/cluster.key")).unwrap();
    let key = key.lines().find(|line| line.starts_with("rmk1_")).unwrap();
    let log = folder.path().join("data/node-1/agent.log");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("gossip is encrypted") && !log.contains(key) && !text.contains(key));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let file = std::fs::metadata(folder.path().join("data/cluster.key")).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }
    // A folder that was named stays, and can be used again.
    let again = run(&[&args[..], &["--format", "json"]].concat()).good();
    assert_eq!(events(&again.stdout)[0]["nodes"][1]["entries"], 2);
}

#[cfg(target_os = "linux")]
#[test]
fn no_agent_survives_a_killed_demo() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let args = ["demo", "--nodes", "2", "--for", "10m", "--data", data, "--format", "json"];
    let mut child = rumormill(&args).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pids = pids(&serde_json::from_str(&line).unwrap());
    assert!(pids.iter().all(|pid| runs(*pid)));
    child.kill().unwrap();
    child.wait().unwrap();
    until("all agents have ended", || pids.iter().all(|pid| !runs(*pid)).then_some(()));
}

#[cfg(target_os = "linux")]
#[test]
fn it_goes_on_without_an_agent_that_is_killed() {
    let args = ["demo", "--nodes", "3", "--for", "10m", "--format", "json"];
    let folder = tempfile::tempdir().unwrap();
    let file = super::process::file_in(folder.path(), "in.csv", "a,1\nb,2\n");
    let mut command = rumormill(&[&args[..], &["--import", &file]].concat());
    let (mut child, heard) = super::process::listen(&mut command);
    let next = || -> serde_json::Value {
        let line = until("it says more", || heard.try_recv().ok());
        serde_json::from_str(&line).unwrap()
    };
    let kill = |signal: &str, pid: u64| {
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args(["-s", signal, &pid.to_string()]).status().unwrap().success());
    };
    let pids = pids(&next());
    kill("KILL", pids[1]);
    let ended = next();
    assert_eq!((&ended["event"], &ended["name"]), (&"ended".into(), &"node-2".into()));
    assert!(ended["status"].as_str().unwrap().contains("signal: 9"), "{ended}");
    // The others find out: from three alive to two, and one dead.
    let dead = until("node-1 holds it dead", || {
        let seen = next();
        assert_eq!((&seen["event"], &seen["entries"]), (&"seen".into(), &2.into()));
        (seen["by"] == "node-1" && seen["dead"] == 1).then_some(seen)
    });
    assert_eq!((&dead["alive"], &dead["suspect"]), (&2.into(), &0.into()));
    kill("TERM", u64::from(child.id()));
    assert!(until("it stops", || child.try_wait().unwrap()).success());
    assert!(pids.iter().all(|pid| !runs(*pid)));
}

#[test]
fn an_unreadable_file_ends_it() {
    let failed = run(&["demo", "--nodes", "1", "--for", "0s", "--import", "/nonexistent"]);
    assert_eq!(failed.code, 1);
    assert!(failed.stderr.contains("cannot read /nonexistent"), "{}", failed.stderr);
}
