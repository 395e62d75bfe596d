//! The node itself: status, metrics, leaving, the page.

use super::server::{PATIENCE, Server};
use rumormill::http::Options;
use std::sync::Arc;

#[test]
fn the_node_says_how_it_is() {
    let server = Server::new();
    server.put("/v1/kv/k", b"v");
    let status = server.get("/v1/status").json();
    assert_eq!((&status["name"], &status["entries"]), (&"tester".into(), &1.into()));
    for field in ["id", "version", "cluster", "gossip", "digest", "store"] {
        assert!(status[field].is_string(), "{field}");
    }
    assert_eq!(status["digest"].as_str().unwrap().len(), 32);
    for field in ["alive", "suspect", "dead"] {
        assert!(status["members"][field].is_u64(), "{field}");
    }
    for field in ["sent_bytes", "sent_messages", "received_bytes", "received_messages"] {
        assert!(status["traffic"][field].is_u64(), "{field}");
    }
    assert!(server.get("/v1/members").json()["members"].is_array());
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/readyz").status, 200);
    let lonely = Server::with(Options { joining: true, ..Options::default() });
    assert!(lonely.get("/readyz").refused(503).contains("join"));
    assert_eq!(lonely.get("/healthz").status, 200);
}

#[test]
fn metrics_have_every_number() {
    let server = Server::new();
    server.put("/v1/kv/k", b"v");
    server.get("/v1/kv/none");
    server.get("/nowhere");
    let answer = server.get("/metrics");
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    let text = String::from_utf8(answer.body).unwrap();
    for line in [
        "rumormill_entries 1",
        "rumormill_local_writes_total 1",
        "rumormill_members{state=\"alive\"} ",
        "rumormill_gossip_bytes_total{direction=\"sent\"} ",
        "rumormill_build_info{version=\"",
        "rumormill_http_requests_total{route=\"/v1/kv/{key}\",status=\"2xx\"} 1",
        "rumormill_http_requests_total{route=\"/v1/kv/{key}\",status=\"4xx\"} 1",
        "rumormill_http_requests_total{route=\"other\",status=\"4xx\"} 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|have| have.starts_with(line)), "{line}\n{text}");
    }
    for (name, help, _) in server.node.status().counters.all() {
        assert!(text.contains(&format!("\nrumormill_{name}_total ")), "{name}");
        let help = help.trim().trim_end_matches('.');
        assert!(text.contains(&format!("# HELP rumormill_{name} {help}")), "{name}");
    }
}

#[test]
fn a_node_leaves_when_asked() {
    let options = Options::default();
    let left = Arc::clone(&options.left);
    let server = Server::with(options);
    assert!(server.get("/v1/leave").json()["leaving"].is_null());
    for wrong in ["?timeout=0s", "?timeout=1h", "?now=maybe", "?now=1&timeout=1s", "?soon=1"] {
        let path = format!("/v1/leave{wrong}");
        server.ask("POST", &path, &[], &[]).refused(400);
    }
    let answer = server.ask("POST", "/v1/leave?timeout=30s", &[], &[]).json();
    assert_eq!((&answer["left"], &answer["missing"]), (&true.into(), &serde_json::json!([])));
    assert!(answer["by"].as_str().unwrap().starts_with("HTTP, from 127.0.0.1:"), "{answer}");
    assert_eq!(server.get("/v1/leave").json()["leaving"]["leaves"], true);
    let told = async { tokio::time::timeout(PATIENCE, left.notified()).await };
    server.runtime.block_on(told).unwrap();
    assert!(server.get("/readyz").refused(503).contains("leaving"));
    assert!(server.ask("PUT", "/v1/kv/k", &[], b"v").refused(503).contains("shut down"));
}

#[test]
fn the_page_is_served_with_a_strict_policy() {
    let server = Server::new();
    let (one, two) = (server.get("/"), server.get("/"));
    assert_eq!((one.status, one.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = one.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_ne!(policy, two.header("content-security-policy"), "a nonce is used once");
    let text = String::from_utf8(one.body.clone()).unwrap();
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert_eq!(text.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
}
