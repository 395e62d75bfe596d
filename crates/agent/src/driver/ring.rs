//! Ring repair, as it is begun for users and shown to them.

use crate::report::{ForgetError, HorizonInfo, PassRefused, RepairError, RingRun, RingStatus};
use rumormill_core::member::{Record, State};
use rumormill_core::retain::Horizon;
use rumormill_core::spread::ring::{NoPass, Run, Stage};
use rumormill_core::{Instant, Node, NodeId, Now, Output};
use std::time::Duration;

/// How often is looked which seeds are missing, where nothing else has changed.
const LOOK: Duration = Duration::from_secs(1);

/// Begins a pass; `waive` says that nobody is missing from the first.
pub(super) fn begin(
    node: &mut Node,
    waive: bool,
    now: Now,
    out: &mut Vec<Output>,
) -> Result<(), RepairError> {
    node.begin_pass(waive, now, out).map(drop).map_err(|reason| why(node, reason))
}

/// Why there is no pass, with the names of those whom it is about.
fn why(node: &Node, reason: NoPass) -> RepairError {
    let names = match &reason {
        NoPass::Seeds { .. } => missing_seeds(node),
        _ => missing_from(&reason).iter().map(|id| name_of(node, *id)).collect(),
    };
    RepairError::Refused { reason, names }
}

/// Whose return would help.
fn missing_from(reason: &NoPass) -> &[NodeId] {
    match reason {
        NoPass::Away(missing)
        | NoPass::Minority { missing, .. }
        | NoPass::Founding { missing }
        | NoPass::Doubt { missing, .. } => missing,
        _ => &[],
    }
}

/// Why the last pass could not be complete, as it is shown.
fn refused(node: &Node) -> Option<PassRefused> {
    let reason = node.no_pass()?;
    let error = why(node, reason.clone());
    let mut told = PassRefused {
        reason: error.reason().into(),
        words: error.to_string(),
        missing: error.names().to_vec(),
        ..PassRefused::default()
    };
    match reason {
        NoPass::Minority { pass, here, of, .. } => {
            told.pass = Some(format!("{pass:016x}"));
            (told.here, told.of) = (Some(*here as u64), Some(*of as u64));
        }
        NoPass::Doubt { doubted, .. } => {
            told.doubted = doubted.iter().map(|id| name_of(node, *id)).collect();
        }
        _ => {}
    }
    Some(told)
}

/// Forgets those who go by a name or id and are not here; returns their ids.
pub(super) fn forget(
    node: &mut Node,
    who: &str,
    force: bool,
    now: Now,
    out: &mut Vec<Output>,
) -> Result<Vec<NodeId>, ForgetError> {
    let meant = meant(node, who);
    if meant.is_empty() {
        return Err(ForgetError::Unknown(who.to_owned()));
    }
    for id in &meant {
        node.forget(*id, force, now, out)
            .map_err(|reason| ForgetError::Refused { who: who.to_owned(), reason })?;
    }
    Ok(meant)
}

/// Whom a name or id means. A name that a restart without its data folder has made two of means
/// the one that is gone.
fn meant(node: &Node, who: &str) -> Vec<NodeId> {
    let known = node.members().filter_map(|member| {
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

pub(super) fn name_of(node: &Node, id: NodeId) -> String {
    let member = node.members().find(|member| member.id == id);
    let record = member.and_then(|member| Record::from_entry(member.entry).ok());
    record.map_or_else(|| id.to_string(), |record| record.name)
}

/// What the first pass waits for besides members.
fn missing_seeds(node: &Node) -> Vec<String> {
    let Err(NoPass::Seeds { missing, nameless }) = node.seeds_found() else {
        return Vec::new();
    };
    let mut named: Vec<String> = missing.iter().map(|seed| format!("seed {seed}")).collect();
    if nameless > 0 {
        named.push(format!("{nameless} seeds whose names cannot be looked up"));
    }
    named
}

/// Where passes stand.
pub(super) fn status(node: &Node) -> RingStatus {
    let run = node.run();
    let mut held_by = node.members_away();
    // Who is not dead, but does not answer the token either.
    held_by.extend(run.filter(|run| waits(run)).map(|run| run.at));
    held_by.sort_unstable();
    held_by.dedup();
    let missing = missing_seeds(node);
    RingStatus {
        horizon: node.horizon().map(|horizon| HorizonInfo {
            time_ms: horizon.time >> 16,
            pass: format!("{:016x}", horizon.pass),
        }),
        covered: node.is_covered(),
        run: run.map(|run| RingRun {
            pass: format!("{:016x}", run.pass),
            members: run.members as u64,
            hop: run.hop,
            hops: run.hops,
            stage: stage_name(run.stage).into(),
            at: name_of(node, run.at),
            started_ms: run.started_ms,
            heard_ms: run.heard_ms,
        }),
        tombstones: node.data().tombstones(),
        tombstones_held_by: held_by
            .into_iter()
            .map(|id| name_of(node, id))
            .chain(missing)
            .collect(),
        refused: refused(node),
    }
}

/// What was last shown, as the core has it.
#[derive(Default)]
pub(super) struct Shown {
    horizon: Option<Horizon>,
    behind: bool,
    run: Option<Run>,
    away: Vec<NodeId>,
    missing: Vec<String>,
    refused: Option<NoPass>,
    /// When that was looked at.
    looked: Instant,
}

impl Shown {
    /// What is to be shown now, if it is something else than before or the members have changed.
    pub(super) fn renew(
        &mut self,
        node: &Node,
        members_changed: bool,
        now: Now,
    ) -> Option<RingStatus> {
        let (horizon, behind, away) = (node.horizon(), !node.is_covered(), node.members_away());
        let due = self.looked.after(LOOK) <= now.mono;
        let (missing, looked) = match members_changed || self.horizon != horizon || due {
            true => (missing_seeds(node), now.mono),
            false => (self.missing.clone(), self.looked),
        };
        self.looked = looked;
        let same = self.horizon == horizon
            && self.behind == behind
            && self.away == away
            && self.missing == missing
            && self.refused.as_ref() == node.no_pass()
            && self.run.as_ref() == node.run();
        if same && !members_changed {
            return None;
        }
        let (run, refused) = (node.run().cloned(), node.no_pass().cloned());
        *self = Self { horizon, behind, run, away, missing, refused, looked };
        Some(status(node))
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
