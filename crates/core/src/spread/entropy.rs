//! Anti-entropy: every interval, compare with one random member and exchange what differs.
//!
//! A simple epidemic (SI): every node stays infective for ever. This file says when, with whom and
//! which way; how differences are found is the business of [`crate::reconcile`].

use crate::base::id::NodeId;
use crate::base::rng::Rng;
use crate::base::time::{Instant, micros, text};
use crate::data::Space;
use crate::member::table::Peer;
use crate::reconcile::Flow;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// A bulk transfer whose peer is silent for this long is given up, and goes on with another
/// (guess: several round trips of any network).
const STALL: Duration = Duration::from_secs(5);
/// While an exchange makes progress, no other is begun for this long (guess: a round trip on a
/// slow network).
const BUSY: Duration = Duration::from_millis(100);

/// Which way entries move in an exchange, seen from the node that begins it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the other: one message.
    Push,
    /// From the other: two messages.
    Pull,
    /// Both ways: three messages.
    PushPull,
}

impl Direction {
    /// The direction as the sides of an exchange see it.
    #[must_use]
    pub fn flow(self) -> Flow {
        Flow { mine: self != Self::Pull, yours: self != Self::Push }
    }
}

/// How an exchange finds out what differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// It does not: everything is shipped.
    Full,
    /// A checksum of everything first, then of ranges, then of items.
    Checksum,
}

/// Settings of anti-entropy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often one random member is compared with while there is something new or different;
    /// "0s" switches anti-entropy off. About 60 bytes where nothing differs. Source: the
    /// simulation in docs/spread.md.
    #[serde(with = "text")]
    pub interval: Duration,
    /// The interval of a cluster in which nothing changes, reached by doubling (guess).
    #[serde(with = "text")]
    pub idle_interval: Duration,
    /// Which way entries move.
    pub direction: Direction,
    /// How differences are found.
    pub compare: Compare,
    /// Entries younger than this are still on their way by other means and are not compared, so
    /// that nothing is sent twice; "0s" compares everything (guess: several hops and one repeated
    /// hop of a tree rumor).
    #[serde(with = "text")]
    pub settle: Duration,
    /// Bytes of entries in one piece of a bulk transfer: the memory that a transfer takes at
    /// either end (guess: large against a round trip's worth on a LAN, small against the heap).
    pub piece_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(200),
            idle_interval: Duration::from_secs(2),
            direction: Direction::PushPull,
            compare: Compare::Checksum,
            settle: Duration::from_millis(300),
            piece_bytes: 256 * 1024,
        }
    }
}

/// A bulk transfer to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bulk {
    /// Who sends.
    pub peer: NodeId,
    /// Where it is.
    pub addr: SocketAddr,
    /// Which map.
    pub space: Space,
    /// The key hash up to which everything has come.
    pub from: u64,
    until: Instant,
}

/// The machine.
#[derive(Debug)]
pub struct Entropy {
    config: Config,
    next: Option<Instant>,
    calm: u32,
    busy_until: Instant,
    bulk: Option<Bulk>,
    /// Where a transfer that stalled goes on.
    resume: [u64; 2],
}

impl Entropy {
    /// A machine that begins at once, or never if the interval is zero.
    #[must_use]
    pub fn new(config: Config, now: Instant, rng: &mut Rng) -> Self {
        let next = (!config.interval.is_zero())
            .then(|| Instant(now.0 + rng.below(micros(config.interval).max(1))));
        Self { config, next, calm: 0, busy_until: Instant(0), bulk: None, resume: [0; 2] }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// When the next exchange is due or a transfer counts as stalled.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.next.into_iter().chain(self.bulk.map(|bulk| bulk.until)).min()
    }

    /// The peer to compare with now, if it is time. The second value is true if a bulk transfer has
    /// just been given up.
    pub fn poll(&mut self, now: Instant, peers: &[Peer], rng: &mut Rng) -> (Option<Peer>, bool) {
        let stalled = self.bulk.is_some_and(|bulk| bulk.until <= now);
        if stalled {
            self.abandon_bulk();
        }
        if self.next.is_none_or(|next| next > now) {
            return (None, stalled);
        }
        if now < self.busy_until {
            self.next = Some(self.busy_until);
            return (None, stalled);
        }
        let interval = (self.config.interval * (1 << self.calm.min(16)))
            .min(self.config.idle_interval.max(self.config.interval));
        // A quarter up or down, so that nodes do not fall into step.
        let (mean, spread) = (micros(interval), micros(interval) / 2);
        self.next = Some(Instant(now.0 + mean - spread / 2 + rng.below(spread.max(1))));
        self.calm = self.calm.saturating_add(1);
        (peers.get(rng.index(peers.len())).copied(), stalled)
    }

    /// Something is new or different: compare often again.
    pub fn stir(&mut self, now: Instant, rng: &mut Rng) {
        let was_calm = self.calm > 1;
        self.calm = 0;
        if was_calm && let Some(next) = self.next {
            let soon = Instant(now.0 + rng.below(micros(self.config.interval).max(1)));
            self.next = Some(next.min(soon));
        }
    }

    /// An exchange goes on: begin no other for a moment.
    pub fn progress(&mut self, now: Instant) {
        self.busy_until = now.after(BUSY);
    }

    /// The bulk transfer under way.
    #[must_use]
    pub fn bulk(&self) -> Option<&Bulk> {
        self.bulk.as_ref()
    }

    /// True if a map is being transferred in bulk.
    #[must_use]
    pub fn in_bulk(&self, space: Space) -> bool {
        self.bulk.is_some_and(|bulk| bulk.space == space)
    }

    /// True if a replica of `mine` entries had better be filled in bulk from one of `theirs`.
    #[must_use]
    pub fn wants_bulk(mine: u64, theirs: u64) -> bool {
        theirs.saturating_sub(mine) > mine.max(64)
    }

    /// Begins a bulk transfer from a peer; returns the hash to begin at, or `None` if another is
    /// under way.
    pub fn begin_bulk(
        &mut self,
        peer: NodeId,
        addr: SocketAddr,
        space: Space,
        now: Instant,
    ) -> Option<u64> {
        if self.bulk.is_some() {
            return None;
        }
        let from = self.resume.get(usize::from(space.code())).copied().unwrap_or(0);
        self.bulk = Some(Bulk { peer, addr, space, from, until: now.after(STALL) });
        Some(from)
    }

    /// A piece of the bulk transfer has been applied; returns the hash to go on from.
    pub fn advance_bulk(
        &mut self,
        peer: NodeId,
        space: Space,
        next: Option<u64>,
        now: Instant,
    ) -> Option<u64> {
        let bulk = self.bulk.as_mut().filter(|bulk| bulk.peer == peer && bulk.space == space)?;
        let resume = self.resume.get_mut(usize::from(space.code()))?;
        *resume = next.unwrap_or(0);
        match next {
            Some(from) => {
                bulk.from = from;
                bulk.until = now.after(STALL);
            }
            None => self.bulk = None,
        }
        next
    }

    /// The stream of a transfer broke; returns whether there was one.
    pub fn stream_lost(&mut self, addr: SocketAddr) -> bool {
        let lost = self.bulk.is_some_and(|bulk| bulk.addr == addr);
        if lost {
            self.abandon_bulk();
        }
        lost
    }

    fn abandon_bulk(&mut self) {
        if let Some(bulk) = self.bulk.take()
            && let Some(resume) = self.resume.get_mut(usize::from(bulk.space.code()))
        {
            *resume = bulk.from;
        }
    }
}
