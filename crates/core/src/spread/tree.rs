//! The tree rumor: a rumor that carries the range of members it is responsible for.
//!
//! The writer owns the circle of ids without its own. A node that is responsible for a range cuts
//! it into at most `fanout` parts of equal member count, picks a random live member in each and
//! sends it the batch with that part as its range; the receiver does the same until ranges are
//! empty. N-1 copies in all, ceil(log_fanout N) hops, a fresh random tree for every batch, and
//! nobody is sent the same rumor twice.
//!
//! A delegate answers at once; where it has much to answer, it collects answers for a moment. A
//! branch whose delegate stays silent is sent to it once more, then handed to other members of the
//! branch, so that a crashed delegate does not cost its branch the update. What is still lost is
//! for anti-entropy.
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
/// Rumors remembered so that a datagram that the network repeats is not passed on again. A lossy
/// table: a collision forgets the older one.
const SEEN: usize = 2048;
/// A busy node's window is at most this many times the configured one.
const BUSY: u32 = 8;
/// Times a branch is sent before it is left to anti-entropy: once, again, and to three others. A
/// fifth of the members crashed loses one branch in 600.
const TRIES: usize = 5;
/// Times a branch of one member is sent: there is nobody else to hand it to. At 5 % loss one update
/// in 160 is left to anti-entropy at one of 1,000 nodes; with three times, one in 8.
const LEAF_TRIES: usize = 4;
/// The bits of a token that count how often the branch had been sent before, so that an answer says
/// which of the sends it answers.
const AGAIN: u64 = 7;
/// Answers within this time of the last ones travel together (guess: half of the shortest wait for
/// one).
const COLLECT: Duration = Duration::from_millis(10);
/// Answers in one message.
const MAX_ANSWERS: usize = 256;

/// Which hops are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acknowledge {
    /// None: every loss waits for anti-entropy.
    None,
    /// Those to a delegate that passes the rumor on.
    Branches,
    /// All: about 16 bytes and a packet for every copy when idle, 3 bytes and next to no packet in
    /// a burst, where answers travel together.
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
    /// Range and entries, which tell rumors apart.
    told: &'a [u8],
}

impl<'a> Rumor<'a> {
    /// Reads the body of a tree rumor, but for its entries.
    ///
    /// # Errors
    /// If it is truncated or names no space.
    pub fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let space = Space::from_code(body.u8()?).ok_or(DecodeError::Invalid("space"))?;
        let token = body.varint()?;
        let told = body.clone().take(body.remaining())?;
        let (start, end) = (NodeId(body.u64()?), NodeId(body.u64()?));
        let block = body.take(body.remaining())?;
        Ok(Self { space, token, start, end, block, told })
    }
}

/// Reads the body of an answer: the tokens of the rumors that have arrived.
///
/// # Errors
/// If it is truncated, or holds more than this machine writes.
pub fn read_answer(mut body: Reader<'_>) -> Result<Vec<u64>, DecodeError> {
    let mut tokens = Vec::new();
    while !body.is_empty() {
        if tokens.len() >= MAX_ANSWERS {
            return Err(DecodeError::Invalid("number of answers"));
        }
        tokens.push(body.varint()?);
    }
    Ok(tokens)
}

fn head(space: Space, token: u64, start: NodeId, end: NodeId) -> Vec<u8> {
    let mut head = Vec::with_capacity(1 + 10 + 16);
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
    /// To whom it was sent, and when; the last one is the delegate now.
    sent: Vec<(NodeId, Instant)>,
    addr: SocketAddr,
    due: Instant,
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
    /// Tokens to be answered, with whom they are to be sent to.
    answers: Vec<(SocketAddr, u64)>,
    /// When answers last went out on their own.
    answered: Option<Instant>,
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
            next_token: AGAIN + 1,
            answers: Vec::new(),
            answered: None,
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
        let answer = (!self.answers.is_empty()).then(|| self.answer_at());
        flush.into_iter().chain(retry).chain(answer).min()
    }

    fn answer_at(&self) -> Instant {
        self.answered.map_or(Instant(0), |answered| answered.after(COLLECT))
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
        if self.flush_at() <= env.now {
            self.send_pending(own, env);
        }
        if !self.answers.is_empty() && self.answer_at() <= env.now {
            self.answered = Some(env.now);
            // Stable: the tokens for one peer stay in their order.
            self.answers.sort_by_key(|(to, _)| *to);
            for answers in self.answers.chunk_by(|one, next| one.0 == next.0) {
                send_answers(answers, env);
            }
            self.answers.clear();
        }
    }

    fn send_pending(&mut self, own: NodeId, env: &mut Env<'_>) {
        for space in Space::ALL {
            let Some(pending) = self.pending.get_mut(usize::from(space.code())) else { continue };
            let entries = std::mem::take(pending);
            if entries.is_empty() {
                continue;
            }
            let blocks = blocks(&entries, env);
            self.adapt(blocks.iter().map(|block| block.len()).sum(), env);
            let start = NodeId(own.0.wrapping_add(1));
            let parts = cut(start, own, self.config.fanout, env.table);
            self.delegate(space, &parts, &blocks, entries.len(), env);
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
        let hash = Fixed.hash_one(rumor.told) | 1;
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

    /// Answers a rumor that asks for it, with the next poll or soon after.
    pub fn answer(&mut self, rumor: &Rumor<'_>, to: SocketAddr) {
        if rumor.token != 0 {
            self.answers.push((to, rumor.token));
        }
    }

    /// A delegate has answered.
    pub fn answered(&mut self, from: NodeId, token: u64, now: Instant) {
        let (first, again) = (token & !AGAIN, (token & AGAIN) as usize);
        let sent = self.branches.get(&first).and_then(|branch| branch.sent.get(again));
        // A token of an earlier run of this node may be answered late, by somebody else.
        if let Some((_, sent)) = sent.filter(|(to, _)| *to == from) {
            // Late answers count as well: they are how a busy cluster is noticed.
            self.rtt.sample(now.since(*sent));
            self.forget(first);
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
        // Most of the members are leaves of the tree.
        let parts = cut(rumor.start, rumor.end, self.config.fanout, env.table);
        if parts.is_empty() {
            return;
        }
        let blocks = match whole {
            true => vec![rumor.block.into()],
            false => blocks(entries, env),
        };
        self.delegate(rumor.space, &parts, &blocks, entries.len(), env);
    }

    /// Sends a delegate of each part the blocks.
    fn delegate(
        &mut self,
        space: Space,
        parts: &[Part],
        blocks: &[Arc<[u8]>],
        entries: usize,
        env: &mut Env<'_>,
    ) {
        let bytes: usize = blocks.iter().map(|block| block.len()).sum();
        let large = blocks.iter().any(|block| block.len() > env.room());
        let stream = large || bytes + blocks.len() * 32 > env.limits.burst;
        let via = if stream { Via::Stream } else { Via::Datagram };
        for Part { from, to, span } in parts.iter().copied() {
            // A chain begins with the first: what is left of its part is one part again.
            let first = env.table.nth(span, 0);
            let first = first.filter(|peer| self.config.fanout == 1 && peer.alive);
            let chosen = first.or_else(|| choose(span, &[], env));
            let Some(delegate) = chosen else { continue };
            let wanted = match self.config.acknowledge {
                Acknowledge::None => false,
                Acknowledge::Branches => span.len() > 1,
                Acknowledge::All => true,
            };
            for block in blocks {
                let mut token = 0;
                if wanted && !stream && self.waiting_bytes + block.len() <= WAITING_BYTES {
                    token = self.expect(space, from, to, block, &delegate, env);
                }
                let head = head(space, token, from, to);
                env.outbox.push(delegate.gossip, Class::Updates, via, kind::TREE, &[&head, block]);
            }
            // Answers that wait for this peer ride along.
            let riding: Vec<_> =
                self.answers.extract_if(.., |(to, _)| *to == delegate.gossip).collect();
            send_answers(&riding, env);
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
        self.next_token += AGAIN + 1;
        let due = env.now.after(self.rtt.timeout());
        let branch = Branch {
            space,
            start,
            end,
            block: Arc::clone(block),
            sent: vec![(to.id, env.now)],
            addr: to.gossip,
            due,
        };
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
        let Some((mut to, last)) = branch.sent.last().copied() else { return };
        let due = last.after(self.rtt.timeout());
        if due > env.now {
            // Meanwhile answers have proved to take longer.
            return self.wait_until(due, token, branch);
        }
        let span = env.table.span(branch.start, branch.end);
        let tries = branch.sent.len();
        if tries >= if span.len() > 1 { TRIES } else { LEAF_TRIES } {
            return;
        }
        // Where everyone was tried, the last one once more.
        if tries > 1
            && let Some(other) = choose(span, &branch.sent, env)
        {
            (to, branch.addr) = (other.id, other.gossip);
        }
        branch.sent.push((to, env.now));
        env.stats.tree_redelegated += 1;
        let head = head(branch.space, token | tries as u64, branch.start, branch.end);
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

fn blocks(entries: &[Arc<Entry>], env: &Env<'_>) -> Vec<Arc<[u8]>> {
    let blocks = block::chunks(entries.iter().map(AsRef::as_ref), env.room());
    blocks.into_iter().map(Into::into).collect()
}

/// Sends answers that all go to one peer.
fn send_answers(answers: &[(SocketAddr, u64)], env: &mut Env<'_>) {
    for answers in answers.chunks(MAX_ANSWERS.min(env.room() / 10)) {
        let Some((to, _)) = answers.first() else { return };
        let mut body = Vec::with_capacity(10 * answers.len());
        answers.iter().for_each(|(_, token)| body.put_varint(*token));
        env.outbox.push(*to, Class::Updates, Via::Datagram, kind::TREE_ANSWER, &[&body]);
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
    if total == 0 {
        return Vec::new();
    }
    let mut parts = Vec::with_capacity(fanout.min(total) + 1);
    for half in halves.iter().filter(|half| !half.span.is_empty()) {
        let count = half.span.len();
        // Its share of the fan-out, rounded.
        let share = (2 * fanout.min(total) * count + total) / (2 * total);
        let pieces = share.clamp(1, count);
        let bound = |n: usize| n * count / pieces;
        let first = |n: usize| table.nth_id(half.span, bound(n)).unwrap_or(half.to);
        for piece in 0..pieces {
            let from = if piece == 0 { half.from } else { first(piece) };
            let span = half.span.part(bound(piece), bound(piece + 1));
            parts.push(Part { from, to: first(piece + 1), span });
        }
    }
    parts
}

/// A random member that was not tried, one that is not suspected if there is one.
fn choose(span: Span, tried: &[(NodeId, Instant)], env: &mut Env<'_>) -> Option<Peer> {
    let picked = env.rng.index(span.len());
    let fits = |peer: &Peer| tried.iter().all(|(id, _)| *id != peer.id);
    // From a random place once around: nearly always the first one will do.
    let around = || (picked..span.len()).chain(0..picked);
    let peers = || around().filter_map(|place| env.table.nth(span, place)).filter(fits);
    peers().find(|peer| peer.alive).or_else(|| peers().next())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Sent, Stand, entry};
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

    fn poll(tree: &mut Tree, stand: &mut Stand) -> Vec<Sent> {
        tree.poll(NodeId(0), &mut stand.env());
        stand.sent()
    }

    fn read(sent: &Sent) -> Rumor<'_> {
        assert_eq!(sent.kind, kind::TREE);
        Rumor::decode(Reader::new(&sent.body)).unwrap()
    }

    /// A tree with a fan-out, and one entry to tell.
    fn tree(fanout: usize, peers: u64) -> (Tree, Stand) {
        let mut tree = Tree::new(Config { fanout, ..Config::default() });
        tree.add(Space::Data, entry("k", 1));
        (tree, Stand::new(peers, 1))
    }

    #[test]
    fn a_silent_branch_is_sent_again_and_then_handed_to_others() {
        let (mut tree, mut stand) = tree(1, 3);
        let mut all = poll(&mut tree, &mut stand);
        while let Some(due) = tree.deadline() {
            stand.now = due;
            all.extend(poll(&mut tree, &mut stand));
        }
        let to: Vec<u64> = all.iter().map(|sent| sent.to).collect();
        assert_eq!(to.len(), TRIES, "{to:?}");
        assert_eq!(to[..2], [1, 1], "the first once more");
        let mut others = to[2..4].to_vec();
        others.sort_unstable();
        assert_eq!((others, to[3]), (vec![2, 3], to[4]), "then everyone, the last one once more");
        let tokens: Vec<u64> = all.iter().map(|sent| read(sent).token & AGAIN).collect();
        assert_eq!(tokens, [0, 1, 2, 3, 4]);
        assert_eq!(stand.stats.tree_redelegated, TRIES as u64 - 1);
        assert!(tree.branches.is_empty() && tree.timers.is_empty());
        assert_eq!(tree.waiting_bytes, 0);
    }

    #[test]
    fn a_silent_leaf_is_sent_it_a_few_times() {
        let (mut tree, mut stand) = tree(8, 2);
        let mut all = poll(&mut tree, &mut stand);
        while let Some(due) = tree.deadline() {
            stand.now = due;
            all.extend(poll(&mut tree, &mut stand));
        }
        let to: Vec<u64> = all.iter().map(|sent| sent.to).collect();
        assert_eq!(to.len(), 2 * LEAF_TRIES);
        assert!([1, 2].iter().all(|id| to.iter().filter(|to| *to == id).count() == LEAF_TRIES));
    }

    #[test]
    fn an_answer_to_any_of_the_sends_ends_a_branch_and_measures_that_send() {
        let (mut tree, mut stand) = tree(8, 1);
        let first = read(&poll(&mut tree, &mut stand)[0]).token;
        stand.now = tree.deadline().unwrap();
        let again = read(&poll(&mut tree, &mut stand)[0]).token;
        stand.pass(Duration::from_millis(2));
        tree.answered(NodeId(7), again, stand.now);
        tree.answered(NodeId(1), first + 8, stand.now);
        tree.answered(NodeId(1), first + 5, stand.now);
        assert_eq!(tree.branches.len(), 1, "not by others, nor for what was not sent");
        tree.answered(NodeId(1), again, stand.now);
        assert_eq!((tree.branches.len(), tree.deadline()), (0, None));
        assert_eq!(tree.rtt.timeout(), Duration::from_millis(20), "2 ms, not 102");
        tree.answered(NodeId(1), first, stand.now);
    }

    #[test]
    fn a_rumor_that_is_sent_again_is_not_passed_on_again() {
        let (mut tree, mut stand) = tree(8, 1);
        let first = poll(&mut tree, &mut stand);
        stand.now = tree.deadline().unwrap();
        let again = poll(&mut tree, &mut stand);
        assert_ne!(first[0].body, again[0].body);
        let mut receiver = Tree::new(Config::default());
        assert!(receiver.first_time(&read(&first[0])));
        assert!(!receiver.first_time(&read(&again[0])));
    }

    #[test]
    fn a_lone_answer_goes_at_once_and_those_that_follow_closely_go_together() {
        let (mut tree, mut stand) = (Tree::new(Config::default()), Stand::new(9, 1));
        let rumor = |tree: &mut Tree, token, to| {
            let head = head(Space::Data, token, NodeId(1), NodeId(1));
            tree.answer(&Rumor::decode(Reader::new(&head)).unwrap(), Stand::addr(to));
        };
        rumor(&mut tree, 8, 5);
        rumor(&mut tree, 0, 5);
        let sent = poll(&mut tree, &mut stand);
        assert_eq!(sent.len(), 1);
        assert_eq!((sent[0].kind, &sent[0].body[..]), (kind::TREE_ANSWER, &[8][..]));
        rumor(&mut tree, 16, 5);
        rumor(&mut tree, 24, 6);
        rumor(&mut tree, 300, 5);
        assert!(poll(&mut tree, &mut stand).is_empty());
        stand.now = tree.deadline().unwrap();
        assert_eq!(stand.now, Instant(0).after(COLLECT));
        let sent = poll(&mut tree, &mut stand);
        let bodies: Vec<_> = sent.iter().map(|sent| (sent.to, &sent.body[..])).collect();
        assert_eq!(bodies, [(5, &[16, 0xac, 2][..]), (6, &[24][..])]);
        assert_eq!(read_answer(Reader::new(&sent[0].body)), Ok(vec![16, 300]));
        // A rumor to whoever waits for an answer takes it along.
        rumor(&mut tree, 32, 3);
        tree.add(Space::Data, entry("k", 1));
        let sent = poll(&mut tree, &mut stand);
        assert!(sent.iter().any(|sent| (sent.to, sent.kind) == (3, kind::TREE_ANSWER)));
    }

    #[test]
    fn answers_have_a_bound() {
        let tokens = [1; MAX_ANSWERS + 1];
        assert!(read_answer(Reader::new(&tokens)).is_err());
        assert!(read_answer(Reader::new(&[0x80])).is_err());
        let (mut stand, tokens) = (Stand::new(1, 1), [u64::MAX; 2 * MAX_ANSWERS]);
        let answers = tokens.map(|token| (Stand::addr(1), token));
        send_answers(&answers, &mut stand.env());
        let sent = stand.sent();
        let read = sent.iter().flat_map(|sent| read_answer(Reader::new(&sent.body)).unwrap());
        assert_eq!(read.collect::<Vec<_>>(), tokens);
    }

    #[test]
    fn golden_bytes() {
        let (mut tree, mut stand) = tree(8, 1);
        let sent = poll(&mut tree, &mut stand);
        assert_eq!(
            sent[0].body,
            [
                0, 8, // space, token
                1, 0, 0, 0, 0, 0, 0, 0, // from the id behind the writer's
                0, 0, 0, 0, 0, 0, 0, 0, // round to the writer
                4, 2, 1, b'k', 1, b'v', // stamp +1, writer as before (0), key, value
            ]
        );
    }
}
