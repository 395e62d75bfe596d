//! How a new entry reaches the others: direct mail, rumor mongering, the tree rumor; the
//! anti-entropy beneath them that makes up for what they lose; ring repair; and how many members
//! hold a write.
//!
//! Each is a machine of its own file with its own messages. They do not know each other; [`Ways`]
//! lists those that new entries are given to, [`repair`] joins when to compare ([`entropy`]), what
//! that cost ([`sessions`]) and whether it did what it says ([`audit`]), and the node the rest.

pub mod audit;
pub mod coverage;
pub mod entropy;
pub mod mail;
pub mod repair;
pub mod ring;
pub mod rtt;
pub mod rumor;
pub mod sessions;
pub mod tree;

use crate::base::check::Depth;
use crate::base::id::NodeId;
use crate::base::time::Instant;
use crate::data::{Entry, Space};
use crate::member::Env;
use mail::DirectMail;
use rumor::Mongering;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tree::Tree;

/// The ways to spread a new entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Tree rumor: about one copy per member, logarithmic depth.
    #[default]
    Tree,
    /// Rumor mongering: periodic, random, stops by a rule (SIR).
    Rumor,
    /// Direct mail: the writer sends to everyone and retransmits.
    DirectMail,
    /// Nothing: anti-entropy alone carries updates (SI). Where that is off as well, passes of ring
    /// repair do, and news of members is mailed to all.
    None,
}

/// How new entries spread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The method.
    pub method: Method,
    /// Settings of the tree rumor.
    pub tree: tree::Config,
    /// Settings of rumor mongering.
    pub rumor: rumor::Config,
    /// Settings of direct mail.
    pub mail: mail::Config,
}

/// The ways to spread, of which one is configured: what is new is given to that one, and all are
/// listened to.
#[derive(Debug)]
pub struct Ways {
    method: Method,
    /// True if passes of ring repair alone carry data. They need to know who there is, and cannot
    /// begin while they do not: that goes by mail.
    mails_roster: bool,
    /// The tree rumor.
    pub tree: Tree,
    /// Rumor mongering.
    pub mongering: Mongering,
    /// Direct mail.
    pub mail: DirectMail,
}

impl Ways {
    /// With nothing to tell. `compares` says that anti-entropy is on.
    #[must_use]
    pub fn new(config: &Config, compares: bool) -> Self {
        Self {
            method: config.method,
            mails_roster: config.method == Method::None && !compares,
            tree: Tree::new(config.tree.clone()),
            mongering: Mongering::new(config.rumor.clone()),
            mail: DirectMail::new(config.mail.clone()),
        }
    }

    /// Gives a new entry to the configured way; `from` is the peer that it came from.
    pub fn add(
        &mut self,
        space: Space,
        entry: Arc<Entry>,
        from: Option<NodeId>,
        env: &mut Env<'_>,
    ) {
        match self.method {
            Method::Tree => self.tree.add(space, entry),
            Method::Rumor => self.mongering.add(space, entry, from, env),
            Method::DirectMail => self.mail.add(space, entry),
            Method::None if self.mails_roster && space == Space::Roster => {
                self.mail.add(space, entry);
            }
            Method::None => {}
        }
    }

    /// Anti-entropy has found an entry: rumor mongering takes that up (Demers et al. 1987, 1.5).
    pub fn found(&mut self, space: Space, entry: Arc<Entry>, from: NodeId, env: &mut Env<'_>) {
        if self.method == Method::Rumor {
            self.mongering.add(space, entry, Some(from), env);
        }
    }

    /// Sends what is due.
    pub fn poll(&mut self, own: NodeId, env: &mut Env<'_>) {
        self.tree.poll(own, env);
        self.mongering.poll(env);
        self.mail.poll(env);
    }

    /// When something is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let all = [self.tree.deadline(), self.mongering.deadline(), self.mail.deadline()];
        all.into_iter().flatten().min()
    }

    /// Checks what must hold after what is due was done.
    pub(crate) fn check(&self, own: NodeId, now: Instant, depth: Depth) {
        self.tree.check(own, now, depth);
        self.mongering.check(now, depth);
        self.mail.check(now, depth);
    }

    /// Rumors that are hot and mails that wait for a receipt.
    #[must_use]
    pub fn telling(&self) -> usize {
        self.mongering.hot() + self.mail.waiting()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::base::codec::Reader;
    use crate::base::id::NodeId;
    use crate::base::rng::Rng;
    use crate::base::time::Instant;
    use crate::data::{Entry, Stamp};
    use crate::limits::Limits;
    use crate::member::Env;
    use crate::member::record::tests::record;
    use crate::member::{State, Table};
    use crate::output::Output;
    use crate::stats::Stats;
    use crate::wire::Outbox;
    use crate::wire::packet::{HEADER, Header, next_message};
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;

    /// A message that a machine sent.
    pub(crate) struct Sent {
        pub(crate) to: u64,
        pub(crate) kind: u8,
        pub(crate) body: Vec<u8>,
    }

    /// What a machine works with: it is node 0, its peers are 1, 2, ...
    pub(crate) struct Stand {
        pub(crate) now: Instant,
        pub(crate) table: Table,
        pub(crate) stats: Stats,
        rng: Rng,
        limits: Limits,
        outbox: Outbox,
    }

    impl Stand {
        pub(crate) fn new(peers: u64, seed: u64) -> Self {
            let mut table = Table::new(NodeId(0));
            for id in 1..=peers {
                let record = record(id, 1, State::Alive);
                table.update(&record, &Arc::new(record.to_entry()), Instant(0));
            }
            Self {
                now: Instant(0),
                table,
                stats: Stats::default(),
                rng: Rng::new(seed),
                limits: Limits::default(),
                outbox: Outbox::default(),
            }
        }

        pub(crate) fn pass(&mut self, time: Duration) {
            self.now = self.now.after(time);
        }

        pub(crate) fn env(&mut self) -> Env<'_> {
            Env {
                now: self.now,
                table: &self.table,
                rng: &mut self.rng,
                limits: &self.limits,
                outbox: &mut self.outbox,
                stats: &mut self.stats,
            }
        }

        /// Where a peer is.
        pub(crate) fn addr(id: u64) -> SocketAddr {
            record(id, 1, State::Alive).gossip
        }

        /// Takes what was sent since the last time.
        pub(crate) fn sent(&mut self) -> Vec<Sent> {
            let header = Header { tag: 0, sender: NodeId(0) };
            let mut out = Vec::new();
            self.outbox.flush(
                header,
                &self.limits,
                |_| true,
                |_| false,
                &mut Stats::default(),
                &mut out,
            );
            let mut all = Vec::new();
            for output in out {
                let Output::Send(send) = output else { continue };
                let to = self.table.peers().find(|peer| peer.gossip == send.to).unwrap();
                let mut reader = Reader::new(&send.bytes[HEADER..]);
                while !reader.is_empty() {
                    let (kind, mut body) = next_message(&mut reader).unwrap();
                    let body = body.take(body.remaining()).unwrap().to_vec();
                    all.push(Sent { to: to.id.0, kind, body });
                }
            }
            all
        }
    }

    /// A write of `key` by node 0.
    pub(crate) fn entry(key: &str, time: u64) -> Arc<Entry> {
        let stamp = Stamp { time, node: NodeId(0) };
        Arc::new(Entry::new(key.as_bytes(), b"v", stamp, None))
    }
}
