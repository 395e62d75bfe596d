//! Consecutive writes of one pipeline, which go to the node together, and how each is answered.

use super::fault::Fault;
use super::wire::reply::Out;
use crate::error::WriteError;
use crate::handle::Rumormill;
use rumormill_core::data::{Entry, Op, Outcome, Refused};
use std::collections::VecDeque;

/// Most operations in one call, so that the node's loop is not held for long.
const MAX_OPS: usize = 4096;
/// Operations kept allocated between batches.
const KEEP: usize = 64;

/// How a write is answered from the outcomes of its operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// `OK`.
    Ok,
    /// How many keys were there before.
    Existed,
    /// The length of the value that was written.
    Length,
    /// The value before, or null.
    Previous,
    /// 1 if the key had an expiry before, else 0.
    HadExpiry,
}

#[derive(Debug)]
struct Waiting {
    ops: usize,
    answer: Answer,
    muted: bool,
}

/// Writes that wait to be carried out.
#[derive(Debug, Default)]
pub(super) struct Batch {
    ops: Vec<Op>,
    waiting: VecDeque<Waiting>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds the operations of one command.
    pub(super) fn push(&mut self, ops: impl IntoIterator<Item = Op>, answer: Answer, muted: bool) {
        let before = self.ops.len();
        self.ops.extend(ops);
        self.waiting.push_back(Waiting { ops: self.ops.len() - before, answer, muted });
    }

    /// Carries everything out; the batch is empty then.
    pub(super) async fn carry_out(&mut self, node: &Rumormill) -> Done {
        let ops = std::mem::take(&mut self.ops);
        let waiting = std::mem::take(&mut self.waiting);
        if ops.len() <= MAX_OPS {
            return match node.write(ops).await {
                Ok(outcomes) => Done { waiting, outcomes: outcomes.into(), failed: None },
                Err(error) => Done { waiting, outcomes: VecDeque::new(), failed: Some(error) },
            };
        }
        let mut outcomes = VecDeque::with_capacity(ops.len());
        let mut failed = None;
        let mut ops = ops.into_iter();
        while failed.is_none() && ops.len() > 0 {
            match node.write(ops.by_ref().take(MAX_OPS).collect()).await {
                Ok(done) => outcomes.extend(done),
                Err(error) => failed = Some(error),
            }
        }
        Done { waiting, outcomes, failed }
    }

    /// Gives memory back.
    pub(super) fn release(&mut self) {
        self.ops.shrink_to(KEEP);
        self.waiting = VecDeque::new();
    }
}

/// Writes that were carried out and are to be answered.
#[derive(Debug)]
pub(super) struct Done {
    waiting: VecDeque<Waiting>,
    outcomes: VecDeque<Result<Outcome, Refused>>,
    /// Why the operations without an outcome have none.
    failed: Option<WriteError>,
}

impl Done {
    /// The entries that were written and are not answered yet.
    pub(super) fn written(&self) -> impl Iterator<Item = &Entry> {
        self.outcomes.iter().flatten().filter_map(|outcome| outcome.written.as_deref())
    }

    /// Writes the next reply, muted or not; false once there are no more.
    pub(super) fn answer_next(&mut self, out: &mut Out) -> bool {
        let Some(Waiting { ops, answer, muted }) = self.waiting.pop_front() else { return false };
        out.muted = muted;
        let mut fault = None;
        let mut existed = 0;
        let mut last = Outcome::default();
        for _ in 0..ops {
            match self.outcomes.pop_front() {
                Some(Ok(outcome)) => {
                    existed += i64::from(outcome.previous.is_some());
                    last = outcome;
                }
                Some(Err(refused)) => {
                    fault.get_or_insert_with(|| Fault::of_refusal(&refused));
                }
                None => {
                    let error = self.failed.as_ref().unwrap_or(&WriteError::Closed);
                    fault.get_or_insert_with(|| Fault::of_write(error));
                }
            }
        }
        if let Some(fault) = fault {
            out.fault(&fault.0);
            return true;
        }
        let (previous, written) = (last.previous.as_deref(), last.written.as_deref());
        match answer {
            Answer::Ok => out.ok(),
            Answer::Existed => out.int(existed),
            Answer::Length => out.count(written.and_then(Entry::value).map_or(0, <[u8]>::len)),
            Answer::Previous => out.bulk_or_null(previous.and_then(Entry::value)),
            Answer::HadExpiry => {
                out.int(i64::from(previous.is_some_and(|entry| entry.expires_at().is_some())));
            }
        }
        true
    }
}
