//! Whatever is sent, and however slowly: every route answers, and nothing breaks.

use super::server::{Server, wait_until};
use rumormill::http::Options;
use std::io::{Read as _, Write as _};
use std::time::Duration;

#[test]
fn every_route_refuses_other_methods_and_says_which_it_takes() {
    let server = Server::new();
    let routes = server.get("/v1").json();
    let routes = routes["routes"].as_array().unwrap();
    assert!(routes.len() > 10);
    for route in routes {
        let (path, methods) = (route["path"].as_str().unwrap(), route["methods"].as_str().unwrap());
        let path = path.replace("{key}", "x");
        let other = if methods.contains("PATCH") { "DELETE" } else { "PATCH" };
        let answer = server.ask(other, &path, &[], b"x");
        assert!(answer.refused(405).contains(methods), "{answer:?}");
        let mut allowed: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
        let mut listed: Vec<_> = methods.split(", ").collect();
        allowed.sort_unstable();
        listed.sort_unstable();
        assert_eq!(allowed, listed, "{path}");
    }
    for path in ["/nowhere", "/v1/", "/v1/kvx", "/v1/status/", "//"] {
        assert!(server.get(path).refused(404).contains("/v1"), "{path}");
    }
}

#[test]
fn broken_requests_get_an_answer_and_break_nothing() {
    let server = Server::new();
    let ask = |path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        server.raw(head.as_bytes())
    };
    for path in ["/v1/kv/%", "/v1/kv/a%zz", "/v1/kv?prefix=%1", "/v1/watch?prefix=%"] {
        let answer = ask(path);
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("%25"), "{answer}");
    }
    assert!(server.raw(b"NONSENSE\r\n\r\n").starts_with("HTTP/1.1 400"));
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000));
    assert!(server.raw(long.as_bytes()).starts_with("HTTP/1.1 4"));
    let mut many = b"GET / HTTP/1.1\r\nhost: localhost\r\n".to_vec();
    (0..200).for_each(|n| many.extend_from_slice(format!("x-{n}: y\r\n").as_bytes()));
    many.extend_from_slice(b"\r\n");
    assert!(server.raw(&many).starts_with("HTTP/1.1 431"));
    // A body that breaks off writes nothing.
    let mut stream = server.connect();
    let head = b"PUT /v1/kv/cut HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nabc";
    stream.write_all(head).unwrap();
    drop(stream);
    assert_eq!(server.get("/healthz").status, 200);
    assert!(server.node.is_empty());
}

#[test]
fn random_bytes_break_nothing() {
    let server = Server::new();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..50 {
        let mut bytes = if round % 2 == 0 { b"GET /v1/kv?".to_vec() } else { Vec::new() };
        for _ in 0..round * 8 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            bytes.push((random >> 56) as u8);
        }
        let mut stream = server.connect();
        stream.write_all(&bytes).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        // However it ends, it ends.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn slow_clients_are_cut_off() {
    let options = Options {
        header_timeout: Duration::from_millis(50),
        body_timeout: Duration::from_millis(50),
        ..Options::default()
    };
    let server = Server::with(options);
    // A head that never ends, and a connection that never asks: both come to an end.
    assert_eq!(server.raw(b"GET /healthz HTTP/1.1\r\nhost: loc"), "");
    assert_eq!(server.raw(b""), "");
    // Also after an answer.
    let answer = server.raw(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for head in ["PUT /v1/kv/k", "POST /v1/kv"] {
        let request = format!("{head} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nabc");
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        assert_eq!(&start, b"HTTP/1.1 408", "{head}");
    }
    assert!(server.node.is_empty());
}

#[test]
fn clients_that_read_nothing_are_cut_off() {
    let write_timeout = Duration::from_millis(100);
    let server = Server::with(Options { write_timeout, ..Options::default() });
    let large = vec![b'x'; 1 << 20];
    for n in 0..32 {
        server.runtime.block_on(server.node.set(format!("{n}"), &large)).unwrap();
    }
    let mut stream = server.connect();
    stream.write_all(b"GET /v1/export HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let open = |count: u32| {
        let text = String::from_utf8(server.get("/metrics").body).unwrap();
        text.contains(&format!("\nrumormill_http_connections {count}\n"))
    };
    wait_until("the reader is there", || {
        let mut byte = [0];
        stream.peek(&mut byte).unwrap() > 0
    });
    wait_until("only the connection that asks is open", || open(1));
    drop(stream);
}

#[test]
fn connections_are_bounded() {
    let server = Server::with(Options { max_connections: 2, ..Options::default() });
    let (one, two) = (server.watch(""), server.watch(""));
    let refused = server.raw(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("all 2 HTTP connections"));
    drop((one, two));
    wait_until("there is room again", || server.get("/healthz").status == 200);
}
