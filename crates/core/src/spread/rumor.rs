//! Rumor mongering: a complex epidemic (SIR).
//!
//! A node with a new entry is infective: every period it sends its hot rumors to `fanout` random
//! members to which it has not sent them yet, never back to the member they came from. By a stop
//! rule after Demers et al. 1987 ("Epidemic Algorithms for Replicated Database Maintenance",
//! section 1.4) it becomes removed: it keeps the entry and spreads it no more.

mod check;

use crate::base::codec::{Coded as _, DecodeError, Reader, Write};
use crate::base::hash::Set;
use crate::base::id::NodeId;
use crate::base::planted::{self, Fault};
use crate::base::rng::Rng;
use crate::base::time::{Instant, text};
use crate::data::{Entry, Space, block};
use crate::member::Env;
use crate::output::{Class, Via};
use crate::wire::kind;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Which contacts can make a node lose interest in a rumor (Demers et al. 1987).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contact {
    /// Every one: receivers do not answer.
    Blind,
    /// Only one with a node that already knew: receivers answer what they knew.
    Feedback,
}

/// How such contacts add up (Demers et al. 1987).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// Lose interest with probability 1/k at each.
    Coin,
    /// Lose interest after k of them. Blind: after k periods. Feedback: after k in a row, since a
    /// contact that was needed resets the counter.
    Counter,
}

/// Settings of rumor mongering.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often hot rumors are sent. Source: the field's texts use 1 s.
    #[serde(with = "text")]
    pub period: Duration,
    /// Members that get a rumor each period, 1 or more. Source: the field's texts use 6.
    pub fanout: usize,
    /// Whether receivers answer.
    pub contact: Contact,
    /// The stop rule.
    pub stop: Stop,
    /// The rule's k, 1 or more. With blind and counter a rumor goes to k x fan-out members from
    /// each that hears it and misses about e^(-k x fan-out) of them (guess: 2).
    pub k: u32,
    /// Rumors kept hot at once; over that the oldest stop early, and are counted (guess).
    pub max_hot: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            period: Duration::from_secs(1),
            fanout: 6,
            contact: Contact::Blind,
            stop: Stop::Counter,
            k: 2,
            max_hot: 10_000,
        }
    }
}

/// Hot rumors as they arrive.
#[derive(Clone, Debug)]
pub struct Rumors {
    /// Which map.
    pub space: Space,
    /// What to answer with; 0 if no answer is wanted.
    pub token: u64,
    /// The entries.
    pub entries: Vec<Entry>,
}

impl Rumors {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that this machine writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let space = Space::decode(&mut body)?;
        let token = body.varint()?;
        Ok(Self { space, token, entries: block::read(&mut body)? })
    }
}

/// What a receiver knew of the rumors it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The rumors' token.
    pub token: u64,
    /// One bit per entry, in their order: set if it was known.
    pub knew: Vec<u8>,
}

impl Answer {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is truncated.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let token = body.varint()?;
        Ok(Self { token, knew: body.take(body.remaining())?.to_vec() })
    }

    fn knew(&self, index: usize) -> bool {
        self.knew.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }
}

#[derive(Debug)]
struct Hot {
    number: u64,
    space: Space,
    entry: Arc<Entry>,
    sent: Set<NodeId>,
    count: u32,
}

/// A hot rumor's number and entry.
type Numbered = (u64, Arc<Entry>);

/// The machine.
#[derive(Debug)]
pub struct Mongering {
    config: Config,
    hot: VecDeque<Hot>,
    /// Rumors sent under a token that awaits feedback, until the period after.
    asked: BTreeMap<u64, (Instant, Vec<u64>)>,
    next: Option<Instant>,
    number: u64,
}

impl Mongering {
    /// A machine with nothing to tell.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, hot: VecDeque::new(), asked: BTreeMap::new(), next: None, number: 0 }
    }

    /// The node is infective with this entry from now on; `from` is never sent it.
    pub fn add(
        &mut self,
        space: Space,
        entry: Arc<Entry>,
        from: Option<NodeId>,
        env: &mut Env<'_>,
    ) {
        let key = |hot: &Hot| hot.space == space && hot.entry.key() == entry.key();
        // A newer write of the same key takes the older one's place.
        if let Some(at) = self.hot.iter().rposition(key) {
            self.hot.remove(at);
        }
        if self.hot.len() >= self.config.max_hot {
            self.hot.pop_front();
            env.stats.rumors_shed += 1;
        }
        self.number += 1;
        let sent = from.into_iter().collect();
        self.hot.push_back(Hot { number: self.number, space, entry, sent, count: 0 });
        if self.next.is_none() {
            // Each node has its own phase within the period.
            let period = crate::base::time::micros(self.config.period).max(1);
            self.next = Some(Instant(env.now.0 + 1 + env.rng.below(period)));
        }
    }

    /// When the next round is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// Rumors that are hot.
    #[must_use]
    pub fn hot(&self) -> usize {
        self.hot.len()
    }

    /// Sends the hot rumors if the period has passed.
    pub fn poll(&mut self, env: &mut Env<'_>) {
        if self.next.is_none_or(|next| next > env.now) {
            return;
        }
        self.asked.retain(|_, (until, _)| *until > env.now);
        // One random order for all rumors of the round, so that they share packets.
        let mut order: Vec<_> = env.table.peers().collect();
        env.rng.shuffle(&mut order);
        let mut batches: BTreeMap<(SocketAddr, Space), Vec<Numbered>> = BTreeMap::new();
        for hot in &mut self.hot {
            let mut contacts = 0;
            for peer in order.iter().filter(|peer| peer.id != hot.entry.stamp().node) {
                if contacts == self.config.fanout {
                    break;
                }
                if hot.sent.insert(peer.id) {
                    contacts += 1;
                    let batch = batches.entry((peer.gossip, hot.space)).or_default();
                    batch.push((hot.number, Arc::clone(&hot.entry)));
                }
            }
            if contacts < self.config.fanout {
                // Nobody is left to tell.
                hot.count = u32::MAX;
            } else if self.config.contact == Contact::Blind {
                lose_interest(&self.config, hot, contacts, env.rng);
            }
        }
        for ((to, space), batch) in batches {
            self.send(to, space, &batch, env);
        }
        let k = self.config.k + u32::from(planted::has(Fault::Hot));
        self.hot.retain(|hot| hot.count < k);
        self.next = (!self.hot.is_empty()).then(|| env.now.after(self.config.period));
    }

    fn send(&mut self, to: SocketAddr, space: Space, batch: &[Numbered], env: &mut Env<'_>) {
        env.stats.update_copies += batch.len() as u64;
        let mut left = batch;
        for block in block::chunks(batch.iter().map(|(_, entry)| entry.as_ref()), env.room()) {
            let count = block::read(&mut Reader::new(&block)).map_or(0, |read| read.len());
            let (now, rest) = left.split_at(count.min(left.len()));
            left = rest;
            let mut token = 0;
            if self.config.contact == Contact::Feedback {
                token = env.rng.bits() | 1;
                let numbers = now.iter().map(|(number, _)| *number).collect();
                self.asked.insert(token, (env.now.after(self.config.period), numbers));
            }
            let mut head = vec![space.code()];
            head.put_varint(token);
            let class = Class::of_news(space);
            env.outbox.push(to, class, Via::Datagram, kind::RUMORS, &[&head, &block]);
        }
    }

    /// Answers rumors whose sender asks which of them were known.
    pub fn answer(&self, token: u64, knew: &[bool], to: SocketAddr, env: &mut Env<'_>) {
        if token == 0 {
            return;
        }
        let mut body = Vec::new();
        body.put_varint(token);
        for eight in knew.chunks(8) {
            body.push(
                eight.iter().enumerate().fold(0, |byte, (bit, knew)| byte | u8::from(*knew) << bit),
            );
        }
        env.outbox.push(to, Class::Updates, Via::Datagram, kind::RUMORS_ANSWER, &[&body]);
    }

    /// A receiver says what it knew.
    pub fn answered(&mut self, answer: &Answer, env: &mut Env<'_>) {
        let Some((_, numbers)) = self.asked.remove(&answer.token) else { return };
        for (index, number) in numbers.iter().enumerate() {
            // Numbers grow from the front to the back.
            let Ok(at) = self.hot.binary_search_by_key(number, |hot| hot.number) else { continue };
            let Some(hot) = self.hot.get_mut(at) else { continue };
            if answer.knew(index) {
                lose_interest(&self.config, hot, 1, env.rng);
            } else if self.config.stop == Stop::Counter {
                hot.count = 0;
            }
        }
        self.hot.retain(|hot| hot.count < self.config.k);
        if self.hot.is_empty() {
            self.next = None;
        }
    }
}

/// `contacts` happened that count against a rumor.
fn lose_interest(config: &Config, hot: &mut Hot, contacts: usize, rng: &mut Rng) {
    match config.stop {
        Stop::Counter => hot.count = hot.count.saturating_add(1),
        Stop::Coin => {
            if (0..contacts).any(|_| rng.below(u64::from(config.k)) == 0) {
                hot.count = u32::MAX;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Sent, Stand, entry};
    use super::*;
    use std::collections::BTreeSet;

    const PEERS: u64 = 200;

    fn machine(contact: Contact, stop: Stop, k: u32) -> (Mongering, Stand) {
        let config = Config { contact, stop, k, ..Config::default() };
        (Mongering::new(config), Stand::new(PEERS, u64::from(k)))
    }

    /// Lets a period pass and takes what is sent in it.
    fn period(mongering: &mut Mongering, stand: &mut Stand) -> Vec<Sent> {
        stand.pass(mongering.config.period);
        mongering.poll(&mut stand.env());
        stand.sent()
    }

    /// Answers a rumor as a node that knew it or did not.
    fn answer(mongering: &mut Mongering, stand: &mut Stand, sent: &Sent, knew: bool) {
        let rumors = Rumors::decode(Reader::new(&sent.body)).unwrap();
        let answer = Answer { token: rumors.token, knew: vec![u8::from(knew)] };
        mongering.answered(&answer, &mut stand.env());
    }

    #[test]
    fn blind_and_counter_sends_k_rounds_to_ever_other_members() {
        let (mut mongering, mut stand) = machine(Contact::Blind, Stop::Counter, 3);
        mongering.add(Space::Data, entry("k", 1), Some(NodeId(7)), &mut stand.env());
        let mut told = BTreeSet::from([7]);
        for round in 1..=3 {
            assert_eq!(mongering.hot(), 1, "before round {round}");
            let sent = period(&mut mongering, &mut stand);
            assert_eq!(sent.len(), 6);
            for Sent { to, kind, body } in sent {
                assert_eq!(kind, kind::RUMORS);
                assert!(told.insert(to), "{to} is the source or was told before");
                assert_eq!(Rumors::decode(Reader::new(&body)).unwrap().token, 0);
            }
        }
        assert_eq!((mongering.hot(), mongering.deadline()), (0, None));
        assert_eq!(stand.stats.update_copies, 18);
    }

    #[test]
    fn blind_and_coin_loses_interest_at_one_contact_in_k() {
        let mut rounds = 0;
        for seed in 0..400 {
            let (mut mongering, _) = machine(Contact::Blind, Stop::Coin, 12);
            let mut stand = Stand::new(PEERS, seed);
            mongering.add(Space::Data, entry("k", 1), None, &mut stand.env());
            while mongering.hot() > 0 {
                assert_eq!(period(&mut mongering, &mut stand).len(), 6);
                rounds += 1;
            }
        }
        // A round of six contacts ends it with 1 - (11/12)^6 = 0.4067: 2.459 rounds in the mean,
        // with a standard error of 0.095.
        assert!((870..1100).contains(&rounds), "{rounds}");
    }

    #[test]
    fn feedback_and_counter_stops_after_k_vain_contacts_in_a_row() {
        let (mut mongering, mut stand) = machine(Contact::Feedback, Stop::Counter, 3);
        mongering.add(Space::Data, entry("k", 1), None, &mut stand.env());
        let sent = period(&mut mongering, &mut stand);
        for (sent, knew) in sent.iter().zip([true, true, false, true, true]) {
            answer(&mut mongering, &mut stand, sent, knew);
            assert_eq!(mongering.hot(), 1);
        }
        // A repeated answer counts for nothing.
        answer(&mut mongering, &mut stand, &sent[4], true);
        assert_eq!(mongering.hot(), 1);
        answer(&mut mongering, &mut stand, &sent[5], true);
        assert_eq!((mongering.hot(), mongering.deadline()), (0, None));
    }

    #[test]
    fn feedback_and_coin_goes_on_while_contacts_are_needed() {
        let (mut mongering, mut stand) = machine(Contact::Feedback, Stop::Coin, 1);
        mongering.add(Space::Data, entry("k", 1), None, &mut stand.env());
        for _ in 0..5 {
            for sent in period(&mut mongering, &mut stand) {
                answer(&mut mongering, &mut stand, &sent, false);
            }
        }
        let sent = period(&mut mongering, &mut stand);
        assert_eq!(mongering.hot(), 1);
        answer(&mut mongering, &mut stand, &sent[0], true);
        assert_eq!(mongering.hot(), 0);
    }

    #[test]
    fn a_rumor_ends_when_nobody_is_left_to_tell() {
        let (mut mongering, _) = machine(Contact::Feedback, Stop::Counter, 1000);
        let mut stand = Stand::new(8, 1);
        mongering.add(Space::Data, entry("k", 1), Some(NodeId(3)), &mut stand.env());
        assert_eq!(period(&mut mongering, &mut stand).len(), 6);
        assert_eq!(period(&mut mongering, &mut stand).len(), 1);
        assert_eq!(mongering.hot(), 0);
    }

    #[test]
    fn the_oldest_rumor_is_shed_and_a_newer_write_takes_its_elders_place() {
        let config = Config { max_hot: 2, ..Config::default() };
        let (mut mongering, mut stand) = (Mongering::new(config), Stand::new(6, 1));
        for (key, time) in [("a", 1), ("b", 2), ("a", 3)] {
            mongering.add(Space::Data, entry(key, time), None, &mut stand.env());
        }
        assert_eq!((mongering.hot(), stand.stats.rumors_shed), (2, 0));
        mongering.add(Space::Data, entry("c", 4), None, &mut stand.env());
        assert_eq!((mongering.hot(), stand.stats.rumors_shed), (2, 1));
        let sent = period(&mut mongering, &mut stand);
        let read = Rumors::decode(Reader::new(&sent[0].body)).unwrap();
        let times: Vec<u64> = read.entries.iter().map(|entry| entry.stamp().time).collect();
        assert_eq!(times, [3, 4]);
    }

    #[test]
    fn golden_bytes() {
        let (mut mongering, mut stand) = machine(Contact::Blind, Stop::Counter, 1);
        mongering.add(Space::Data, entry("k", 1), None, &mut stand.env());
        let sent = period(&mut mongering, &mut stand);
        // Space, no token; stamp +1, writer as before (0), key, value.
        assert_eq!(sent[0].body, [0, 0, 4, 2, 1, b'k', 1, b'v']);
        let knew = [true, false, false, false, false, false, false, false, true];
        mongering.answer(300, &knew, Stand::addr(5), &mut stand.env());
        let sent = stand.sent();
        assert_eq!((sent[0].to, sent[0].kind), (5, kind::RUMORS_ANSWER));
        assert_eq!(sent[0].body, [0xac, 2, 1, 1]);
        let read = Answer::decode(Reader::new(&sent[0].body)).unwrap();
        assert_eq!(
            [read.knew(0), read.knew(1), read.knew(8), read.knew(99)],
            [true, false, true, false]
        );
    }
}
