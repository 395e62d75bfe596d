//! Probing: is a member there?
//!
//! Every interval the next member of a shuffled round is pinged (SWIM's round robin, section 4.3).
//! If it stays silent, a few others are asked to ping it too, and it is pinged over a stream; if
//! nobody has heard it after as much time again, it has failed. Those who were asked say so when it
//! is silent to them (Lifeguard's nacks): if not even they answer, this node may be the one that
//! is cut off. Or they are gone as well: so that is judged later, by what has become of them.
//!
//! Where many go at once most probes fail, and rightly. While anybody is suspected this node probes
//! twice as often, and where many are it passes over them.
//!
//! Messages: PING (number), PONG (number, wall clock: see [`super::hours`]), PROBE_FOR_ME (number, member), PROBED (number, heard).

mod check;

use super::config::Config;
use super::health::Health;
use crate::base::codec::{DecodeError, Reader, Write};
use crate::base::id::NodeId;
use crate::base::planted::{self, Fault};
use crate::base::time::{Instant, micros};
use crate::member::Env;
use crate::output::{Class, Via};
use crate::wire::{Origin, Outbox, kind};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// Probes for others that run at once at most: more requests are dropped.
const MAX_RELAYS: usize = 64;
/// Suspects that wait to be probed out of turn at most.
const MAX_VERIFY: usize = 64;
/// Those who see for themselves do so within this time and not all at once, so that each knows of the
/// confirmations before its own: of those at the same moment only one counts (guess: some hops each).
const VERIFIED_WITHIN: Duration = Duration::from_millis(500);
/// With more suspects than this the round passes over them: others look after them (guess).
const MANY: usize = 8;
/// Probe intervals after which it is judged whether those who were asked in vain are there: by then
/// most of those who are not have been found out (guess).
const JUDGED_AFTER: u32 = 5;
/// Probes whose helpers are still to be judged, at most.
const MAX_JUDGED: usize = 64;
/// Members that were heard last, of whom helpers are chosen first.
const LATELY: usize = 16;
/// Of how many members each suspicion is verified at once, in the mean (guess: enough for three
/// confirmations when one fails).
const WITNESSES: u64 = 5;

/// Whether a stream can be had is looked at this often though none is wanted, of one member after the
/// other (guess: a few bytes a second, and two minutes until a firewall is seen in a small cluster).
const LOOK: Duration = Duration::from_secs(30);

/// What has become of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Who did not answer.
    pub id: NodeId,
    /// Who was asked to probe it.
    pub through: Vec<NodeId>,
    /// How many of them found it silent too.
    pub nacks: usize,
}

/// Somebody asks this node to probe a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The asker's number for it.
    pub number: u64,
    /// Whom to probe.
    pub id: NodeId,
}

impl Request {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is cut short.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { number: body.varint()?, id: NodeId(body.u64()?) })
    }
}

/// The answer to a [`Request`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The asker's number.
    pub number: u64,
    /// True if the member answered.
    pub heard: bool,
}

impl Report {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is cut short.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { number: body.varint()?, heard: body.u8()? != 0 })
    }
}

#[derive(Debug)]
struct Probe {
    id: NodeId,
    number: u64,
    sent: Instant,
    /// When others are asked, and then when it has failed.
    due: Instant,
    ends: Instant,
    /// Others were asked.
    indirect: bool,
    through: Vec<NodeId>,
    /// Which of them found it silent too.
    nacks: Vec<NodeId>,
    /// Out of turn, to verify a suspicion.
    verifies: bool,
}

/// A probe for another.
#[derive(Debug)]
struct Relay {
    id: NodeId,
    asker: SocketAddr,
    number: u64,
    due: Instant,
}

/// The machine.
#[derive(Debug)]
pub struct Prober {
    config: Config,
    health: Health,
    round: Vec<NodeId>,
    next: Instant,
    /// When the next stream is looked at.
    look: Instant,
    number: u64,
    probes: Vec<Probe>,
    /// Suspects that this node will probe out of turn, and when.
    verify: Vec<(Instant, NodeId)>,
    relays: BTreeMap<u64, Relay>,
    /// Who was asked to probe somebody and has not answered, and when that is judged.
    missing: VecDeque<(Instant, Vec<NodeId>)>,
    /// Who was heard last, the latest last.
    lately: VecDeque<NodeId>,
}

impl Prober {
    /// A machine that begins at a random point of the first interval.
    #[must_use]
    pub fn new(config: Config, now: Instant, rng: &mut crate::base::rng::Rng) -> Self {
        let phase = rng.below(micros(config.probe_interval).max(1));
        Self {
            health: Health::new(config.doubt),
            round: Vec::new(),
            next: Instant(now.0 + phase),
            look: Instant(now.0 + phase).after(LOOK),
            number: 0,
            probes: Vec::new(),
            verify: Vec::new(),
            relays: BTreeMap::new(),
            missing: VecDeque::new(),
            lately: VecDeque::with_capacity(LATELY + 1),
            config,
        }
    }

    /// How much this node doubts itself.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health
    }

    /// This node was suspected by others.
    pub fn was_suspected(&mut self) {
        self.health.worse(1);
    }

    /// When the machine has something to do.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        let probes = self.probes.iter().map(|probe| probe.due);
        let relays = self.relays.values().map(|relay| relay.due);
        let relays = relays.filter(|_| !planted::has(Fault::Relay));
        let verify = self.verify.iter().map(|(at, _)| *at);
        let judged = self.missing.front().map(|(at, _)| *at);
        probes.chain(relays).chain(verify).chain(judged).fold(self.next, Instant::min)
    }

    /// Something has come from a member.
    pub fn heard(&mut self, from: NodeId) {
        if self.lately.back() == Some(&from) {
            return;
        }
        self.lately.retain(|id| *id != from);
        self.lately.push_back(from);
        if self.lately.len() > LATELY {
            self.lately.pop_front();
        }
    }

    /// Gives everyone who was to answer this much more time. What has come in since then, and begun
    /// a probe for another, has all of its time anyway.
    pub fn postpone(&mut self, by: Duration, now: Instant) {
        for probe in &mut self.probes {
            probe.due = probe.due.after(by);
            probe.ends = probe.ends.after(by);
        }
        let latest = now.after(self.relay_time());
        self.relays.values_mut().for_each(|relay| relay.due = relay.due.after(by).min(latest));
    }

    /// How long a probe for another takes: a little less than the asker waits.
    fn relay_time(&self) -> Duration {
        self.config.probe_timeout * 4 / 5
    }

    /// Others suspect a member, as they do so many: some of those who hear of it see for themselves
    /// soon, so that a true suspicion is soon confirmed.
    pub fn verify(&mut self, id: NodeId, suspects: usize, env: &mut Env<'_>) {
        let alive = env.table.peer_count().saturating_sub(suspects).max(1);
        let chosen = env.rng.below(alive as u64) < WITNESSES;
        let asked = self.verify.iter().any(|(_, asked)| *asked == id)
            || self.probes.iter().any(|probe| probe.id == id);
        if self.config.confirmations > 0 && chosen && !asked && self.verify.len() < MAX_VERIFY {
            let within = micros(VERIFIED_WITHIN.min(self.config.probe_interval / 2));
            let at = Instant(env.now.0 + env.rng.below(within.max(1)));
            self.verify.push((at, id));
        }
    }

    /// A member is not suspected any more, or as much as can be: nobody needs to see for himself.
    pub fn spare(&mut self, id: NodeId) {
        self.verify.retain(|(_, asked)| *asked != id);
    }

    /// A member answered a ping; returns how long it took if it answered this node's own first.
    pub fn answered(&mut self, from: NodeId, number: u64, env: &mut Env<'_>) -> Option<Duration> {
        if let Some(relay) = self.relays.get(&number).filter(|relay| relay.id == from) {
            report(relay.asker, relay.number, true, env);
            self.relays.remove(&number);
            return None;
        }
        let probe = self.take(number, |probe| probe.id == from)?;
        (!probe.indirect).then(|| env.now.since(probe.sent))
    }

    /// Somebody who was asked says what came of it.
    pub fn reported(&mut self, from: NodeId, report: Report) {
        let asked = |probe: &Probe| probe.through.contains(&from);
        if report.heard {
            self.take(report.number, asked);
        } else if let Some(probe) =
            self.probes.iter_mut().find(|probe| probe.number == report.number && asked(probe))
            && !probe.nacks.contains(&from)
        {
            probe.nacks.push(from);
        }
    }

    /// Ends a probe whose member was heard.
    fn take(&mut self, number: u64, by: impl Fn(&Probe) -> bool) -> Option<Probe> {
        let at = self.probes.iter().position(|probe| probe.number == number && by(probe))?;
        self.health.better();
        Some(self.probes.swap_remove(at))
    }

    /// Probes a member for another.
    pub fn relay(&mut self, asker: SocketAddr, request: Request, env: &mut Env<'_>) {
        let Some(peer) = env.table.peer(request.id) else { return };
        if self.relays.len() >= MAX_RELAYS {
            env.stats.probes_shed += 1;
            return;
        }
        self.number += 1;
        let due = env.now.after(self.relay_time());
        let (id, number) = (request.id, request.number);
        self.relays.insert(self.number, Relay { id, asker, number, due });
        ping(peer.gossip, self.number, Via::Datagram, env);
    }

    /// Does what is due, while so many are suspected; returns those who were silent, and whom else
    /// this node now pings, so that more can be said to them in the same packet.
    pub fn poll(
        &mut self,
        suspects: usize,
        env: &mut Env<'_>,
        silent: &mut Vec<Silence>,
        pinged: &mut Vec<NodeId>,
    ) {
        self.check_relays(env);
        self.judge(env);
        let mut at = 0;
        while let Some(probe) = self.probes.get(at) {
            if probe.due > env.now {
                at += 1;
            } else if probe.indirect || env.table.peer(probe.id).is_none() {
                self.fail(at, env, silent);
            } else {
                self.ask_others(at, env);
            }
        }
        while let Some(at) = self.verify.iter().position(|(at, _)| *at <= env.now) {
            let (_, id) = self.verify.swap_remove(at);
            self.begin(id, true, env, pinged);
        }
        if self.next <= env.now {
            let hurried = if suspects > 0 { 2 } else { 1 };
            self.next = env.now.after(self.health.stretch(self.config.probe_interval) / hurried);
            let own = self.probes.iter().filter(|probe| !probe.verifies).count();
            if own < hurried as usize {
                self.probe_next(suspects > MANY, env, pinged);
            }
        }
    }

    /// Judges those who were asked to probe somebody and have not answered. Who is still held alive
    /// speaks against this node: it may not have heard them. Who is not was gone, as was whom they
    /// were to probe.
    fn judge(&mut self, env: &Env<'_>) {
        while self.missing.front().is_some_and(|(at, _)| *at <= env.now)
            && let Some((_, missing)) = self.missing.pop_front()
        {
            let there = |id: &&NodeId| env.table.peer(**id).is_some_and(|peer| peer.alive);
            self.health.worse(missing.iter().filter(there).count() as u32);
        }
    }

    fn check_relays(&mut self, env: &mut Env<'_>) {
        let now = env.now;
        self.relays.retain(|_, relay| {
            if relay.due <= now {
                report(relay.asker, relay.number, false, env);
            }
            relay.due > now
        });
    }

    fn fail(&mut self, at: usize, env: &mut Env<'_>, silent: &mut Vec<Silence>) {
        let Probe { id, through, nacks, .. } = self.probes.swap_remove(at);
        if env.table.peer(id).is_none() {
            return;
        }
        env.stats.probes_failed += 1;
        // Those who were asked and did not even say that they hear nothing may speak against this
        // node; where there is nobody else at all, the failure itself does.
        let missing: Vec<NodeId> =
            through.iter().filter(|asked| !nacks.contains(*asked)).copied().collect();
        self.health.worse(u32::from(env.table.peer_count() == 1));
        let nacks = nacks.len();
        if !missing.is_empty() && self.missing.len() < MAX_JUDGED {
            let at = env.now.after(self.config.probe_interval * JUDGED_AFTER);
            self.missing.push_back((at, missing));
        }
        silent.push(Silence { id, through, nacks });
    }

    fn ask_others(&mut self, at: usize, env: &mut Env<'_>) {
        let Some(probe) = self.probes.get_mut(at) else { return };
        let Some(target) = env.table.peer(probe.id) else { return };
        probe.indirect = true;
        probe.due = probe.ends;
        env.outbox.paths_mut().doubt(target.gossip, env.now);
        let mut others: Vec<SocketAddr> = Vec::new();
        // Of those heard last, who are there most likely; then any, drawn with a few tries instead of
        // going through everyone.
        env.rng.shuffle(self.lately.make_contiguous());
        let lately = self.lately.iter().map(|id| env.table.peer(*id));
        let tries = self.config.indirect_probes * 4;
        let mut drawn = lately.chain((0..tries).map(|_| env.table.random(env.rng))).flatten();
        while others.len() < self.config.indirect_probes
            && let Some(other) = drawn.next()
        {
            if other.alive && other.id != target.id && !probe.through.contains(&other.id) {
                probe.through.push(other.id);
                others.push(other.gossip);
            }
        }
        let mut body = Vec::with_capacity(18);
        body.put_varint(probe.number);
        body.put(&target.id.0.to_le_bytes());
        for other in others {
            env.outbox.push(other, Class::Membership, Via::Datagram, kind::PROBE_FOR_ME, &[&body]);
        }
        if self.config.stream_probe {
            ping(target.gossip, probe.number, Via::Stream, env);
        }
    }

    fn probe_next(&mut self, alive: bool, env: &mut Env<'_>, pinged: &mut Vec<NodeId>) {
        if self.round.is_empty() {
            self.round = env.table.peers().map(|peer| peer.id).collect();
            env.rng.shuffle(&mut self.round);
        }
        // Members that have gone since the round began are passed over.
        while let Some(id) = self.round.pop() {
            let waits = alive && env.table.peer(id).is_some_and(|peer| !peer.alive);
            if !waits && self.begin(id, false, env, pinged) {
                return;
            }
        }
    }

    fn begin(
        &mut self,
        id: NodeId,
        verifies: bool,
        env: &mut Env<'_>,
        pinged: &mut Vec<NodeId>,
    ) -> bool {
        let Some(peer) = env.table.peer(id) else { return false };
        self.number += 1;
        let timeout = self.health.stretch(self.config.probe_timeout);
        let ends = env.now.after(timeout * 2);
        // Who sees for himself asks nobody: he is one of several who do.
        let due = if verifies { ends } else { env.now.after(timeout) };
        self.probes.push(Probe {
            id,
            number: self.number,
            sent: env.now,
            due,
            ends,
            indirect: verifies,
            through: Vec::new(),
            nacks: Vec::new(),
            verifies,
        });
        ping(peer.gossip, self.number, Via::Datagram, env);
        if verifies && self.config.stream_probe {
            ping(peer.gossip, self.number, Via::Stream, env);
        } else if self.config.stream_probe && self.look <= env.now {
            self.look = env.now.after(LOOK);
            env.outbox.paths_mut().look_at_stream(peer.gossip, env.now);
        }
        pinged.push(id);
        true
    }
}

/// Answers a ping, and says what this node's wall clock reads.
pub fn pong(number: u64, wall_ms: u64, from: &Origin, outbox: &mut Outbox) {
    let mut body = Vec::with_capacity(20);
    body.put_varint(number);
    body.put_varint(wall_ms);
    outbox.push(from.address, Class::Membership, from.via, kind::PONG, &[&body]);
}

fn ping(to: SocketAddr, number: u64, via: Via, env: &mut Env<'_>) {
    env.stats.probes_sent += 1;
    let mut body = Vec::with_capacity(10);
    body.put_varint(number);
    env.outbox.push(to, Class::Membership, via, kind::PING, &[&body]);
}

fn report(to: SocketAddr, number: u64, heard: bool, env: &mut Env<'_>) {
    let mut body = Vec::with_capacity(11);
    body.put_varint(number);
    body.put(&[u8::from(heard)]);
    env.outbox.push(to, Class::Membership, Via::Datagram, kind::PROBED, &[&body]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::State;
    use crate::member::record::tests::record;
    use crate::spread::tests::{Sent, Stand};
    use std::sync::Arc;

    fn machine(config: Config, stand: &mut Stand) -> Prober {
        Prober::new(config, stand.now, stand.env().rng)
    }

    /// Goes to the next deadline and does what is due there.
    fn step(prober: &mut Prober, stand: &mut Stand) -> (Vec<Silence>, Vec<Sent>) {
        stand.now = prober.deadline().max(stand.now);
        let (mut silent, mut pinged) = (Vec::new(), Vec::new());
        prober.poll(0, &mut stand.env(), &mut silent, &mut pinged);
        (silent, stand.sent())
    }

    fn number(sent: &Sent) -> u64 {
        Reader::new(&sent.body).varint().unwrap()
    }

    fn kinds(sent: &[Sent]) -> Vec<u8> {
        let mut kinds: Vec<u8> = sent.iter().map(|sent| sent.kind).collect();
        kinds.sort_unstable();
        kinds
    }

    #[test]
    fn a_round_asks_everyone_once_and_answers_end_it() {
        let mut stand = Stand::new(5, 1);
        let mut prober = machine(Config::default(), &mut stand);
        let mut asked = Vec::new();
        for _ in 0..5 {
            let (silent, sent) = step(&mut prober, &mut stand);
            assert!(silent.is_empty());
            assert_eq!(kinds(&sent), [kind::PING]);
            stand.pass(Duration::from_millis(3));
            let (id, number) = (NodeId(sent[0].to), number(&sent[0]));
            assert_eq!(prober.answered(NodeId(99), number, &mut stand.env()), None);
            let took = prober.answered(id, number, &mut stand.env());
            assert_eq!(took, Some(Duration::from_millis(3)));
            asked.push(sent[0].to);
        }
        asked.sort_unstable();
        assert_eq!(asked, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn others_and_a_stream_are_tried_before_a_member_fails() {
        let mut stand = Stand::new(9, 1);
        let mut prober = machine(Config::default(), &mut stand);
        let (_, first) = step(&mut prober, &mut stand);
        let began = stand.now;
        let (silent, sent) = step(&mut prober, &mut stand);
        assert!(silent.is_empty());
        let asked = [kind::PING, kind::PROBE_FOR_ME, kind::PROBE_FOR_ME, kind::PROBE_FOR_ME];
        assert_eq!(kinds(&sent), asked);
        assert_eq!(stand.now.since(began), Duration::from_millis(250));
        let helpers: Vec<u64> =
            sent.iter().filter(|sent| sent.kind == kind::PROBE_FOR_ME).map(|s| s.to).collect();
        prober.reported(NodeId(helpers[0]), Report { number: number(&first[0]), heard: false });
        let mut failed = Vec::new();
        while failed.is_empty() {
            failed = step(&mut prober, &mut stand).0;
        }
        assert_eq!(stand.now.since(began), Duration::from_millis(500));
        assert_eq!((failed[0].id.0, failed[0].nacks), (first[0].to, 1));
        assert!(failed[0].through.iter().all(|id| helpers.contains(&id.0)));
        // Two of those who were asked did not even say that they hear nothing; and are there.
        let spoken = prober.health().score();
        stand.pass(Duration::from_secs(5));
        prober.judge(&stand.env());
        assert_eq!((spoken, prober.health().score()), (0, 2));
    }

    #[test]
    fn helpers_that_are_gone_do_not_speak_against_this_node() {
        let mut stand = Stand::new(9, 1);
        let mut prober = machine(Config::default(), &mut stand);
        let mut failed = Vec::new();
        while failed.is_empty() {
            failed = step(&mut prober, &mut stand).0;
        }
        assert_eq!(failed[0].through.len(), 3);
        for id in &failed[0].through {
            let gone = record(id.0, 1, State::Suspect);
            stand.table.update(&gone, &Arc::new(gone.to_entry()), stand.now);
        }
        stand.pass(Duration::from_secs(5));
        prober.judge(&stand.env());
        assert_eq!((prober.health().score(), prober.missing.len()), (0, 0));
    }

    #[test]
    fn helpers_are_those_who_were_heard_last() {
        let mut stand = Stand::new(100, 1);
        let mut prober = machine(Config::default(), &mut stand);
        let (_, first) = step(&mut prober, &mut stand);
        let heard: Vec<u64> = (1..=100).filter(|id| *id != first[0].to).take(3).collect();
        heard.iter().for_each(|id| prober.heard(NodeId(*id)));
        let (_, sent) = step(&mut prober, &mut stand);
        let asked = sent.iter().filter(|sent| sent.kind == kind::PROBE_FOR_ME);
        let mut asked: Vec<u64> = asked.map(|sent| sent.to).collect();
        asked.sort_unstable();
        assert_eq!(asked, heard);
        (1..=100).for_each(|id| prober.heard(NodeId(id)));
        assert_eq!(prober.lately.len(), LATELY);
    }

    #[test]
    fn while_somebody_is_suspected_probes_are_twice_as_frequent_and_pass_over_many_suspects() {
        let mut stand = Stand::new(40, 1);
        for id in 1..=20 {
            let suspect = record(id, 1, State::Suspect);
            stand.table.update(&suspect, &Arc::new(suspect.to_entry()), stand.now);
        }
        for (suspects, seconds) in [(0, 40), (20, 10)] {
            let mut prober = machine(Config::default(), &mut stand);
            let (mut asked, began) = (Vec::new(), stand.now);
            while asked.len() < 20 || suspects == 0 && asked.len() < 40 {
                stand.now = prober.deadline().max(stand.now);
                prober.poll(suspects, &mut stand.env(), &mut Vec::new(), &mut asked);
                prober.probes.clear();
            }
            let took = stand.now.since(began).as_secs_f64();
            assert!((took - f64::from(seconds)).abs() <= 1.0, "{took} s with {suspects}");
            assert!(suspects == 0 || asked.iter().all(|id| id.0 > 20), "{asked:?}");
        }
    }

    #[test]
    fn who_is_heard_by_another_has_not_failed() {
        let mut stand = Stand::new(9, 1);
        let mut prober = machine(Config::default(), &mut stand);
        let (_, first) = step(&mut prober, &mut stand);
        let (_, sent) = step(&mut prober, &mut stand);
        let helper = sent.iter().find(|sent| sent.kind == kind::PROBE_FOR_ME).unwrap().to;
        let report = Report { number: number(&first[0]), heard: true };
        prober.reported(NodeId(77), report);
        assert_eq!(prober.probes.len(), 1, "only who was asked is believed");
        prober.reported(NodeId(helper), report);
        assert!(prober.probes.is_empty());
    }

    #[test]
    fn a_helper_says_what_it_heard_and_what_it_did_not() {
        let mut stand = Stand::new(3, 1);
        let mut prober = machine(Config::default(), &mut stand);
        let asker = Stand::addr(1);
        for heard in [true, false] {
            let request = Request { number: 40, id: NodeId(2) };
            prober.relay(asker, request, &mut stand.env());
            let ping = stand.sent();
            assert_eq!((ping[0].to, ping[0].kind), (2, kind::PING));
            if heard {
                prober.answered(NodeId(2), number(&ping[0]), &mut stand.env());
            } else {
                stand.pass(Duration::from_millis(400));
                prober.check_relays(&mut stand.env());
            }
            let report = stand.sent();
            assert_eq!((report[0].to, report[0].kind), (1, kind::PROBED));
            let report = Report::decode(Reader::new(&report[0].body)).unwrap();
            assert_eq!(report, Report { number: 40, heard });
        }
    }

    #[test]
    fn requests_are_bounded() {
        let mut stand = Stand::new(3, 1);
        let mut prober = machine(Config::default(), &mut stand);
        for number in 0..100 {
            let request = Request { number, id: NodeId(2) };
            prober.relay(Stand::addr(1), request, &mut stand.env());
        }
        assert_eq!(prober.relays.len(), MAX_RELAYS);
        assert_eq!(stand.stats.probes_shed, 36);
    }

    #[test]
    fn about_as_many_verify_a_suspicion_as_are_needed() {
        let mut stand = Stand::new(100, 1);
        let mut verifying = 0;
        for _ in 0..1000 {
            let mut prober = machine(Config::default(), &mut stand);
            prober.verify(NodeId(7), 0, &mut stand.env());
            verifying += prober.verify.len();
        }
        assert!((35..70).contains(&verifying), "{verifying} of 1,000 where 50 are expected");
    }

    #[test]
    fn a_stall_gives_the_time_back() {
        let mut stand = Stand::new(3, 1);
        let mut prober = machine(Config::default(), &mut stand);
        step(&mut prober, &mut stand);
        let due = prober.probes[0].due;
        stand.pass(Duration::from_secs(3));
        let request = Request { number: 40, id: NodeId(2) };
        prober.relay(Stand::addr(1), request, &mut stand.env());
        prober.postpone(Duration::from_secs(3), stand.now);
        assert_eq!(prober.probes[0].due, due.after(Duration::from_secs(3)));
        assert_eq!(prober.relays[&2].due, stand.now.after(Duration::from_millis(200)));
    }
}
