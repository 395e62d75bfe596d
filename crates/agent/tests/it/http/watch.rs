//! Changes as server-sent events.

use super::server::{Server, wait_until};
use rumormill::http::Options;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn watches_see_changes_with_stamp_and_origin() {
    let server = Server::new();
    let mut events = server.watch("?prefix=w/");
    server.put("/v1/kv/other", b"x");
    let put = server.put("/v1/kv/w/1?ttl=1h", b"line\nline").json();
    let (kind, id, data) = events.next();
    assert_eq!((kind.as_str(), id.as_str()), ("put", put["stamp"].as_str().unwrap()));
    assert_eq!(data["value"], "line\nline");
    for field in ["key", "stamp", "origin", "expires_at_ms"] {
        assert_eq!(data[field], put[field], "{field}");
    }
    server.put("/v1/kv/w/%ff", b"\xfe");
    let (_, _, data) = events.next();
    assert_eq!((&data["key_base64"], &data["value_base64"]), (&"dy//".into(), &"/g==".into()));
    let deleted = server.ask("DELETE", "/v1/kv/w/1", &[], &[]).json();
    let (kind, id, data) = events.next();
    assert_eq!((kind.as_str(), id.as_str()), ("delete", deleted["stamp"].as_str().unwrap()));
    assert!(data.get("value").is_none());
    server.get("/v1/watch?prefx=w").refused(400);
}

#[test]
fn quiet_watches_have_a_heartbeat() {
    let heartbeat = Duration::from_millis(10);
    let server = Server::with(Options { heartbeat, ..Options::default() });
    let mut events = server.watch("");
    events.until(": still here");
    events.until(": still here");
}

#[test]
fn watches_are_bounded_and_freed() {
    let server = Server::with(Options { max_watchers: 2, ..Options::default() });
    let (_one, two) = (server.watch(""), server.watch(""));
    assert!(server.get("/v1/watch").refused(503).contains("all 2 watches"));
    let metrics = String::from_utf8(server.get("/metrics").body).unwrap();
    assert!(metrics.contains("\nrumormill_http_watches 2\n"), "{metrics}");
    drop(two);
    wait_until("a place is free again", || {
        let mut stream = server.connect();
        stream.write_all(b"GET /v1/watch HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        head == *b"HTTP/1.1 200"
    });
}

#[test]
fn a_shutdown_ends_watches_and_connections() {
    let mut server = Server::new();
    let mut events = server.watch("");
    let mut idle = server.connect();
    server.stop();
    // The last chunk: the end is a proper one.
    assert!(events.find("0").is_some());
    assert_eq!(idle.read(&mut [0; 16]).unwrap_or(0), 0);
    assert!(TcpStream::connect(server.at).is_err());
}
