//! Keys and values: one at a time, and lists in pages.

use super::server::{PATIENCE, Server, wait_until};
use rumormill::Rumormill;
use rumormill::core::data::{Expiry, Kind, Op};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::time::Instant;

#[test]
fn a_value_goes_in_and_out() {
    let server = Server::new();
    let put = server.put("/v1/kv/a/b%20c", b"hello");
    let json = put.json();
    assert_eq!(json["key"], "a/b c");
    let stamp = json["stamp"].as_str().unwrap();
    assert_eq!(json["origin"], server.node.identity().id.to_string());
    let got = server.get("/v1/kv/a/b%20c");
    assert_eq!((got.status, &got.body[..]), (200, &b"hello"[..]));
    for answer in [&put, &got] {
        assert_eq!(answer.header("x-rumormill-stamp"), stamp);
        assert_eq!(answer.header("x-rumormill-origin"), json["origin"].as_str().unwrap());
        assert_eq!(answer.header("etag"), format!("\"{stamp}\""));
        assert_eq!(answer.header("x-rumormill-expires-at"), "");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    let head = server.ask("HEAD", "/v1/kv/a/b%20c", &[], &[]);
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "5", 0));
    let etag = got.header("etag");
    let same = server.ask("GET", "/v1/kv/a/b%20c", &[("if-none-match", etag)], &[]);
    assert_eq!((same.status, same.header("etag"), same.body.len()), (304, etag, 0));
    let same = server.ask("HEAD", "/v1/kv/a/b%20c", &[("if-none-match", etag)], &[]);
    assert_eq!((same.status, same.header("content-length"), same.body.len()), (304, "5", 0));
    let other = server.ask("GET", "/v1/kv/a/b%20c", &[("if-none-match", "\"x\"")], &[]);
    assert_eq!(other.status, 200);
    let deleted = server.ask("DELETE", "/v1/kv/a/b%20c", &[], &[]);
    assert_eq!((deleted.status, &deleted.json()["key"]), (200, &Value::from("a/b c")));
    assert_ne!(deleted.json()["stamp"], stamp);
    assert!(server.get("/v1/kv/a/b%20c").refused(404).contains("a/b c"));
    assert!(server.ask("DELETE", "/v1/kv/a/b%20c", &[], &[]).refused(404).contains("a/b c"));
}

#[test]
fn keys_and_values_are_any_bytes() {
    let server = Server::new();
    let all: Vec<u8> = (0..=255).collect();
    let path: String = all.iter().map(|byte| format!("%{byte:02X}")).collect();
    let answer = server.put(&format!("/v1/kv/{path}"), &all);
    assert!(answer.json()["key_base64"].is_string());
    assert_eq!(server.node.get(&all).unwrap().value().unwrap(), all);
    assert_eq!(server.get(&format!("/v1/kv/{path}")).body, all);
    // The empty key, one of slashes, and an empty value.
    server.put("/v1/kv/", b"nothing");
    assert_eq!(server.get("/v1/kv/").body, b"nothing");
    server.put("/v1/kv//x//", b"");
    assert_eq!(server.node.get("/x//").unwrap().value().unwrap(), b"");
    assert_eq!(server.get("/v1/kv/+").refused(404), "there is no key \"+\"");
}

#[test]
fn values_live_as_long_as_is_said() {
    let server = Server::new();
    let put = server.put("/v1/kv/long?ttl=10m", b"x");
    let stamp = server.node.get("long").unwrap();
    let at = stamp.expires_at().unwrap();
    assert_eq!(put.header("x-rumormill-expires-at"), at.to_string());
    assert_eq!(put.json()["expires_at_ms"], at);
    let left = at - stamp.stamp().wall_ms();
    assert!((590_000..=600_000).contains(&left), "{left}");
    server.put("/v1/kv/short?ttl=20ms", b"x");
    wait_until("the value is gone", || server.get("/v1/kv/short").status == 404);
    for bad in ["0", "soon", "", "-3", "99999999999999999999"] {
        server.ask("PUT", &format!("/v1/kv/k?ttl={bad}"), &[], b"x").refused(400);
    }
    assert!(server.ask("PUT", "/v1/kv/k?tll=3", &[], b"x").refused(400).contains("ttl"));
}

#[test]
fn conditional_writes_are_refused_with_the_reason() {
    let server = Server::new();
    for (name, value) in [("if-match", "\"x\""), ("if-none-match", "*")] {
        for method in ["PUT", "DELETE"] {
            let body: &[u8] = if method == "PUT" { b"x" } else { b"" };
            let answer = server.ask(method, "/v1/kv/k", &[(name, value)], body);
            assert!(answer.refused(501).contains("consensus"));
        }
    }
    assert!(server.node.is_empty());
}

#[test]
fn lists_come_in_pages() {
    let server = Server::new();
    let mut keys: Vec<Vec<u8>> = (0..21).map(|n| format!("k/{n:02}").into_bytes()).collect();
    keys.extend([b"k/base64:x".to_vec(), b"k/\xff\xfe".to_vec(), b"k/\xff\xff".to_vec()]);
    keys.sort();
    for key in [keys.clone(), vec![b"a".to_vec(), b"z".to_vec(), b"base64:".to_vec()]].concat() {
        server.runtime.block_on(server.node.set(&key, b"v\xff")).unwrap();
    }
    for (prefix, expected) in [("k/", keys.len()), ("", keys.len() + 3), ("nothing", 0)] {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = server.get(&format!("/v1/kv?prefix={prefix}&limit=4{after}")).json();
            let entries = page["entries"].as_array().unwrap().clone();
            assert!(entries.len() <= 4);
            assert!(entries.iter().all(|entry| entry["value_base64"] == "dv8="));
            seen.extend(entries.iter().map(|entry| entry["key"].as_str().map(str::to_owned)));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={}", next.replace('+', "%2B")),
                None => break,
            }
        }
        assert_eq!(seen.len(), expected, "each once: {seen:?}");
    }
    let page = server.get("/v1/kv?prefix=k/%ff&keys=1").json();
    assert_eq!(page["entries"].as_array().unwrap().len(), 2);
    assert_eq!(page["entries"][0]["key_base64"], "ay///g==");
    assert!(page["entries"][0].get("value_base64").is_none());
    assert_eq!(page["next"], Value::Null);
    for bad in ["limit=0", "limit=10001", "limit=x", "limits=3", "prefix=%f", "after=base64:?"] {
        server.get(&format!("/v1/kv?{bad}")).refused(400);
    }
}

#[test]
fn pages_of_large_values_are_short() {
    let server = Server::new();
    let large = vec![b'x'; 1 << 20];
    for n in 0..10 {
        server.runtime.block_on(server.node.set(format!("{n}"), &large)).unwrap();
    }
    let (mut seen, mut after) = (0, String::new());
    loop {
        let answer = server.get(&format!("/v1/kv?{after}"));
        assert!(answer.body.len() < 6 << 20, "{} bytes", answer.body.len());
        let page = answer.json();
        seen += page["entries"].as_array().unwrap().len();
        match page["next"].as_str() {
            Some(next) => after = format!("after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, 10);
}

#[test]
fn bodies_over_the_limit_are_refused() {
    let server = Server::new();
    let limit = server.node.limits().max_value;
    server.put("/v1/kv/most", &vec![1; limit]);
    let over = server.ask("PUT", "/v1/kv/over", &[], &vec![1; limit + 1]);
    assert!(over.refused(413).contains(&limit.to_string()));
    assert_eq!(over.json()["limit"], limit);
    let head = "PUT /v1/kv/over HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
    let declared = format!("{head}expect: 100-continue\r\ncontent-length: 99999999999\r\n\r\n");
    let mut stream = server.connect();
    stream.write_all(declared.as_bytes()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
    let chunk = format!("{:x}\r\n{}\r\n", limit, "x".repeat(limit));
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n");
    assert!(server.raw(chunked.as_bytes()).starts_with("HTTP/1.1 413"));
    let key = format!("/v1/kv/{}", "k".repeat(server.node.limits().max_key + 1));
    assert!(server.ask("PUT", &key, &[], b"x").refused(400).contains("4096"));
    assert_eq!(server.node.len(), 1);
}

#[test]
fn writes_wait_and_reads_bound_their_staleness() {
    let server = Server::new();
    let seed = server.node.identity().gossip.to_string();
    let other = Rumormill::builder().name("other").join([seed]).start();
    let other = server.runtime.block_on(other).unwrap();
    wait_until("they find each other", || server.node.status().members.alive == 2);
    for wait in ["all", "1.0", "2", "1"] {
        let answer = server.put(&format!("/v1/kv/k?wait={wait}&wait_timeout=30s"), b"v");
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = answer.json();
        assert_eq!(json["of"], 2, "{json}");
        assert_eq!((json["key"].as_str(), json["stamp"].is_string()), (Some("k"), true));
    }
    // What cannot be is refused at once, and nothing is written.
    for method in ["PUT", "DELETE"] {
        let refused = server.ask(method, "/v1/kv/k?wait=3&wait_timeout=10m", &[], b"w");
        assert!(refused.refused(409).contains("nothing was written"));
        assert_eq!(refused.json()["of"], 2);
        assert_eq!(server.get("/v1/kv/k").body, b"v");
    }
    for bad in [
        "wait=most",
        "wait=0",
        "wait=all&wait_timeout=0",
        "wait_timeout=1s",
        "wait=all&wait_timeout=1h",
    ] {
        let answer = server.ask("PUT", &format!("/v1/kv/k?{bad}"), &[], b"x");
        assert!(answer.refused(400).contains("wait"), "{bad}");
    }
    let coverage = server.get("/v1/coverage/k?timeout=30s").json();
    assert_eq!((&coverage["key"], &coverage["of"]), (&"k".into(), &2.into()), "{coverage}");
    assert!(coverage["members_without"].is_array() && coverage["stamp"].is_string());
    server.get("/v1/coverage/none").refused(404);
    let deleted = server.ask("DELETE", "/v1/kv/k?wait=all&wait_timeout=30s", &[], b"");
    assert_eq!((deleted.status, &deleted.json()["held"]), (200, &2.into()));
    let coverage = server.get("/v1/coverage/k").json();
    assert_eq!((&coverage["deleted"], &coverage["held"]), (&true.into(), &2.into()), "{coverage}");
    assert!(server.get("/v1/kv/k?max_staleness=10ms").refused(400).contains("staleness"));
    assert!(server.get("/v1/kv/k?max_staleness=soon").refused(400).contains("max_staleness"));
    let end = Instant::now() + PATIENCE;
    loop {
        let read = server.get("/v1/kv?max_staleness=5s");
        if read.status == 200 {
            assert!(read.header("x-rumormill-staleness-ms").parse::<u64>().unwrap() <= 5000);
            break;
        }
        assert!(read.refused(503).contains("agree"));
        assert!(Instant::now() < end, "they never agree");
    }
    assert_eq!(server.get("/v1/kv/none?max_staleness=1m").status, 404);
    assert_eq!(server.get("/v1/kv/none").header("x-rumormill-staleness-ms"), "");
    // It answers no more, and is not held dead yet.
    server.runtime.block_on(other.shutdown());
    let late = server.ask("PUT", "/v1/kv/k?wait=2&wait_timeout=1ms", &[], b"w");
    assert!(late.refused(504).contains("the write stands"));
    assert_eq!(late.json()["of"], 2);
    assert!(!late.header("x-rumormill-stamp").is_empty());
    assert_eq!(server.get("/v1/kv/k").body, b"w");
}

#[test]
fn what_this_version_does_not_know_is_shown_as_such() {
    let server = Server::new();
    let mut events = server.watch("");
    let op = Op::put(b"k"[..].into(), b"body"[..].into(), Expiry::Never, false);
    let later = Op::Extended { op: op.into(), kind: Kind(7), fields: [1, 1, 9].into() };
    server.runtime.block_on(server.node.write_one(later)).unwrap();
    let answer = server.get("/v1/kv/k");
    assert_eq!(answer.json()["kind"], 7);
    assert!(answer.refused(409).contains("kind 7"));
    let shown = r#""kind":7,"body_base64":"Ym9keQ==","fields_base64":"AQEJ""#;
    let (kind, _, event) = events.next();
    assert_eq!((kind.as_str(), &event["kind"], &event["value"]), ("put", &7.into(), &Value::Null));
    let list = String::from_utf8(server.get("/v1/kv").body).unwrap();
    assert!(list.contains(shown) && !list.contains("value"), "{list}");
    let exported = server.get("/v1/export").body;
    let line = String::from_utf8(exported.clone()).unwrap();
    assert!(line.contains(shown), "{line}");
    let refused = server.ask("POST", "/v1/kv", &[], &exported);
    assert!(refused.refused(400).contains("kind 7"));
    server.put("/v1/kv/k", b"new");
    assert_eq!(server.get("/v1/kv/k").body, b"new");
}
