//! Direct mail: the writer sends each entry to every member it knows, keeps what was not
//! confirmed in a bounded outbox per member, and sends it again.
//!
//! Fast and simple in tiny clusters. Not enough alone: an outbox that is full drops, and a writer
//! that dies takes its outboxes along (Demers et al. 1987, section 1.2).

use crate::base::codec::{DecodeError, Reader, Write};
use crate::base::id::NodeId;
use crate::base::time::{Instant, text};
use crate::data::{Entry, Space, block};
use crate::env::Env;
use crate::member::State;
use crate::message::kind;
use crate::output::{Class, Via};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Settings of direct mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long a receipt may take before mail is sent again; doubles with every try up to 32
    /// times this (guess: a few round trips of a LAN).
    #[serde(with = "text")]
    pub retransmit: Duration,
    /// Bytes of unconfirmed mail kept for one member; over that new mail is dropped and counted,
    /// which is why direct mail alone does not converge (guess).
    pub outbox_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { retransmit: Duration::from_millis(200), outbox_bytes: 1 << 20 }
    }
}

/// A mail as it arrives.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Which map.
    pub space: Space,
    /// What to confirm.
    pub number: u64,
    /// The entries.
    pub entries: Vec<Entry>,
}

impl Mail {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that this machine writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let space = Space::from_code(body.u8()?).ok_or(DecodeError::Invalid("space"))?;
        let number = body.varint()?;
        Ok(Self { space, number, entries: block::read(&mut body)? })
    }
}

#[derive(Debug)]
struct Letter {
    number: u64,
    space: Space,
    block: Arc<[u8]>,
}

#[derive(Debug, Default)]
struct Mailbox {
    letters: VecDeque<Letter>,
    bytes: usize,
    tries: u32,
    due: Instant,
}

/// The machine.
#[derive(Debug)]
pub struct DirectMail {
    config: Config,
    pending: [Vec<Arc<Entry>>; 2],
    boxes: BTreeMap<NodeId, Mailbox>,
    number: u64,
}

impl DirectMail {
    /// A machine with nothing to send.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, pending: Default::default(), boxes: BTreeMap::new(), number: 0 }
    }

    /// An entry to mail to everyone at the next poll.
    pub fn add(&mut self, space: Space, entry: Arc<Entry>) {
        if let Some(pending) = self.pending.get_mut(usize::from(space.code())) {
            pending.push(entry);
        }
    }

    /// When to send something, first or again.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if self.pending.iter().any(|pending| !pending.is_empty()) {
            return Some(Instant(0));
        }
        self.boxes
            .values()
            .filter(|mailbox| !mailbox.letters.is_empty())
            .map(|mailbox| mailbox.due)
            .min()
    }

    /// Mails waiting for a receipt.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.boxes.values().map(|mailbox| mailbox.letters.len()).sum()
    }

    /// Sends what is new, and again what was not confirmed in time.
    pub fn poll(&mut self, env: &mut Env<'_>) {
        // Mail for a member that has left goes with it; a dead one may come back.
        let gone = |id| env.table.get(id).is_none_or(|member| member.state == State::Left);
        self.boxes.retain(|id, mailbox| !mailbox.letters.is_empty() && !gone(*id));
        for space in Space::ALL {
            let Some(pending) = self.pending.get_mut(usize::from(space.code())) else { continue };
            let entries = std::mem::take(pending);
            for block in block::chunks(entries.iter().map(AsRef::as_ref), env.room()) {
                self.post(space, &block.into(), env);
            }
            env.stats.update_copies += (entries.len() * env.table.peers().len()) as u64;
        }
        for (id, mailbox) in &mut self.boxes {
            if mailbox.letters.is_empty() || mailbox.due > env.now {
                continue;
            }
            mailbox.tries = (mailbox.tries + 1).min(5);
            mailbox.due = env.now.after(self.config.retransmit * (1 << mailbox.tries));
            let Some(peer) = env.table.peer(*id) else { continue };
            // A burst's worth, not the whole box: the peer may be slow and not deaf.
            let mut room = env.limits.burst;
            for (index, letter) in mailbox.letters.iter().enumerate() {
                if letter.block.len() > room && index > 0 {
                    break;
                }
                room = room.saturating_sub(letter.block.len());
                env.stats.mail_retransmitted += 1;
                send(peer.gossip, letter, env);
            }
        }
    }

    /// Puts a block into every member's box and sends it.
    fn post(&mut self, space: Space, block: &Arc<[u8]>, env: &mut Env<'_>) {
        self.number += 1;
        let table = env.table;
        for peer in table.peers() {
            let mailbox = self.boxes.entry(peer.id).or_default();
            if mailbox.bytes + block.len() > self.config.outbox_bytes {
                env.stats.mail_dropped += 1;
                continue;
            }
            if mailbox.letters.is_empty() {
                mailbox.tries = 0;
                mailbox.due = env.now.after(self.config.retransmit);
            }
            let letter = Letter { number: self.number, space, block: Arc::clone(block) };
            send(peer.gossip, &letter, env);
            mailbox.bytes += block.len();
            mailbox.letters.push_back(letter);
        }
    }

    /// Confirms a mail.
    pub fn confirm(&self, number: u64, to: std::net::SocketAddr, env: &mut Env<'_>) {
        let mut body = Vec::with_capacity(10);
        body.put_varint(number);
        env.outbox.push(to, Class::Updates, Via::Datagram, kind::MAIL_RECEIPT, &[&body]);
    }

    /// A member confirms a mail.
    pub fn confirmed(&mut self, from: NodeId, number: u64, now: Instant) {
        let Some(mailbox) = self.boxes.get_mut(&from) else { return };
        if let Some(at) = mailbox.letters.iter().position(|letter| letter.number == number)
            && let Some(letter) = mailbox.letters.remove(at)
        {
            mailbox.bytes -= letter.block.len();
            mailbox.tries = 0;
            mailbox.due = now.after(self.config.retransmit);
        }
    }
}

fn send(to: std::net::SocketAddr, letter: &Letter, env: &mut Env<'_>) {
    let mut head = vec![letter.space.code()];
    head.put_varint(letter.number);
    env.outbox.push(to, Class::Updates, Via::Datagram, kind::MAIL, &[&head, &letter.block]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::config::Limits;
    use crate::data::Stamp;
    use crate::member::Table;
    use crate::member::record::tests::record;
    use crate::packet::Outbox;
    use crate::stats::Stats;

    #[test]
    fn mail_waits_for_the_dead_but_not_for_those_who_left() {
        let mut table = Table::new(NodeId(0));
        let believe = |state, table: &mut Table| {
            let record = record(1, 1, state);
            table.update(&record, &Arc::new(record.to_entry()), Instant(0));
        };
        let mut mail = DirectMail::new(Config::default());
        let stamp = Stamp { time: 1, node: NodeId(0) };
        mail.add(Space::Data, Arc::new(Entry::new(b"k", b"v", stamp, None)));
        let poll = |mail: &mut DirectMail, table: &Table, now| {
            mail.poll(&mut Env {
                now: Instant(now),
                table,
                rng: &mut Rng::new(1),
                limits: &Limits::default(),
                outbox: &mut Outbox::default(),
                stats: &mut Stats::default(),
            });
            mail.waiting()
        };
        believe(State::Alive, &mut table);
        assert_eq!(poll(&mut mail, &table, 0), 1);
        believe(State::Dead, &mut table);
        assert_eq!(poll(&mut mail, &table, 10_000_000), 1);
        believe(State::Left, &mut table);
        assert_eq!(poll(&mut mail, &table, 20_000_000), 0);
        assert_eq!(mail.deadline(), None);
    }
}
