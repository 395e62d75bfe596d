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
use crate::member::table::Peer;
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
    /// All: about 20 bytes for every copy.
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
    /// Writes of a busy node within this time travel as one batch; an idle node sends at once
    /// (guess: below what a reader notices, far above the cost of a packet).
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
            config,
            pending: Default::default(),
            last: None,
            seen: Vec::new(),
            branches: BTreeMap::new(),
            timers: BTreeSet::new(),
            waiting_bytes: 0,
            next_token: 1,
            rtt: Rtt::default(),
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
        self.last.map_or(Instant(0), |last| last.after(self.config.window))
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
            self.last = Some(env.now);
            let blocks = block::chunks(entries.iter().map(AsRef::as_ref), env.room());
            let start = NodeId(own.0.wrapping_add(1));
            self.delegate(space, start, own, &blocks, entries.len(), env);
        }
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
        let peers: Vec<Peer> = env.table.between(start, end).copied().collect();
        let parts = self.config.fanout.min(peers.len());
        let bytes: usize = blocks.iter().map(Vec::len).sum();
        let large = blocks.iter().any(|block| block.len() > env.room());
        let stream = large || bytes + blocks.len() * 32 > env.limits.burst;
        let via = if stream { Via::Stream } else { Via::Datagram };
        let shared: Vec<Arc<[u8]>> = blocks.iter().map(|block| block.as_slice().into()).collect();
        for part in 0..parts {
            let bound = |n: usize| n * peers.len() / parts;
            let Some(members) = peers.get(bound(part)..bound(part + 1)) else { continue };
            let Some(delegate) = choose(members, None, env) else { continue };
            // The id ranges of the parts cover the whole range without a gap.
            let first = |n: usize| peers.get(bound(n)).map_or(end, |peer| peer.id);
            let from = if part == 0 { start } else { first(part) };
            let to = if part + 1 == parts { end } else { first(part + 1) };
            let wanted = match self.config.acknowledge {
                Acknowledge::None => false,
                Acknowledge::Branches => members.len() > 1,
                Acknowledge::All => true,
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
        self.waiting_bytes += block.len();
        self.timers.insert((due, token));
        let (block, sent) = (Arc::clone(block), env.now);
        let branch =
            Branch { space, start, end, block, to: to.id, addr: to.gossip, sent, due, tries: 1 };
        self.branches.insert(token, branch);
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
        if branch.tries >= TRIES {
            return;
        }
        branch.tries += 1;
        if branch.tries == TRIES {
            let members: Vec<Peer> = env.table.between(branch.start, branch.end).copied().collect();
            let Some(other) = choose(&members, Some(branch.to), env) else { return };
            (branch.to, branch.addr) = (other.id, other.gossip);
        }
        env.stats.tree_redelegated += 1;
        let head = head(branch.space, token, branch.start, branch.end);
        let body: [&[u8]; 2] = [&head, &branch.block];
        env.outbox.push(branch.addr, Class::Updates, Via::Datagram, kind::TREE, &body);
        branch.due = env.now.after(self.rtt.timeout() * 2);
        self.waiting_bytes += branch.block.len();
        self.timers.insert((branch.due, token));
        self.branches.insert(token, branch);
    }
}

/// A random member other than `not`, one that is not suspected if there is one.
fn choose(members: &[Peer], not: Option<NodeId>, env: &mut Env<'_>) -> Option<Peer> {
    let fits = |peer: &&Peer| Some(peer.id) != not;
    let picked = members.get(env.rng.index(members.len())).filter(fits);
    if let Some(peer) = picked
        && peer.alive
    {
        return Some(*peer);
    }
    let mut alive: Vec<&Peer> = members.iter().filter(fits).filter(|peer| peer.alive).collect();
    if alive.is_empty() {
        alive = members.iter().filter(fits).collect();
    }
    alive.get(env.rng.index(alive.len())).map(|peer| **peer)
}
