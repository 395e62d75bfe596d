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
//!
//! Where members are in different zones, the writer cuts the circle of ids of its own zone only.
//! Each other zone goes as a whole to a random live member of it; where there are more zones than
//! the fan-out, a run of zones goes to a member of one of them. That member does with its zone what
//! the writer does with its own, and hands the other zones of the run on. So a rumor enters each
//! zone once.
//!
//! Nodes may disagree for a moment about who is in which zone. Everyone does what it is asked
//! to, for the zone that it is asked to, so that what is asked gets smaller with every hop: a
//! run of zones loses the zone that it enters by, a range of ids the id of the receiver. Nothing
//! goes in circles; who is missed is for anti-entropy.

mod answers;
mod check;
mod message;
mod passage;
mod scope;
mod seen;

pub use message::{Answer, Rumor};
pub use passage::Passage;
pub use scope::Scope;

use super::rtt::Rtt;
use crate::base::codec::{DecodeError, Reader};
use crate::base::id::NodeId;
use crate::base::time::{Instant, text};
use crate::data::{Entry, Space, block};
use crate::member::table::{Peer, Span, Table};
use crate::member::{Env, Zone};
use crate::output::{Class, Via};
use crate::stats::Stats;
use crate::wire::Origin;
use answers::{Answers, COLLECT};
use message::Head;
use scope::{Part, cut, cut_run};
use seen::Seen;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of branches that wait for an answer; over that, branches are sent without asking for one
/// (guess: a few hundred datagrams).
const WAITING_BYTES: usize = 1 << 20;
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
/// Zones to which round trips are estimated apart; further ones share an estimate.
const RTTS: usize = 64;

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

/// A branch that has not been answered.
#[derive(Debug)]
struct Branch {
    space: Space,
    scope: Scope,
    block: Arc<[u8]>,
    entries: usize,
    first: Sent,
    /// Each time after that; the last one is the delegate now.
    again: Vec<Sent>,
    due: Instant,
}

/// To whom a branch was sent, where, and when.
#[derive(Clone, Copy, Debug)]
struct Sent {
    to: NodeId,
    addr: SocketAddr,
    at: Instant,
}

impl Branch {
    /// Each time that it was sent, in that order.
    fn sent(&self) -> impl Iterator<Item = Sent> {
        [self.first].into_iter().chain(self.again.iter().copied())
    }

    fn is_tried(&self, id: NodeId) -> bool {
        self.sent().any(|sent| sent.to == id)
    }
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
    seen: Seen,
    branches: BTreeMap<u64, Branch>,
    timers: BTreeSet<(Instant, u64)>,
    waiting_bytes: usize,
    next_token: u64,
    answers: Answers,
    /// By zone; all in one where zones make no difference.
    rtts: BTreeMap<Zone, Rtt>,
}

impl Tree {
    /// A machine with nothing to tell.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            pending: Default::default(),
            last: None,
            window: config.window,
            seen: Seen::default(),
            branches: BTreeMap::new(),
            timers: BTreeSet::new(),
            waiting_bytes: 0,
            next_token: AGAIN + 1,
            answers: Answers::default(),
            rtts: BTreeMap::new(),
            config,
        }
    }

    /// An entry of this node's own, to be told to everyone.
    pub fn add(&mut self, space: Space, entry: Arc<Entry>) {
        if let Some(pending) = self.pending.get_mut(usize::from(space.code())) {
            pending.push(entry);
        }
    }

    /// How long an answer from a zone took, learned elsewhere.
    pub fn sample(&mut self, zone: Zone, took: Duration) {
        self.rtts.entry(self.rtt_of(zone)).or_default().sample(took);
    }

    /// Under which zone the round trips to a zone are estimated.
    fn rtt_of(&self, zone: Zone) -> Zone {
        let full = self.rtts.len() >= RTTS && !self.rtts.contains_key(&zone);
        if full { Zone::NONE } else { zone }
    }

    /// How long an answer from a zone may take.
    fn timeout(&self, zone: Zone, table: &Table) -> Duration {
        let rtt = self.rtts.get(&self.rtt_of(zone));
        let timeout = rtt.copied().unwrap_or_default().timeout();
        // From far away, all answers take about the same time, but for how long they are collected.
        let near = !table.is_zoned() || zone == table.own_zone();
        if near { timeout } else { timeout + COLLECT }
    }

    /// When to send what is pending, or to look after a silent branch.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let pending = self.pending.iter().any(|pending| !pending.is_empty());
        let flush = pending.then(|| self.flush_at());
        let retry = self.timers.first().map(|(due, _)| *due);
        flush.into_iter().chain(retry).chain(self.answers.deadline()).min()
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
        if self.flush_at() <= env.now && self.pending.iter().any(|pending| !pending.is_empty()) {
            self.send_pending(own, env);
        }
        self.answers.poll(env);
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
            let zone = env.table.own_zone();
            let scope = match env.table.is_zoned() {
                false => Scope::All { start, end: own },
                true => Scope::Across { zone, from: zone, to: zone },
            };
            let parts = cut(scope, self.config.fanout, env.table, env.rng);
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

    /// A delegate has answered, or who has come in its place: that one passes the rumor on as well, and
    /// if it did not count each hop on the way would send the branch to several others.
    pub fn answered(&mut self, from: &Origin, token: u64, now: Instant) {
        let (first, again) = (token & !AGAIN, (token & AGAIN) as usize);
        let sent = self.branches.get(&first).and_then(|branch| branch.sent().nth(again));
        // A token of an earlier run of this node may be answered late, by somebody else.
        let is = |sent: &Sent| sent.to == from.peer || sent.addr == from.address;
        if let Some(sent) = sent.filter(is) {
            // Late answers count as well: they are how a busy cluster is noticed.
            let took = now.since(sent.at);
            if let Some(branch) = self.forget(first) {
                self.sample(branch.scope.zone(), took);
            }
        }
    }

    /// A rumor has come in: it is answered, and its entries are handed out to be judged, unless it
    /// came before.
    ///
    /// # Errors
    /// If its entries cannot be read.
    pub fn arrive<'a>(
        &mut self,
        rumor: Rumor<'a>,
        from: &Origin,
        stats: &mut Stats,
    ) -> Result<Option<(Passage<'a>, Vec<Entry>)>, DecodeError> {
        let entries = match self.seen.is_first(rumor.told) {
            true => Some(block::read(&mut Reader::new(rumor.block))?),
            false => None,
        };
        self.answers.add(rumor.token, from.address);
        stats.tree_duplicates += u64::from(entries.is_none());
        Ok(entries.map(|entries| (Passage::new(rumor, entries.len()), entries)))
    }

    /// Passes on to the range that came with a rumor what others may have a use for.
    pub fn pass_on(&mut self, passage: Passage<'_>, env: &mut Env<'_>) {
        let Passage { rumor, count, news } = passage;
        if news.is_empty() {
            return;
        }
        // Most of the members are leaves of the tree.
        let parts = cut(rumor.scope, self.config.fanout, env.table, env.rng);
        if parts.is_empty() {
            return;
        }
        let blocks = match news.len() == count {
            true => vec![rumor.block.into()],
            false => blocks(&news, env),
        };
        self.delegate(rumor.space, &parts, &blocks, news.len(), env);
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
        for Part { scope, span } in parts.iter().copied() {
            // A chain begins with the first: what is left of its part is one part again.
            let first = env.table.nth(span, 0);
            let first = first.filter(|peer| self.config.fanout == 1 && peer.alive);
            let chosen = first.or_else(|| choose(span, |_| false, env));
            let Some(delegate) = chosen else { continue };
            let wanted = match self.config.acknowledge {
                Acknowledge::None => false,
                Acknowledge::Branches => span.len() > 1 || matches!(scope, Scope::Across { .. }),
                Acknowledge::All => true,
            };
            for block in blocks {
                let mut token = 0;
                if wanted && !stream && self.waiting_bytes + block.len() <= WAITING_BYTES {
                    token = self.expect(space, scope, block, entries, &delegate, env);
                }
                let (head, to) = (Head::new(space, token, scope), delegate.gossip);
                env.outbox.push(
                    to,
                    Class::of_news(space),
                    via,
                    scope.kind(),
                    &[head.bytes(), block],
                );
            }
            self.answers.ride(delegate.gossip, env);
            env.stats.update_copies += entries as u64;
            if matches!(scope, Scope::Across { .. }) {
                env.stats.tree_crossings += entries as u64;
            }
        }
    }

    fn expect(
        &mut self,
        space: Space,
        scope: Scope,
        block: &Arc<[u8]>,
        entries: usize,
        to: &Peer,
        env: &Env<'_>,
    ) -> u64 {
        let token = self.next_token;
        self.next_token += AGAIN + 1;
        let due = env.now.after(self.timeout(scope.zone(), env.table));
        let branch = Branch {
            space,
            scope,
            block: Arc::clone(block),
            entries,
            first: Sent { to: to.id, addr: to.gossip, at: env.now },
            again: Vec::new(),
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
        let Sent { mut to, mut addr, at } = branch.again.last().copied().unwrap_or(branch.first);
        let timeout = self.timeout(branch.scope.zone(), env.table);
        let due = at.after(timeout);
        if due > env.now {
            // Meanwhile answers have proved to take longer.
            return self.wait_until(due, token, branch);
        }
        env.outbox.paths_mut().doubt(addr, env.now);
        let span = branch.scope.span(env.table);
        let tries = 1 + branch.again.len();
        if tries >= if span.len() > 1 { TRIES } else { LEAF_TRIES } {
            // What is behind a zone that nobody answers from must not share its fate.
            let rest = cut_run(branch.scope, self.config.fanout, env.table, env.rng);
            return self.delegate(branch.space, &rest, &[branch.block], branch.entries, env);
        }
        // Where everyone was tried, the last one once more.
        if tries > 1
            && let Some(other) = choose(span, |id| branch.is_tried(id), env)
        {
            (to, addr) = (other.id, other.gossip);
        }
        branch.again.push(Sent { to, addr, at: env.now });
        env.stats.tree_redelegated += 1;
        let head = Head::new(branch.space, token | tries as u64, branch.scope);
        let (kind, body): (u8, [&[u8]; 2]) = (branch.scope.kind(), [head.bytes(), &branch.block]);
        let class = Class::of_news(branch.space);
        env.outbox.push(addr, class, Via::Datagram, kind, &body);
        let due = env.now.after(timeout);
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

/// A random member that was not tried, one that is not suspected if there is one.
fn choose(span: Span, is_tried: impl Fn(NodeId) -> bool, env: &mut Env<'_>) -> Option<Peer> {
    let picked = env.rng.index(span.len());
    let fits = |peer: &Peer| !is_tried(peer.id);
    // From a random place once around: nearly always the first one will do.
    let around = || (picked..span.len()).chain(0..picked);
    let peers = || around().filter_map(|place| env.table.nth(span, place)).filter(fits);
    peers().find(|peer| peer.alive).or_else(|| peers().next())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{Sent, Stand, entry};
    use super::message::MAX_ANSWERS;
    use super::*;
    use crate::member::record::tests::record;
    use crate::member::{State, Tags};
    use crate::wire::kind;

    /// The body of a rumor to everyone, without entries.
    pub(in crate::spread) fn rumor_body() -> Vec<u8> {
        let scope = Scope::All { start: NodeId(1), end: NodeId(1) };
        Head::new(Space::Data, 8, scope).bytes().to_vec()
    }

    pub(in crate::spread) fn read_body(body: &[u8]) -> Rumor<'_> {
        Rumor::decode(kind::TREE, Reader::new(body)).unwrap()
    }

    fn read_answer(body: Reader<'_>) -> Result<Vec<u64>, DecodeError> {
        Ok(Answer::decode(body)?.tokens().collect())
    }

    fn poll(tree: &mut Tree, stand: &mut Stand) -> Vec<Sent> {
        tree.poll(NodeId(0), &mut stand.env());
        stand.sent()
    }

    fn read(sent: &Sent) -> Rumor<'_> {
        Rumor::decode(sent.kind, Reader::new(&sent.body)).unwrap()
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
        let by = |id, port| {
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            Origin::new(NodeId(id), address, Via::Datagram, false)
        };
        let addr = tree.branches[&first].first.addr;
        tree.answered(&by(7, 1), again, stand.now);
        tree.answered(&by(1, 1), first + 8, stand.now);
        tree.answered(&by(1, 1), first + 5, stand.now);
        assert_eq!(tree.branches.len(), 1, "not by others, nor for what was not sent");
        let in_its_place = Origin { address: addr, ..by(7, 1) };
        tree.answered(&in_its_place, again, stand.now);
        assert_eq!((tree.branches.len(), tree.deadline()), (0, None));
        let timeout = tree.timeout(Zone::NONE, &stand.table);
        assert_eq!(timeout, Duration::from_millis(20), "2 ms, not 102");
        tree.answered(&by(1, 1), first, stand.now);
    }

    #[test]
    fn a_rumor_that_is_sent_again_is_not_passed_on_again() {
        let (mut tree, mut stand) = tree(8, 1);
        let first = poll(&mut tree, &mut stand);
        stand.now = tree.deadline().unwrap();
        let again = poll(&mut tree, &mut stand);
        assert_ne!(first[0].body, again[0].body);
        let mut receiver = Tree::new(Config::default());
        assert!(receiver.seen.is_first(read(&first[0]).told));
        assert!(!receiver.seen.is_first(read(&again[0]).told));
    }

    #[test]
    fn a_lone_answer_goes_at_once_and_those_that_follow_closely_go_together() {
        let (mut tree, mut stand) = (Tree::new(Config::default()), Stand::new(9, 1));
        let rumor = |tree: &mut Tree, token, to| {
            let head =
                Head::new(Space::Data, token, Scope::All { start: NodeId(1), end: NodeId(1) });
            let rumor = Rumor::decode(kind::TREE, Reader::new(head.bytes())).unwrap();
            tree.answers.add(rumor.token, Stand::addr(to));
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
        answers::send(&answers, &mut stand.env());
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

    /// Node 0 in zone "a" with peers 1, 2; 3 and 4 in "b", 5 in "c".
    fn zoned_tree(fanout: usize) -> (Tree, Stand) {
        let (tree, mut stand) = tree(fanout, 0);
        for (id, zone) in [(0, "a"), (1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "c")] {
            let mut record = record(id, 2, State::Alive);
            record.tags = Tags::new([("zone", zone)]).unwrap();
            stand.table.update(&record, &Arc::new(record.to_entry()), Instant(0));
        }
        (tree, stand)
    }

    #[test]
    fn other_zones_get_one_copy_and_first() {
        let (mut tree, mut stand) = zoned_tree(8);
        let sent = poll(&mut tree, &mut stand);
        let kinds: Vec<u8> = sent.iter().map(|sent| sent.kind).collect();
        let (far, near) = (kind::TREE_ACROSS, kind::TREE_INSIDE);
        assert_eq!(kinds, [far, far, near, near]);
        assert_eq!((stand.stats.update_copies, stand.stats.tree_crossings), (4, 2));
        let mut to: Vec<u64> = sent.iter().map(|sent| sent.to).collect();
        to.sort_unstable();
        assert!(to == [1, 2, 3, 5] || to == [1, 2, 4, 5], "{to:?}");
    }

    #[test]
    fn a_silent_zone_is_tried_at_others_of_it_and_those_behind_it_do_not_suffer() {
        let (mut tree, mut stand) = zoned_tree(1);
        // One run of zones: b and c, entered by one of them.
        let first = poll(&mut tree, &mut stand).remove(0);
        let Scope::Across { zone, .. } = read(&first).scope else { panic!("no run of zones") };
        let (mut across, mut inside) = (vec![first.to], 0);
        while let Some(due) = tree.deadline() {
            stand.now = due;
            for sent in poll(&mut tree, &mut stand) {
                match read(&sent).scope {
                    Scope::Across { .. } => across.push(sent.to),
                    _ => inside += 1,
                }
            }
        }
        let (of_b, of_c): (Vec<u64>, Vec<u64>) = across.iter().partition(|to| **to != 5);
        assert_eq!((of_b.len(), of_c.len(), inside > 0), (TRIES, LEAF_TRIES, true));
        assert!(of_b.contains(&3) && of_b.contains(&4));
        assert_eq!(across[0] == 5, zone == Zone::of("c"));
    }

    #[test]
    fn round_trips_to_zones_are_told_apart() {
        let (mut tree, stand) = zoned_tree(8);
        for _ in 0..50 {
            tree.sample(Zone::of("a"), Duration::from_millis(1));
            tree.sample(Zone::of("b"), Duration::from_millis(80));
        }
        let timeout = |zone| tree.timeout(Zone::of(zone), &stand.table).as_millis();
        assert_eq!(timeout("a"), 20);
        assert!((90..95).contains(&timeout("b")), "answers are collected: {}", timeout("b"));
        (0..200).for_each(|zone| tree.sample(Zone(zone), Duration::from_millis(1)));
        assert!(tree.rtts.len() <= RTTS + 1);
    }

    #[test]
    fn golden_bytes_of_zones() {
        let (mut tree, mut stand) = zoned_tree(1);
        let sent = poll(&mut tree, &mut stand);
        let body = |kind| &sent.iter().find(|sent| sent.kind == kind).unwrap().body;
        let (z, block) = ([166, 162, 12, 181], [4, 2, 1, b'k', 1, b'v']);
        // Enter by c; from the zone behind a's round to a.
        let run = [&[91, 137, 96, 98, 167][..], &z[1..], &z].concat();
        assert_eq!(*body(kind::TREE_ACROSS), [&[0, 8][..], &run, &block].concat());
        let ids = [&z[..], &[1, 0, 0, 0, 0, 0, 0, 0], &[0; 8]].concat();
        assert_eq!(*body(kind::TREE_INSIDE), [&[0, 16][..], &ids, &block].concat());
    }
}
