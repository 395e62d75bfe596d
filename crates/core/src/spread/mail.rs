//! Direct mail: the writer sends each entry to every member it knows, keeps what was not
//! confirmed in a bounded outbox per member, and sends it again.
//!
//! Fast and simple in tiny clusters. Not enough alone: an outbox that is full drops, and a writer
//! that dies takes its outboxes along (Demers et al. 1987, section 1.2).

mod check;

use crate::base::codec::{Coded as _, DecodeError, Reader, Write};
use crate::base::id::NodeId;
use crate::base::planted::{self, Fault};
use crate::base::time::{Instant, text};
use crate::data::{Entry, Space, block};
use crate::member::Env;
use crate::member::State;
use crate::output::{Class, Via};
use crate::wire::kind;
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
        let space = Space::decode(&mut body)?;
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
        if self.boxes.is_empty() && self.pending.iter().all(Vec::is_empty) {
            return;
        }
        // Mail for a member that has left goes with it; a dead one may come back.
        let gone = |id| env.table.get(id).is_none_or(|member| member.state >= State::Left);
        self.boxes.retain(|id, mailbox| !mailbox.letters.is_empty() && !gone(*id));
        for space in Space::ALL {
            let Some(pending) = self.pending.get_mut(usize::from(space.code())) else { continue };
            let entries = std::mem::take(pending);
            for block in block::chunks(entries.iter().map(AsRef::as_ref), env.room()) {
                self.post(space, &block.into(), env);
            }
            env.stats.update_copies += (entries.len() * env.table.peer_count()) as u64;
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
                env.outbox.paths_mut().doubt(peer.gossip, env.now);
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
            mailbox.bytes -= if planted::has(Fault::Mail) { 0 } else { letter.block.len() };
            mailbox.tries = 0;
            mailbox.due = now.after(self.config.retransmit);
        }
    }
}

fn send(to: std::net::SocketAddr, letter: &Letter, env: &mut Env<'_>) {
    let mut head = vec![letter.space.code()];
    head.put_varint(letter.number);
    let class = Class::of_news(letter.space);
    env.outbox.push(to, class, Via::Datagram, kind::MAIL, &[&head, &letter.block]);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Sent, Stand, entry};
    use super::*;
    use crate::member::record::tests::record;

    fn poll(mail: &mut DirectMail, stand: &mut Stand) -> Vec<Sent> {
        mail.poll(&mut stand.env());
        stand.sent()
    }

    fn believe(stand: &mut Stand, id: u64, state: State) {
        let record = record(id, 1, state);
        stand.table.update(&record, &Arc::new(record.to_entry()), stand.now);
    }

    fn confirm(mail: &mut DirectMail, stand: &Stand, sent: &Sent) {
        let number = Mail::decode(Reader::new(&sent.body)).unwrap().number;
        mail.confirmed(NodeId(sent.to), number, stand.now);
    }

    #[test]
    fn mail_waits_for_the_dead_but_not_for_those_who_left() {
        let (mut mail, mut stand) = (DirectMail::new(Config::default()), Stand::new(1, 1));
        mail.add(Space::Data, entry("k", 1));
        assert_eq!(poll(&mut mail, &mut stand).len(), 1);
        believe(&mut stand, 1, State::Dead);
        stand.pass(Duration::from_secs(10));
        assert_eq!(poll(&mut mail, &mut stand).len(), 0);
        assert_eq!(mail.waiting(), 1);
        believe(&mut stand, 1, State::Left);
        assert_eq!(poll(&mut mail, &mut stand).len(), 0);
        assert_eq!((mail.waiting(), mail.deadline()), (0, None));
    }

    #[test]
    fn mail_is_sent_again_ever_later_until_it_is_confirmed() {
        let (mut mail, mut stand) = (DirectMail::new(Config::default()), Stand::new(3, 1));
        mail.add(Space::Data, entry("k", 1));
        let sent = poll(&mut mail, &mut stand);
        assert_eq!(sent.iter().map(|sent| sent.to).collect::<Vec<_>>(), [1, 2, 3]);
        sent.iter().skip(1).for_each(|sent| confirm(&mut mail, &stand, sent));
        // Receipts of others, and of what was never sent, count for nothing.
        mail.confirmed(NodeId(1), 99, stand.now);
        mail.confirmed(NodeId(9), 1, stand.now);
        for wait in [200, 400, 800, 1600, 3200, 6400, 6400] {
            stand.pass(Duration::from_millis(wait - 1));
            assert_eq!(poll(&mut mail, &mut stand).len(), 0, "too early for {wait} ms");
            stand.pass(Duration::from_millis(1));
            assert_eq!(mail.deadline(), Some(stand.now));
            let again = poll(&mut mail, &mut stand);
            assert_eq!(again.iter().map(|sent| sent.to).collect::<Vec<_>>(), [1]);
            assert_eq!(again[0].body, sent[0].body);
        }
        confirm(&mut mail, &stand, &sent[0]);
        confirm(&mut mail, &stand, &sent[0]);
        assert_eq!((mail.waiting(), mail.deadline()), (0, None));
        assert_eq!(stand.stats.mail_retransmitted, 7);
    }

    #[test]
    fn a_full_outbox_drops_what_is_new_counts_it_and_has_room_again_later() {
        let config = Config { outbox_bytes: 40, ..Config::default() };
        let (mut mail, mut stand) = (DirectMail::new(config), Stand::new(2, 1));
        let mut sent = Vec::new();
        // A block of one entry takes seven bytes: five fit.
        for key in ["a", "b", "c", "d", "e", "f"] {
            mail.add(Space::Data, entry(key, 1));
            sent.extend(poll(&mut mail, &mut stand));
            for sent in sent.iter().filter(|sent| sent.to == 2) {
                confirm(&mut mail, &stand, sent);
            }
        }
        assert_eq!(sent.iter().filter(|sent| sent.to == 1).count(), 6);
        assert_eq!((mail.waiting(), stand.stats.mail_dropped), (6, 0));
        mail.add(Space::Data, entry("g", 1));
        assert_eq!(poll(&mut mail, &mut stand).len(), 1, "the other's box has room");
        assert_eq!((mail.waiting(), stand.stats.mail_dropped), (7, 1));
        let first = sent.iter().find(|sent| sent.to == 1).unwrap();
        confirm(&mut mail, &stand, first);
        mail.add(Space::Data, entry("h", 1));
        assert_eq!(poll(&mut mail, &mut stand).len(), 2);
        assert_eq!(stand.stats.mail_dropped, 1);
    }

    #[test]
    fn golden_bytes() {
        let (mut mail, mut stand) = (DirectMail::new(Config::default()), Stand::new(1, 1));
        mail.add(Space::Data, entry("k", 1));
        let sent = poll(&mut mail, &mut stand);
        // Space, number; stamp +1, writer as before (0), key, value.
        assert_eq!(sent[0].kind, kind::MAIL);
        assert_eq!(sent[0].body, [0, 1, 4, 2, 1, b'k', 1, b'v']);
        mail.confirm(300, Stand::addr(1), &mut stand.env());
        let sent = stand.sent();
        assert_eq!((sent[0].kind, &sent[0].body[..]), (kind::MAIL_RECEIPT, &[0xac, 2][..]));
    }
}
