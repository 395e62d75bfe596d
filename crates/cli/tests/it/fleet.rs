//! Several agents as processes: what one of them suffers, the others make up for.

use super::process::{Agent, run, until};
use super::wire::{Redis, Reply, Rng, browser, delete, put};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

/// Settings with which a death is noticed within a second or two.
pub const QUICK: [&str; 10] = [
    "--set",
    "member.probe_interval=100ms",
    "--set",
    "member.probe_timeout=300ms",
    "--set",
    "member.suspicion_mult=10",
    "--set",
    "member.rejoin_interval=200ms",
    "--set",
    "repair.idle_interval=500ms",
];

/// Agents that have joined by the first, each in its folder if there is one, and see each other.
pub fn fleet(count: usize, folder: Option<&Path>) -> Vec<Agent> {
    let mut agents: Vec<Agent> = Vec::new();
    for number in 0..count {
        let name = format!("n{number}");
        let mut args = vec!["--name", &name];
        args.extend(QUICK);
        let data = folder.map(|folder| folder.join(&name));
        if let Some(data) = &data {
            args.extend(["--data", data.to_str().unwrap()]);
        }
        let seed = agents.first().map(|first| first.gossip().to_owned());
        if let Some(seed) = &seed {
            args.extend(["--join", seed]);
        }
        let agent = Agent::start(&args);
        agents.push(agent);
    }
    all_alive(&agents);
    agents
}

/// Starts an agent of a fleet again, from its folder alone.
fn again(folder: &Path, name: &str) -> Agent {
    let data = folder.join(name);
    let args = [&["--name", name, "--data", data.to_str().unwrap()], &QUICK[..]].concat();
    Agent::start(&args)
}

/// Waits until all of them hold all of them alive, and nobody else.
#[track_caller]
pub fn all_alive(agents: &[Agent]) {
    until("all hold all alive", || {
        agents.iter().all(|agent| agent.members("alive") == agents.len() as u64).then_some(())
    });
}

/// Waits until all hold the same.
#[track_caller]
pub fn agree(agents: &[Agent]) {
    until("all digests are equal", || {
        let digests: Vec<_> = agents.iter().map(|agent| agent.status()["digest"].clone()).collect();
        digests.iter().all(|digest| *digest == digests[0]).then_some(())
    });
    let first = agents[0].holds();
    for agent in &agents[1..] {
        assert!(agent.holds() == first, "digests are equal, entries are not");
    }
}

/// What was acknowledged to a writer: numbers of keys written once, the latest of a key that is
/// overwritten again and again (by how many it was sent), and keys deleted.
#[derive(Default)]
struct Acked {
    once: Vec<String>,
    counters: BTreeMap<String, u64>,
    deleted: Vec<String>,
}

impl Acked {
    fn add(&mut self, more: Self) {
        self.once.extend(more.once);
        self.deleted.extend(more.deleted);
        for (key, count) in more.counters {
            let held = self.counters.entry(key).or_default();
            *held = count.max(*held);
        }
    }

    #[track_caller]
    fn check(&self, agent: &Agent) {
        let held = agent.holds();
        for key in &self.once {
            assert_eq!(held.get(key).map(|(value, _)| value.as_str()), Some(key.as_str()));
        }
        for (key, least) in &self.counters {
            let value = held.get(key).and_then(|(value, _)| value.parse::<u64>().ok());
            assert!(value >= Some(*least), "{key} is {value:?}, {least} was acknowledged");
        }
        for key in &self.deleted {
            assert!(!held.contains_key(key), "{key} was deleted and is back");
        }
    }
}

/// Writes in pipelines of random length until the connection breaks.
fn write_redis(addr: &str, run: u64, mut rng: Rng, acks: &AtomicU64) -> Acked {
    let mut acked = Acked::default();
    let mut number = run * 1_000_000;
    let Ok(mut redis) = Redis::connect(addr) else { return acked };
    loop {
        let from = number;
        number += 1 + rng.below(40);
        let keys: Vec<_> = (from..number).map(|n| (format!("once/{n}"), n.to_string())).collect();
        let mut commands = Vec::new();
        for (key, n) in &keys {
            commands.push(vec![&b"SET"[..], key.as_bytes(), key.as_bytes()]);
            commands.push(vec![b"SET", b"counter/redis", n.as_bytes()]);
            commands.push(vec![b"SET", b"gone/redis", n.as_bytes()]);
        }
        commands.push(vec![b"DEL", b"gone/redis"]);
        let mut answered = || -> io::Result<()> {
            redis.send(&commands)?;
            for (index, (key, _)) in keys.iter().enumerate() {
                assert_eq!(redis.reply()?, Reply::Simple("OK".into()));
                acked.once.push(key.clone());
                acks.fetch_add(1, Ordering::Relaxed);
                assert_eq!(redis.reply()?, Reply::Simple("OK".into()));
                acked.counters.insert("counter/redis".into(), from + index as u64);
                assert_eq!(redis.reply()?, Reply::Simple("OK".into()));
            }
            assert_eq!(redis.reply()?, Reply::Int(1));
            Ok(())
        };
        if answered().is_err() {
            return acked;
        }
    }
}

/// Writes, overwrites and deletes one by one until the connection breaks.
fn write_http(http: &str, run: u64, acks: &AtomicU64) -> Acked {
    let mut acked = Acked::default();
    let browser = browser();
    for n in run * 1_000_000.. {
        let (once, gone) = (format!("http/{n}"), format!("gone/{n}"));
        let mut write = || -> Result<(), ureq::Error> {
            let text = n.to_string();
            assert_eq!(put(&browser, http, &once, once.as_bytes())?.0, 200);
            acked.once.push(once.clone());
            acks.fetch_add(1, Ordering::Relaxed);
            assert_eq!(put(&browser, http, "counter/http", text.as_bytes())?.0, 200);
            acked.counters.insert("counter/http".into(), n);
            assert_eq!(put(&browser, http, &gone, b"x")?.0, 200);
            assert_eq!(delete(&browser, http, &gone)?.0, 200);
            acked.deleted.push(gone.clone());
            Ok(())
        };
        if write().is_err() {
            break;
        }
    }
    acked
}

#[test]
fn sigkill_under_load_loses_no_acknowledged_write() {
    let folder = tempfile::tempdir().unwrap();
    let mut agents = fleet(3, Some(folder.path()));
    let ids: Vec<String> = agents.iter().map(Agent::id).collect();
    let mut rng = Rng(20);
    let mut acked = Acked::default();
    for cycle in 0..6 {
        let victim = rng.below(3) as usize;
        let after = 1 + rng.below(3000);
        let acks = AtomicU64::new(0);
        let (http, redis) = (agents[victim].http.clone(), agents[victim].hello["redis"].clone());
        let redis = redis.as_str().unwrap();
        std::thread::scope(|scope| {
            let writers = [
                scope.spawn(|| write_redis(redis, cycle, Rng(cycle), &acks)),
                scope.spawn(|| write_http(&http, cycle, &acks)),
            ];
            until("enough is acknowledged", || {
                (acks.load(Ordering::Relaxed) >= after).then_some(())
            });
            let name = format!("n{victim}");
            agents.remove(victim).kill();
            agents.insert(victim, again(folder.path(), &name));
            for writer in writers {
                acked.add(writer.join().unwrap());
            }
        });
        assert_eq!(agents[victim].id(), ids[victim], "the id is kept");
    }
    all_alive(&agents);
    agree(&agents);
    agents.iter().for_each(|agent| acked.check(agent));
    println!("{} acknowledged writes over 6 kills, all there", acked.once.len());
    for agent in &agents {
        assert!(!agent.said().contains("panicked"), "{}", agent.said());
    }
}

#[test]
fn a_stopped_process_that_goes_on_is_alive_again_everywhere() {
    let agents = fleet(4, None);
    let signal = |signal: &str| {
        let pid = agents[3].pid().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    };
    signal("STOP");
    until("the others hold it dead", || {
        agents[..3].iter().all(|agent| agent.members("dead") == 1).then_some(())
    });
    agents[0].run(&["set", "meanwhile", "1"]).good();
    signal("CONT");
    all_alive(&agents);
    agree(&agents);
    assert_eq!(agents[3].run(&["get", "meanwhile"]).good().text(), "1");
}

/// The newest journal of a data folder.
fn newest_journal(data: &Path) -> PathBuf {
    let journals = fs::read_dir(data.join("store")).unwrap().map(|item| item.unwrap().path());
    let journals = journals.filter(|path| path.extension().is_some_and(|kind| kind == "jnl"));
    journals.max_by_key(|path| fs::metadata(path).unwrap().modified().unwrap()).unwrap()
}

/// Where what was written ends in a journal, whose rest is room of zeros.
fn end_of(journal: &[u8]) -> usize {
    journal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

#[test]
fn a_torn_store_starts_and_is_repaired_by_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut agents = fleet(3, Some(folder.path()));
    let mut rng = Rng(7);
    for round in 0..4 {
        let mut redis = Redis::to(&agents[round % 3]);
        for n in 0..300 {
            let key = format!("{round}/{n}");
            let set = redis.ask(&[b"SET", key.as_bytes(), &[b'v'; 200]]).unwrap();
            assert_eq!(set, Reply::Simple("OK".into()));
        }
        agree(&agents);
        let id = agents[2].id();
        agents.pop().unwrap().kill();
        let journal = newest_journal(&folder.path().join("n2"));
        let mut bytes = fs::read(&journal).unwrap();
        let end = end_of(&bytes);
        bytes.truncate(end - rng.below(end as u64 / 2) as usize);
        if round % 2 == 1 {
            let len = rng.below(5000) as usize;
            bytes.extend(rng.bytes(len));
        }
        fs::write(&journal, &bytes).unwrap();
        agents.push(again(folder.path(), "n2"));
        assert_eq!(agents[2].id(), id, "what is left is still that node");
        all_alive(&agents);
        agree(&agents);
        assert_eq!(agents[2].number("/entries"), 300 * (round as u64 + 1));
    }
}

#[test]
fn a_lost_and_a_copied_folder_are_new_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let mut agents = fleet(3, Some(folder.path()));
    agents[2].run(&["set", "kept", "1"]).good();
    agree(&agents);
    let seed = agents[0].gossip().to_owned();
    let (data, copy) = (folder.path().join("n2"), folder.path().join("copy"));

    // A copy that is started beside its original: both are members.
    let copied = Command::new("cp").arg("-a").args([&data, &copy]).status().unwrap();
    assert!(copied.success());
    let args = [&["--name", "copy", "--data", copy.to_str().unwrap()], &QUICK[..]].concat();
    agents.push(Agent::start(&[&args[..], &["--join", &seed]].concat()));
    assert_ne!(agents[3].id(), agents[2].id());
    all_alive(&agents);
    let set = |agent: &Agent, key: &str| agent.run(&["set", key, key]).good();
    set(&agents[2], "by the original");
    set(&agents[3], "by the copy");
    agree(&agents);
    assert_eq!(agents[0].number("/entries"), 3);

    // A folder that is lost while the agent is down: a new node under the old name, the old one
    // stays dead.
    let lost = agents.remove(2);
    let old = lost.id();
    lost.kill();
    fs::remove_dir_all(&data).unwrap();
    let args = [&["--name", "n2", "--data", data.to_str().unwrap()], &QUICK[..]].concat();
    agents.push(Agent::start(&[&args[..], &["--join", &seed]].concat()));
    assert_ne!(agents[3].id(), old);
    until("the old id is dead and the new one alive", || {
        let seen = |agent: &Agent| (agent.members("alive"), agent.members("dead")) == (4, 1);
        agents.iter().all(seen).then_some(())
    });
    agree(&agents);
    assert_eq!(agents[3].run(&["get", "kept"]).good().text(), "1");
}

#[test]
fn what_cannot_be_used_at_the_start_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let refused = |args: &[&str], code: i32, parts: &[&str]| {
        let ports = ["--gossip", "127.0.0.1:0", "--redis", "127.0.0.1:0", "--http", "127.0.0.1:0"];
        let run = run(&[&["agent", "--exit-with-stdin"], &ports[..], args].concat());
        assert_eq!(run.code, code, "{args:?}: {}", run.stderr);
        for part in parts {
            assert!(run.stderr.contains(part), "{args:?}, {part}: {}", run.stderr);
        }
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    };
    fs::create_dir(path("folder.toml")).unwrap();
    refused(&["--config", &path("folder.toml")], 2, &["cannot read", "folder.toml"]);
    fs::write(path("bytes.toml"), Rng(1).bytes(1000)).unwrap();
    refused(&["--config", &path("bytes.toml")], 2, &["bytes.toml"]);
    fs::write(path("file"), "not a folder").unwrap();
    refused(&["--data", &path("file")], 1, &["data folder", "/file"]);
    let agent = Agent::start(&["--data", &path("used")]);
    let by = format!("process {}", agent.pid());
    refused(&["--data", &path("used")], 1, &["in use by another agent", &by, "--data"]);
    agent.run(&["set", "a", "1"]).good();
    agent.kill();
    refused(&["--data", &path("used"), "--cluster", "other"], 1, &["belongs to the cluster"]);
    fs::write(path("used/identity.toml"), "node = ").unwrap();
    refused(&["--data", &path("used")], 1, &["identity.toml", "damaged"]);
}

#[test]
fn a_name_that_is_taken_is_refused_unless_that_is_allowed() {
    let agents = fleet(2, None);
    let seed = agents[1].gossip().to_owned();
    let ports = ["--gossip", "127.0.0.1:0", "--redis", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let second = run(&[&["agent", "--name", "n0", "--join", &seed], &ports[..]].concat());
    assert_eq!(second.code, 1, "{}", second.stderr);
    for part in ["another member named \"n0\"", agents[0].gossip(), "--allow-shared-name"] {
        assert!(second.stderr.contains(part), "{part}: {}", second.stderr);
    }
    until("it has said goodbye", || (agents[0].members("left") == 1).then_some(()));
    let allowed = Agent::start(&["--name", "n0", "--join", &seed, "--allow-shared-name"]);
    until("all warn of the name", || {
        let warns = |agent: &Agent| agent.status()["shared_names"][0]["name"] == "n0";
        agents.iter().chain([&allowed]).all(warns).then_some(())
    });
}
