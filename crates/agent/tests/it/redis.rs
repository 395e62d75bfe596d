//! The Redis port, by a real client and by bytes that no client would send.

use redis::{AsyncCommands as _, RedisResult};
use rumormill::Rumormill;
use rumormill::core::data::{Expiry, Kind, Op};
use rumormill::redis::{Options, Password, RedisStats, serve};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A node in memory with a Redis port.
struct Port {
    addr: SocketAddr,
    node: Rumormill,
    stats: Arc<RedisStats>,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

impl Port {
    async fn open() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let node = Rumormill::builder().start().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let stats = Arc::clone(&options.stats);
        let (stop, stopped) = watch::channel(false);
        let served = tokio::spawn(serve(listener, node.clone(), options, stopped));
        Self { addr, node, stats, stop, served }
    }

    async fn client(&self, protocol: u8) -> redis::aio::MultiplexedConnection {
        let url = format!("redis://{}/?protocol=resp{protocol}", self.addr);
        redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    async fn raw(&self) -> Raw {
        Raw(TcpStream::connect(self.addr).await.unwrap())
    }

    async fn eventually(&self, counter: impl Fn(&RedisStats) -> &AtomicU64, value: u64) {
        let reached = async {
            while counter(&self.stats).load(Ordering::Relaxed) != value {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), reached).await;
        assert!(in_time.is_ok(), "{:?} instead of {value}", counter(&self.stats));
    }
}

/// A socket without manners.
struct Raw(TcpStream);

impl Raw {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends, and expects exactly these bytes back.
    async fn ask(&mut self, bytes: impl AsRef<[u8]>, expected: impl AsRef<[u8]>) {
        self.send(bytes).await;
        self.expect(expected).await;
    }

    async fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let mut got = Vec::new();
        let read = async {
            while got.len() < expected.len() {
                let left = (expected.len() - got.len()) as u64;
                if (&mut self.0).take(left).read_buf(&mut got).await.unwrap() == 0 {
                    break;
                }
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), read).await;
        let shown = got.escape_ascii().to_string();
        assert!(in_time.is_ok(), "no answer after {shown:?}");
        assert_eq!(shown, expected.escape_ascii().to_string());
    }

    /// Expects the end of the stream.
    async fn expect_end(&mut self) {
        let mut byte = [0];
        let read = self.0.read(&mut byte);
        let n = tokio::time::timeout(Duration::from_secs(30), read).await.expect("no end").unwrap();
        assert_eq!(n, 0, "there is more: {}", byte.escape_ascii());
    }
}

/// Asks again and again until the answer has this in it.
async fn until_told(client: &mut redis::aio::MultiplexedConnection, line: &str, what: &str) {
    let told = async {
        while !run::<String>(client, line).await.unwrap().contains(what) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), told).await;
    assert!(in_time.is_ok(), "{line} never says {what:?}");
}

async fn run<T: redis::FromRedisValue>(
    client: &mut redis::aio::MultiplexedConnection,
    line: &str,
) -> RedisResult<T> {
    let mut words = line.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    for word in words {
        command.arg(word);
    }
    command.query_async(client).await
}

async fn fails(client: &mut redis::aio::MultiplexedConnection, line: &str) -> String {
    run::<redis::Value>(client, line).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_real_client_in_both_protocols() {
    let port = Port::open().await;
    for protocol in [2, 3] {
        let mut c = port.client(protocol).await;
        let c = &mut c;
        run::<()>(c, "FLUSHALL").await.unwrap();
        run::<()>(c, "SET k v").await.unwrap();
        assert_eq!(run::<String>(c, "GET k").await.unwrap(), "v");
        assert_eq!(run::<Option<String>>(c, "GET nope").await.unwrap(), None);
        assert_eq!(run::<String>(c, "SET k w GET").await.unwrap(), "v");
        assert_eq!(run::<String>(c, "GETSET k v").await.unwrap(), "w");
        assert_eq!(run::<i64>(c, "APPEND k al").await.unwrap(), 3);
        assert_eq!(run::<i64>(c, "STRLEN k").await.unwrap(), 3);
        assert_eq!(run::<String>(c, "GETRANGE k -2 -1").await.unwrap(), "al");
        run::<()>(c, "MSET a 1 b 2").await.unwrap();
        let values: Vec<Option<i64>> = run(c, "MGET a x b").await.unwrap();
        assert_eq!(values, [Some(1), None, Some(2)]);
        assert_eq!(run::<i64>(c, "EXISTS a a x").await.unwrap(), 2);
        assert_eq!(run::<i64>(c, "DEL a a x").await.unwrap(), 1);
        assert_eq!(run::<i64>(c, "UNLINK b").await.unwrap(), 1);
        assert_eq!(run::<String>(c, "TYPE k").await.unwrap(), "string");
        assert_eq!(run::<String>(c, "TYPE a").await.unwrap(), "none");
        assert_eq!(run::<i64>(c, "DBSIZE").await.unwrap(), 1);
        assert_eq!(run::<String>(c, "RANDOMKEY").await.unwrap(), "k");
        assert_eq!(run::<String>(c, "GETDEL k").await.unwrap(), "val");
        assert_eq!(run::<Option<String>>(c, "RANDOMKEY").await.unwrap(), None);
        let config: std::collections::HashMap<String, String> =
            run(c, "CONFIG GET save appendonly").await.unwrap();
        assert_eq!(config["save"], "");
        assert!(run::<String>(c, "INFO").await.unwrap().contains("redis_version:7.4.0\r\n"));
        run::<()>(c, "CLIENT SETNAME me").await.unwrap();
        assert!(run::<String>(c, "CLIENT LIST").await.unwrap().contains(" name=me "));
    }
}

#[tokio::test]
async fn expiry() {
    let port = Port::open().await;
    let mut c = port.client(3).await;
    let c = &mut c;
    run::<()>(c, "SET k v EX 100").await.unwrap();
    assert!((1..=100).contains(&run::<i64>(c, "TTL k").await.unwrap()));
    run::<()>(c, "SET k w KEEPTTL").await.unwrap();
    assert!((1..=100_000).contains(&run::<i64>(c, "PTTL k").await.unwrap()));
    assert_eq!(run::<i64>(c, "PERSIST k").await.unwrap(), 1);
    assert_eq!(run::<i64>(c, "PERSIST k").await.unwrap(), 0);
    assert_eq!(run::<i64>(c, "TTL k").await.unwrap(), -1);
    assert_eq!(run::<i64>(c, "TTL nope").await.unwrap(), -2);
    assert_eq!(run::<i64>(c, "EXPIREAT k 99999999999").await.unwrap(), 1);
    assert_eq!(run::<i64>(c, "EXPIRETIME k").await.unwrap(), 99_999_999_999);
    assert_eq!(run::<i64>(c, "PEXPIRE nope 5").await.unwrap(), 0);
    assert_eq!(run::<String>(c, "GETEX k PERSIST").await.unwrap(), "w");
    assert_eq!(run::<i64>(c, "TTL k").await.unwrap(), -1);
    assert_eq!(run::<String>(c, "GETEX k EX 50").await.unwrap(), "w");
    assert!((1..=50).contains(&run::<i64>(c, "TTL k").await.unwrap()));
    // One option may stand twice, two may not; where there is no value no time is looked at.
    run::<()>(c, "SET k v EX 5 EX 90").await.unwrap();
    assert!((6..=90).contains(&run::<i64>(c, "TTL k").await.unwrap()));
    for mixed in ["SET k v EX 5 PX 6", "SET k v EX 5 KEEPTTL", "GETEX k EX 5 PERSIST"] {
        let said = run::<String>(c, mixed).await.unwrap_err().to_string();
        assert!(said.contains("syntax error"), "{mixed}: {said}");
    }
    assert_eq!(run::<Option<String>>(c, "GETEX nope EX x").await.unwrap(), None);
    // A time that is past deletes.
    assert_eq!(run::<i64>(c, "EXPIRE k -1").await.unwrap(), 1);
    assert_eq!(run::<i64>(c, "EXISTS k").await.unwrap(), 0);
    run::<()>(c, "SET k v").await.unwrap();
    run::<()>(c, "SET k v PXAT 1").await.unwrap();
    assert_eq!(run::<i64>(c, "EXISTS k").await.unwrap(), 0);
    run::<()>(c, "PSETEX k 20 v").await.unwrap();
    let gone = async {
        while run::<i64>(c, "EXISTS k").await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("it expires");
}

#[tokio::test]
async fn errors_say_what_redis_says_or_why_not() {
    let port = Port::open().await;
    let mut c = port.client(2).await;
    for (line, expected) in [
        ("GET", "wrong number of arguments for 'get' command"),
        ("MSET a", "wrong number of arguments for 'mset' command"),
        ("MSET a b c", "wrong number of arguments for 'mset' command"),
        ("CLIENT SETNAME", "wrong number of arguments for 'client|setname' command"),
        ("CLIENT FOO", "unknown subcommand 'FOO'. Try CLIENT HELP."),
        ("SET k v EX 0", "invalid expire time in 'set' command"),
        ("SETEX k -1 v", "invalid expire time in 'setex' command"),
        ("EXPIRE k 9223372036854775807", "invalid expire time in 'expire' command"),
        ("SET k v EX x", "value is not an integer or out of range"),
        ("SET k v EX", "syntax error"),
        ("SET k v EX 1 PX 1", "syntax error"),
        ("SET k v EX 1 KEEPTTL", "syntax error"),
        ("SET k v NX XX", "syntax error"),
        ("SET k v NX", "needs consensus"),
        ("SET k v XX GET", "needs consensus"),
        ("EXPIRE k 1 GT", "needs consensus"),
        ("EXPIRE k 1 FOO", "Unsupported option FOO"),
        ("SETNX k v", "needs consensus"),
        ("MULTI", "needs consensus"),
        ("EVAL x 0", "needs consensus"),
        ("INCR k", "counters are not available"),
        ("HSET k f v", "'HSET': hashes are not available"),
        ("lcs a b", "'lcs': comparisons of values are not available"),
        ("Sort k", "'Sort': sorts of lists and sets are not available"),
        ("ASKING", "Redis Cluster and Sentinel (every node takes every command"),
        ("DUMP k", "serialized form"),
        ("NOPE a b", "unknown command 'NOPE', with args beginning with: 'a' 'b' "),
        ("SELECT 1", "DB index is out of range"),
        ("SELECT x", "value is not an integer or out of range"),
        ("SCAN x", "invalid cursor"),
        ("SCAN 0 COUNT 0", "syntax error"),
        ("SCAN 0 MATCH", "syntax error"),
        ("FLUSHALL NOW", "syntax error"),
        ("HELLO 4", "NOPROTO"),
        ("CONFIG SET a b", "CONFIG SET is not supported"),
        ("AUTH x", "without any password configured"),
    ] {
        let error = fails(&mut c, line).await;
        assert!(error.contains(expected), "{line}: {error}");
    }
    assert!(port.node.is_empty());
}

#[tokio::test]
async fn walks_find_every_key() {
    let port = Port::open().await;
    let mut c = port.client(3).await;
    let mut pipe = redis::pipe();
    for n in 0..5000 {
        pipe.set(format!("key:{n:04}"), n).ignore();
    }
    pipe.query_async::<()>(&mut c).await.unwrap();
    let keys: Vec<String> = run(&mut c, "KEYS key:*").await.unwrap();
    assert_eq!(keys.len(), 5000);
    assert_eq!(run::<Vec<String>>(&mut c, "KEYS key:[0-1]?42").await.unwrap().len(), 20);
    assert_eq!(run::<Vec<String>>(&mut c, "KEYS key:0042").await.unwrap(), ["key:0042"]);
    let mut cursor = 0_u64;
    let mut seen = HashSet::new();
    loop {
        let line = format!("SCAN {cursor} COUNT 77 MATCH *");
        let (next, page): (u64, Vec<String>) = run(&mut c, &line).await.unwrap();
        seen.extend(page);
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen, keys.into_iter().collect());
    let (_, none): (u64, Vec<String>) = run(&mut c, "SCAN 0 TYPE hash").await.unwrap();
    assert!(none.is_empty());
    run::<()>(&mut c, "FLUSHDB ASYNC").await.unwrap();
    assert_eq!(run::<i64>(&mut c, "DBSIZE").await.unwrap(), 0);
}

#[tokio::test]
async fn a_random_key_is_any_of_those_there_are() {
    let port = Port::open().await;
    let mut c = port.client(3).await;
    assert_eq!(run::<Option<String>>(&mut c, "RANDOMKEY").await.unwrap(), None);
    let ops = |from: u32, to: u32| {
        let key = |n: u32| format!("key:{n}").into_bytes().into();
        (from..to).map(move |n| Op::put(key(n), b"v"[..].into(), Expiry::Never, false)).collect()
    };
    port.node.write(ops(0, 20)).await.unwrap();
    let mut drawn = HashSet::new();
    while drawn.len() < 20 {
        drawn.insert(run::<String>(&mut c, "RANDOMKEY").await.unwrap());
    }
    // Tombstones do not hide the one that is left.
    port.node.write(ops(20, 20_000)).await.unwrap();
    run::<()>(&mut c, "FLUSHALL").await.unwrap();
    assert_eq!(run::<Option<String>>(&mut c, "RANDOMKEY").await.unwrap(), None);
    run::<()>(&mut c, "SET left v").await.unwrap();
    for _ in 0..20 {
        assert_eq!(run::<String>(&mut c, "RANDOMKEY").await.unwrap(), "left");
    }
}

#[tokio::test]
async fn pipelines_answer_in_order() {
    let port = Port::open().await;
    let mut raw = port.raw().await;
    raw.ask(
        "SET a 1\r\nAPPEND a 2\r\nGET a\r\nNOPE\r\nSET a\r\nDEL a\r\nGET a\r\nPING\r\n",
        "+OK\r\n:2\r\n$2\r\n12\r\n\
         -ERR unknown command 'NOPE', with args beginning with: \r\n\
         -ERR wrong number of arguments for 'set' command\r\n:1\r\n$-1\r\n+PONG\r\n",
    )
    .await;
    // Cut anywhere, it is the same.
    let mut stream = Vec::new();
    let mut expected = Vec::new();
    for n in 0..40 {
        let value = "x".repeat(n);
        stream.extend(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${n}\r\n{value}\r\n").into_bytes());
        stream.extend(b"*2\r\n$3\r\nget\r\n$1\r\nk\r\n");
        expected.extend(format!("+OK\r\n${n}\r\n{value}\r\n").into_bytes());
    }
    for piece in [1, 7, 64] {
        for part in stream.chunks(piece) {
            raw.send(part).await;
        }
        raw.expect(&expected).await;
    }
}

#[tokio::test]
async fn inline_commands() {
    let port = Port::open().await;
    let mut raw = port.raw().await;
    raw.ask("  set \"a b\" 'c\\'d'\n\r\n\n", "+OK\r\n").await;
    raw.ask("GET \"a\\x20b\"\r\n", "$3\r\nc'd\r\n").await;
    raw.ask("*0\r\n*-1\r\nPING hi\r\n", "$2\r\nhi\r\n").await;
    raw.ask("get \"a\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n").await;
    raw.expect_end().await;
}

#[tokio::test]
async fn broken_streams_get_an_error_and_an_end() {
    let port = Port::open().await;
    let cases: &[(&[u8], &str)] = &[
        (b"*2\r\n$3\r\nGET\r\n$1073741824\r\n", "invalid bulk length"),
        (b"*x\r\n", "invalid multibulk length"),
        (
            b"*1048577\r\n",
            "invalid multibulk length: a request has at most 1048576 arguments, its name included",
        ),
        (b"*1\r\n:1\r\n", "expected '$', got ':'"),
        (b"*1\r\n$-5\r\n", "invalid bulk length"),
        (b"*1\r\n$4\r\nPINGxx", "expected CRLF after a bulk string"),
    ];
    for (bytes, error) in cases {
        let mut raw = port.raw().await;
        raw.send(bytes).await;
        // What comes behind the error does not keep it from arriving.
        raw.send(vec![0xff; 100_000]).await;
        raw.expect(format!("-ERR Protocol error: {error}\r\n")).await;
        raw.expect_end().await;
    }
    let mut raw = port.raw().await;
    raw.send(vec![b'a'; 64 * 1024]).await;
    raw.expect("-ERR Protocol error: too big inline request\r\n").await;
    let mut raw = port.raw().await;
    raw.send("POST / HTTP/1.1\r\nHost: x\r\n\r\nFLUSHALL\r\n").await;
    raw.expect("-ERR this port speaks the Redis protocol, not HTTP\r\n").await;
    raw.expect_end().await;
    port.eventually(|stats| &stats.protocol_errors, cases.len() as u64 + 2).await;
    // The port is as well as before.
    port.raw().await.ask("PING\r\n", "+PONG\r\n").await;
}

#[tokio::test]
async fn half_a_command_and_gone() {
    let port = Port::open().await;
    let mut raw = port.raw().await;
    raw.ask("SET k v\r\n*2\r\n$3\r\nDEL\r\n$1\r\n", "+OK\r\n").await;
    drop(raw);
    port.eventually(|stats| &stats.connections, 0).await;
    assert_eq!(port.node.get("k").unwrap().value(), Some(&b"v"[..]));
    // A client that has said all still gets its replies.
    let mut raw = port.raw().await;
    raw.send("GET k\r\nPING\r\n").await;
    raw.0.shutdown().await.unwrap();
    raw.expect("$1\r\nv\r\n+PONG\r\n").await;
    raw.expect_end().await;
}

#[tokio::test]
async fn large_values() {
    let port = Port::open().await;
    let mut c = port.client(2).await;
    let value = vec![7_u8; 1024 * 1024];
    let () = c.set("big", &value).await.unwrap();
    assert_eq!(c.get::<_, Vec<u8>>("big").await.unwrap(), value);
    let long = vec![7_u8; 1024 * 1024 + 1];
    let error = c.set::<_, _, ()>("big", &long).await.unwrap_err().to_string();
    assert!(error.contains("over the limit of 1048576"), "{error}");
    let mut mset = redis::cmd("MSET");
    mset.arg("x").arg("1").arg("big").arg(&long);
    let error = mset.query_async::<()>(&mut c).await.unwrap_err().to_string();
    assert!(error.contains("nothing was written"), "{error}");
    let error = c.set::<_, _, ()>(vec![b'k'; 5000], "v").await.unwrap_err().to_string();
    assert!(error.contains("key of 5000 bytes is over the limit"), "{error}");
    assert_eq!(c.append::<_, _, ()>("big", "x").await.unwrap_err().code(), Some("ERR"));
    assert_eq!(port.node.len(), 1);
}

#[tokio::test]
async fn a_slow_reader_gets_everything_in_the_end() {
    let port = Port::open().await;
    port.node.set("big", vec![b'x'; 1024 * 1024]).await.unwrap();
    let mut raw = port.raw().await;
    // 200 MiB of replies to a client that takes none yet: more than is kept for it.
    raw.send("GET big\r\n".repeat(199) + "MGET big\r\n").await;
    let mut other = port.raw().await;
    other.ask("PING\r\n", "+PONG\r\n").await;
    let mut reply = b"$1048576\r\n".to_vec();
    reply.resize(reply.len() + 1024 * 1024, b'x');
    reply.extend(b"\r\n");
    for _ in 0..199 {
        raw.expect(&reply).await;
    }
    raw.expect("*1\r\n").await;
    raw.expect(&reply).await;
}

#[tokio::test]
async fn one_reply_may_be_larger_than_what_is_kept() {
    let port = Port::open().await;
    port.node.set("big", vec![b'x'; 1024 * 1024]).await.unwrap();
    let mut raw = port.raw().await;
    raw.send(format!("MGET{}\r\n", " big".repeat(100))).await;
    raw.expect("*100\r\n").await;
    let mut reply = b"$1048576\r\n".to_vec();
    reply.resize(reply.len() + 1024 * 1024, b'x');
    reply.extend(b"\r\n");
    for _ in 0..100 {
        raw.expect(&reply).await;
    }
    raw.ask("PING\r\n", "+PONG\r\n").await;
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_off() {
    let options = Options { slow_timeout: Duration::from_millis(50), ..Options::default() };
    let port = Port::with(options).await;
    port.node.set("big", vec![b'x'; 1024 * 1024]).await.unwrap();
    let mut raw = port.raw().await;
    raw.send("GET big\r\n".repeat(100)).await;
    port.eventually(|stats| &stats.closed_slow, 1).await;
}

#[tokio::test]
async fn large_buffers_have_a_common_bound() {
    let port = Port::with(Options { max_buffered: 1024 * 1024, ..Options::default() }).await;
    let mut patient = Vec::new();
    for _ in 0..20 {
        let mut raw = port.raw().await;
        raw.send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n").await;
        // Those over the bound are told so, and closed, while they send.
        let _ = raw.0.write_all(&vec![b'x'; 900_000]).await;
        patient.push(raw);
    }
    let refused = async {
        while port.stats.closed_memory.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refused).await.expect("the bound holds");
    port.raw().await.ask("PING\r\n", "+PONG\r\n").await;
    drop(patient);
    port.eventually(|stats| &stats.connections, 0).await;
    // What they held is free again.
    let mut raw = port.raw().await;
    raw.send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n").await;
    raw.send(vec![b'x'; 1_000_000]).await;
    raw.ask("\r\n", "+OK\r\n").await;
}

#[tokio::test]
async fn two_thousand_idle_connections() {
    let port = Port::open().await;
    let mut idle = Vec::new();
    for _ in 0..2000 {
        idle.push(port.raw().await);
    }
    port.eventually(|stats| &stats.connections, 2000).await;
    port.raw().await.ask("PING\r\n", "+PONG\r\n").await;
    for raw in &mut idle {
        raw.ask("PING\r\n", "+PONG\r\n").await;
    }
    drop(idle);
    port.eventually(|stats| &stats.connections, 0).await;
}

#[tokio::test]
async fn too_many_connections_are_told_so() {
    let port = Port::with(Options { max_clients: 2, ..Options::default() }).await;
    let mut first = port.raw().await;
    first.ask("PING\r\n", "+PONG\r\n").await;
    let mut second = port.raw().await;
    second.ask("PING\r\n", "+PONG\r\n").await;
    let mut third = port.raw().await;
    third.expect("-ERR max number of clients reached\r\n").await;
    third.expect_end().await;
    drop(second);
    port.eventually(|stats| &stats.connections, 1).await;
    port.raw().await.ask("PING\r\n", "+PONG\r\n").await;
    assert_eq!(port.stats.refused.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn idle_clients_are_closed_where_that_is_configured() {
    let idle_timeout = Some(Duration::from_millis(20));
    let port = Port::with(Options { idle_timeout, ..Options::default() }).await;
    port.raw().await.expect_end().await;
    port.eventually(|stats| &stats.closed_idle, 1).await;
}

#[tokio::test]
async fn passwords() {
    let password = Some(Password::new("s3cret"));
    let port = Port::with(Options { password, ..Options::default() }).await;
    let mut raw = port.raw().await;
    raw.ask("GET k\r\n", "-NOAUTH Authentication required.\r\n").await;
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    raw.ask("AUTH wrong\r\n", wrong).await;
    raw.ask("AUTH other s3cret\r\n", wrong).await;
    raw.ask("AUTH default s3cret\r\nSET k v\r\n", "+OK\r\n+OK\r\n").await;
    raw.ask("RESET\r\nGET k\r\n", "+RESET\r\n-NOAUTH Authentication required.\r\n").await;
    raw.ask("QUIT\r\n", "+OK\r\n").await;
    raw.expect_end().await;
    let mut raw = port.raw().await;
    raw.ask("*11\r\n", "-ERR Protocol error: unauthenticated multibulk length\r\n").await;
    let mut raw = port.raw().await;
    raw.send("*1\r\n$16385\r\n").await;
    raw.expect("-ERR Protocol error: unauthenticated bulk length\r\n").await;
    assert_eq!(port.stats.auth_failures.load(Ordering::Relaxed), 2);
    let url = format!("redis://:s3cret@{}/?protocol=resp3", port.addr);
    let client = redis::Client::open(url).unwrap();
    let mut client = client.get_multiplexed_async_connection().await.unwrap();
    assert_eq!(client.get::<_, String>("k").await.unwrap(), "v");
}

#[tokio::test]
async fn hello_chooses_the_protocol() {
    let port = Port::open().await;
    let mut raw = port.raw().await;
    let body = |proto: u8| {
        format!(
            "$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.4.0\r\n$5\r\nproto\r\n:{proto}\
             \r\n$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\
             \r\n$7\r\nmodules\r\n*0\r\n"
        )
    };
    raw.ask("HELLO 3 SETNAME me\r\n", format!("%7\r\n{}", body(3))).await;
    raw.ask("GET nope\r\nCLIENT GETNAME\r\n", "_\r\n$2\r\nme\r\n").await;
    raw.ask("CONFIG GET save\r\n", "%1\r\n$4\r\nsave\r\n$0\r\n\r\n").await;
    raw.ask("HELLO 2\r\n", format!("*14\r\n{}", body(2))).await;
    raw.ask("GET nope\r\n", "$-1\r\n").await;
    raw.ask("HELLO 3 FOO\r\n", "-ERR Syntax error in HELLO option 'FOO'\r\n").await;
}

#[tokio::test]
async fn replies_can_be_switched_off() {
    let port = Port::open().await;
    let mut raw = port.raw().await;
    raw.ask("CLIENT REPLY SKIP\r\nSET a 1\r\nSET b 2\r\n", "+OK\r\n").await;
    // As Redis 7 answers: the last of them counts, and an empty request is a command to it.
    for (asked, answered) in [
        ("CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nPING\r\nECHO 2\r\n", "$1\r\n2\r\n"),
        ("CLIENT REPLY SKIP\r\n\r\nPING\r\n", "+PONG\r\n"),
        ("CLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nPING\r\n", "+OK\r\n+PONG\r\n"),
        ("CLIENT REPLY SKIP\r\nCLIENT REPLY NO\r\nPING\r\n", "+PONG\r\n"),
        ("CLIENT REPLY SKIP\r\nRESET\r\nPING\r\n", "+PONG\r\n"),
        ("CLIENT REPLY OFF\r\nRESET\r\nPING\r\n", "+RESET\r\n+PONG\r\n"),
        (
            "CLIENT REPLY OFF\r\nCLIENT REPLY SKIP\r\nPING\r\nCLIENT REPLY ON\r\nPING\r\n",
            "+OK\r\n+PONG\r\n",
        ),
    ] {
        raw.ask(asked, answered).await;
        raw.ask("ECHO next\r\n", "$4\r\nnext\r\n").await;
    }
    raw.ask("CLIENT REPLY OFF\r\nSET a 3\r\nGET a\r\nNOPE\r\n", "").await;
    raw.ask("CLIENT REPLY ON\r\nGET a\r\n", "+OK\r\n$1\r\n3\r\n").await;
}

#[tokio::test]
async fn commands_describe_themselves() {
    let port = Port::open().await;
    let mut c = port.client(3).await;
    let count: usize = run(&mut c, "COMMAND COUNT").await.unwrap();
    let all: Vec<redis::Value> = run(&mut c, "COMMAND").await.unwrap();
    let names: Vec<String> = run(&mut c, "COMMAND LIST").await.unwrap();
    assert_eq!(all.len(), count);
    assert_eq!(names.iter().filter(|name| !name.contains('|')).count(), count);
    assert!(names.contains(&"client|reply".to_owned()), "subcommands are listed as well");
    let keyspace: Vec<String> = run(&mut c, "COMMAND LIST FILTERBY ACLCAT keyspace").await.unwrap();
    assert!(keyspace.contains(&"ttl".to_owned()) && !keyspace.contains(&"get".to_owned()));
    let docs: redis::Value = run(&mut c, "COMMAND DOCS set").await.unwrap();
    let docs = format!("{docs:?}");
    for told in ["KEEPTTL", "unix-time-milliseconds", "key_spec_index", "optional"] {
        assert!(docs.contains(told), "{told} is not in {docs}");
    }
    let keys: Vec<String> = run(&mut c, "COMMAND GETKEYS MSET a 1 b 2").await.unwrap();
    assert_eq!(keys, ["a", "b"]);
    let docs: redis::Value = run(&mut c, "COMMAND DOCS get client").await.unwrap();
    assert!(matches!(docs, redis::Value::Map(pairs) if pairs.len() == 2));
    let mut raw = port.raw().await;
    raw.ask("COMMAND INFO nope\r\n", "*1\r\n*-1\r\n").await;
    // To the byte what Redis 7 says.
    raw.ask(
        "COMMAND INFO ttl config|get\r\n",
        "*2\r\n*10\r\n$3\r\nttl\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n*3\r\n\
         +@keyspace\r\n+@read\r\n+@fast\r\n*1\r\n$23\r\nnondeterministic_output\r\n*1\r\n*6\r\n\
         $5\r\nflags\r\n*2\r\n+RO\r\n+access\r\n$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\n\
         index\r\n$4\r\nspec\r\n*2\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n\
         $5\r\nrange\r\n$4\r\nspec\r\n*6\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\n\
         limit\r\n:0\r\n*0\r\n*10\r\n$10\r\nconfig|get\r\n:-3\r\n*4\r\n+admin\r\n+noscript\r\n\
         +loading\r\n+stale\r\n:0\r\n:0\r\n:0\r\n*3\r\n+@admin\r\n+@slow\r\n+@dangerous\r\n*0\r\n\
         *0\r\n*0\r\n",
    )
    .await;
    raw.ask("CONFIG HELP\r\n", "*11\r\n+CONFIG <subcommand>").await;
}

#[tokio::test]
async fn shutdown_closes_every_connection() {
    let port = Port::open().await;
    let mut raw = port.raw().await;
    raw.ask("PING\r\n", "+PONG\r\n").await;
    port.stop.send_replace(true);
    raw.expect_end().await;
    let ended = tokio::time::timeout(Duration::from_secs(30), port.served).await;
    ended.expect("the port ends").unwrap();
    assert!(TcpStream::connect(port.addr).await.is_err());
}

#[tokio::test]
async fn a_stopped_node_says_so() {
    let port = Port::open().await;
    port.node.shutdown().await;
    let mut raw = port.raw().await;
    raw.ask("SET a 1\r\n", "-ERR the node has shut down\r\n").await;
    raw.ask("SCAN 0\r\n", "-ERR the node has shut down\r\n").await;
    raw.ask("GET a\r\n", "$-1\r\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wait_counts_the_other_members_that_hold_all_writes() {
    let port = Port::open().await;
    let seed = port.node.identity().gossip.to_string();
    let mut others = Vec::new();
    for _ in 0..2 {
        others.push(Rumormill::builder().join([seed.clone()]).start().await.unwrap());
    }
    let mut raw = port.raw().await;
    raw.ask(
        "*3\r\n$4\r\nWAIT\r\n$1\r\nx\r\n$1\r\n1\r\n",
        "-ERR value is not an integer or out of range\r\n",
    )
    .await;
    raw.ask("WAIT 1 x\r\n", "-ERR timeout is not an integer or out of range\r\n").await;
    raw.ask("WAIT 1 -1\r\n", "-ERR timeout is negative\r\n").await;
    raw.ask("WAIT 1\r\n", "-ERR wrong number of arguments for 'wait' command\r\n").await;
    crate::support::until("all see all", || port.node.status().members.alive == 3).await;
    // Nothing was written here.
    raw.ask("WAIT 5 0\r\n", ":2\r\n").await;
    raw.ask("SET a 1\r\nSET b 2\r\nDEL a\r\nWAIT 2 60000\r\n", "+OK\r\n+OK\r\n:1\r\n:2\r\n").await;
    assert!(others.iter().all(|node| node.get("b").is_some() && node.get("a").is_none()));
    // More than are asked for by name.
    let many: String = (0..3000).map(|key| format!("SET many/{key} v\r\n")).collect();
    raw.ask(many + "WAIT 2 60000\r\n", "+OK\r\n".repeat(3000) + ":2\r\n").await;
    assert!(others.iter().all(|node| node.len() == 3001));
    raw.ask("SET c 1\r\nWAIT 0 0\r\n", "+OK\r\n:0\r\n").await;
    raw.ask("SET d 1\r\nWAIT 3 3000\r\n", "+OK\r\n:2\r\n").await;
    // Who waits for ever and goes is forgotten.
    raw.ask("SET e 1\r\nWAIT 9 0\r\n", "+OK\r\n").await;
    let mut other = port.client(3).await;
    until_told(&mut other, "INFO clients", "blocked_clients:1\r").await;
    let list = run::<String>(&mut other, "CLIENT LIST").await.unwrap();
    assert!(list.lines().next().unwrap().contains(" flags=b db=0 "), "{list}");
    assert!(list.lines().next().unwrap().contains(" cmd=wait "), "{list}");
    assert!(list.lines().nth(1).unwrap().contains(" flags=N db=0 "), "{list}");
    drop(raw);
    until_told(&mut other, "INFO clients", "blocked_clients:0\r").await;
    drop(other);
    port.eventually(|stats| &stats.connections, 0).await;
}

#[tokio::test]
async fn what_this_version_does_not_know_is_no_string() {
    let port = Port::open().await;
    let op = Op::put(b"k"[..].into(), b"body"[..].into(), Expiry::At(u64::MAX >> 1), false);
    let later = Op::Extended { op: op.into(), kind: Kind(7), fields: [1, 1, 9].into() };
    let written = port.node.write_one(later).await.unwrap().written.unwrap();
    let wrong = "-WRONGTYPE Operation against a key holding a kind of value that this version does \
                 not know\r\n";
    let mut raw = port.raw().await;
    for command in [
        "GET k",
        "STRLEN k",
        "GETRANGE k 0 -1",
        "GETEX k",
        "GETEX k EX 9",
        "GETEX k PERSIST",
        "APPEND k x",
        "EXPIRE k 9",
        "PERSIST k",
        "GETSET k x",
        "SET k x GET",
        "GETDEL k",
    ] {
        raw.ask(format!("{command}\r\n"), wrong).await;
    }
    assert_eq!(port.node.get("k"), Some(written), "nothing was changed");
    raw.ask("MGET k none\r\n", "*2\r\n$-1\r\n$-1\r\n").await;
    raw.ask("TYPE k\r\n", "+kind-7\r\n").await;
    raw.ask("SCAN 0 TYPE string\r\n", "*2\r\n$1\r\n0\r\n*0\r\n").await;
    raw.ask("SCAN 0 TYPE kind-7\r\n", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n").await;
    raw.ask("EXISTS k\r\n", ":1\r\n").await;
    raw.ask("KEYS *\r\n", "*1\r\n$1\r\nk\r\n").await;
    raw.ask("OBJECT ENCODING k\r\n", "$-1\r\n").await;
    // In one pipeline, each sees what the one before has left.
    raw.ask("SET k new\r\nGETSET k newer\r\nDEL k\r\n", "+OK\r\n$3\r\nnew\r\n:1\r\n").await;
}

/// A pattern that takes long over many long keys, asked for by two: who hangs up is served no longer,
/// and is gone before the other, who had asked first, has an answer.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_not_searched_for_who_has_hung_up() {
    let port = Port::open().await;
    for number in 0..4000 {
        let key = format!("{number:04}{}", "k".repeat(4000));
        port.node.set(key, "v").await.unwrap();
    }
    let pattern = "*?".repeat(4000);
    let search = format!("*2\r\n$4\r\nKEYS\r\n${}\r\n{pattern}\r\n", pattern.len());
    let (mut stays, mut hangs_up) = (port.raw().await, port.raw().await);
    stays.send(&search).await;
    port.eventually(|stats| &stats.connections, 2).await;
    hangs_up.send(&search).await;
    #[expect(deprecated, reason = "what else closes at once has come lately")]
    hangs_up.0.set_linger(Some(Duration::ZERO)).unwrap();
    drop(hangs_up);
    port.eventually(|stats| &stats.connections, 1).await;
    let early = stays.0.try_read(&mut [0; 16]);
    assert!(early.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    stays.expect("*4000\r\n").await;
}
