//! Commands that speak to an agent.

use super::process::{Agent, listen, rumormill, run, until};

#[test]
fn without_an_agent_they_end_with_3_and_say_what_to_do() {
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let http = free.to_string();
    for args in [
        &["status"][..],
        &["members"],
        &["get", "a"],
        &["set", "a", "b"],
        &["del", "a"],
        &["scan"],
        &["watch"],
        &["export"],
        &["leave"],
    ] {
        let run = run(&[args, &["--http", &http]].concat());
        assert_eq!(run.code, 3, "{args:?}: {}", run.stderr);
        let expected = format!(
            "error: no agent answers at http://{free} (connection refused). Start one with \
             `rumormill agent`, or name another with --http\n"
        );
        assert_eq!(run.stderr, expected, "{args:?}");
    }
    let run = run(&["status", "--http", &http, "--format", "json"]);
    let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!(error["code"], 3);
}

#[test]
fn set_get_and_delete() {
    let agent = Agent::start(&[]);
    agent.run(&["set", "greeting", "hello"]).good();
    assert_eq!(agent.run(&["get", "greeting"]).good().stdout, b"hello");
    let json = agent.run(&["get", "greeting", "--format", "json"]).good().json();
    assert_eq!((&json["key"], &json["value"]), (&"greeting".into(), &"hello".into()));
    assert_eq!(json["origin"], agent.hello["id"]);
    assert!(json["expires_at_ms"].is_null());

    let missing = agent.run(&["get", "nothing"]);
    assert_eq!((missing.code, missing.stderr.as_str()), (4, "error: there is no key nothing\n"));
    assert_eq!(agent.run(&["del", "greeting", "nothing"]).good().text(), "1 deleted\n");
    assert_eq!(agent.run(&["get", "greeting"]).code, 4);
}

#[test]
fn values_are_bytes_and_keys_are_anything() {
    let agent = Agent::start(&[]);
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for key in ["a/b c?d#e%41&=+", "..", "ключ"] {
        agent.run_with(&["set", key, "-"], &bytes).good();
        assert_eq!(agent.run(&["get", key]).good().stdout, bytes, "{key}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("value");
    std::fs::write(&file, &bytes).unwrap();
    agent.run(&["set", "file", "--file", file.to_str().unwrap()]).good();
    let json = agent.run(&["get", "file", "--format", "json"]).good().json();
    assert!(json["value_base64"].as_str().unwrap().starts_with("AAEC"));
    agent.run(&["set", "number", "-5"]).good();
    assert_eq!(agent.run(&["get", "number"]).good().stdout, b"-5");
}

#[test]
fn what_the_agent_refuses_ends_with_5() {
    let agent = Agent::start(&["--set", "limits.max_value=10"]);
    let refused = agent.run(&["set", "a", "more than ten bytes"]);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(refused.stderr.contains("limit of 10"), "{}", refused.stderr);
}

#[test]
fn messages_name_what_is_wrong_and_what_to_do() {
    let agent = Agent::start(&[]);
    let waited = agent.run(&["set", "a", "b", "--wait", "99", "--wait-timeout", "1ms"]);
    assert_ne!(waited.code, 0);
    assert!(!waited.stderr.contains("refused: the write stands"), "{}", waited.stderr);
    let redis = agent.hello["redis"].as_str().unwrap();
    let wrong = run(&["get", "a", "--http", redis]);
    assert_eq!(wrong.code, 3, "{}", wrong.stderr);
    assert!(wrong.stderr.contains("does not speak HTTP"), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("no agent answers"), "{}", wrong.stderr);
    let missing = agent.run(&["import", "/nonexistent/nofile"]);
    assert_eq!(missing.code, 1, "{}", missing.stderr);
    assert!(missing.stderr.starts_with("error: cannot read /nonexistent/nofile: "));
    let bad = agent.run_with(&["import", "-", "--input-format", "csv", "--skip-bad"], b"x\ny\n");
    assert_eq!(bad.code, 1, "{}", bad.stderr);
    assert!(bad.stderr.contains("nothing was written: every line"), "{}", bad.stderr);
}

#[test]
fn an_empty_key_is_a_key_at_every_door() {
    let agent = Agent::start(&[]);
    agent.run(&["set", "", "1"]).good();
    assert_eq!(agent.run(&["get", ""]).good().stdout, b"1");
    for (format, line) in [("csv", ",2\n"), ("jsonl", "{\"key\":\"\",\"value\":\"2\"}\n")] {
        agent.run(&["set", "", "1"]).good();
        agent.run_with(&["import", "-", "--input-format", format], line.as_bytes()).good();
        assert_eq!(agent.run(&["get", ""]).good().stdout, b"2", "{format}");
    }
    let redis = agent.hello["redis"].as_str().unwrap();
    let mut redis =
        redis::Client::open(format!("redis://{redis}")).unwrap().get_connection().unwrap();
    let value: String = redis::cmd("GET").arg("").query(&mut redis).unwrap();
    assert_eq!(value, "2");
    redis::cmd("SET").arg("").arg("3").exec(&mut redis).unwrap();
    assert_eq!(agent.run(&["get", ""]).good().stdout, b"3");
    assert_eq!(agent.run(&["del", ""]).good().text(), "1 deleted\n");
}

#[test]
fn a_token_is_wanted_and_given() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "open sesame\n").unwrap();
    let file = file.to_str().unwrap();
    let agent = Agent::start(&["--http-token-file", file]);
    let refused = agent.run(&["status"]);
    assert_eq!(refused.code, 5);
    assert!(refused.stderr.contains("--token-file"), "{}", refused.stderr);
    agent.run(&["status", "--token-file", file]).good();
    let mut command = rumormill(&["status", "--http", &agent.http]);
    let output = command.env("RUMORMILL_HTTP_TOKEN", "open sesame").output().unwrap();
    assert!(output.status.success());
}

#[test]
fn a_value_with_a_time_hides_itself() {
    let agent = Agent::start(&[]);
    agent.run(&["set", "short", "x", "--ttl", "50ms"]).good();
    agent.run(&["set", "long", "x", "--ttl", "3600"]).good();
    until("it is gone", || (agent.run(&["get", "short"]).code == 4).then_some(()));
    let json = agent.run(&["get", "long", "--format", "json"]).good().json();
    assert!(json["expires_at_ms"].as_u64().is_some());
}

#[test]
fn scan_pages_through_everything() {
    let agent = Agent::start(&[]);
    let lines: String = (0..2_500)
        .map(|number| format!("{{\"key\":\"k/{number:05}\",\"value\":\"v\\t{number}\"}}\n"))
        .collect();
    agent.run_with(&["import", "-", "--input-format", "jsonl"], lines.as_bytes()).good();
    agent.run(&["set", "other", "1"]).good();

    let all = agent.run(&["scan"]).good().text();
    assert_eq!(all.lines().count(), 2_501);
    assert_eq!(all.lines().next(), Some("k/00000\tv\\t0"));
    assert_eq!(all.lines().last(), Some("other\t1"));
    let some = agent.run(&["scan", "--prefix", "k/", "--limit", "1700", "--keys"]).good().text();
    assert_eq!(some.lines().count(), 1_700);
    assert_eq!(some.lines().last(), Some("k/01699"));
    let json = agent.run(&["scan", "--prefix", "k/00007", "--format", "json"]).good().json();
    assert_eq!((&json["key"], &json["value"]), (&"k/00007".into(), &"v\t7".into()));
    assert_eq!(agent.run(&["scan", "--prefix", "none"]).good().text(), "");
}

#[test]
fn watch_prints_changes() {
    let agent = Agent::start(&[]);
    let args = ["watch", "--prefix", "w/", "--count", "2", "--format", "json"];
    let mut command = rumormill(&[&args[..], &["--http", &agent.http]].concat());
    let (mut child, heard) = listen(&mut command);
    // The watch begins some time after the process has started.
    let first = until("it sees a change", || {
        agent.run(&["set", "other", "x"]).good();
        agent.run(&["set", "w/a", "1"]).good();
        heard.try_recv().ok()
    });
    let first: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!((&first["event"], &first["key"]), (&"put".into(), &"w/a".into()));
    agent.run(&["del", "w/a"]).good();
    until("it ends by itself", || child.try_wait().unwrap());
    let human = agent.run(&["watch", "--count", "0"]).good();
    assert_eq!(human.text(), "");
}

#[test]
fn status_and_members_for_people() {
    let agent = Agent::start(&["--name", "alpha"]);
    let status = agent.run(&["status"]).good().text();
    assert!(status.contains("name\talpha\n"), "{status}");
    let gossip = agent.hello["gossip"].as_str().unwrap();
    assert!(status.contains(&format!("gossip\t{gossip}\n")), "{status}");
    let members = agent.run(&["members"]).good().text();
    assert!(members.contains("alpha (answers)\t"), "{members}");
}

#[test]
fn what_is_no_agent_is_said_so() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut waste = [0; 1024];
        let _ = stream.read(&mut waste);
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let run = run(&["status", "--http", &addr]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("is no rumormill agent"), "{}", run.stderr);
    server.join().unwrap();
}
