//! Agents of a demo that end while it runs, and what the others make of it.

use super::fleet::Fleet;
use super::say::say;
use crate::client::Counts;
use crate::output::Output;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Instant;

/// What was told already.
#[derive(Default)]
pub struct Losses {
    ended: BTreeMap<String, Instant>,
    /// How many members each agent last held in each state.
    seen: BTreeMap<String, [u64; 4]>,
}

impl Losses {
    /// Tells of agents that have ended since the last look, and then of what the others see. A demo
    /// goes on with those that are left: one that is killed is what a cluster is there for.
    ///
    /// # Errors
    /// If none is left.
    pub fn look(&mut self, out: &mut Output, fleet: &mut Fleet) -> anyhow::Result<()> {
        for agent in &mut fleet.agents {
            if self.ended.contains_key(agent.name()) {
                continue;
            }
            let Some(status) = agent.ended() else { continue };
            self.ended.insert(agent.name().to_owned(), Instant::now());
            say(out, format!("{} (pid {}) has ended: {status}", agent.name(), agent.pid()))?;
            if out.is_json() {
                let status = status.to_string();
                out.json(&json!({ "event": "ended", "name": agent.name(), "status": status }))?;
                out.flush()?;
            }
        }
        if self.ended.len() == fleet.agents.len() {
            anyhow::bail!("every agent has ended");
        }
        if self.ended.is_empty() {
            return Ok(());
        }
        self.show(out, fleet)
    }

    /// Tells what has changed in what those that are left see.
    fn show(&mut self, out: &mut Output, fleet: &Fleet) -> anyhow::Result<()> {
        let since = self.ended.values().max().map_or(0.0, |at| at.elapsed().as_secs_f64());
        let left = fleet.agents.iter().filter(|agent| !self.ended.contains_key(agent.name()));
        for agent in left {
            // One that ends at this moment is told of at the next look.
            let Ok(status) = agent.client().status() else { continue };
            let Counts { alive, suspect, dead, left } = status.members;
            let counts = [alive, suspect, dead, left];
            if self.seen.insert(agent.name().to_owned(), counts) == Some(counts) {
                continue;
            }
            let entries = crate::output::count(status.entries);
            say(
                out,
                format!(
                    "  {since:5.1} s later {} sees {alive} alive, {suspect} suspect, {dead} dead, {left} \
                     left, and holds {entries} entries",
                    agent.name()
                ),
            )?;
            if out.is_json() {
                out.json(&json!({
                    "event": "seen", "by": agent.name(), "alive": alive, "suspect": suspect,
                    "dead": dead, "left": left, "entries": status.entries,
                }))?;
                out.flush()?;
            }
        }
        Ok(())
    }
}
