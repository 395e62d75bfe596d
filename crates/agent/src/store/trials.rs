//! Trials with processes that are killed and disks that are full. Each test starts itself again as a
//! process of its own, which is told by the environment in which folder to do its part.

use super::{Change, FolderOrigin, Fsync, Keys, Place, Store, StoreEvent, Writer};
use rumormill_core::NodeId;
use rumormill_core::data::{Entry, Space, Stamp};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;

const FOLDER: &str = "RUMORMILL_TRIAL_FOLDER";
const FROM: &str = "RUMORMILL_TRIAL_FROM";

fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(child_args(test));
    command
}

fn child_args(test: &str) -> [String; 4] {
    let name = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    ["--exact".into(), name, "--nocapture".into(), "--test-threads=1".into()]
}

/// The folder to do one's part in; `None` for the process that starts the others.
fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

fn open(dir: &Path) -> Store {
    Store::open(dir, "trial", Fsync::Everysec).unwrap()
}

fn put(key: String, size: usize, time: u64) -> (Space, Arc<Entry>) {
    let value = vec![time as u8; size];
    let stamp = Stamp { time, node: NodeId(7) };
    (Space::Data, Arc::new(Entry::new(key.as_bytes(), &value, stamp, None)))
}

fn puts(batch: Vec<(Space, Arc<Entry>)>) -> Vec<Change> {
    batch.into_iter().map(|(space, entry)| Change::Put(space, entry)).collect()
}

fn times(store: &mut Store) -> HashMap<Vec<u8>, u64> {
    let mut held = HashMap::new();
    let loaded = store
        .load(|_, entry| {
            let (time, value) = (entry.stamp().time, entry.value().unwrap());
            assert!(value.iter().all(|byte| *byte == time as u8));
            held.insert(entry.key().to_vec(), time);
        })
        .unwrap();
    assert_eq!(loaded.skipped, 0);
    held
}

/// Entries per batch differ, and one key is in all of them.
fn batch_of(seq: u64) -> Vec<(Space, Arc<Entry>)> {
    let count = seq % 13 + 1;
    let mut batch: Vec<_> = (0..count).map(|n| put(format!("{seq}/{n}"), 1000, seq)).collect();
    batch.push(put("every batch".into(), 8, seq));
    batch
}

/// Writes as fast as it can, and prints every number that is acknowledged.
fn write_until_killed(dir: &Path) -> ! {
    let from: u64 = std::env::var(FROM).unwrap().parse().unwrap();
    let (writer, mut events) = Writer::spawn(open(dir)).unwrap();
    let mut seq = from;
    loop {
        while writer.pending().batches < 20 {
            seq += 1;
            writer.submit(seq, puts(batch_of(seq)));
        }
        match events.blocking_recv() {
            Some(StoreEvent::Done { upto }) => println!("acked {upto}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_killed_process_loses_nothing() {
    if let Some(dir) = folder() {
        write_until_killed(&dir);
    }
    let dir = tempfile::tempdir().unwrap();
    let (mut acked, mut node) = (0, None);
    for reach in [1, 30, 700, 100, 3000, 2] {
        let mut child = child("a_killed_process_loses_nothing")
            .env(FOLDER, dir.path())
            .env(FROM, acked.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let until = acked + reach;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut kill = Some(());
        // After the kill, what the child had printed before is still in the pipe.
        while let Some(Ok(line)) = lines.next() {
            if let Some((_, number)) = line.split_once("acked ") {
                // The last line may be cut short: then it names a smaller number.
                acked = acked.max(number.parse().unwrap_or(0));
            }
            if acked >= until && kill.take().is_some() {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(acked >= until, "the child ended by itself");
        let mut store = open(dir.path());
        assert_eq!(*node.get_or_insert(store.node_id()), store.node_id());
        assert_eq!(store.origin(), FolderOrigin::Same);
        let held = times(&mut store);
        for seq in 1..=acked {
            for (_, entry) in batch_of(seq) {
                let found = held.get(entry.key());
                assert!(found >= Some(&seq), "{entry:?} of batch {seq} of {acked}: {found:?}");
            }
        }
        // Batches are whole: what is there beyond the last acknowledged one is complete too.
        acked = held[&b"every batch"[..]];
        for seq in 1..=acked {
            assert!(batch_of(seq).iter().all(|(_, entry)| held.contains_key(entry.key())));
        }
    }
}

/// Runs a test again on a small file system of its own, which is gone when it has ended. Where the
/// machine lets nobody mount one (a container without the right to), that is said, and left out.
fn on_small_disk(test: &str, megabytes: u32) {
    let dir = tempfile::tempdir().unwrap();
    let allowed = |flags: &&str| {
        let mount = format!("mount -t tmpfs none '{}'", dir.path().display());
        let tried = Command::new("unshare").args([*flags, "sh", "-c", &mount]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    let Some(flags) = ["-m", "-Urm"].into_iter().find(allowed) else {
        eprintln!("no small file system: this machine lets nobody mount one; trial left out");
        return;
    };
    let script = format!(r#"mount -t tmpfs -o size={megabytes}m none "${FOLDER}" && exec "$@""#);
    let status = Command::new("unshare")
        .args([flags, "sh", "-c", &script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(child_args(test))
        .env(FOLDER, dir.path())
        .status()
        .unwrap();
    assert!(status.success(), "{test}: {status}");
}

struct Disk {
    dir: PathBuf,
    filler: PathBuf,
}

impl Disk {
    fn new(dir: PathBuf, filler_megabytes: usize) -> Self {
        let filler = dir.join("filler");
        std::fs::write(&filler, vec![1; filler_megabytes << 20]).unwrap();
        Self { dir: dir.join("data"), filler }
    }

    fn free(&self) {
        std::fs::remove_file(&self.filler).unwrap();
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(&self.filler).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
    }
}

fn next(events: &mut UnboundedReceiver<StoreEvent>) -> StoreEvent {
    let since = Instant::now();
    loop {
        match events.try_recv() {
            Ok(event) => return event,
            Err(error) => assert!(since.elapsed() < Duration::from_secs(60), "{error}"),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn big_batch(seq: u64) -> Vec<(Space, Arc<Entry>)> {
    (0..8).map(|n| put(format!("{seq}/{n}"), 4000, seq)).collect()
}

/// Submits batches until the store fails; returns the last number acknowledged and submitted.
fn write_until_full(
    writer: &Writer,
    events: &mut UnboundedReceiver<StoreEvent>,
    mut seq: u64,
) -> (u64, u64) {
    let mut acked = seq;
    loop {
        seq += 1;
        writer.submit(seq, puts(big_batch(seq)));
        match next(events) {
            StoreEvent::Done { upto } => acked = upto,
            StoreEvent::Failed { upto, error } => {
                assert_eq!(upto, seq);
                // The second where the failed write has left enough room behind it.
                assert!(error.contains("No space left") || error.contains("disk full"), "{error}");
                return (acked, seq);
            }
            other => panic!("{other:?}"),
        }
        assert!(seq < 10_000, "the disk is never full");
    }
}

fn assert_all(dir: &Path, first: u64, last: u64) {
    let held = times(&mut open(dir));
    for seq in first..=last {
        for (_, entry) in big_batch(seq) {
            assert_eq!(held.get(entry.key()), Some(&seq), "batch {seq} of {last}");
        }
    }
}

fn fill_a_disk_and_make_room(dir: PathBuf) {
    // The less the filler takes, the more of the database is there when the disk is full.
    for filler in [55, 40, 25] {
        let disk = Disk::new(dir.clone(), filler);
        let (writer, mut events) = Writer::spawn(open(&disk.dir)).unwrap();
        let (acked, mut seq) = write_until_full(&writer, &mut events, 0);
        assert!(acked > 0);
        for _ in 0..50 {
            seq += 1;
            writer.submit(seq, puts(big_batch(seq)));
        }
        let (mut reported, mut failing) = (0, true);
        while failing || reported < seq {
            // A compaction that was under way may make room by itself, so both can come early.
            match next(&mut events) {
                StoreEvent::Failed { upto, .. } => (reported, failing) = (upto, true),
                StoreEvent::Done { upto } => reported = upto,
                StoreEvent::Recovered { needs_rewrite } => {
                    assert!(!needs_rewrite);
                    failing = false;
                }
            }
            if reported == seq && disk.filler.exists() {
                disk.free();
            }
        }
        seq += 1;
        writer.submit(seq, puts(big_batch(seq)));
        assert_eq!(next(&mut events), StoreEvent::Done { upto: seq });
        writer.close().unwrap();
        assert_all(&disk.dir, 1, seq);
        std::fs::remove_dir_all(&disk.dir).unwrap();
        let _ = std::fs::remove_file(&disk.filler);
    }
    // Closed while it cannot write, it says so, and what was acknowledged is there.
    let disk = Disk::new(dir, 25);
    let (writer, mut events) = Writer::spawn(open(&disk.dir)).unwrap();
    let (acked, last) = write_until_full(&writer, &mut events, 0);
    let closed = writer.close();
    disk.free();
    assert_all(&disk.dir, 1, if closed.is_ok() { last } else { acked });
}

#[test]
fn a_full_disk_fails_writes_and_recovers() {
    match folder() {
        Some(dir) => fill_a_disk_and_make_room(dir),
        None => on_small_disk("a_full_disk_fails_writes_and_recovers", 64),
    }
}

fn fill_a_disk_and_write_all_again(dir: PathBuf) {
    let disk = Disk::new(dir, 50);
    let store = Store::open(&disk.dir, "trial", Fsync::Always).unwrap();
    let (writer, mut events) = Writer::spawn_with(store, 100, Duration::from_secs(1)).unwrap();
    let (_, last) = write_until_full(&writer, &mut events, 0);
    disk.free();
    assert_eq!(next(&mut events), StoreEvent::Recovered { needs_rewrite: true });
    // The first batch has been removed meanwhile.
    let mut keys = Keys::default();
    (2..=last).flat_map(big_batch).for_each(|(_, entry)| keys.add(entry.key()));
    writer.submit(last + 1, vec![Change::Retain(Place::DATA, Arc::new(keys))]);
    for seq in 2..=last {
        writer.submit(last + seq, puts(big_batch(seq)));
    }
    writer.close().unwrap();
    assert_all(&disk.dir, 2, last);
    // A disk that is full when the agent starts: it starts and reads, or says what is wrong.
    disk.fill();
    let mut starts = Store::open(&disk.dir, "trial", Fsync::Everysec);
    match &mut starts {
        Ok(store) => {
            assert_eq!(times(store).len() as u64, 8 * (last - 1));
            let more = puts((1..=100).flat_map(big_batch).collect());
            assert!(store.append(&more).is_err());
            assert!(store.reopen().is_err());
        }
        Err(error) => assert!(error.to_string().contains("No space left"), "{error}"),
    }
    drop(starts);
    disk.free();
    assert_all(&disk.dir, 2, last);
    let other = disk.dir.with_file_name("other");
    disk.fill();
    let error = Store::open(&other, "trial", Fsync::Everysec).err().unwrap().to_string();
    assert!(error.contains("No space left"), "{error}");
    disk.free();
    assert_eq!(open(&other).origin(), FolderOrigin::New);
}

#[test]
fn too_much_for_the_backlog_asks_for_a_rewrite() {
    match folder() {
        Some(dir) => fill_a_disk_and_write_all_again(dir),
        None => on_small_disk("too_much_for_the_backlog_asks_for_a_rewrite", 64),
    }
}
