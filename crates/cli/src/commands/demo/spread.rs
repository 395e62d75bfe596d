//! Watching how entries arrive, and whether all agents hold the same.

use super::fleet::Fleet;
use super::stop::Stop;
use crate::client::Status;
use crate::commands::progress;
use crate::output::{Output, count};
use indicatif::{MultiProgress, ProgressBar};
use serde_json::json;
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

/// Shows how entries arrive until every agent holds what the first one holds; returns the name
/// and the entries of each, and when it had them, in the order of arrival.
pub fn show_arrival(
    fleet: &mut Fleet,
    since: Instant,
    stop: &Stop,
) -> anyhow::Result<Vec<(String, u64, Duration)>> {
    let bars = MultiProgress::new();
    let bars: Vec<ProgressBar> =
        fleet.agents.iter().map(|agent| bars.add(progress::entries(agent.name(), 0))).collect();
    let mut arrived: Vec<Option<(String, u64, Duration)>> = vec![None; bars.len()];
    let until = Instant::now() + PATIENCE;
    loop {
        let statuses = statuses(fleet)?;
        let took = since.elapsed();
        // More than the input may be there, where an earlier demo left its folders.
        let expected = statuses.iter().map(|status| status.entries).max().unwrap_or(0);
        let target = statuses.first().map(|status| status.digest.clone()).unwrap_or_default();
        let agents = fleet.agents.iter().zip(&statuses).zip(bars.iter().zip(&mut arrived));
        for ((agent, status), (bar, arrived)) in agents {
            bar.set_length(expected);
            bar.set_position(status.entries);
            if status.digest == target && arrived.is_none() {
                bar.set_message(format!("after {:.3} s", took.as_secs_f64()));
                bar.abandon();
                *arrived = Some((agent.name().into(), status.entries, took));
            }
        }
        if statuses.iter().all(|status| status.digest == target) {
            bars.iter().for_each(ProgressBar::finish_and_clear);
            let mut arrived: Vec<_> = arrived.into_iter().flatten().collect();
            arrived.sort_by_key(|(_, _, after)| *after);
            return Ok(arrived);
        }
        if Instant::now() > until {
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
