//! How a new entry reaches the others: direct mail, rumor mongering, the tree rumor; and the
//! anti-entropy beneath them that makes up for what they lose.
//!
//! Each is a machine of its own file with its own settings and messages. They do not know each
//! other; the node joins them.

pub mod audit;
pub mod coverage;
pub mod entropy;
pub mod mail;
pub mod ring;
pub mod rtt;
pub mod rumor;
pub mod sessions;
pub mod tree;

use serde::{Deserialize, Serialize};

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
    /// Nothing: anti-entropy alone carries updates (SI).
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
