//! Ring repair, as the loop carries it out for users and shows it to them.

use super::state::Driver;
use crate::report::{ForgetError, HorizonInfo, RepairError, RingRun, RingStatus};
use rumormill_core::member::{Record, State};
use rumormill_core::retain::Horizon;
use rumormill_core::spread::ring::{NoPass, Run, Stage};
use rumormill_core::{Instant, NodeId};
use std::sync::PoisonError;
use std::time::Duration;

/// How often is looked which seeds are missing, where nothing else has changed.
const LOOK: Duration = Duration::from_secs(1);

/// What was last shown, as the core has it.
#[derive(Default)]
pub(super) struct Shown {
    horizon: Option<Horizon>,
    behind: bool,
    run: Option<Run>,
    away: Vec<NodeId>,
    missing: Vec<String>,
    /// When that was looked at.
    looked: Instant,
}

impl Driver {
    /// Begins a pass.
    pub(super) fn repair_ring(&mut self) -> Result<RingStatus, RepairError> {
        let now = self.now();
        let begun = self.node.begin_pass(now, &mut self.turn.out);
        if let Err(reason) = begun {
            let names = match &reason {
                NoPass::Away(away) => away.iter().map(|id| self.name_of(*id)).collect(),
                NoPass::Seeds { .. } => self.missing_seeds(),
                _ => Vec::new(),
            };
            return Err(RepairError::Refused { reason, names });
        }
        // Whoever asked may look how it goes on.
        self.finish_turn();
        Ok(self.ring_status())
    }

    /// Forgets those who go by a name or id and are not here; returns their ids.
    pub(super) fn forget(&mut self, who: &str, force: bool) -> Result<Vec<NodeId>, ForgetError> {
        let now = self.now();
        let meant = self.meant(who);
        if meant.is_empty() {
            return Err(ForgetError::Unknown(who.to_owned()));
        }
        for id in &meant {
            self.node
                .forget(*id, force, now, &mut self.turn.out)
                .map_err(|reason| ForgetError::Refused { who: who.to_owned(), reason })?;
        }
        // Whoever asked may look at the member list next.
        self.finish_turn();
        Ok(meant)
    }

    /// Whom a name or id means. A name that a restart without its data folder has made two of means
    /// the one that is gone.
    fn meant(&self, who: &str) -> Vec<NodeId> {
        let known = self.node.members().filter_map(|member| {
            let id = member.id;
            let by_id = id.to_string() == who;
            let named = by_id || Record::from_entry(member.entry).is_ok_and(|r| r.name == who);
            named.then_some((id, member.state))
        });
        let known: Vec<(NodeId, State)> = known.collect();
        let least_here = known.iter().map(|(_, state)| rank(*state)).max();
        let gone = known.iter().filter(|(_, state)| Some(rank(*state)) == least_here);
        gone.map(|(id, _)| *id).collect()
    }

    fn name_of(&self, id: NodeId) -> String {
        let member = self.node.members().find(|member| member.id == id);
        let record = member.and_then(|member| Record::from_entry(member.entry).ok());
        record.map_or_else(|| id.to_string(), |record| record.name)
    }

    /// Lets readers see what has changed of passes.
    pub(super) fn publish_ring(&mut self, members_changed: bool) {
        let node = &self.node;
        let (horizon, behind, away) = (node.horizon(), !node.is_covered(), node.members_away());
        let now = self.now().mono;
        let shown = &self.turn.shown;
        let look = members_changed || shown.horizon != horizon || shown.looked.after(LOOK) <= now;
        let (missing, looked) = match look {
            true => (self.missing_seeds(), now),
            false => (shown.missing.clone(), shown.looked),
        };
        let shown = &mut self.turn.shown;
        shown.looked = looked;
        let same = shown.horizon == horizon
            && shown.behind == behind
            && shown.away == away
            && shown.missing == missing
            && shown.run.as_ref() == self.node.run();
        if same && !members_changed {
            return;
        }
        self.turn.shown =
            Shown { horizon, behind, run: self.node.run().cloned(), away, missing, looked };
        let status = self.ring_status();
        *self.snapshot.ring.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// What the first pass waits for besides members.
    fn missing_seeds(&self) -> Vec<String> {
        let Err(NoPass::Seeds { missing, nameless }) = self.node.seeds_found(self.now()) else {
            return Vec::new();
        };
        let mut named: Vec<String> = missing.iter().map(|seed| format!("seed {seed}")).collect();
        if nameless > 0 {
            named.push(format!("{nameless} seeds whose names cannot be looked up"));
        }
        named
    }

    fn ring_status(&self) -> RingStatus {
        let run = self.node.run();
        let mut held_by = self.node.members_away();
        // Who is not dead, but does not answer the token either.
        held_by.extend(run.filter(|run| waits(run)).map(|run| run.at));
        held_by.sort_unstable();
        held_by.dedup();
        let missing = self.missing_seeds();
        RingStatus {
            horizon: self.node.horizon().map(|horizon| HorizonInfo {
                time_ms: horizon.time >> 16,
                pass: format!("{:016x}", horizon.pass),
            }),
            covered: self.node.is_covered(),
            run: run.map(|run| RingRun {
                pass: format!("{:016x}", run.pass),
                members: run.members as u64,
                hop: run.hop,
                hops: run.hops,
                stage: stage_name(run.stage).into(),
                at: self.name_of(run.at),
                started_ms: run.started_ms,
                heard_ms: run.heard_ms,
            }),
            tombstones: self.node.data().tombstones(),
            tombstones_held_by: held_by
                .into_iter()
                .map(|id| self.name_of(id))
                .chain(missing)
                .collect(),
        }
    }
}

/// True if a pass has been waiting for a member, and has not just begun.
fn waits(run: &Run) -> bool {
    run.stage == Stage::Waiting && run.heard_ms > run.started_ms
}

/// The bigger, the more it is meant by who wants a member forgotten.
fn rank(state: State) -> u8 {
    match state {
        State::Alive | State::Suspect => 0,
        State::Forgotten => 1,
        State::Left => 2,
        State::Dead => 3,
    }
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Reached => "reached",
        Stage::Waiting => "waiting",
        Stage::Complete => "complete",
        Stage::Over => "over",
    }
}
