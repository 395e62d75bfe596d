//! Import and export.

use super::process::Agent;
use std::fs;

#[test]
fn an_export_is_an_import() {
    let agent = Agent::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    agent.run(&["set", "text", "a,\"b\"\nc"]).good();
    agent.run_with(&["set", "bytes", "-"], &[0xff, 0, 1]).good();
    agent.run(&["set", "timed", "x", "--ttl", "1h"]).good();

    for name in ["all.jsonl", "all.csv"] {
        let exported = agent.run(&["export", &path(name), "--format", "json"]).good().json();
        assert_eq!(exported["exported"], 3);
        let other = Agent::start(&[]);
        let imported = other.run(&["import", &path(name), "--format", "json"]).good().json();
        assert_eq!((&imported["written"], &imported["bad"]), (&3.into(), &0.into()), "{name}");
        assert_eq!(other.run(&["get", "text"]).good().text(), "a,\"b\"\nc");
        assert_eq!(other.run(&["get", "bytes"]).good().stdout, [0xff, 0, 1]);
        let timed = other.run(&["get", "timed", "--format", "json"]).good().json();
        assert!(timed["expires_at_ms"].as_u64().is_some(), "{name}");
    }
    let to_stdout = agent.run(&["export"]).good().text();
    assert_eq!(to_stdout, fs::read_to_string(path("all.jsonl")).unwrap());
    let one = agent.run(&["export", "--prefix", "tex", "--output-format", "csv"]).good().text();
    assert_eq!(one, "text,\"a,\"\"b\"\"\nc\"\n");
}

#[test]
fn a_bad_line_has_its_number_and_what_came_before_is_written() {
    let agent = Agent::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in.csv");
    let file = file.to_str().unwrap();
    fs::write(file, "key,value\na,1\nbad\nb,2\n").unwrap();
    let stopped = agent.run(&["import", file]);
    assert_eq!(stopped.code, 1);
    let expected = format!("{file}:3: 1 field; a line has key,value[,ttl[,owned]]");
    assert!(stopped.stderr.contains(&expected), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("stopped after 1 entries"), "{}", stopped.stderr);
    assert_eq!(agent.run(&["scan", "--keys"]).good().text(), "a\n");

    let skipped = agent.run(&["import", file, "--skip-bad", "--format", "json"]).good();
    assert!(skipped.stderr.contains(&expected), "{}", skipped.stderr);
    assert_eq!(skipped.json()["written"], 2);
    assert_eq!(skipped.json()["bad"], 1);
    assert_eq!(agent.run(&["scan", "--keys"]).good().text(), "a\nb\n");
}

#[test]
fn a_line_that_the_agent_refuses_is_found_within_its_batch() {
    let agent = Agent::start(&["--set", "limits.max_value=10"]);
    let lines: String = (1..=50)
        .map(|number| match number % 20 {
            0 => format!("{{\"key\":\"{number:02}\",\"value\":\"far too long for it\"}}\n"),
            _ => format!("{{\"key\":\"{number:02}\",\"value\":\"short\"}}\n"),
        })
        .collect();
    let import = ["import", "-", "--input-format", "jsonl"];
    let stopped = agent.run_with(&import, lines.as_bytes());
    assert_eq!(stopped.code, 1);
    assert!(stopped.stderr.contains("standard input:20: "), "{}", stopped.stderr);
    let args = [&import[..], &["--skip-bad", "--format", "json"]].concat();
    let skipped = agent.run_with(&args, lines.as_bytes()).good();
    assert_eq!(skipped.json()["written"], 48);
    assert_eq!(skipped.json()["bad"], 2);
    assert!(skipped.stderr.contains("standard input:40: "), "{}", skipped.stderr);
    assert_eq!(agent.run(&["scan", "--keys"]).good().text().lines().count(), 48);
}

#[test]
fn what_cannot_be_read_or_written_is_named() {
    let agent = Agent::start(&[]);
    let missing = agent.run(&["import", "/nonexistent/in.csv"]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("cannot read /nonexistent/in.csv"), "{}", missing.stderr);
    let missing = agent.run(&["export", "/nonexistent/out.csv"]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("/nonexistent/out.csv"), "{}", missing.stderr);
}
