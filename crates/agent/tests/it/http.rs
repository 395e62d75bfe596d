//! The HTTP face from outside: over real sockets, with good and bad clients.

use rumormill::Rumormill;
use rumormill::http::{Options, Secret, serve};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

struct Server {
    at: SocketAddr,
    node: Rumormill,
    stop: watch::Sender<bool>,
    serving: Option<JoinHandle<()>>,
    runtime: Runtime,
    agent: ureq::Agent,
}

struct Answer {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The message of a refusal with this status.
    #[track_caller]
    fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/json");
        self.json()["error"].as_str().unwrap().to_owned()
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}\n{}", self.status, self.headers, String::from_utf8_lossy(&self.body))
    }
}

impl Server {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with(options: Options) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (stop, stopped) = watch::channel(false);
        let (at, node, serving) = runtime.block_on(async {
            let node = Rumormill::builder().name("tester").start().await.unwrap();
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let at = listener.local_addr().unwrap();
            (at, node.clone(), tokio::spawn(serve(listener, node, options, stopped)))
        });
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            // The server closes after some refusals, and a request on such a connection is lost.
            .max_idle_connections(0)
            .build()
            .into();
        Self { at, node, stop, serving: Some(serving), runtime, agent }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.at)
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = match body {
            [] => self.agent.run(request.body(()).unwrap()),
            body => self.agent.run(request.body(body).unwrap()),
        }
        .unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.body_mut().with_config().limit(u64::MAX).read_to_vec().unwrap(),
        }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], &[])
    }

    #[track_caller]
    fn put(&self, path: &str, value: &[u8]) -> Answer {
        let answer = self.ask("PUT", path, &[], value);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes as they are and gives everything that comes until the other side closes.
    fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn watch(&self, query: &str) -> Events {
        let mut stream = self.connect();
        let head = format!("GET /v1/watch{query} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut events = Events { lines: BufReader::new(stream) };
        // Sent when the watch has begun.
        events.until(": watching");
        events
    }

    /// Asks for the shutdown and waits for its end.
    fn stop(&mut self) {
        self.stop.send_replace(true);
        if let Some(serving) = self.serving.take() {
            let ended = async { tokio::time::timeout(PATIENCE, serving).await };
            self.runtime.block_on(ended).unwrap().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

struct Events {
    lines: BufReader<TcpStream>,
}

impl Events {
    /// Reads up to a line that begins so, and gives the rest of it; `None` at the end.
    fn find(&mut self, start: &str) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(rest) = line.trim_end().strip_prefix(start) {
                return Some(rest.to_owned());
            }
        }
    }

    fn until(&mut self, start: &str) -> String {
        self.find(start).unwrap_or_else(|| panic!("the stream ended before {start:?}"))
    }

    fn next(&mut self) -> (String, String, Value) {
        let kind = self.until("event: ");
        let id = self.until("id: ");
        (kind, id, serde_json::from_str(&self.until("data: ")).unwrap())
    }
}

/// Polls until a condition holds.
#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

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
    assert_eq!(server.ask("POST", "/v1/leave", &[], &[]).json()["left"], true);
    let told = async { tokio::time::timeout(PATIENCE, left.notified()).await };
    server.runtime.block_on(told).unwrap();
    assert!(server.get("/readyz").refused(503).contains("leaving"));
    assert!(server.ask("PUT", "/v1/kv/k", &[], b"v").refused(503).contains("shut down"));
}

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
    let late = server.ask("PUT", "/v1/kv/k?wait=3&wait_timeout=1ms", &[], b"w");
    assert!(late.refused(504).contains("the write stands"));
    assert_eq!(late.json()["of"], 2);
    assert!(!late.header("x-rumormill-stamp").is_empty());
    assert_eq!(server.get("/v1/kv/k").body, b"w");
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
    server.runtime.block_on(other.shutdown());
}
