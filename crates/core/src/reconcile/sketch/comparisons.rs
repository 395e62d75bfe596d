//! The comparisons by sketches that a node began: one with each peer, for as long as cells come.

mod check;

use super::{Batch, Exchange, Headed, Reply, Stand};
use crate::base::id::NodeId;
use crate::base::time::Instant;
use crate::data::{Cut, Digest};
use crate::reconcile::{Desk, Flow};
use std::net::SocketAddr;
use std::time::Duration;

/// Comparisons at once, at most 2.4 MB each. One more takes the place of the oldest.
const MAX_OPEN: usize = 8;
/// How long an answer may take before it is asked for once more, and how long it may take then
/// (guess: several round trips of any network, and less than cuts can be gone back to).
const PATIENCE: Duration = Duration::from_secs(1);

/// The machine.
#[derive(Debug, Default)]
pub struct Comparisons {
    /// The oldest first.
    open: Vec<Comparison>,
    /// How many differences the last one found, if the next one has not begun.
    expected: usize,
}

#[derive(Debug)]
struct Comparison {
    peer: NodeId,
    addr: SocketAddr,
    flow: Flow,
    exchange: Exchange,
    until: Instant,
    asked_again: bool,
}

/// What came for a comparison.
pub enum Cells<'a> {
    /// The first.
    First(&'a Headed<Reply>),
    /// More of them.
    More(&'a Headed<Batch>),
}

impl Comparisons {
    /// When something is to be asked for once more, or given up.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.open.iter().map(|comparison| comparison.until).min()
    }

    /// True if a comparison with a member goes on.
    #[must_use]
    pub fn is_open(&self, peer: NodeId) -> bool {
        self.open.iter().any(|comparison| comparison.peer == peer)
    }

    fn add(&mut self, comparison: Comparison) {
        self.open.retain(|other| other.peer != comparison.peer);
        if self.open.len() >= MAX_OPEN {
            self.open.remove(0);
        }
        self.open.push(comparison);
    }

    fn take(&mut self, peer: NodeId) -> Option<Comparison> {
        let at = self.open.iter().position(|comparison| comparison.peer == peer)?;
        Some(self.open.remove(at))
    }

    /// Begins a comparison with a member; false if there are no sketches for that.
    pub fn begin(
        &mut self,
        peer: NodeId,
        flow: Flow,
        (cut, roster): (Cut, Digest),
        desk: &mut Desk<'_>,
        now: Instant,
    ) -> bool {
        let expected = std::mem::take(&mut self.expected);
        let Some(exchange) = Exchange::begin(desk, flow, cut, roster, expected) else {
            desk.stats.sketch_unserved += 1;
            return false;
        };
        let (addr, until) = (desk.to, now.after(PATIENCE));
        self.add(Comparison { peer, addr, flow, exchange, until, asked_again: false });
        true
    }

    /// A member has answered: true if a comparison with it goes on, which counts as young again.
    pub fn hear(&mut self, peer: NodeId) -> bool {
        let comparison = self.take(peer);
        let open = comparison.is_some();
        self.open.extend(comparison);
        open
    }

    /// Goes on with a comparison by what came for it; tells how it stands, and which way entries
    /// move in it.
    pub fn go_on(
        &mut self,
        peer: NodeId,
        cells: &Cells<'_>,
        desk: &mut Desk<'_>,
        now: Instant,
    ) -> Option<(Stand, Flow)> {
        let mut comparison = self.take(peer)?;
        let stand = match cells {
            Cells::First(reply) => comparison.exchange.on_reply(desk, reply),
            Cells::More(batch) => comparison.exchange.on_batch(desk, batch),
        };
        let flow = comparison.flow;
        match stand {
            Stand::Open => {
                if comparison.exchange.waits() {
                    comparison.until = now.after(PATIENCE);
                    comparison.asked_again = false;
                }
                self.add(comparison);
            }
            Stand::Known(count) => self.found(count),
            Stand::Unknown(_) => {}
        }
        Some((stand, flow))
    }

    /// So many items differed in a comparison, begun here or elsewhere: the next one may expect as
    /// many.
    pub fn found(&mut self, differences: usize) {
        self.expected = differences;
    }

    /// Asks once more where cells do not come, and gives up what stays silent: those with whom that
    /// is so.
    pub fn poll(&mut self, desk: &mut Desk<'_>, now: Instant) -> Vec<SocketAddr> {
        let mut silent = Vec::new();
        for mut comparison in std::mem::take(&mut self.open) {
            if comparison.until > now {
                self.open.push(comparison);
            } else if comparison.exchange.waits() && !comparison.asked_again {
                comparison.asked_again = true;
                comparison.until = now.after(PATIENCE);
                desk.to = comparison.addr;
                comparison.exchange.again(desk);
                self.open.push(comparison);
            } else if comparison.exchange.waits() {
                desk.stats.sketch_silent += 1;
                silent.push(comparison.addr);
            }
        }
        silent
    }
}
