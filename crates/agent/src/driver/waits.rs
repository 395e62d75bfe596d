//! Users that wait for what other members say: how many hold a write, and whether this node is
//! fresh enough.

use crate::command::{Ask, CoverageReply};
use crate::snapshot::Freshness;
use rumormill_core::output::Covered;
use rumormill_core::spread::coverage::{About, Want};
use rumormill_core::{Instant, Node, Now};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a reader waits for a comparison, and how often another member is asked for one (guess:
/// some round trips of most networks).
const PATIENCE: Duration = Duration::from_millis(450);
const EVERY: Duration = Duration::from_millis(100);

/// Who waits.
#[derive(Default)]
pub(super) struct Waits {
    questions: BTreeMap<u64, CoverageReply>,
    readers: Vec<Reader>,
    /// When a member is asked for a comparison next.
    ask: Instant,
}

struct Reader {
    bound: Duration,
    until: Instant,
    reply: oneshot::Sender<Option<Duration>>,
}

impl Waits {
    /// A question is over.
    pub(super) fn covered(&mut self, covered: Covered) {
        if let Some(reply) = self.questions.remove(&covered.token) {
            // An error means that nobody waits any more.
            let _ = reply.send(Ok(covered));
        }
    }

    /// When a reader has waited long enough, or somebody is to be asked.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.readers.iter().map(|reader| reader.until.min(self.ask)).min()
    }

    /// Takes in what a user asks.
    pub(super) fn ask(&mut self, ask: Ask, node: &mut Node, now: Now) {
        match ask {
            Ask::Coverage { about, want, limit, reply } => {
                self.ask_coverage(&about, want, limit, reply, node, now);
            }
            Ask::Stamp { key, reply } => {
                let held = node.data().get(&key);
                let _ = reply.send(held.map(|held| (held.stamp(), held.is_tombstone())));
            }
            Ask::Fresh { bound, reply } => {
                let until = now.mono.after(PATIENCE);
                self.readers.push(Reader { bound, until, reply });
            }
        }
    }

    fn ask_coverage(
        &mut self,
        about: &About,
        want: Want,
        limit: Option<Duration>,
        reply: CoverageReply,
        node: &mut Node,
        now: Now,
    ) {
        let until = limit.map_or(Instant(u64::MAX), |limit| now.mono.after(limit));
        match node.ask_coverage(about, want, until, now) {
            Ok(token) => {
                self.questions.insert(token, reply);
            }
            Err(unasked) => {
                let _ = reply.send(Err(unasked));
            }
        }
    }

    /// Before the end of a turn: takes back what nobody waits for, and answers readers.
    pub(super) fn look(&mut self, node: &mut Node, now: Now) {
        self.questions.retain(|token, reply| {
            if reply.is_closed() {
                node.forget_question(*token);
            }
            !reply.is_closed()
        });
        if self.readers.is_empty() {
            return;
        }
        let staleness = node.staleness(now);
        for reader in std::mem::take(&mut self.readers) {
            let fresh = staleness.is_some_and(|staleness| staleness <= reader.bound);
            if fresh || reader.until <= now.mono {
                let _ = reader.reply.send(staleness);
            } else if !reader.reply.is_closed() {
                self.readers.push(reader);
            }
        }
        if !self.readers.is_empty() && self.ask <= now.mono {
            self.ask = now.mono.after(EVERY);
            node.freshen();
        }
    }
}

/// How fresh a node is, for readers that do not wait.
pub(super) fn freshness(node: &Node, now: Now) -> Freshness {
    let staleness = node.staleness(now);
    Freshness {
        alone: staleness == Some(Duration::ZERO),
        agreed: staleness.and_then(|ago| std::time::Instant::now().checked_sub(ago)),
        least: node.least_staleness(),
    }
}
