//! What an agent says right after a restart, before it has agreed with anybody.

use crate::support::until;
use rumormill::settings::Settings;
use rumormill::{Addresses, Agent, Rumormill};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn settings(folder: &std::path::Path, join: Option<SocketAddr>, loading: Duration) -> Settings {
    Settings {
        gossip: ANY,
        redis: Some(ANY),
        http: Some(ANY),
        data: Some(folder.into()),
        join: join.iter().map(ToString::to_string).collect(),
        loading,
        ..Settings::default()
    }
}

/// Sends, and reads until the other side closes.
async fn ask(at: Option<SocketAddr>, request: &str) -> String {
    let mut stream = TcpStream::connect(at.unwrap()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(30), read).await.expect("an end").unwrap();
    answer
}

async fn redis(at: Addresses, command: &str) -> String {
    ask(at.redis, &format!("{command}\r\nQUIT\r\n")).await
}

async fn http(at: Addresses, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    ask(at.http, &request).await
}

#[tokio::test]
async fn a_restarted_agent_is_loading_until_it_has_agreed_with_a_member() {
    let folder = tempfile::tempdir().unwrap();
    let hour = Duration::from_secs(3600);
    // Alone, without anybody to join by: ready at once, with and without entries.
    for _ in 0..2 {
        let agent = Agent::start(settings(folder.path(), None, hour)).await.unwrap();
        assert!(http(agent.addresses(), "/readyz").await.starts_with("HTTP/1.1 200"));
        assert!(redis(agent.addresses(), "SET k v").await.starts_with("+OK\r\n"));
        agent.stop().await;
    }
    // A member that never answers.
    let silent = UdpSocket::bind(ANY).unwrap();
    let seed = Some(silent.local_addr().unwrap());
    let agent = Agent::start(settings(folder.path(), seed, hour)).await.unwrap();
    let at = agent.addresses();
    for command in ["GET k", "SET k w", "KEYS *", "PING", "DBSIZE", "WAIT 0 0"] {
        assert!(redis(at, command).await.starts_with("-LOADING "), "{command}");
    }
    assert!(redis(at, "INFO persistence").await.contains("loading:1\r\n"));
    assert!(redis(at, "CLIENT ID").await.starts_with(':'));
    assert!(redis(at, "ECHO a").await.starts_with("$1\r\na"));
    for path in ["/v1/kv/k", "/v1/kv", "/v1/export"] {
        let answer = http(at, path).await;
        assert!(
            answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"),
            "{answer}"
        );
    }
    assert!(http(at, "/readyz").await.starts_with("HTTP/1.1 503"));
    assert!(http(at, "/healthz").await.starts_with("HTTP/1.1 200"));
    // Once there is one to agree with.
    let other = Rumormill::builder().start().await.unwrap();
    agent.node().join(vec![other.identity().gossip]).await;
    until("they agree", || agent.node().has_agreed()).await;
    assert!(redis(at, "GET k").await.starts_with("$1\r\nv\r\n"));
    assert!(redis(at, "INFO persistence").await.contains("loading:0\r\n"));
    assert!(http(at, "/v1/kv/k").await.starts_with("HTTP/1.1 200"));
    assert!(http(at, "/readyz").await.starts_with("HTTP/1.1 200"));
    // What is deleted while it is down is never shown.
    until("it is there", || other.get("k").is_some()).await;
    agent.stop().await;
    assert!(other.delete("k").await.unwrap());
    let agent = Agent::start(settings(folder.path(), None, hour)).await.unwrap();
    let mut answer = redis(agent.addresses(), "GET k").await;
    while answer.starts_with("-LOADING ") {
        answer = redis(agent.addresses(), "GET k").await;
    }
    assert!(answer.starts_with("$-1\r\n"), "{answer}");
    agent.stop().await;
}

#[tokio::test]
async fn loading_has_an_end_and_is_not_for_those_who_begin_empty() {
    let folder = tempfile::tempdir().unwrap();
    let silent = UdpSocket::bind(ANY).unwrap();
    let seed = Some(silent.local_addr().unwrap());
    // It has nothing that could be out of date.
    let empty = settings(folder.path(), seed, Duration::from_secs(3600));
    let agent = Agent::start(empty).await.unwrap();
    assert!(redis(agent.addresses(), "SET k v").await.starts_with("+OK\r\n"));
    assert!(http(agent.addresses(), "/readyz").await.starts_with("HTTP/1.1 503"));
    agent.stop().await;
    let agent = Agent::start(settings(folder.path(), seed, Duration::ZERO)).await.unwrap();
    assert!(redis(agent.addresses(), "GET k").await.starts_with("$1\r\nv\r\n"));
    assert!(http(agent.addresses(), "/v1/kv/k").await.starts_with("HTTP/1.1 200"));
    agent.stop().await;
}
