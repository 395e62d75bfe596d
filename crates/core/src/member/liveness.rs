//! A simple check that members are alive, and the way back for a node that is alone.
//!
//! Every interval the next member of a shuffled round (SWIM's round robin, Das, Gupta, Motivala
//! 2002, section 4.3) is pinged, once more if it stays silent, and then suspected; a suspect that
//! does not refute in time is dead. Indirect probes and adaptive timeouts are not in here.

use crate::base::codec::Write;
use crate::base::id::NodeId;
use crate::base::time::{Instant, text};
use crate::env::Env;
use crate::member::State;
use crate::message::kind;
use crate::output::{Class, Via};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// How members are watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often one member is probed. Shorter finds the dead sooner; each probe and its answer
    /// cost about 20 bytes. Source: memberlist's LAN preset.
    #[serde(with = "text")]
    pub probe_interval: Duration,
    /// How long an answer may take before the probe is sent once more, and then the member is
    /// suspected. Source: memberlist's LAN preset.
    #[serde(with = "text")]
    pub probe_timeout: Duration,
    /// How long a suspect may take to refute before it is held dead (guess).
    #[serde(with = "text")]
    pub suspicion_timeout: Duration,
    /// How often seeds are tried at which no member is known, and how often a member that is held
    /// dead is tried again (guess).
    #[serde(with = "text")]
    pub rejoin_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            suspicion_timeout: Duration::from_secs(5),
            rejoin_interval: Duration::from_secs(2),
        }
    }
}

/// What the check has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The member did not answer.
    Suspect(NodeId),
    /// The suspect did not refute.
    Dead(NodeId),
    /// Try to get in by this address.
    Rejoin(SocketAddr),
}

#[derive(Debug)]
struct Probe {
    id: NodeId,
    number: u64,
    sent: Instant,
    due: Instant,
    again: bool,
}

/// The machine.
#[derive(Debug)]
pub struct Liveness {
    config: Config,
    round: Vec<NodeId>,
    next: Instant,
    probe: Option<Probe>,
    number: u64,
    suspects: BTreeMap<NodeId, Instant>,
    dead: BTreeSet<NodeId>,
    seeds: Vec<SocketAddr>,
    next_rejoin: Instant,
}

impl Liveness {
    /// A machine that begins to probe at a random point of the first interval.
    #[must_use]
    pub fn new(config: Config, now: Instant, rng: &mut crate::base::rng::Rng) -> Self {
        let phase = rng.below(crate::base::time::micros(config.probe_interval).max(1));
        Self {
            round: Vec::new(),
            next: Instant(now.0 + phase),
            probe: None,
            number: 0,
            suspects: BTreeMap::new(),
            dead: BTreeSet::new(),
            seeds: Vec::new(),
            next_rejoin: now.after(config.rejoin_interval),
            config,
        }
    }

    /// Addresses to try for as long as no member is known there.
    pub fn set_seeds(&mut self, seeds: &[SocketAddr]) {
        self.seeds = seeds.to_vec();
    }

    /// The roster says something new of another member.
    pub fn changed(&mut self, id: NodeId, state: State, now: Instant) {
        match state {
            State::Suspect => {
                let until = now.after(self.config.suspicion_timeout);
                self.suspects.entry(id).or_insert(until);
            }
            State::Alive | State::Dead | State::Left => {
                self.suspects.remove(&id);
            }
        }
        if state == State::Dead {
            self.dead.insert(id);
        } else {
            self.dead.remove(&id);
        }
    }

    /// When the machine has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let probe = self.probe.as_ref().map(|probe| probe.due);
        let suspect = self.suspects.values().min().copied();
        [Some(self.next), Some(self.next_rejoin), probe, suspect].into_iter().flatten().min()
    }

    /// A member answered; returns how long it took if it answered the first ping.
    pub fn answered(&mut self, from: NodeId, number: u64, now: Instant) -> Option<Duration> {
        let probe = self.probe.take_if(|probe| probe.id == from && probe.number == number)?;
        (!probe.again).then(|| now.since(probe.sent))
    }

    /// Does what is due.
    pub fn poll(&mut self, env: &mut Env<'_>, found: &mut Vec<Finding>) {
        self.check_probe(env, found);
        let late: Vec<NodeId> = self
            .suspects
            .iter()
            .filter(|(_, until)| **until <= env.now)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.suspects.remove(&id);
            found.push(Finding::Dead(id));
        }
        if self.next <= env.now {
            self.next = env.now.after(self.config.probe_interval);
            if self.probe.is_none() {
                self.probe_next(env);
            }
        }
        if self.next_rejoin <= env.now {
            self.next_rejoin = env.now.after(self.config.rejoin_interval);
            self.rejoin(env, found);
        }
    }

    fn check_probe(&mut self, env: &mut Env<'_>, found: &mut Vec<Finding>) {
        let Some(probe) = self.probe.as_mut().filter(|probe| probe.due <= env.now) else { return };
        let peer = env.table.peer(probe.id);
        match (peer, probe.again) {
            (Some(peer), false) => {
                probe.again = true;
                probe.due = env.now.after(self.config.probe_timeout);
                ping(peer.gossip, probe.number, env);
            }
            (Some(_), true) => {
                env.stats.probes_failed += 1;
                found.push(Finding::Suspect(probe.id));
                self.probe = None;
            }
            (None, _) => self.probe = None,
        }
    }

    fn probe_next(&mut self, env: &mut Env<'_>) {
        if self.round.is_empty() {
            self.round = env.table.peers().map(|peer| peer.id).collect();
            env.rng.shuffle(&mut self.round);
        }
        // Members that have gone since the round began are passed over.
        while let Some(id) = self.round.pop() {
            let Some(peer) = env.table.peer(id) else { continue };
            self.number += 1;
            let due = env.now.after(self.config.probe_timeout);
            self.probe = Some(Probe { id, number: self.number, sent: env.now, due, again: false });
            ping(peer.gossip, self.number, env);
            return;
        }
    }

    /// Whoever knows nobody tries all seeds, and others a seed at which they know nobody: it may be
    /// a cluster of its own that has no seed in turn. And one of the dead is tried, so that both
    /// sides of a partition that lasted find each other again.
    fn rejoin(&mut self, env: &mut Env<'_>, found: &mut Vec<Finding>) {
        if env.table.peer_count() == 0 {
            found.extend(self.seeds.iter().copied().map(Finding::Rejoin));
        } else {
            let own = env.table.get(env.table.own()).map(|own| own.gossip());
            let known = |seed| env.table.peers().any(|peer| peer.gossip == seed);
            let strange = |seed: &&SocketAddr| Some(**seed) != own && !known(**seed);
            let strange: Vec<_> = self.seeds.iter().filter(strange).collect();
            let picked = strange.get(env.rng.index(strange.len()));
            found.extend(picked.map(|seed| Finding::Rejoin(**seed)));
        }
        let dead = self.dead.iter().nth(env.rng.index(self.dead.len()));
        if let Some(member) = dead.and_then(|id| env.table.get(*id)) {
            found.push(Finding::Rejoin(member.gossip()));
        }
    }
}

fn ping(to: SocketAddr, number: u64, env: &mut Env<'_>) {
    env.stats.probes_sent += 1;
    let mut body = Vec::with_capacity(10);
    body.put_varint(number);
    env.outbox.push(to, Class::Membership, Via::Datagram, kind::PING, &[&body]);
}
