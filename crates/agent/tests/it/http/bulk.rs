//! Exports and bulk writes.

use super::server::Server;
use serde_json::Value;
use std::io::Write as _;

#[test]
fn what_is_exported_can_be_imported() {
    let (from, to) = (Server::new(), Server::new());
    let mut lines = Vec::new();
    for n in 0..2500 {
        writeln!(lines, r#"{{"key":"k{n:05}","value":"v\n{n}"}}"#).unwrap();
    }
    lines.extend_from_slice(
        b"\r\n{\"key_base64\":\"/w==\",\"value_base64\":\"AP8=\",\"ttl\":\"1h\"}",
    );
    let answer = from.ask("POST", "/v1/kv", &[], &lines);
    assert_eq!((answer.status, answer.json()["written"].as_u64()), (200, Some(2501)));
    let export = from.get("/v1/export");
    assert_eq!((export.status, export.header("content-type")), (200, "application/x-ndjson"));
    let text = String::from_utf8(export.body.clone()).unwrap();
    assert_eq!(text.lines().count(), 2501);
    assert!(text.lines().zip(text.lines().skip(1)).all(|(one, next)| {
        let key = |line| serde_json::from_str::<Value>(line).unwrap()["key"].clone();
        next.contains("key_base64") || key(one).as_str() < key(next).as_str()
    }));
    assert_eq!(to.ask("POST", "/v1/kv", &[], &export.body).json()["written"], 2501);
    assert_eq!(to.node.len(), 2501);
    assert_eq!(to.node.get("k00007").unwrap().value().unwrap(), b"v\n7");
    let (one, other) = (from.node.get(b"\xff").unwrap(), to.node.get(b"\xff").unwrap());
    assert_eq!(one.expires_at(), other.expires_at());
    assert_eq!(from.get("/v1/export?prefix=k0001").body.split(|b| *b == b'\n').count(), 11);
}

#[test]
fn a_bad_line_is_named_and_those_before_it_are_kept() {
    let server = Server::new();
    let good = |n: usize| format!("{{\"key\":\"k{n}\",\"value\":\"\"}}\n");
    let lines = [good(1), good(2), "{\"key\":3\n".into(), good(4)].concat();
    let answer = server.ask("POST", "/v1/kv", &[], lines.as_bytes());
    assert!(answer.refused(400).contains("line 3"), "{answer:?}");
    assert_eq!(
        (answer.json()["line"].as_u64(), answer.json()["written"].as_u64()),
        (Some(3), Some(2))
    );
    assert_eq!(server.node.len(), 2);
    // Far behind the first batch, with much more behind it.
    let before: String = (0..1500).map(good).collect();
    let key = "k".repeat(5000);
    let long = format!("{{\"key\":\"{key}\",\"value\":\"\"}}\n");
    let after: String = (0..100_000).map(good).collect();
    let answer = server.ask("POST", "/v1/kv", &[], [before, long, after].concat().as_bytes());
    assert!(answer.refused(400).contains("line 1501: key of 5000 bytes"), "{answer:?}");
    assert_eq!(answer.json()["written"], 1500);
    // A line without end is not kept in memory.
    let endless = vec![b' '; 20 << 20];
    let answer = server.ask("POST", "/v1/kv", &[], &endless);
    assert!(answer.refused(400).contains("line 1: longer than"), "{answer:?}");
}
