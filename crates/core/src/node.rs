//! The facade: one node of the cluster as a state machine. Wiring only.

use crate::base::hash::Keyed;
use crate::base::id::NodeId;
use crate::base::rng::Rng;
use crate::base::time::{Instant, Now};
use crate::config::Config;
use crate::data::{self, Clock, Digest, Entry, Expiry, Map, Op, Outcome, Refused, Space};
use crate::input::Input;
use crate::member::Member;
use crate::output::{Applied, Output};
use crate::stats::Stats;
use std::net::SocketAddr;
use std::sync::Arc;

/// Who a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The id of its data folder.
    pub id: NodeId,
    /// A name for people.
    pub name: String,
    /// The address that others reach it at.
    pub gossip: SocketAddr,
    /// Where it serves the Redis protocol, if it does.
    pub redis: Option<SocketAddr>,
    /// Where it serves HTTP, if it does.
    pub http: Option<SocketAddr>,
}

/// One node.
#[derive(Debug)]
pub struct Node {
    config: Config,
    identity: Identity,
    rng: Rng,
    clock: Clock,
    data: Map,
    stats: Stats,
}

impl Node {
    /// A node that knows nobody and holds nothing.
    #[must_use]
    pub fn new(config: Config, identity: Identity, seed: u64, _now: Now) -> Self {
        let keyed = Keyed::for_cluster(&config.cluster);
        let clock = Clock::new(identity.id, config.limits.max_clock_skew);
        Self {
            rng: Rng::new(seed),
            clock,
            data: Map::new(keyed),
            stats: Stats::default(),
            config,
            identity,
        }
    }

    /// Takes in an entry that this node had persisted. Comes before all input.
    pub fn restore(&mut self, space: Space, entry: Arc<Entry>) {
        if space == Space::Data {
            self.clock.observe(entry.stamp());
            let _ = self.data.apply(entry);
        }
    }

    /// Carries out a user's operation on this node's replica.
    ///
    /// # Errors
    /// If a bound is passed; nothing was changed then.
    pub fn write(&mut self, op: Op, now: Now, out: &mut Vec<Output>) -> Result<Outcome, Refused> {
        let limits = &self.config.limits;
        if op.key().len() > limits.max_key {
            return Err(Refused::KeyTooLong { got: op.key().len(), limit: limits.max_key });
        }
        let previous = self.data.get(op.key()).filter(|held| held.live_at(now.wall_ms)).cloned();
        let old_expiry = previous.as_ref().and_then(|entry| entry.expires_at());
        let value: Option<Box<[u8]>>;
        let expires_at;
        match (&op, &previous) {
            (Op::Delete { .. } | Op::Expire { .. }, None) => return Ok(Outcome::default()),
            (Op::Delete { .. }, Some(_)) => (value, expires_at) = (None, None),
            (Op::Put { value: new, expiry, .. }, _) => {
                value = Some(new.clone());
                expires_at = resolve(*expiry, old_expiry);
            }
            (Op::Append { tail, .. }, _) => {
                let mut whole =
                    previous.as_ref().and_then(|e| e.value()).unwrap_or_default().to_vec();
                whole.extend_from_slice(tail);
                value = Some(whole.into());
                expires_at = old_expiry;
            }
            (Op::Expire { expiry, .. }, Some(held)) => {
                value = held.value().map(Into::into);
                expires_at = resolve(*expiry, old_expiry);
            }
        }
        if let Some(value) = &value
            && value.len() > limits.max_value
        {
            return Err(Refused::ValueTooLong { got: value.len(), limit: limits.max_value });
        }
        let stamp = self.clock.tick(now.wall_ms);
        let entry = Arc::new(match value {
            Some(value) => Entry::new(op.key(), &value, stamp, expires_at),
            None => Entry::tombstone(op.key(), stamp),
        });
        let data::Applied::New(replaced) = self.data.apply(Arc::clone(&entry)) else {
            return Ok(Outcome::default());
        };
        self.stats.local_writes += 1;
        out.push(Output::Applied(Applied {
            space: Space::Data,
            entry: Arc::clone(&entry),
            previous: replaced,
            from: None,
        }));
        Ok(Outcome { previous, written: Some(entry) })
    }

    /// Takes an input in and appends what is to be done.
    pub fn handle(&mut self, _input: Input<'_>, _now: Now, _out: &mut Vec<Output>) {}

    /// When [`Input::Tick`] is due, if ever.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Who this node is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The users' data.
    #[must_use]
    pub fn data(&self) -> &Map {
        &self.data
    }

    /// Digest of one of the maps.
    #[must_use]
    pub fn digest(&self, space: Space) -> Digest {
        match space {
            Space::Data => self.data.digest(),
            Space::Roster => Digest::default(),
        }
    }

    /// All members that are known, this node included, in the order of their ids.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        [].into_iter()
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }
}

fn resolve(expiry: Expiry, old: Option<u64>) -> Option<u64> {
    match expiry {
        Expiry::Never => None,
        Expiry::At(at) => Some(at),
        Expiry::Keep => old,
    }
}
