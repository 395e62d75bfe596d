//! Leaving and stopping: what this node has written, and its vote, are handed over first, for as long
//! as there is time.

use super::ring::name_of;
use super::state::{Departing, Driver, Stop};
use crate::command::Farewell;
use crate::report::Handover;
use rumormill_core::node::Vote;
use rumormill_core::{Input, Node};
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;

/// After a goodbye the loop lives on for this long, to say it again to whoever did not answer.
const GOODBYE: Duration = Duration::from_millis(300);

impl Driver {
    /// Begins to leave or to stop, or hastens what has begun.
    pub(super) fn begin_departure(&mut self, farewell: Farewell) {
        let Farewell { leave, wait, by, done } = farewell;
        let until = Instant::now() + wait.unwrap_or_default();
        let now = self.now();
        let (new, leaves_now) = match &mut self.turn.departing {
            Some(departing) => {
                departing.until = departing.until.min(until);
                departing.done.extend(done);
                departing.hasty |= wait.is_none();
                let leaves_now = leave && !departing.leaves;
                departing.leaves |= leave;
                (false, leaves_now)
            }
            none => {
                *none = Some(Departing {
                    by: by.clone(),
                    leaves: leave,
                    hasty: wait.is_none(),
                    until,
                    done: done.into_iter().collect(),
                });
                (true, leave)
            }
        };
        if leaves_now {
            let limit = wait.map(humantime::format_duration).map(|limit| limit.to_string());
            let limit = limit.unwrap_or_else(|| "no time: it is in haste".to_owned());
            tracing::info!(%by, at_most = %limit, "leaving the cluster; writes are refused");
        }
        if (new || leaves_now) && wait.is_some() {
            self.node.begin_departure(leave, now, &mut self.turn.out);
        }
    }

    /// Makes a leave a stop that waits for nothing more, unless goodbye has been said. Whoever has its
    /// vote by now keeps it until the node is back, as after a crash.
    pub(super) fn give_up_leaving(&mut self) {
        if let Some(departing) = &mut self.turn.departing
            && self.turn.stop.is_none()
        {
            departing.leaves = false;
            departing.until = Instant::now();
        }
    }

    /// True once this node takes no more writes.
    pub(super) fn departs(&self) -> bool {
        self.turn.departing.is_some()
    }

    /// Goes on with a leave or a stop: once all is handed over, or the time is up, it says goodbye
    /// and ends.
    pub(super) fn depart(&mut self) {
        let Some(departing) = &self.turn.departing else { return };
        if self.turn.stop.is_some() {
            return;
        }
        let told = handover(&self.node, departing);
        let alone = self.node.members().filter(|member| member.state.is_present()).count() < 2;
        let over = told.done || departing.hasty || departing.until <= Instant::now();
        // Nobody is there who could take anything.
        if over || alone && !departing.leaves {
            let leaves = departing.leaves;
            say(&told);
            self.stop(leaves, alone);
        }
        let lock = &self.snapshot.leaving;
        *lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    }

    /// When the time for it is up.
    pub(super) fn departure_deadline(&self) -> Option<std::time::Instant> {
        let waiting = self.turn.departing.as_ref().filter(|_| self.turn.stop.is_none());
        waiting.map(|departing| departing.until.into_std())
    }

    fn stop(&mut self, leave: bool, alone: bool) {
        let now = Instant::now();
        let at = if leave && !alone { now + GOODBYE } else { now };
        if leave {
            let now = self.now();
            self.node.handle(Input::Leave, now, &mut self.turn.out);
        }
        self.turn.stop = Some(Stop { at });
    }

    /// Stops at once: nobody is left who could ask for anything.
    pub(super) fn stop_now(&mut self) {
        self.stop(false, true);
    }
}

impl Departing {
    /// Tells whoever has asked for it what was handed over.
    pub(super) fn over(self, told: Option<Handover>) {
        let told = told.unwrap_or_default();
        for done in self.done {
            // An error means that nobody waits any more.
            let _ = done.send(told.clone());
        }
    }
}

/// How far it is.
fn handover(node: &Node, departing: &Departing) -> Handover {
    let Departing { by, leaves, hasty, .. } = departing;
    let mut told = Handover {
        leaves: *leaves,
        by: by.clone(),
        hasty: *hasty,
        vote: vote_name(if *leaves { Vote::Open } else { Vote::Kept }).into(),
        ..Handover::default()
    };
    // In haste nothing has begun.
    if let Some(so_far) = node.departure().filter(|_| !hasty) {
        told.confirmed = so_far.confirmed;
        (told.held_by, told.of) = (so_far.held_by as u64, so_far.of as u64);
        told.vote = vote_name(so_far.vote).into();
        if let Vote::Given(to) = so_far.vote {
            told.vote_with = Some(name_of(node, to));
        }
        // It was to be given, until the leave became a stop.
        if !leaves && so_far.vote == Vote::Open {
            told.vote = vote_name(Vote::Kept).into();
        }
        told.done = so_far.done;
    }
    told.with_missing()
}

fn vote_name(vote: Vote) -> &'static str {
    match vote {
        Vote::Kept => "kept",
        Vote::Open => "open",
        Vote::Given(_) => "given",
        Vote::Nobody => "nobody",
    }
}

/// Says what was handed over, and what was not.
fn say(told: &Handover) {
    let what = if told.leaves { "leaving" } else { "stopping" };
    match (told.hasty, told.missing.as_slice()) {
        (true, _) => tracing::info!("{what} in haste: nothing was handed over"),
        (false, []) => tracing::info!("{what}: {}", told.words()),
        (false, missing) => {
            tracing::warn!("{what} although not all was handed over: {}", missing.join("; "));
        }
    }
}
