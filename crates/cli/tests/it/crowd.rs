//! Ports under connections without number and bytes without sense.

use super::fleet::{QUICK, agree, all_alive, fleet};
use super::process::{Agent, rumormill, until};
use super::wire::{PATIENCE, Redis, Reply, Rng};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;

/// Raises this process's own limit on open files; returns how many it may open.
fn open_files() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it fails the old limit is what is left.
    let _ = setrlimit(Resource::Nofile, limit);
    usize::try_from(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)).unwrap_or(usize::MAX)
}

/// An agent that is started with a low soft limit on open files, as a shell gives it.
fn with_low_limit(args: &[&str]) -> Agent {
    let mut all = vec!["--format", "json", "agent", "--exit-with-stdin", "--log", "warn"];
    all.extend(["--gossip", "127.0.0.1:0", "--redis", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    all.extend(args);
    let plain = rumormill(&all);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -S -n 256; exec \"$@\"", "sh"]);
    command.arg(plain.get_program()).args(plain.get_args());
    Agent::spawn(command)
}

fn ping(agent: &Agent) {
    assert_eq!(Redis::to(agent).ask(&[b"PING"]).unwrap(), Reply::Simple("PONG".into()));
}

#[test]
fn ten_thousand_idle_connections() {
    // This process needs one for each as well, and some for the tests beside this one.
    let count = 10_000.min(open_files().saturating_sub(2000));
    if count < 10_000 {
        println!("the limit on open files allows only {count} connections here");
    }
    let agent = with_low_limit(&[]);
    ping(&agent);
    let before = agent.resident_kib();
    let idle: Vec<_> = (0..count).map(|_| Redis::to(&agent)).collect();
    let connected = || {
        let mut redis = Redis::to(&agent);
        let Reply::Bulk(Some(info)) = redis.ask(&[b"INFO", b"clients"]).unwrap() else { panic!() };
        let info = String::from_utf8(info).unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("connected_clients:"));
        line.unwrap().trim().parse::<usize>().unwrap()
    };
    until("all are connected", || (connected() > count).then_some(()));
    ping(&agent);
    assert_eq!(agent.number("/entries"), 0);
    let after = agent.resident_kib();
    let each = (after.saturating_sub(before)) as f64 / count as f64;
    println!("{count} idle connections: {before} KiB, then {after} KiB, {each:.1} KiB each");
    assert!(each < 16.0, "{each} KiB for an idle connection");
    drop(idle);
    until("all are gone", || (connected() <= 2).then_some(()));
}

/// A stream to a gossip port that has said a proper greeting.
fn greeted(to: &str, number: u16) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    let addr = SocketAddr::from(([127, 9, 9, 9], 10_000 + number)).to_string();
    let tag = rumormill_core::base::hash::Keyed::for_cluster("rumormill").tag();
    let mut bytes = b"RMS1".to_vec();
    bytes.extend(tag.to_le_bytes());
    bytes.push(addr.len() as u8);
    bytes.extend(addr.as_bytes());
    stream.write_all(&bytes).unwrap();
    stream
}

#[test]
fn streams_that_only_take_up_room() {
    let agents = fleet(3, None);
    let target = &agents[0];
    open_files();
    let before = target.resident_kib();
    let mut held = Vec::new();
    for number in 0..1000 {
        let mut stream = match number % 2 {
            0 => TcpStream::connect(target.gossip()).unwrap(),
            _ => greeted(target.gossip(), number),
        };
        // Cut anywhere: within the greeting, the length, the body, or not at all.
        let beginning: &[u8] = match number % 10 {
            0 => b"",
            1 => b"",
            2 => b"RM",
            3 => &[1],
            4 => b"RMS1xxxx",
            5 => &(8_u32 << 20).to_le_bytes(),
            6 => b"GET / HTTP/1.1\r\n",
            7 => &[0, 0, 1, 0, 7, 7, 7],
            8 => b"\xff",
            _ => &[0, 0, 0, 0],
        };
        stream.write_all(beginning).unwrap();
        held.push(stream);
    }
    // Large values go by stream, so streams still work, both ways.
    let large = vec![b'x'; 1 << 20];
    for (index, agent) in agents.iter().enumerate() {
        agent.run_with(&["set", &format!("large/{index}"), "-"], &large).good();
    }
    agree(&agents);
    assert_eq!(target.number("/entries"), 3);
    // Lengths over every bound end the stream at once.
    for length in [u32::MAX, 9 << 20, 1 << 30] {
        let mut stream = greeted(target.gossip(), 2000);
        stream.write_all(&length.to_le_bytes()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)), "{length} is refused");
    }
    let after = target.resident_kib();
    println!("1,000 streams left open: {before} KiB, then {after} KiB");
    assert!(after < before + 192 * 1024, "{before} KiB, then {after} KiB");
    drop(held);
    agents[1].run(&["set", "afterwards", "1"]).good();
    all_alive(&agents);
    agree(&agents);
    assert!(!target.said().contains("panicked"), "{}", target.said());
}

#[test]
fn more_streams_than_there_is_room_for() {
    const ROOM: usize = 4096;
    if open_files() < ROOM + 1500 {
        println!("LEFT OUT: the limit on open files does not allow {ROOM} streams");
        return;
    }
    let agents = fleet(2, None);
    let target = &agents[0];
    let held: Vec<_> =
        (0..ROOM + 200).map(|number| greeted(target.gossip(), number as u16)).collect();
    until("the surplus is counted", || {
        (target.number("/traffic/shed_messages") >= 200).then_some(())
    });
    agents[1].run(&["set", "small", "by datagram"]).good();
    until("it is heard", || (target.run(&["get", "small"]).code == 0).then_some(()));
    drop(held);
    let large = vec![b'x'; 1 << 20];
    agents[1].run_with(&["set", "large", "-"], &large).good();
    all_alive(&agents);
    agree(&agents);
    assert!(!target.said().contains("panicked"), "{}", target.said());
}

/// Random bytes, or sensible ones with random bytes in them.
fn noise(rng: &mut Rng) -> Vec<u8> {
    const TALK: [&[u8]; 8] = [
        b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\n",
        b"*1000000\r\n$3\r\nGET\r\n",
        b"*2\r\n$3\r\nGET\r\n$1073741824\r\n",
        b"HELLO 3\r\nCLIENT REPLY OFF\r\n",
        b"PUT /v1/kv/a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\n",
        b"POST /v1/kv HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\n",
        b"GET /v1/watch HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"RMS1\0\0\0\0\xff",
    ];
    let len = rng.below(600) as usize;
    let mut bytes = rng.bytes(len);
    match rng.below(3) {
        0 => {}
        1 => {
            let talk = TALK[rng.below(8) as usize];
            bytes.splice(0..0, talk.iter().copied());
        }
        _ => {
            bytes = TALK[rng.below(8) as usize].to_vec();
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.next() as u8;
        }
    }
    bytes
}

#[test]
fn random_bytes_at_every_port() {
    let agents = fleet(3, None);
    let target = &agents[0];
    target.run(&["set", "kept", "1"]).good();
    agree(&agents);
    let digest = target.status()["digest"].clone();
    let before = target.resident_kib();
    let ports: Vec<String> = ["gossip", "redis", "http"]
        .iter()
        .map(|port| target.hello[*port].as_str().unwrap().to_owned())
        .collect();
    std::thread::scope(|scope| {
        for (number, port) in ports.iter().enumerate() {
            scope.spawn(move || {
                let mut rng = Rng(number as u64);
                for round in 0..1500 {
                    let mut stream = TcpStream::connect(port).unwrap();
                    // It may have been closed for what came before.
                    let _ = stream.write_all(&noise(&mut rng));
                    if round % 2 == 0 {
                        let _ = stream.shutdown(Shutdown::Write);
                        stream.set_read_timeout(Some(PATIENCE)).unwrap();
                        let _ = stream.read(&mut [0; 64]);
                    }
                }
            });
        }
        let gossip = &ports[0];
        scope.spawn(move || {
            let mut rng = Rng(77);
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            for _ in 0..5000 {
                let len = [0, 1, 13, 100, 1400, 65_507][rng.below(6) as usize];
                let len = rng.below(len + 1) as usize;
                let bytes = rng.bytes(len);
                // What the system does not take is not sent.
                let _ = socket.send_to(&bytes, gossip);
            }
        });
    });
    ping(target);
    let counted = target.number("/counters/dropped_strangers");
    assert!(counted > 0 && target.number("/traffic/shed_messages") > 0);
    // "a" may have been written: two of the pieces of talk begin a SET.
    target.run(&["del", "a"]);
    agents[2].run(&["set", "afterwards", "1"]).good();
    all_alive(&agents);
    agree(&agents);
    assert_ne!(target.status()["digest"], digest);
    assert_eq!(target.run(&["get", "kept"]).good().text(), "1");
    let after = target.resident_kib();
    println!("random bytes: {counted} strange datagrams, {before} KiB, then {after} KiB");
    assert!(after < before + 64 * 1024, "{before} KiB, then {after} KiB");
    for agent in &agents {
        assert!(!agent.said().contains("panicked"), "{}", agent.said());
    }
}

/// The settings of the other tests make no difference to what a stranger may do.
#[test]
fn strangers_are_counted_and_told_nothing() {
    let agents = fleet(2, None);
    let target = &agents[0];
    let join = ["--cluster", "other", "--join", target.gossip()];
    let stranger = Agent::start(&[&join[..], &QUICK].concat());
    stranger.run(&["set", "strange", "1"]).good();
    until("it is counted again and again", || {
        (target.number("/counters/dropped_strangers") >= 5).then_some(())
    });
    assert_eq!(stranger.members("alive"), 1);
    assert_eq!((target.members("alive"), target.number("/entries")), (2, 0));
}
