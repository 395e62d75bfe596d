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

#[test]
fn an_unreadable_file_ends_it() {
    let failed = run(&["demo", "--nodes", "1", "--for", "0s", "--import", "/nonexistent"]);
    assert_eq!(failed.code, 1);
    assert!(failed.stderr.contains("cannot read /nonexistent"), "{}", failed.stderr);
}
