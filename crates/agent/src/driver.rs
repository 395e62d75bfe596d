//! The loop that drives the core: the one place that touches it.

use crate::error::WriteError;
use crate::handle::{Numbers, Snapshot, wall_ms};
use crate::view::View;
use rumormill_core::data::{Entry, Op, Outcome, Refused, Space};
use rumormill_core::{Instant, Node, Now, Output};
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};
use tokio::sync::{mpsc, oneshot};

type WriteReply = oneshot::Sender<Result<Vec<Result<Outcome, Refused>>, WriteError>>;

pub(crate) enum Command {
    Write { ops: Vec<Op>, reply: WriteReply },
    Scan { cursor: u64, count: usize, reply: oneshot::Sender<(u64, Vec<Arc<Entry>>)> },
    Stop { leave: bool, done: oneshot::Sender<()> },
}

pub(crate) struct Driver {
    node: Node,
    inbox: mpsc::Receiver<Command>,
    view: Arc<View>,
    snapshot: Arc<Snapshot>,
    started: std::time::Instant,
}

impl Driver {
    pub(crate) fn new(
        node: Node,
        inbox: mpsc::Receiver<Command>,
        view: Arc<View>,
        snapshot: Arc<Snapshot>,
        started: std::time::Instant,
    ) -> Self {
        Self { node, inbox, view, snapshot, started }
    }

    fn now(&self) -> Now {
        let mono = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { mono: Instant(mono), wall_ms: wall_ms() }
    }

    pub(crate) async fn run(mut self) {
        while let Some(command) = self.inbox.recv().await {
            let mut out = Vec::new();
            match command {
                Command::Write { ops, reply } => {
                    let now = self.now();
                    let outcomes =
                        ops.into_iter().map(|op| self.node.write(op, now, &mut out)).collect();
                    self.carry_out(out);
                    let _ = reply.send(Ok(outcomes));
                }
                Command::Scan { cursor, count, reply } => {
                    let now = wall_ms();
                    let mut page = Vec::new();
                    let mut next = 0;
                    self.node.data().walk_from(cursor, &mut |hash, entry| {
                        if page.len() >= count.max(1) {
                            next = hash;
                            return ControlFlow::Break(());
                        }
                        if entry.live_at(now) {
                            page.push(Arc::clone(entry));
                        }
                        ControlFlow::Continue(())
                    });
                    let _ = reply.send((next, page));
                }
                Command::Stop { done, .. } => {
                    let _ = done.send(());
                    return;
                }
            }
        }
    }

    fn carry_out(&mut self, out: Vec<Output>) {
        let now = wall_ms();
        for output in out {
            if let Output::Applied(applied) = output
                && applied.space == Space::Data
            {
                self.view.apply(&applied.entry, now);
            }
        }
        let numbers = Numbers {
            stats: *self.node.stats(),
            tombstones: self.node.data().tombstones(),
            digest: self.node.data().digest(),
            ..Numbers::default()
        };
        *self.snapshot.numbers.lock().unwrap_or_else(PoisonError::into_inner) = numbers;
    }
}
