//! Who may ask.

use super::server::Server;
use rumormill::http::{Options, Secret};

#[test]
fn other_sites_pages_are_kept_out() {
    let server = Server::with(Options { hosts: vec!["mill.example".into()], ..Options::default() });
    let with_host = |host: &str| {
        let head = format!("GET /v1/status HTTP/1.1\r\n{host}connection: close\r\n\r\n");
        server.raw(head.as_bytes())[9..12].to_owned()
    };
    for host in ["localhost:1", "127.0.0.1", "[::1]:99", "mill.example:80"] {
        assert_eq!(with_host(&format!("host: {host}\r\n")), "200", "{host}");
    }
    assert_eq!(with_host("host: evil.example\r\n"), "403");
    assert_eq!(with_host("host: evil.example:80\r\n"), "403");
    assert_eq!(with_host(""), "400");
    assert_eq!(with_host("host: localhost\r\nhost: evil.example\r\n"), "400");
    let own = server.url("");
    for (origin, status) in [
        (own.as_str(), 200),
        ("https://mill.example", 200),
        ("http://evil.example", 403),
        ("http://localhost:1", 403),
        ("null", 403),
    ] {
        let answer = server.ask("PUT", "/v1/kv/k", &[("origin", origin)], b"x");
        assert_eq!(answer.status, status, "{origin}");
        let answer = server.ask("POST", "/v1/kv", &[("origin", origin)], b"\n");
        assert_eq!(answer.status, status, "{origin}");
    }
    let answer = server.ask("POST", "/v1/leave", &[("origin", "http://evil.example")], &[]);
    assert!(answer.refused(403).contains("another site"));
    let watch = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")];
    server.ask("GET", "/v1/watch", &watch, &[]).refused(403);
    // Health is asked for by load balancers, under names of theirs.
    let health = "GET /healthz HTTP/1.1\r\nhost: any.example\r\nconnection: close\r\n\r\n";
    assert!(server.raw(health.as_bytes()).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_token_keeps_strangers_out() {
    let token = Some(Secret::new("sesame"));
    let server = Server::with(Options { token, ..Options::default() });
    for path in
        ["/v1/status", "/v1/members", "/v1/kv", "/v1/kv/k", "/v1/watch", "/v1/export", "/metrics"]
    {
        let answer = server.get(path);
        assert!(answer.refused(401).contains("Bearer"), "{path}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{path}");
    }
    server.ask("PUT", "/v1/kv/k", &[], b"x").refused(401);
    server.ask("POST", "/v1/leave", &[], &[]).refused(401);
    for bad in ["Bearer sesam", "Bearer sesame2", "Basic sesame", "Bearer", "sesame"] {
        server.ask("GET", "/v1/status", &[("authorization", bad)], &[]).refused(401);
    }
    for good in ["Bearer sesame", "bearer sesame"] {
        let answer = server.ask("GET", "/v1/status", &[("authorization", good)], &[]);
        assert_eq!(answer.status, 200);
    }
    for path in ["/", "/healthz", "/readyz"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}
