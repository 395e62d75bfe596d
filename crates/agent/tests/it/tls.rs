//! TLS on the Redis and HTTP ports, by a TLS client and by clients that are none.

use super::papers::{Authority, Papers};
use super::support::{PATIENCE, until};
use rumormill::tls::files::{provider, read_pair, read_roots};
use rumormill::tls::{Bounds, Reason, Tls, TlsFiles};
use rumormill::{Rumormill, http, redis};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A node in memory with both ports under TLS.
struct Ports {
    redis: SocketAddr,
    http: SocketAddr,
    stats: Arc<redis::RedisStats>,
    redis_tls: Arc<Tls>,
    http_tls: Arc<Tls>,
    authority: Authority,
    own: Papers,
    folder: TempDir,
    _stop: watch::Sender<bool>,
}

impl Ports {
    async fn open() -> Self {
        Self::with(Bounds::default(), false).await
    }

    async fn with(bounds: Bounds, certificates_wanted: bool) -> Self {
        let patience = Duration::from_secs(60);
        Self::with_patience(bounds, certificates_wanted, patience).await
    }

    /// Ports that wait this long for clients that take no replies.
    async fn with_patience(bounds: Bounds, certificates_wanted: bool, patience: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path(), "ours");
        let own = authority.sign("server", &["localhost"]);
        let files = TlsFiles {
            cert: own.cert.clone(),
            key: own.key.clone(),
            client_ca: certificates_wanted.then(|| authority.ca.clone()),
        };
        let redis_tls = Arc::new(Tls::with(files.clone(), None, bounds).unwrap());
        let http_tls = Arc::new(Tls::with(files, Some("http/1.1"), bounds).unwrap());
        let node = Rumormill::builder().start().await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let redis = listener.local_addr().unwrap();
        let options = redis::Options {
            tls: Some(Arc::clone(&redis_tls)),
            slow_timeout: patience,
            ..Default::default()
        };
        let stats = Arc::clone(&options.stats);
        tokio::spawn(redis::serve(listener, node.clone(), options, stopped.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = listener.local_addr().unwrap();
        let options = http::Options {
            tls: Some(Arc::clone(&http_tls)),
            redis_tls: Some(Arc::clone(&redis_tls)),
            write_timeout: patience,
            ..Default::default()
        };
        tokio::spawn(http::serve(listener, node, options, stopped));
        Self { redis, http, stats, redis_tls, http_tls, authority, own, folder, _stop: stop }
    }

    async fn client(&self, to: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        connect(to, &self.authority.ca, None).await
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

async fn connect(
    to: SocketAddr,
    ca: &Path,
    own: Option<&Papers>,
) -> io::Result<TlsStream<TcpStream>> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(read_roots(ca).unwrap());
    let config = match own {
        Some(own) => {
            let (chain, key) = read_pair(&own.cert, &own.key).unwrap();
            config.with_client_auth_cert(chain, key).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    let tcp = TcpStream::connect(to).await?;
    let name = ServerName::try_from("localhost").unwrap();
    in_time(TlsConnector::from(Arc::new(config)).connect(name, tcp)).await
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it takes too long")
}

/// Sends, and expects exactly these bytes back.
async fn ask(stream: &mut TlsStream<TcpStream>, bytes: &[u8], expected: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    let mut got = vec![0; expected.len()];
    in_time(stream.read_exact(&mut got)).await.unwrap();
    assert_eq!(got.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

/// What comes until the other side closes.
async fn rest(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<String> {
    let mut got = Vec::new();
    in_time(stream.read_to_end(&mut got)).await?;
    Ok(String::from_utf8_lossy(&got).into_owned())
}

fn set(key: &str, value: &[u8]) -> Vec<u8> {
    let head = format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n", key.len(), value.len());
    [head.as_bytes(), value, b"\r\n"].concat()
}

#[tokio::test]
async fn redis_commands_small_and_large() {
    let ports = Ports::open().await;
    let mut client = ports.client(ports.redis).await.unwrap();
    ask(&mut client, b"PING\r\n", b"+PONG\r\n").await;
    ask(&mut client, &set("greeting", b"hello"), b"+OK\r\n").await;
    ask(&mut client, b"GET greeting\r\n", b"$5\r\nhello\r\n").await;

    // Many TLS records each way, and far more replies than the sockets in between can hold.
    let value: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    ask(&mut client, &set("large", &value), b"+OK\r\n").await;
    let reply = [b"$1000000\r\n", &value[..], b"\r\n"].concat();
    client.write_all(&b"GET large\r\n".repeat(40)).await.unwrap();
    for _ in 0..40 {
        ask(&mut client, b"", &reply).await;
    }
    // A pipeline in pieces that cut requests and records anywhere.
    let many: Vec<u8> = (0..3000).flat_map(|n| set(&format!("k{n}"), b"v")).collect();
    let (mut reader, mut writer) = tokio::io::split(client);
    let writing = tokio::spawn(async move {
        for (n, piece) in many.chunks(997).enumerate() {
            writer.write_all(piece).await.unwrap();
            if n % 7 == 0 {
                writer.flush().await.unwrap();
            }
        }
        writer.write_all(b"DBSIZE\r\nQUIT\r\n").await.unwrap();
        writer
    });
    let said = rest(&mut reader).await.unwrap();
    assert_eq!(said.matches("+OK\r\n").count(), 3001);
    assert!(said.ends_with(":3002\r\n+OK\r\n"), "{}", &said[said.len() - 40..]);
    drop(writing.await.unwrap());
    assert_eq!(ports.redis_tls.counters().handshakes.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_client_that_closes_in_order_is_answered_to_the_end() {
    let ports = Ports::open().await;
    let mut client = ports.client(ports.redis).await.unwrap();
    client.write_all(&b"PING\r\n".repeat(1000)).await.unwrap();
    // The goodbye of TLS comes right behind the requests.
    client.shutdown().await.unwrap();
    let said = rest(&mut client).await.unwrap();
    assert_eq!(said, "+PONG\r\n".repeat(1000));
}

#[tokio::test]
async fn clients_that_take_no_replies_are_let_go() {
    let patience = Duration::from_millis(100);
    let ports = Ports::with_patience(Bounds::default(), false, patience).await;
    let mut client = ports.client(ports.redis).await.unwrap();
    ask(&mut client, &set("large", &vec![b'x'; 1_000_000]), b"+OK\r\n").await;
    let closed =
        |n| move |stats: &redis::RedisStats| stats.closed_slow.load(Ordering::Relaxed) == n;
    // One that goes on, and one that has said goodbye.
    client.write_all(&b"GET large\r\n".repeat(40)).await.unwrap();
    until("it is closed", || closed(1)(&ports.stats)).await;
    let mut client = ports.client(ports.redis).await.unwrap();
    client.write_all(&b"GET large\r\n".repeat(40)).await.unwrap();
    client.shutdown().await.unwrap();
    until("it is closed", || closed(2)(&ports.stats)).await;

    let mut client = ports.client(ports.http).await.unwrap();
    let get = b"GET /v1/kv/large HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let flood = async {
        // Ends with an error once the other side has lost its patience.
        while client.write_all(get).await.is_ok() {}
    };
    in_time(flood).await;
}

#[tokio::test]
async fn http_and_its_metrics() {
    let ports = Ports::open().await;
    let mut client = ports.client(ports.http).await.unwrap();
    let put = b"PUT /v1/kv/a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\r\nx";
    client.write_all(put).await.unwrap();
    let get = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    client.write_all(get).await.unwrap();
    let said = rest(&mut client).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    for part in [
        "rumormill_tls_handshakes_total{port=\"http\"} 1",
        "rumormill_tls_handshakes_total{port=\"redis\"} 0",
        "rumormill_tls_failed_total{port=\"http\",reason=\"plain\"} 0",
        "rumormill_tls_reloads_total{port=\"redis\",result=\"failed\"} 0",
        // The beginning of 2999.
        "rumormill_tls_certificate_expires_seconds{port=\"http\"} 32472144000",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[tokio::test]
async fn a_client_without_tls_is_told() {
    let ports = Ports::open().await;
    for _ in 0..2 {
        let mut plain = TcpStream::connect(ports.redis).await.unwrap();
        plain.write_all(b"*1\r\n$4\r\nPING\r\n").await.unwrap();
        let said = rest(&mut plain).await.unwrap();
        assert!(said.starts_with("-ERR this port speaks TLS only: "), "{said}");
    }
    assert_eq!(ports.redis_tls.counters().failed_by(Reason::Plain), 2);

    let mut plain = TcpStream::connect(ports.http).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let said = rest(&mut plain).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{said}");
    assert!(said.ends_with("write https:// instead of http://\"}"), "{said}");
    assert_eq!(ports.http_tls.counters().failed_by(Reason::Plain), 1);
}

#[tokio::test]
async fn an_authority_that_is_not_theirs_is_refused_by_clients() {
    let ports = Ports::open().await;
    let other = Authority::new(ports.folder(), "theirs");
    let error = connect(ports.redis, &other.ca, None).await.unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    let counters = ports.redis_tls.counters();
    until("it is counted", || counters.failed_by(Reason::ClientRefused) == 1).await;
}

#[tokio::test]
async fn certificates_of_clients() {
    let ports = Ports::with(Bounds::default(), true).await;
    let good = ports.authority.sign("client", &[]);
    let mut client = connect(ports.redis, &ports.authority.ca, Some(&good)).await.unwrap();
    ask(&mut client, b"PING\r\n", b"+PONG\r\n").await;

    // In TLS 1.3 a client learns of a refusal from the first read after the handshake.
    let refused = async |own: Option<&Papers>| -> String {
        let mut client = connect(ports.redis, &ports.authority.ca, own).await.unwrap();
        let _ = client.write_all(b"PING\r\n").await;
        rest(&mut client).await.unwrap_err().to_string()
    };
    assert!(refused(None).await.contains("CertificateRequired"));
    let strangers = Authority::new(ports.folder(), "strangers").sign("stranger", &[]);
    assert!(refused(Some(&strangers)).await.contains("UnknownCA"));
    let late = ports.authority.sign_until("late", &[], 2001);
    assert!(refused(Some(&late)).await.contains("CertificateExpired"));
    let counters = ports.redis_tls.counters();
    assert_eq!(counters.failed_by(Reason::NoCertificate), 1);
    assert_eq!(counters.failed_by(Reason::BadCertificate), 2);
    assert_eq!(counters.handshakes.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart() {
    let bounds = Bounds { refresh: Duration::from_millis(5), ..Bounds::default() };
    let ports = Ports::with(bounds, false).await;
    let mut before = ports.client(ports.redis).await.unwrap();
    ask(&mut before, b"PING\r\n", b"+PONG\r\n").await;
    let seen = |stream: &TlsStream<TcpStream>| {
        stream.get_ref().1.peer_certificates().unwrap().first().unwrap().clone()
    };

    // Certificate and key change one after the other; in between they do not fit.
    let renewed = ports.authority.sign("renewed", &["localhost"]);
    let replace = |from: &PathBuf, to: &PathBuf| std::fs::rename(from, to).unwrap();
    replace(&renewed.cert, &ports.own.cert);
    let counters = ports.redis_tls.counters();
    until("it is said", || counters.reload_failures.load(Ordering::Relaxed) == 1).await;
    let between = ports.client(ports.redis).await.unwrap();
    assert_eq!(seen(&between), seen(&before), "the old one stays");
    replace(&renewed.key, &ports.own.key);
    until("it is shown", || counters.reloads.load(Ordering::Relaxed) == 1).await;
    let mut after = ports.client(ports.redis).await.unwrap();
    assert_ne!(seen(&after), seen(&before));
    ask(&mut after, b"PING\r\n", b"+PONG\r\n").await;
    ask(&mut before, b"PING\r\n", b"+PONG\r\n").await;
    let http = ports.http_tls.counters();
    until("the other port has it as well", || http.reloads.load(Ordering::Relaxed) == 1).await;
}

#[tokio::test]
async fn handshakes_end_in_time_and_wait_for_their_turn() {
    let bounds = Bounds { patience: Duration::from_millis(200), at_once: 1, ..Bounds::default() };
    let ports = Ports::with(bounds, false).await;
    let counters = ports.redis_tls.counters();
    // Says nothing at all.
    let mut silent = TcpStream::connect(ports.redis).await.unwrap();
    assert_eq!(rest(&mut silent).await.unwrap(), "");
    assert_eq!(counters.failed_by(Reason::Timeout), 1);
    // Begins and stops: they all hold or await the one turn that there is.
    let mut slow = Vec::new();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(ports.redis).await.unwrap();
        stream.write_all(&[22, 3, 1]).await.unwrap();
        slow.push(stream);
    }
    for stream in &mut slow {
        // Ended with bytes unread, which some systems tell as a reset.
        let _ = rest(stream).await;
    }
    let late = || counters.failed_by(Reason::Timeout) + counters.failed_by(Reason::Busy);
    until("all are counted", || late() == 6).await;
    // Nonsense under the right first byte.
    let mut nonsense = TcpStream::connect(ports.redis).await.unwrap();
    nonsense.write_all(&[22, 3, 1, 0, 4, 9, 9, 9, 9]).await.unwrap();
    let _ = rest(&mut nonsense).await;
    until("it is counted", || counters.failed_by(Reason::Malformed) == 1).await;
    // Gone before a word.
    drop(TcpStream::connect(ports.redis).await.unwrap());
    until("it is counted", || counters.failed_by(Reason::Gone) == 1).await;
    assert_eq!(counters.handshakes.load(Ordering::Relaxed), 0);
}
