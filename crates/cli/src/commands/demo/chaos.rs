//! Killing an agent under load, and checking that no acknowledged write is lost.

use super::fleet::Fleet;
use super::say::say;
use super::spread;
use super::stop::Stop;
use crate::client::{Client, EntryJson};
use crate::output::{Output, count};
use anyhow::Context as _;
use serde_json::json;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Writes that are acknowledged before the agent is killed, and again after its restart.
const ENOUGH: usize = 300;
const STEP: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(60);

/// Kills the last agent while it takes writes, restarts it, and checks.
pub fn run(out: &mut Output, fleet: &mut Fleet, stop: &Stop) -> anyhow::Result<()> {
    let victim = fleet.last()?;
    let (name, id, pid) = (victim.name().to_owned(), victim.hello.id.clone(), victim.pid());
    // Keys of this run alone: an earlier one may have left its own in the folders.
    let run = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let prefix = format!("chaos/{run}/");
    say(out, format!("\nchaos: writing to {name} (pid {pid}) without pause"))?;
    let writer = Writer::start(victim.client(), prefix.clone())?;
    let result = kill_and_restart(out, fleet, &writer, &prefix, stop);
    let mut acknowledged = writer.finish()?;
    let elsewhere = result?;
    let (by_victim, while_down) = (acknowledged.len(), elsewhere.len());
    acknowledged.extend(elsewhere);
    say(out, format!("checking {} acknowledged writes", count(acknowledged.len() as u64)))?;

    let took = wait_until_equal(fleet, stop)?;
    let mut lost = Vec::new();
    for agent in &fleet.agents {
        let held = held(&agent.client(), prefix.as_bytes())?;
        let missing = acknowledged.iter().filter(|(key, value)| held.get(*key) != Some(value));
        lost.extend(missing.map(|(key, _)| format!("{key} on {}", agent.name())));
    }
    let same_id = fleet.last()?.hello.id == id;
    let ok = lost.is_empty() && same_id && took.is_some();
    report(
        out,
        &Report {
            ok,
            name: &name,
            killed_pid: pid,
            new_pid: fleet.last()?.pid(),
            same_id,
            by_victim,
            while_down,
            nodes: fleet.agents.len(),
            lost: &lost,
            equal_after: took,
        },
    )?;
    if !ok {
        anyhow::bail!("chaos: the check failed");
    }
    Ok(())
}

/// Kills, writes elsewhere meanwhile, restarts; returns what was acknowledged elsewhere.
fn kill_and_restart(
    out: &mut Output,
    fleet: &mut Fleet,
    writer: &Writer,
    prefix: &str,
    stop: &Stop,
) -> anyhow::Result<HashMap<String, Vec<u8>>> {
    writer.wait_for(ENOUGH, stop)?;
    let before = writer.count();
    fleet.kill_last()?;
    say(out, format!("killed with SIGKILL after {} acknowledged writes", count(before as u64)))?;
    let mut elsewhere = HashMap::new();
    if fleet.agents.len() > 1 {
        let other = fleet.first()?.client();
        for number in 0..ENOUGH {
            let (key, value) = (format!("{prefix}elsewhere/{number:06}"), value_of(number));
            other.put(key.as_bytes(), &value, None, false)?;
            elsewhere.insert(key, value);
        }
        let name = fleet.first()?.name();
        say(out, format!("{} writes to {name} meanwhile", count(elsewhere.len() as u64)))?;
    }
    fleet.restart_last(stop)?;
    say(out, "restarted from its folder; writing goes on")?;
    // Some writes may have been acknowledged between the count and the kill.
    writer.wait_for(writer.count() + ENOUGH, stop)?;
    Ok(elsewhere)
}

/// Waits until all digests are equal, and all agents know that they have agreed; how long the former
/// took, `None` if that never is.
fn wait_until_equal(fleet: &mut Fleet, stop: &Stop) -> anyhow::Result<Option<Duration>> {
    let (started, mut equal) = (Instant::now(), None);
    loop {
        let statuses = spread::statuses(fleet)?;
        let mut digests = statuses.iter().map(|status| &status.digest);
        let first = digests.next();
        if digests.all(|digest| Some(digest) == first) {
            let took = *equal.get_or_insert_with(|| started.elapsed());
            if ready(fleet)? {
                return Ok(Some(took));
            }
        }
        if started.elapsed() > PATIENCE {
            return Ok(None);
        }
        stop.nap(STEP)?;
        fleet.check()?;
    }
}

fn ready(fleet: &Fleet) -> anyhow::Result<bool> {
    for agent in &fleet.agents {
        if !agent.client().is_ready()? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What an agent holds under a prefix.
fn held(client: &Client, prefix: &[u8]) -> anyhow::Result<HashMap<String, Vec<u8>>> {
    let mut held = HashMap::new();
    let mut after = None;
    loop {
        let page = client.page(prefix, after.as_deref(), 1000, false)?;
        for entry in page.entries {
            let entry: EntryJson = serde_json::from_value(entry)?;
            let key = String::from_utf8(entry.key()?)?;
            held.insert(key, entry.value()?.unwrap_or_default());
        }
        after = page.next;
        if after.is_none() {
            return Ok(held);
        }
    }
}

fn value_of(number: usize) -> Vec<u8> {
    format!("value {number}").into_bytes()
}

struct Report<'a> {
    ok: bool,
    name: &'a str,
    killed_pid: u32,
    new_pid: u32,
    same_id: bool,
    by_victim: usize,
    while_down: usize,
    nodes: usize,
    lost: &'a [String],
    equal_after: Option<Duration>,
}

fn report(out: &mut Output, report: &Report<'_>) -> anyhow::Result<()> {
    let Report { ok, name, lost, nodes, .. } = report;
    if out.is_json() {
        return out.json(&json!({
            "event": "chaos", "ok": ok, "killed": name, "killed_pid": report.killed_pid,
            "new_pid": report.new_pid, "same_id": report.same_id,
            "acknowledged_by_killed": report.by_victim,
            "acknowledged_elsewhere_while_down": report.while_down, "nodes": nodes, "lost": lost,
            "digests_equal": report.equal_after.is_some(),
        }));
    }
    let verdict = |good: bool| if good { "ok    " } else { "FAILED" };
    let total = count((report.by_victim + report.while_down) as u64);
    let lines = [
        (
            report.same_id,
            format!(
                "{name} came back with its id (pid {} after {})",
                report.new_pid, report.killed_pid
            ),
        ),
        (
            lost.is_empty(),
            format!(
                "every one of {total} acknowledged writes ({} by {name}, {} elsewhere while it was \
             down) is on all {nodes} nodes",
                count(report.by_victim as u64),
                count(report.while_down as u64)
            ),
        ),
        (
            report.equal_after.is_some(),
            match report.equal_after {
                Some(after) => format!(
                    "all digests are equal, {:.3} s after the last write",
                    after.as_secs_f64()
                ),
                None => format!("the digests are equal after {} s", PATIENCE.as_secs()),
            },
        ),
    ];
    for (good, line) in lines {
        out.line(format!("  {} {line}", verdict(good)))?;
    }
    for lost in lost.iter().take(10) {
        out.line(format!("         missing: {lost}"))?;
    }
    out.flush()
}

/// A thread that writes without pause, and keeps what was acknowledged.
struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    acknowledged: Mutex<Vec<(String, Vec<u8>)>>,
    /// What the agent said no to; a killed one says nothing, and its write is tried again.
    refused: Mutex<Option<String>>,
}

impl Writer {
    fn start(client: Client, prefix: String) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            acknowledged: Mutex::default(),
            refused: Mutex::default(),
        });
        let write = {
            let shared = Arc::clone(&shared);
            move || write(&client, &prefix, &shared)
        };
        let thread = std::thread::Builder::new().name("writer".into()).spawn(write)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    fn count(&self) -> usize {
        self.shared.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn wait_for(&self, writes: usize, stop: &Stop) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        while self.count() < writes {
            let refused = self.shared.refused.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(refused) = refused.as_ref() {
                anyhow::bail!("a write failed: {refused}");
            }
            drop(refused);
            if Instant::now() > until {
                anyhow::bail!(
                    "{} of {writes} writes were acknowledged within {} s",
                    self.count(),
                    PATIENCE.as_secs()
                );
            }
            stop.nap(STEP)?;
        }
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<HashMap<String, Vec<u8>>> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let joined = self.thread.take().map(JoinHandle::join).transpose();
        joined.map_err(|_| anyhow::anyhow!("the writer failed")).context("chaos")?;
        let mut acknowledged =
            self.shared.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *acknowledged).into_iter().collect())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

fn write(client: &Client, prefix: &str, shared: &Shared) {
    use crate::failure::{Code, code_of};
    let mut number = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        let (key, value) = (format!("{prefix}{number:06}"), value_of(number));
        match client.put(key.as_bytes(), &value, None, false) {
            Ok(_) => {
                let mut acknowledged =
                    shared.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
                acknowledged.push((key, value));
                number += 1;
            }
            // Nobody answers: the agent is down. The same write again, as a client would.
            Err(error) if code_of(&error) == Code::NoAgent => std::thread::sleep(STEP),
            Err(error) => {
                let mut refused = shared.refused.lock().unwrap_or_else(PoisonError::into_inner);
                *refused = Some(format!("{error:#}"));
                return;
            }
        }
    }
}
