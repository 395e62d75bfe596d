//! Joining by names: they may come late, move, have many addresses, or stand in SRV records.

use crate::support::until;
use rumormill::{Builder, Key, KeyRing, Lookup, Resolver, Rumormill, SystemResolver};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

fn quick() -> Builder {
    let mut config = rumormill::core::Config::default();
    config.member.probe_interval = Duration::from_millis(50);
    config.member.probe_timeout = Duration::from_millis(25);
    config.member.rejoin_interval = Duration::from_millis(100);
    Rumormill::builder().config(config)
}

/// Names that the test can change.
#[derive(Clone, Debug, Default)]
struct Names(Arc<Mutex<BTreeMap<String, Vec<SocketAddr>>>>);

impl Names {
    fn set(&self, name: &str, addresses: &[SocketAddr]) {
        self.0.lock().unwrap().insert(name.into(), addresses.into());
    }
}

impl Resolver for Names {
    fn host<'a>(&'a self, host: &'a str, _: u16) -> Lookup<'a, Vec<SocketAddr>> {
        let found = self.0.lock().unwrap().get(host).cloned();
        let found = found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such host"));
        Box::pin(std::future::ready(found))
    }

    fn service<'a>(&'a self, _: &'a str) -> Lookup<'a, Vec<(String, u16)>> {
        Box::pin(std::future::ready(Ok(vec![("db".into(), 1), ("web".into(), 2)])))
    }
}

fn gossip(node: &Rumormill) -> SocketAddr {
    node.identity().gossip
}

fn sees(node: &Rumormill, alive: u64) -> bool {
    node.status().members.alive == alive
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_comes_late_is_a_warning_and_joins_when_it_is_there() {
    let names = Names::default();
    let node = quick().resolver(names.clone()).join(["db:7400"]).start().await.unwrap();
    until("it was looked for twice", || {
        node.status().seeds.first().is_some_and(|seed| seed.failures > 1)
    })
    .await;
    let status = node.status();
    assert_eq!(status.seeds[0].error.as_deref(), Some("no such host"));
    assert!(status.warnings[0].contains("\"db:7400\" cannot be found"), "{:?}", status.warnings);

    // All its addresses are tried; nobody is at the first.
    let other = quick().start().await.unwrap();
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    names.set("db", &[nobody.local_addr().unwrap(), gossip(&other)]);
    until("they have met", || sees(&node, 2) && sees(&other, 2)).await;
    until("the warning goes", || node.status().warnings.is_empty()).await;
    assert_eq!(node.status().seeds[0].addresses.len(), 2);

    // Everyone is lost, and the name has moved.
    other.shutdown().await;
    let moved = quick().start().await.unwrap();
    names.set("db", &[gossip(&moved)]);
    until("it is found where it moved", || sees(&moved, 2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_all_its_hosts() {
    let (db, web) = (quick().start().await.unwrap(), quick().start().await.unwrap());
    let names = Names::default();
    names.set("web", &[gossip(&web)]);
    let join = ["srv+_gossip._udp.example"];
    let node = quick().resolver(names.clone()).join(join).start().await.unwrap();
    until("one host is enough", || sees(&web, 2)).await;
    assert!(node.status().warnings.is_empty());
    names.set("db", &[gossip(&db)]);
    web.shutdown().await;
    until("the other is found", || sees(&db, 2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_can_be_bound_although_no_name_is_known() {
    let node = quick()
        .gossip(([0, 0, 0, 0], 0).into())
        .insecure(true)
        .resolver(Names::default())
        .join(["nobody:1"]);
    match node.start().await {
        Ok(node) => assert!(!gossip(&node).ip().is_unspecified()),
        // A machine without a network has no address to tell.
        Err(error) => assert!(error.to_string().contains("--advertise"), "{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_name_at_all_is_refused() {
    for bad in ["nonsense", "a:0", "srv+", "srv+a..b"] {
        let error = quick().join([bad]).start().await.err().unwrap().to_string();
        assert!(error.contains("to join by"), "{error}");
    }
}

/// A name server that answers every question with one SRV record, over the stream only.
async fn name_server(port: u16) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let socket = UdpSocket::bind(addr).await.unwrap();
    tokio::spawn(async move {
        let mut bytes = [0; 512];
        while let Ok((len, from)) = socket.recv_from(&mut bytes).await {
            bytes[2] |= 0x82;
            let _ = socket.send_to(&bytes[..len], from).await;
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let len = stream.read_u16().await.unwrap();
            let mut answer = vec![0; usize::from(len)];
            stream.read_exact(&mut answer).await.unwrap();
            answer[2] |= 0x80;
            answer[7] = 1;
            answer.extend_from_slice(&[0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 9, 0, 17, 0, 1, 0, 1]);
            answer.extend_from_slice(&port.to_be_bytes());
            answer.extend_from_slice(b"\x09localhost\0");
            let len = u16::try_from(answer.len()).unwrap();
            stream.write_all(&[&len.to_be_bytes(), &answer[..]].concat()).await.unwrap();
        }
    });
    addr
}

#[tokio::test(flavor = "multi_thread")]
async fn srv_records_are_read_from_a_name_server() {
    let other = quick().start().await.unwrap();
    let server = name_server(gossip(&other).port()).await;
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = SystemResolver::with_name_servers([silent.local_addr().unwrap(), server]);
    let join = ["srv+_gossip._udp.example"];
    let node = quick().resolver(resolver).join(join).start().await.unwrap();
    until("they have met", || sees(&node, 2) && sees(&other, 2)).await;
    let found = &node.status().seeds[0];
    assert!(found.addresses.contains(&gossip(&other)), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_in_vain_says_so_and_why() {
    let ring = || KeyRing::new(Key::generate());
    let named = |name: &str| {
        let config =
            rumormill::core::Config { cluster: name.into(), ..rumormill::core::Config::default() };
        Rumormill::builder().config(config)
    };
    let ours = ring();
    let sealed = named("a").keys(ours.clone()).start().await.unwrap();
    let plain = named("a").start().await.unwrap();
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (sealed, plain) = ((gossip(&sealed), &sealed), (gossip(&plain), &plain));

    let mut joiners = Vec::new();
    for (builder, seed, found, says) in [
        (named("a").keys(ring()), sealed.0, "stranger", "another key or none (--key-file)"),
        (named("a"), sealed.0, "stranger", "another key or none"),
        (named("b").keys(ours.clone()), sealed.0, "stranger", "another name (--cluster)"),
        (named("b"), plain.0, "stranger", "another name (--cluster)"),
        (named("a").keys(ours.clone()), plain.0, "stranger", "another key or none"),
        (named("a"), free, "refused", "nothing listens there by TCP"),
    ] {
        let joiner = builder.join([seed.to_string()]).start().await.unwrap();
        joiners.push((joiner, seed, found, says));
    }
    for (joiner, seed, found, says) in &joiners {
        until("it says that it is alone", || joiner.status().alone.is_some()).await;
        let status = joiner.status();
        let alone = status.alone.unwrap();
        assert_eq!((alone.seeds, alone.tried.len()), (1, 1));
        assert_eq!((alone.tried[0].address, alone.tried[0].found.as_str()), (*seed, *found));
        let warning = &status.warnings[0];
        assert!(warning.starts_with("alone: the only seed has not answered"), "{warning}");
        assert!(warning.contains(&seed.to_string()) && warning.contains(says), "{warning}");
    }
    for node in [sealed.1, plain.1] {
        assert!(node.status().alone.is_none(), "who joins nobody is not alone in vain");
        assert_eq!(node.members().len(), 1, "strangers were let in");
    }
    // Somebody comes: it is over.
    let late = named("a").gossip(free).start().await.unwrap();
    let last = &joiners.last().unwrap().0;
    until("they have met", || sees(last, 2) && sees(&late, 2)).await;
    until("the warning goes", || last.status().alone.is_none()).await;
}
