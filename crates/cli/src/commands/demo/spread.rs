//! Watching how entries arrive, and whether all agents hold the same.

use super::fleet::Fleet;
use super::input::Written;
use super::stop::Stop;
use crate::client::Status;
use crate::commands::progress;
use crate::output::{Output, count};
use indicatif::ProgressBar;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often agents are asked.
const STEP: Duration = Duration::from_millis(10);
/// How long members and entries may take to arrive.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until every agent holds all of them alive.
pub fn wait_for_members(fleet: &mut Fleet, stop: &Stop) -> anyhow::Result<()> {
    let all = fleet.agents.len() as u64;
    let bar = progress::spinner("waiting until the agents see each other");
    let until = Instant::now() + PATIENCE;
    loop {
        let statuses = statuses(fleet)?;
        let seeing = statuses.iter().filter(|status| status.members.alive == all).count() as u64;
        bar.set_message(format!("{seeing} of {all} agents see all {all}"));
        bar.tick();
        if seeing == all {
            bar.finish_and_clear();
            return Ok(());
        }
        if Instant::now() > until {
            anyhow::bail!(
                "{seeing} of {all} agents see all {all} after {} s; their logs are agent.log in \
                 their folders (--data DIR keeps them)",
                PATIENCE.as_secs()
            );
        }
        stop.nap(STEP)?;
        fleet.check()?;
    }
}

/// Runs an import and shows meanwhile how its entries arrive at every agent, until all hold the
/// same.
pub fn show_arrival(
    fleet: &mut Fleet,
    import: impl FnOnce(&AtomicBool) -> anyhow::Result<Written> + Send,
    stop: &Stop,
) -> anyhow::Result<Arrival> {
    let since = Instant::now();
    let finished = Mutex::new(None);
    let given_up = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let result = import(&given_up);
            let result = result.map(|written| (written, since.elapsed()));
            *finished.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        });
        let arrival = watch_arrival(fleet, since, &finished, stop);
        given_up.store(true, Ordering::Relaxed);
        arrival
    })
}

/// What came of an import, and when it was everywhere.
pub struct Arrival {
    pub written: Written,
    /// When the last entry was acknowledged.
    pub acknowledged: Duration,
    /// The name of each agent, its entries, and when it had them all, the first one first.
    pub agents: Vec<(String, u64, Duration)>,
}

type Finished = Mutex<Option<anyhow::Result<(Written, Duration)>>>;

fn watch_arrival(
    fleet: &mut Fleet,
    since: Instant,
    finished: &Finished,
    stop: &Stop,
) -> anyhow::Result<Arrival> {
    let bars: Vec<ProgressBar> =
        fleet.agents.iter().map(|agent| progress::entries(agent.name(), 0)).collect();
    let mut arrived: Vec<Option<(String, u64, Duration)>> = vec![None; bars.len()];
    let mut imported: Option<(Written, Duration)> = None;
    let mut patience = Instant::now() + PATIENCE;
    loop {
        if imported.is_none() {
            // Before the agents are asked: what they then hold, they hold with all entries.
            let result = finished.lock().unwrap_or_else(PoisonError::into_inner).take();
            imported = result.transpose()?;
            patience = Instant::now() + PATIENCE;
        }
        let statuses = statuses(fleet)?;
        let took = since.elapsed();
        // More than the input may be there, where an earlier demo left its folders.
        let expected = statuses.iter().map(|status| status.entries).max().unwrap_or(0);
        let target = statuses.first().map(|status| status.digest.clone()).unwrap_or_default();
        let agents = fleet.agents.iter().zip(&statuses).zip(bars.iter().zip(&mut arrived));
        for ((agent, status), (bar, arrived)) in agents {
            bar.set_length(expected);
            bar.set_position(status.entries);
            if imported.is_some() && status.digest == target && arrived.is_none() {
                bar.abandon_with_message(format!("after {:.3} s", took.as_secs_f64()));
                *arrived = Some((agent.name().into(), status.entries, took));
            }
        }
        if let Some((written, acknowledged)) =
            imported.take_if(|_| statuses.iter().all(|status| status.digest == target))
        {
            bars.iter().for_each(ProgressBar::finish_and_clear);
            let mut agents: Vec<_> = arrived.into_iter().flatten().collect();
            agents.sort_by_key(|(_, _, after)| *after);
            return Ok(Arrival { written, acknowledged, agents });
        }
        if Instant::now() > patience {
            anyhow::bail!("the agents do not agree after {} s", PATIENCE.as_secs());
        }
        stop.nap(STEP)?;
        fleet.check()?;
    }
}

/// The states of all agents.
pub fn statuses(fleet: &Fleet) -> anyhow::Result<Vec<Status>> {
    fleet.agents.iter().map(|agent| agent.client().status()).collect()
}

/// All agents and what they hold.
pub struct Table {
    rows: Vec<(serde_json::Value, Vec<String>)>,
    agree: bool,
}

impl Table {
    pub fn of(fleet: &Fleet) -> anyhow::Result<Self> {
        let statuses = statuses(fleet)?;
        let target = statuses.first().map(|status| status.digest.clone()).unwrap_or_default();
        let mut rows = Vec::new();
        for (agent, status) in fleet.agents.iter().zip(&statuses) {
            let hello = &agent.hello;
            let agrees = status.digest == target;
            let port = |addr: Option<std::net::SocketAddr>| {
                addr.map_or("off".into(), |addr| addr.port().to_string())
            };
            let json = json!({
                "name": agent.name(), "id": hello.id, "pid": agent.pid(), "gossip": hello.gossip,
                "redis": hello.redis, "http": hello.http, "data": hello.data,
                "entries": status.entries, "digest": status.digest, "agree": agrees,
            });
            let cells = vec![
                agent.name().into(),
                agent.pid().to_string(),
                port(hello.redis),
                port(hello.http),
                count(status.entries),
                status.digest.clone(),
                if agrees { "yes".into() } else { "NO".into() },
            ];
            rows.push((json, cells));
        }
        let agree = statuses.iter().all(|status| status.digest == target);
        Ok(Self { rows, agree })
    }

    pub fn agree(&self) -> bool {
        self.agree
    }

    pub fn print(&self, out: &mut Output, imported: u64) -> anyhow::Result<()> {
        if out.is_json() {
            let nodes: Vec<_> = self.rows.iter().map(|(json, _)| json).collect();
            let event = json!({
                "event": "nodes", "imported": imported, "agree": self.agree, "nodes": nodes,
            });
            out.json(&event)?;
            return out.flush();
        }
        out.line("")?;
        let header = ["node", "pid", "redis", "http", "entries", "digest", "agree"];
        out.table(&header, self.rows.iter().map(|(_, cells)| cells.clone()).collect())?;
        out.flush()
    }
}
