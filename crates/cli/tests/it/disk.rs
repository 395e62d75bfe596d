//! Disks that are really full, or really hang: small file systems in a mount namespace.

use super::fleet::{QUICK, agree, all_alive};
use super::process::{Agent, until};
use super::wire::{Redis, Reply, browser, delete, put};
use super::world::{folder, run_child};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn a_full_disk_stops_writes_only() {
    let setup = "mount -t tmpfs -o size=64m none \"$RUMORMILL_TRIAL_FOLDER\"";
    run_child("disk::a_full_disk_stops_writes_only_child", &["--mount"], setup);
}

/// A file system of its own that can be frozen, as a disk that does not come back.
const FREEZES: &str = "truncate -s 300M \"$RUMORMILL_TRIAL_FOLDER/image\" && \
                       mkfs.ext4 -qF \"$RUMORMILL_TRIAL_FOLDER/image\" && \
                       mkdir -p \"$RUMORMILL_TRIAL_FOLDER/disk\" && \
                       mount -o loop \"$RUMORMILL_TRIAL_FOLDER/image\" \"$RUMORMILL_TRIAL_FOLDER/disk\" && \
                       fsfreeze -f \"$RUMORMILL_TRIAL_FOLDER/disk\" && \
                       fsfreeze -u \"$RUMORMILL_TRIAL_FOLDER/disk\"";

#[test]
fn a_disk_that_hangs_is_told_and_fills_no_memory() {
    let child = "disk::a_disk_that_hangs_is_told_and_fills_no_memory_child";
    run_child(child, &["--mount"], FREEZES);
}

/// A frozen file system, until this goes: whoever waits for it cannot even be killed.
struct Frozen(PathBuf);

impl Frozen {
    fn new(disk: &Path) -> Self {
        Self::ask("-f", disk);
        Self(disk.into())
    }

    fn ask(flag: &str, disk: &Path) {
        let status = Command::new("fsfreeze").arg(flag).arg(disk).status().unwrap();
        assert!(status.success(), "fsfreeze {flag}");
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        Self::ask("-u", &self.0);
    }
}

#[test]
fn a_disk_that_hangs_is_told_and_fills_no_memory_child() {
    let Some(folder) = folder() else { return };
    let disk = folder.join("disk");
    let first = start("other0", None, None);
    let seed = first.gossip().to_owned();
    let mut agents = vec![first, start("other1", None, Some(&seed))];
    agents.push(start("hung", Some(&disk.join("data")), Some(&seed)));
    all_alive(&agents);
    let hung = &agents[2];
    hung.run(&["set", "before", "1"]).good();
    let frozen = Frozen::new(&disk);
    std::thread::scope(|scope| {
        let set = scope.spawn(|| hung.run(&["set", "during", "1"]));
        until("the disk is called slow", || (hung.status()["store_slow"] == true).then_some(()));
        let warnings = hung.status()["warnings"].to_string();
        assert!(warnings.contains("has not answered for more than a second"), "{warnings}");
        let refused = set.join().unwrap();
        assert_eq!(refused.code, 5, "{}", refused.stderr);
        assert!(refused.stderr.contains("has not answered"), "{}", refused.stderr);
    });
    // From here on nobody waits.
    let mut redis = Redis::to(hung);
    let said = redis.ask(&[b"SET", b"refused", b"x"]).unwrap();
    assert!(matches!(&said, Reply::Error(error) if error.starts_with("MISCONF")), "{said:?}");
    assert_eq!(put(&browser(), &hung.http, "refused", b"x").unwrap().0, 503);
    let store = hung.status()["store"].to_string();
    assert!(store.contains("5 seconds"), "{store}");
    life_goes_on(&agents, 0);
    // More than is taken in for a disk that does not come back.
    let value = "v".repeat(1 << 20);
    let mut other = Redis::to(&agents[0]);
    for n in 0..100 {
        let key = format!("much/{n}");
        other.ask(&[b"SET", key.as_bytes(), value.as_bytes()]).unwrap();
    }
    until("what comes is held back", || {
        (hung.number("/counters/dropped_behind") > 0).then_some(())
    });
    let held = hung.status()["entries"].as_u64().unwrap();
    assert!((2..95).contains(&held), "{held} entries are held");
    still_a_member(&agents);
    drop(frozen);
    writes_work_again(hung, 0, &mut Vec::new());
    until("the disk is well", || (hung.status()["store_slow"] == false).then_some(()));
    agree(&agents);
    let holds = hung.holds();
    assert!(holds.contains_key("during") && holds.len() >= 104, "{} keys", holds.len());
}

fn start(name: &str, data: Option<&Path>, seed: Option<&str>) -> Agent {
    let mut args = vec!["--name", name];
    args.extend(QUICK);
    if let Some(data) = data {
        args.extend(["--data", data.to_str().unwrap()]);
    }
    if let Some(seed) = seed {
        args.extend(["--join", seed]);
    }
    Agent::start(&args)
}

/// Takes all room that is left but for a few MiB, so that the disk fills up under the writes.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    for size in [1 << 20, 4096, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    let len = file.metadata().unwrap().len();
    file.set_len(len - (5 << 20)).unwrap();
    path
}

#[test]
fn a_full_disk_stops_writes_only_child() {
    let Some(folder) = folder() else { return };
    let data = folder.join("data");
    let first = start("other0", None, None);
    let seed = first.gossip().to_owned();
    let mut agents = vec![first, start("other1", None, Some(&seed))];
    agents.push(start("full", Some(&data), Some(&seed)));
    all_alive(&agents);
    let id = agents[2].id();
    agents[2].run(&["set", "before", "1"]).good();
    let mut acked = vec!["before".to_owned()];
    for round in 0..2 {
        let filler = fill(&folder);
        let refused = writes_are_refused(&agents[2], round, &mut acked);
        life_goes_on(&agents, round);
        fs::remove_file(filler).unwrap();
        writes_work_again(&agents[2], round, &mut acked);
        all_alive(&agents);
        agree(&agents);
        eprintln!("round {round}: {} acknowledged, {refused}", acked.len());
    }
    // What was acknowledged, and what came from peers while the disk was full, is in the folder: the
    // others are gone when it starts again.
    let digest = agents[2].status()["digest"].clone();
    assert!(!agents[2].said().contains("panicked"), "{}", agents[2].said());
    agents.pop().unwrap().kill();
    drop(agents);
    let again = start("full", Some(&data), None);
    assert_eq!(again.id(), id);
    assert_eq!(again.status()["digest"], digest);
    let held = again.holds();
    for key in acked.iter().map(String::as_str).chain(["meanwhile/0", "meanwhile/1"]) {
        assert!(held.contains_key(key), "{key}");
    }
}

/// Writes until the disk is full; how it was said.
fn writes_are_refused(agent: &Agent, round: usize, acked: &mut Vec<String>) -> String {
    let mut redis = Redis::to(agent);
    let value = vec![b'v'; 32 * 1024];
    let said = (0..10_000).find_map(|n| {
        let key = format!("filling/{round}/{n}");
        match redis.ask(&[b"SET", key.as_bytes(), &value]).unwrap() {
            Reply::Simple(_) => {
                acked.push(key);
                None
            }
            Reply::Error(error) => Some(error),
            other => panic!("{other:?}"),
        }
    });
    let said = said.expect("the disk is full");
    assert!(acked.len() > 50, "the disk filled up under the writes");
    assert!(said.starts_with("MISCONF the store does not take writes"), "{said}");
    assert!(said.contains("No space left") || said.contains("full"), "{said}");
    for words in [&["DEL", "before"][..], &["APPEND", "before", "x"], &["EXPIRE", "before", "99"]] {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        assert!(
            matches!(redis.ask(&words).unwrap(), Reply::Error(error) if error.starts_with("MISCONF"))
        );
    }
    let (status, json) = put(&browser(), &agent.http, "refused", b"x").unwrap();
    assert_eq!(status, 503, "{json}");
    assert!(json["error"].as_str().unwrap().contains("does not take writes"), "{json}");
    assert_eq!(delete(&browser(), &agent.http, "before").unwrap().0, 503);
    let client = agent.run(&["set", "refused", "x"]);
    assert_eq!(client.code, 5, "{}", client.stderr);
    assert!(client.stderr.contains("does not take writes"), "{}", client.stderr);
    assert_ne!(agent.status()["store"], "ok");
    said
}

/// Reads, gossip and membership while one of them cannot write.
fn life_goes_on(agents: &[Agent], round: usize) {
    let full = &agents[2];
    let mut redis = Redis::to(full);
    assert_eq!(redis.ask(&[b"PING"]).unwrap(), Reply::Simple("PONG".into()));
    assert_eq!(redis.ask(&[b"GET", b"before"]).unwrap(), Reply::Bulk(Some(b"1".to_vec())));
    assert_eq!(full.run(&["get", "before"]).good().text(), "1");
    let key = format!("meanwhile/{round}");
    agents[0].run(&["set", &key, "1"]).good();
    until("a peer's write is readable at the full one", || {
        (full.run(&["get", &key]).code == 0).then_some(())
    });
    still_a_member(agents);
}

/// Long enough for it to be suspected and declared dead, if it did not answer.
fn still_a_member(agents: &[Agent]) {
    let probes = agents[0].number("/counters/probes_sent");
    until("many probes have been answered", || {
        (agents[0].number("/counters/probes_sent") > probes + 30).then_some(())
    });
    agents.iter().for_each(|agent| assert_eq!(agent.members("alive"), 3));
}

fn writes_work_again(agent: &Agent, round: usize, acked: &mut Vec<String>) {
    let key = format!("after/{round}");
    until("writes work again", || (agent.run(&["set", &key, "1"]).code == 0).then_some(()));
    assert_eq!(agent.status()["store"], "ok");
    acked.push(key);
}
