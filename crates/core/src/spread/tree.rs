//! The tree rumor: a rumor that carries the range of members it is responsible for.
//!
//! The writer owns the circle of ids without its own. A node that is responsible for a range cuts
//! it into at most `fanout` parts of equal member count, picks a random live member in each and
//! sends it the batch with that part as its range; the receiver does the same until ranges are
//! empty. N-1 copies in all, ceil(log_fanout N) hops, a fresh random tree for every batch, and
//! nobody is sent the same rumor twice.
//!
//! A delegate answers at once. A branch whose delegate stays silent is sent to it once more, then
//! handed to another member of the branch, so that a crashed delegate does not cost its branch
//! the update. What is still lost is for anti-entropy.
//!
//! Parts are ranges of ids, not lists: members that the sender does not know yet are reached if
//! their delegate knows them.

use super::rtt::Rtt;
use crate::base::codec::{DecodeError, Reader, Write};
use crate::base::hash::Fixed;
use crate::base::id::NodeId;
use crate::base::time::{Instant, text};
use crate::data::{Entry, Space, block};
use crate::env::Env;
use crate::member::table::{Peer, Span, Table};
use crate::message::kind;
use crate::output::{Class, Via};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of branches that wait for an answer; over that, branches are sent without asking for one
/// (guess: a few hundred datagrams).
const WAITING_BYTES: usize = 1 << 20;
/// Answers due at which leaves are no longer asked for one (guess: two batches' worth).
const LEAVES_WAITING: usize = 16;
/// Rumors remembered so that a datagram that the network repeats is not passed on again. A lossy
/// table: a collision forgets the older one.
const SEEN: usize = 2048;
/// A busy node's window is at most this many times the configured one.
const BUSY: u32 = 8;
/// Times a branch is sent before it is left to anti-entropy: once, again, and to another.
const TRIES: u8 = 3;

/// Which hops are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acknowledge {
    /// None: every loss waits for anti-entropy.
    None,
    /// Those to a delegate that passes the rumor on.
    Branches,
    /// All, but those to a delegate that passes nothing on while many answers are due already: at
    /// such a pace they would double the packets. About 20 bytes an answer.
    All,
}

/// Settings of the tree rumor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Parts into which a node cuts the range it is responsible for, 1 or more. 1 is a chain, the
    /// cluster's size is direct mail; depth is log_fanout N. Source: the simulation in
    /// docs/spread.md.
    pub fanout: usize,
    /// Writes of a busy node within this time travel as one batch, or within up to eight times as
    /// long while batches stay small; an idle node sends at once (guess: below what a reader
    /// notices, far above the cost of a packet).
    #[serde(with = "text")]
    pub window: Duration,
    /// Which hops are answered, so that a silent one is repaired in a few round trips. Source: the
    /// simulation in docs/spread.md.
    pub acknowledge: Acknowledge,
}

impl Default for Config {
    fn default() -> Self {
        Self { fanout: 8, window: Duration::from_millis(1), acknowledge: Acknowledge::All }
    }
}

/// A rumor as it arrives.
#[derive(Clone, Debug)]
pub struct Rumor<'a> {
    /// Which map.
    pub space: Space,
    /// What to answer with; 0 if no answer is wanted.
    pub token: u64,
    /// First id of the receiver's range.
    pub start: NodeId,
    /// First id behind it.
    pub end: NodeId,
    /// The entries as they stand in the message.
    pub block: &'a [u8],
    /// The whole body, which tells rumors apart.
    pub body: &'a [u8],
}

impl<'a> Rumor<'a> {
    /// Reads the body of a tree rumor, but for its entries.
    ///
    /// # Errors
    /// If it is truncated or names no space.
    pub fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let whole = body.clone().take(body.remaining())?;
        let space = Space::from_code(body.u8()?).ok_or(DecodeError::Invalid("space"))?;
        let token = body.varint()?;
        let (start, end) = (NodeId(body.u64()?), NodeId(body.u64()?));
        let block = body.take(body.remaining())?;
        Ok(Self { space, token, start, end, block, body: whole })
    }
}

fn head(space: Space, token: u64, start: NodeId, end: NodeId) -> Vec<u8> {
    let mut head = Vec::with_capacity(28);
    head.put(&[space.code()]);
    head.put_varint(token);
    head.put(&start.0.to_le_bytes());
    head.put(&end.0.to_le_bytes());
    head
}

/// A branch that has not been answered.
#[derive(Debug)]
struct Branch {
    space: Space,
    start: NodeId,
    end: NodeId,
    block: Arc<[u8]>,
    to: NodeId,
    addr: SocketAddr,
    sent: Instant,
    due: Instant,
    tries: u8,
}

/// The machine.
#[derive(Debug)]
pub struct Tree {
    config: Config,
    pending: [Vec<Arc<Entry>>; 2],
    /// When the last batch went out.
    last: Option<Instant>,
    /// The window now: see [`Tree::adapt`].
    window: Duration,
    seen: Vec<u64>,
    branches: BTreeMap<u64, Branch>,
    timers: BTreeSet<(Instant, u64)>,
    waiting_bytes: usize,
    next_token: u64,
    rtt: Rtt,
}

impl Tree {
    /// A machine with nothing to tell.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            pending: Default::default(),
            last: None,
            window: config.window,
            seen: Vec::new(),
            branches: BTreeMap::new(),
            timers: BTreeSet::new(),
            waiting_bytes: 0,
            next_token: 1,
            rtt: Rtt::default(),
            config,
        }
    }

    /// An entry of this node's own, to be told to everyone.
    pub fn add(&mut self, space: Space, entry: Arc<Entry>) {
        if let Some(pending) = self.pending.get_mut(usize::from(space.code())) {
            pending.push(entry);
        }
    }

    /// How long an answer took, learned elsewhere.
    pub fn sample(&mut self, took: Duration) {
        self.rtt.sample(took);
    }

    /// When to send what is pending, or to look after a silent branch.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let pending = self.pending.iter().any(|pending| !pending.is_empty());
        let flush = pending.then(|| self.flush_at());
        let retry = self.timers.first().map(|(due, _)| *due);
        flush.into_iter().chain(retry).min()
    }

    fn flush_at(&self) -> Instant {
        self.last.map_or(Instant(0), |last| last.after(self.window))
    }

    /// Sends what is pending if the window has passed, and looks after silent branches.
    pub fn poll(&mut self, own: NodeId, env: &mut Env<'_>) {
        while let Some((due, token)) = self.timers.first().copied()
            && due <= env.now
        {
            self.timers.remove(&(due, token));
            self.retry(token, env);
        }
        if self.flush_at() > env.now {
            return;
        }
        for space in Space::ALL {
            let Some(pending) = self.pending.get_mut(usize::from(space.code())) else { continue };
            let entries = std::mem::take(pending);
            if entries.is_empty() {
                continue;
            }
            let blocks = block::chunks(entries.iter().map(AsRef::as_ref), env.room());
            self.adapt(blocks.iter().map(Vec::len).sum(), env);
            let start = NodeId(own.0.wrapping_add(1));
            self.delegate(space, start, own, &blocks, entries.len(), env);
        }
    }

    /// Sets the window after a batch of so many bytes: while batches follow each other and do not
    /// fill a datagram, longer ones save packets; a node that was idle begins anew.
    fn adapt(&mut self, bytes: usize, env: &Env<'_>) {
        let idle = self.last.is_none_or(|last| env.now.since(last) > self.window * 4);
        self.window = if idle {
            self.config.window
        } else if bytes < env.room() {
            (self.window * 4).min(self.config.window * BUSY)
        } else {
            (self.window / 4).max(self.config.window)
        };
        self.last = Some(env.now);
    }

    /// True the first time that a rumor comes in.
    pub fn first_time(&mut self, rumor: &Rumor<'_>) -> bool {
        let hash = Fixed.hash_one(rumor.body) | 1;
        if self.seen.is_empty() {
            self.seen.resize(SEEN, 0);
        }
        let at = hash as usize / 2 % SEEN;
        match self.seen.get_mut(at) {
            Some(slot) if *slot == hash => false,
            Some(slot) => {
                *slot = hash;
                true
            }
            None => true,
        }
    }

    /// Answers a rumor that asks for it.
    pub fn answer(&self, rumor: &Rumor<'_>, to: SocketAddr, env: &mut Env<'_>) {
        if rumor.token != 0 {
            let mut body = Vec::with_capacity(10);
            body.put_varint(rumor.token);
            env.outbox.push(to, Class::Updates, Via::Datagram, kind::TREE_ANSWER, &[&body]);
        }
    }

    /// A delegate has answered.
    pub fn answered(&mut self, from: NodeId, token: u64, now: Instant) {
        if self.branches.get(&token).is_some_and(|branch| branch.to == from)
            && let Some(branch) = self.forget(token)
            && branch.tries == 1
        {
            self.rtt.sample(now.since(branch.sent));
        }
    }

    /// Passes entries on to the range that came with them.
    pub fn pass_on(
        &mut self,
        rumor: &Rumor<'_>,
        entries: &[Arc<Entry>],
        whole: bool,
        env: &mut Env<'_>,
    ) {
        if entries.is_empty() {
            return;
        }
        let blocks = match whole {
            true => vec![rumor.block.to_vec()],
            false => block::chunks(entries.iter().map(AsRef::as_ref), env.room()),
        };
        self.delegate(rumor.space, rumor.start, rumor.end, &blocks, entries.len(), env);
    }

    /// Cuts a range into parts and sends each part's delegate the blocks.
    fn delegate(
        &mut self,
        space: Space,
        start: NodeId,
        end: NodeId,
        blocks: &[Vec<u8>],
        entries: usize,
        env: &mut Env<'_>,
    ) {
        let bytes: usize = blocks.iter().map(Vec::len).sum();
        let large = blocks.iter().any(|block| block.len() > env.room());
        let stream = large || bytes + blocks.len() * 32 > env.limits.burst;
        let via = if stream { Via::Stream } else { Via::Datagram };
        let shared: Vec<Arc<[u8]>> = blocks.iter().map(|block| block.as_slice().into()).collect();
        for Part { from, to, span } in cut(start, end, self.config.fanout, env.table) {
            // A chain begins with the first: what is left of its part is one part again.
            let first = env.table.nth(span, 0);
            let first = first.filter(|peer| self.config.fanout == 1 && peer.alive);
            let chosen = first.copied().or_else(|| choose(span, None, env));
            let Some(delegate) = chosen else { continue };
            let wanted = match self.config.acknowledge {
                Acknowledge::None => false,
                Acknowledge::Branches => span.len() > 1,
                Acknowledge::All => span.len() > 1 || self.branches.len() < LEAVES_WAITING,
            };
            for block in &shared {
                let mut token = 0;
                if wanted && !stream && self.waiting_bytes + block.len() <= WAITING_BYTES {
                    token = self.expect(space, from, to, block, &delegate, env);
                }
                let head = head(space, token, from, to);
                env.outbox.push(delegate.gossip, Class::Updates, via, kind::TREE, &[&head, block]);
            }
            env.stats.update_copies += entries as u64;
        }
    }

    fn expect(
        &mut self,
        space: Space,
        start: NodeId,
        end: NodeId,
        block: &Arc<[u8]>,
        to: &Peer,
        env: &Env<'_>,
    ) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        let due = env.now.after(self.rtt.timeout());
        let (block, sent) = (Arc::clone(block), env.now);
        let branch =
            Branch { space, start, end, block, to: to.id, addr: to.gossip, sent, due, tries: 1 };
        self.wait_until(due, token, branch);
        token
    }

    fn forget(&mut self, token: u64) -> Option<Branch> {
        let branch = self.branches.remove(&token)?;
        self.timers.remove(&(branch.due, token));
        self.waiting_bytes -= branch.block.len();
        Some(branch)
    }

    fn retry(&mut self, token: u64, env: &mut Env<'_>) {
        let Some(mut branch) = self.forget(token) else { return };
        let due = branch.sent.after(self.rtt.timeout() * branch.tries.into());
        if due > env.now {
            // Meanwhile answers have proved to take longer.
            return self.wait_until(due, token, branch);
        }
        if branch.tries >= TRIES {
            return;
        }
        self.rtt.was_late();
        branch.tries += 1;
        if branch.tries == TRIES {
            let span = env.table.span(branch.start, branch.end);
            let Some(other) = choose(span, Some(branch.to), env) else { return };
            (branch.to, branch.addr) = (other.id, other.gossip);
        }
        env.stats.tree_redelegated += 1;
        let head = head(branch.space, token, branch.start, branch.end);
        let body: [&[u8]; 2] = [&head, &branch.block];
        env.outbox.push(branch.addr, Class::Updates, Via::Datagram, kind::TREE, &body);
        let due = env.now.after(self.rtt.timeout());
        self.wait_until(due, token, branch);
    }

    fn wait_until(&mut self, due: Instant, token: u64, branch: Branch) {
        self.waiting_bytes += branch.block.len();
        self.timers.insert((due, token));
        self.branches.insert(token, Branch { due, ..branch });
    }
}

/// A part of a range, and who is known to be in it.
#[derive(Clone, Copy)]
struct Part {
    from: NodeId,
    to: NodeId,
    span: Span,
}

/// Cuts `[start, end)` into about `fanout` parts of about equal member count. They cover the range
/// without a gap, but for this node's own id: a part that held it would send the rumor back.
fn cut(start: NodeId, end: NodeId, fanout: usize, table: &Table) -> Vec<Part> {
    let own = table.own();
    let behind = NodeId(own.0.wrapping_add(1));
    let offset = |id: NodeId| id.0.wrapping_sub(start.0);
    // Equal bounds are the whole circle.
    let inside = offset(own) < offset(end) || start == end;
    let halves = if inside { [(start, own), (behind, end)] } else { [(start, end), (end, end)] };
    // Equal bounds of a half are an empty one.
    let halves = halves.map(|(from, to)| {
        let span = if from == to { Span::default() } else { table.span(from, to) };
        Part { from, to, span }
    });
    let total: usize = halves.iter().map(|half| half.span.len()).sum();
    let mut parts = Vec::with_capacity(fanout.min(total) + 1);
    for half in halves.iter().filter(|half| !half.span.is_empty()) {
        let count = half.span.len();
        // Its share of the fan-out, rounded.
        let share = (2 * fanout.min(total) * count + total) / (2 * total);
        let pieces = share.clamp(1, count);
        let bound = |n: usize| n * count / pieces;
        let first = |n: usize| table.nth(half.span, bound(n)).map_or(half.to, |peer| peer.id);
        for piece in 0..pieces {
            let from = if piece == 0 { half.from } else { first(piece) };
            let span = half.span.part(bound(piece), bound(piece + 1));
            parts.push(Part { from, to: first(piece + 1), span });
        }
    }
    parts
}

/// A random member other than `not`, one that is not suspected if there is one.
fn choose(span: Span, not: Option<NodeId>, env: &mut Env<'_>) -> Option<Peer> {
    let picked = env.rng.index(span.len());
    let fits = |peer: &&Peer| Some(peer.id) != not;
    // From a random place once around: nearly always the first one will do.
    let around = || (picked..span.len()).chain(0..picked);
    let peers = || around().filter_map(|place| env.table.nth(span, place)).filter(fits);
    peers().find(|peer| peer.alive).or_else(|| peers().next()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::State;
    use crate::member::record::tests::record;
    use proptest::prelude::*;

    fn table(own: u64, ids: &BTreeSet<u64>) -> Table {
        let mut table = Table::new(NodeId(own));
        for id in ids {
            let record = record(*id, 1, State::Alive);
            table.update(&record, &Arc::new(record.to_entry()), Instant(0));
        }
        table
    }

    /// Spreads a rumor over a full cluster; answers how often each member was sent it.
    fn spread(
        ids: &BTreeSet<u64>,
        writer: u64,
        fanout: usize,
        mut pick: u64,
    ) -> BTreeMap<u64, u32> {
        let mut got = BTreeMap::new();
        let mut todo = vec![(writer, NodeId(writer.wrapping_add(1)), NodeId(writer))];
        while let Some((own, start, end)) = todo.pop() {
            for part in cut(start, end, fanout, &table(own, ids)) {
                pick = pick.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let table = table(own, ids);
                let place = (pick >> 33) as usize % part.span.len();
                let delegate = table.nth(part.span, place).unwrap().id;
                *got.entry(delegate.0).or_default() += 1;
                assert!(got[&delegate.0] < 3, "the rumor goes round");
                todo.push((delegate.0, part.from, part.to));
            }
        }
        got
    }

    proptest! {
        #[test]
        fn everyone_is_sent_a_rumor_just_once(
            mut ids in prop::collection::btree_set(any::<u64>(), 1..40),
            ends: bool,
            writer: prop::sample::Index,
            fanout in 1_usize..10,
            pick: u64,
        ) {
            if ends {
                // Neighbours, and the seam of the circle.
                ids.extend([0, 1, 2, u64::MAX - 1, u64::MAX]);
            }
            let writer = *ids.iter().nth(writer.index(ids.len())).unwrap();
            let got = spread(&ids, writer, fanout, pick);
            let others: Vec<u64> = ids.iter().copied().filter(|id| *id != writer).collect();
            prop_assert_eq!(got.keys().copied().collect::<Vec<_>>(), others);
            prop_assert!(got.values().all(|times| *times == 1));
        }
    }

    #[test]
    fn a_range_is_cut_into_as_many_parts_as_the_fan_out() {
        let ids = (0..100).map(|id| id * 10).collect();
        let parts = cut(NodeId(1), NodeId(0), 8, &table(0, &ids));
        assert_eq!(parts.len(), 8);
        assert!(parts.iter().all(|part| (12..=13).contains(&part.span.len())));
    }
}
