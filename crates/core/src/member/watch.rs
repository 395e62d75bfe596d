//! The watch over the members: what is taken in of them, and how silence becomes suspicion and
//! suspicion death.
//!
//! It joins the machines of this folder. What everyone is to hear of waits in [`Watch::news`] until
//! it is handed to the configured way of spreading. What this node says of itself is in `own`.

mod check;
mod own;

use super::env::Registry;
use super::flight::{Recorder, What};
use super::probe::{Prober, Report, Request, Silence};
use super::reach::Reach;
use super::rejoin::Rejoin;
use super::suspicion::{MAX_CONFIRMATIONS, Suspicions};
use super::twin::{Patience, Twin};
use super::{Config, Env, Identity, Record, Roster, State, Table, record};
use crate::base::id::NodeId;
use crate::base::rng::Rng;
use crate::base::time::{Instant, Now, millis};
use crate::data::{Entry, Fate, Merged, Space, block};
use crate::output::{Class, Via, applied};
use crate::wire::{Origin, Outbox, kind};
use std::cmp::Ordering;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The machine.
#[derive(Debug)]
pub struct Watch {
    config: Config,
    identity: Identity,
    incarnation: u64,
    left: bool,
    in_doubt: bool,
    prober: Prober,
    suspicions: Suspicions,
    rejoin: Rejoin,
    recorder: Recorder,
    twin: Twin,
    patience: Patience,
    reach: Reach,
    news: Vec<Arc<Entry>>,
}

impl Watch {
    /// A machine that knows nobody.
    #[must_use]
    pub fn new(config: Config, identity: Identity, now: Now, rng: &mut Rng) -> Self {
        Self {
            identity,
            // A restarted node must overrule what was said of it before.
            incarnation: now.wall_ms.max(1),
            left: false,
            in_doubt: false,
            prober: Prober::new(config.clone(), now.mono, rng),
            suspicions: Suspicions::new(config.clone()),
            rejoin: Rejoin::new(config.rejoin_interval, now.mono),
            recorder: Recorder::default(),
            twin: Twin::new(now.mono),
            patience: Patience::new(now.mono),
            reach: Reach::new(config.probe_interval),
            news: Vec::new(),
            config,
        }
    }

    /// Who this node is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// True once this node has said goodbye.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.left
    }

    /// What happened to the membership lately.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The way back to those who are lost.
    #[must_use]
    pub fn rejoin(&self) -> &Rejoin {
        &self.rejoin
    }

    /// How much this node doubts itself: 0 if it is well.
    #[must_use]
    pub fn doubt(&self) -> u32 {
        self.prober.health().score()
    }

    /// How long the silent have.
    #[must_use]
    pub fn suspicions(&self) -> &Suspicions {
        &self.suspicions
    }

    /// Entries that everyone is to hear of, in the order in which they came up.
    pub fn news(&mut self) -> Vec<Arc<Entry>> {
        std::mem::take(&mut self.news)
    }

    /// Knows of the members from now on what another node knew: see [`crate::Node::adopt`].
    pub fn adopt(&mut self, roster: &Roster, registry: &mut Registry<'_>) {
        let (id, now) = (self.identity.id, registry.now.mono);
        let own = registry.table.get(id).map(|own| Arc::clone(own.entry));
        registry.replica.roster = roster.map.clone();
        *registry.table = roster.table.of(id);
        learn_dialects(registry);
        let members = registry.table.peer_count() + 1;
        for member in registry.table.not_alive().filter(|member| member.id != id) {
            match member.state {
                State::Dead => self.rejoin.lost(member.id),
                State::Suspect => {
                    self.suspicions.suspect(member.id, member.confirmations, members, now);
                }
                State::Alive | State::Left | State::Forgotten => {}
            }
        }
        let found = registry.table.get(id).map(|own| (own.incarnation, own.entry));
        match (found, &own) {
            (Some((_, found)), Some(own)) if found == own => {}
            (Some((incarnation, _)), _) => {
                self.incarnation = self.incarnation.max(incarnation + 1);
                self.enrol(registry);
            }
            (None, _) => drop(self.enrol(registry)),
        }
    }

    /// Takes in what this node had persisted of a member.
    pub fn restore(&mut self, entry: &Arc<Entry>, registry: &mut Registry<'_>) {
        let Ok(record) = Record::from_entry(entry) else { return };
        if record.id == self.identity.id {
            // This run's incarnation must be the bigger one, whatever the wall clock says.
            if record.incarnation >= self.incarnation {
                self.incarnation = record.incarnation + 1;
                self.enrol(registry);
            }
        } else if let Merged::New(_) = registry.replica.roster.apply(Arc::clone(entry)) {
            registry.table.update(&record, entry, registry.now.mono);
            registry.outbox.dialects_mut().learn(record.gossip, record.speaks());
            self.believe(&record, registry);
        }
    }

    /// Offers what a peer says of a member to the roster.
    pub fn offer(
        &mut self,
        entry: &Arc<Entry>,
        from: &Origin,
        registry: &mut Registry<'_>,
    ) -> Fate {
        let Ok(record) = Record::from_entry(entry) else {
            registry.stats.dropped_malformed += 1;
            return Fate::Useless;
        };
        let held = registry.table.get(record.id);
        match held.map(|held| held.entry.stamp().cmp(&entry.stamp())) {
            Some(Ordering::Equal) => return Fate::Known,
            Some(Ordering::Greater) => {
                if record.id == self.identity.id && record.state != State::Alive {
                    self.tell_again(from.peer, registry);
                }
                return Fate::Useless;
            }
            Some(Ordering::Less) => {}
            None if registry.table.len() >= registry.limits.max_members => {
                registry.stats.refused_members += 1;
                return Fate::Useless;
            }
            None => {}
        }
        if record.id == self.identity.id {
            self.refute(&record, registry);
            return Fate::Useless;
        }
        self.accept(&record, entry, Some(from.peer), registry);
        Fate::New
    }

    fn accept(
        &mut self,
        record: &Record,
        entry: &Arc<Entry>,
        from: Option<NodeId>,
        registry: &mut Registry<'_>,
    ) {
        if let Merged::New(replaced) = registry.replica.roster.apply(Arc::clone(entry)) {
            let before = registry.table.get(record.id).map(|held| held.state);
            registry.table.update(record, entry, registry.now.mono);
            registry.outbox.dialects_mut().learn(record.gossip, record.speaks());
            if !before.is_some_and(State::is_present) || !record.state.is_present() {
                registry.outbox.paths_mut().forget(record.gossip);
            }
            let moved = replaced.as_deref().and_then(record::gossip) != Some(record.gossip);
            if moved || record.state > State::Dead {
                self.reach.forget(record.id);
            }
            self.believe(record, registry);
            self.remember(before, record, registry.now);
            let suspected = before == Some(State::Alive) && record.state == State::Suspect;
            if suspected && from.is_some() {
                let suspects = self.suspicions.count();
                self.prober.verify(record.id, suspects, &mut registry.env());
            }
            if record.state != State::Suspect || record.confirmations >= MAX_CONFIRMATIONS {
                self.prober.spare(record.id);
            }
            registry.out.push(applied(Space::Roster, entry, replaced, from));
        }
    }

    /// Lets the machines know what is now believed of another member.
    fn believe(&mut self, record: &Record, registry: &Registry<'_>) {
        let now = registry.now.mono;
        match record.state {
            State::Suspect => {
                let members = self.may_confirm(record.id, registry.table);
                self.suspicions.suspect(record.id, record.confirmations, members, now);
            }
            State::Alive | State::Dead | State::Left | State::Forgotten => {
                self.suspicions.clear(record.id);
            }
        }
        match record.state {
            State::Dead => self.rejoin.lost(record.id),
            State::Alive | State::Suspect | State::Left | State::Forgotten => {
                self.rejoin.found(record.id);
            }
        }
    }

    /// Among how many members the silence of one is to be confirmed: other suspects confirm nothing.
    /// To whom all are silent, it may be this node that is cut off: it waits for them all the same.
    fn may_confirm(&self, id: NodeId, table: &Table) -> usize {
        let (members, others) = (table.peer_count() + 1, self.suspicions.count_without(id));
        match members.saturating_sub(others) {
            ..=2 => members,
            left => left,
        }
    }

    /// Writes into the flight recorder what has changed of another member.
    fn remember(&mut self, before: Option<State>, record: &Record, now: Now) {
        let by = || record.witnesses.clone();
        let what = match (before, record.state) {
            (_, State::Suspect) => What::Suspected { by: by() },
            (_, State::Dead) => What::Died { by: by() },
            (_, State::Left) => What::Left,
            (_, State::Forgotten) => What::Forgotten,
            (None, State::Alive) => What::Joined,
            (Some(State::Alive), State::Alive) => What::Changed,
            (Some(_), State::Alive) => What::Returned { incarnation: record.incarnation },
        };
        self.recorder.record(now.wall_ms, record.id, what);
    }

    /// A member says that it is there; returns how long it took if it answered this node's ping.
    pub fn answered(&mut self, from: NodeId, number: u64, env: &mut Env<'_>) -> Option<Duration> {
        self.reach.answered(from);
        self.prober.answered(from, number, env)
    }

    /// A member asks this node to probe another.
    pub fn relay(&mut self, asker: SocketAddr, request: Request, env: &mut Env<'_>) {
        self.prober.relay(asker, request, env);
    }

    /// A member says what came of probing another.
    pub fn reported(&mut self, from: NodeId, report: Report) {
        self.prober.reported(from, report);
    }

    /// A packet has come from a node, be it a member or not.
    pub fn heard(&mut self, from: NodeId) {
        self.reach.heard(from);
        self.prober.heard(from);
    }

    /// A member asks whether this node is there.
    pub fn was_pinged_by(&mut self, from: NodeId) {
        self.reach.was_pinged_by(from);
    }

    /// Who can be heard and not reached.
    #[must_use]
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// A member that is held dead or gone but talks is told so, so that it can refute. One that is
    /// not known at all is asked in, and makes itself known by opening an exchange: it may know
    /// somebody and so not ask again by itself.
    pub fn overheard(&mut self, from: &Origin, env: &mut Env<'_>) {
        match env.table.get(from.peer) {
            None if self.rejoin.wants_in(from.address, env.now) => {
                self.knock(from.address, env.table, env.outbox);
            }
            // Among many it is asked with less, so that it says who it is.
            None if !self.rejoin.was_asked(from.address) => {
                env.outbox.challenge(from.address, Via::Datagram, true, from.given);
            }
            None => {}
            Some(member) if !member.state.is_present() => {
                tell(from.address, member.entry, env.outbox);
            }
            Some(_) => {}
        }
    }

    /// When there is something to do.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        let due = self.prober.deadline().min(self.rejoin.deadline());
        self.suspicions.deadline().map_or(due, |suspicion| due.min(suspicion))
    }

    /// Does what is due: probes members, and says of the silent what is to be said. Afterwards,
    /// and after the news, [`Watch::seek`] looks for those who are lost.
    pub fn poll(&mut self, registry: &mut Registry<'_>) -> bool {
        if self.deadline() > registry.now.mono {
            return false;
        }
        self.forgive_stall(registry);
        let (mut silent, mut pinged) = (Vec::new(), Vec::new());
        let suspects = self.suspicions.count();
        for id in self.suspicions.unconfirmed(registry.now.mono) {
            self.prober.verify(id, suspects, &mut registry.env());
        }
        self.prober.poll(suspects, &mut registry.env(), &mut silent, &mut pinged);
        for silence in silent {
            self.on_silence(silence, registry);
        }
        for id in self.suspicions.expired(registry.now.mono) {
            registry.stats.deaths += 1;
            self.declare(id, State::Dead, registry);
        }
        for id in pinged {
            self.tell_suspect(id, registry);
        }
        true
    }

    /// Tries seeds and lost members, if it is time.
    pub fn seek(&mut self, env: &mut Env<'_>) {
        for addr in self.rejoin.poll(env.now, env.table, env.rng) {
            self.knock(addr, env.table, env.outbox);
        }
    }

    /// Who was not running cannot say that others were silent meanwhile: their answers may wait in
    /// a buffer. Everyone gets the time back.
    fn forgive_stall(&mut self, registry: &mut Registry<'_>) {
        let due = self
            .suspicions
            .deadline()
            .map_or(self.prober.deadline(), |suspicion| suspicion.min(self.prober.deadline()));
        let late = registry.now.mono.since(due);
        if late < self.config.probe_timeout / 2 || !self.config.forgive_stalls {
            return;
        }
        registry.stats.stalls += 1;
        self.prober.postpone(late, registry.now.mono);
        self.suspicions.postpone(late, registry.now.mono);
        let ms = millis(late);
        self.recorder.record(registry.now.wall_ms, self.identity.id, What::Stalled { ms });
    }

    /// A member has not answered: it is suspected, or a suspicion of others is confirmed.
    fn on_silence(&mut self, silence: Silence, registry: &mut Registry<'_>) {
        let Silence { id, through, nacks } = silence;
        self.recorder.record(registry.now.wall_ms, id, What::ProbeFailed { through, nacks });
        let Some(member) = registry.table.get(id) else { return };
        self.reach.was_silent(id, registry.table.peer_count() + 1, registry.now.mono);
        let (state, confirmations) = (member.state, member.confirmations);
        match state {
            State::Alive => {
                registry.stats.suspicions += 1;
                self.declare(id, State::Suspect, registry);
                self.suspicions.witness(id);
            }
            State::Suspect if self.suspicions.witness(id) && confirmations < MAX_CONFIRMATIONS => {
                registry.stats.confirmations += 1;
                self.declare(id, State::Suspect, registry);
            }
            State::Suspect | State::Dead | State::Left | State::Forgotten => {}
        }
    }

    /// Says of a member that it is suspect (once more, if it is already), dead or forgotten, and
    /// tells everyone.
    pub fn declare(&mut self, id: NodeId, state: State, registry: &mut Registry<'_>) {
        let news = |held: State| held.is_present() || state == State::Forgotten && held < state;
        let Some(member) = registry.table.get(id).filter(|member| news(member.state)) else {
            return;
        };
        let Ok(mut record) = Record::from_entry(member.entry) else { return };
        record.confirmations = match (record.state, state) {
            (State::Suspect, State::Suspect) => record.confirmations + 1,
            _ => 0,
        };
        record.state = state;
        if record.witnesses.last() != Some(&self.identity.id) {
            record.witnesses.push(self.identity.id);
        }
        let entry = registry.replica.keep(record.to_entry());
        self.accept(&record, &entry, None, registry);
        if state == State::Dead {
            tell(record.gossip, &entry, registry.outbox);
        } else {
            self.tell_suspect(id, registry);
        }
        self.news.push(entry);
    }

    /// Tells a suspect that it is one, so that it can refute at once (Lifeguard's buddy system).
    fn tell_suspect(&self, id: NodeId, registry: &mut Registry<'_>) {
        let Some(member) = registry.table.get(id) else { return };
        if self.config.buddy && member.state == State::Suspect {
            tell(member.gossip(), member.entry, registry.outbox);
        }
    }
}

/// Sends an entry of the roster to one address.
fn tell(to: SocketAddr, entry: &Entry, outbox: &mut Outbox) {
    let mut body = vec![Space::Roster.code()];
    block::Context::default().encode(entry, &mut body);
    outbox.push(to, Class::Membership, Via::Datagram, kind::ENTRIES, &[&body]);
}

/// Takes from all records at once which versions are spoken where, if there is a choice.
fn learn_dialects(registry: &mut Registry<'_>) {
    let dialects = registry.outbox.dialects_mut();
    if dialects.own().lowest() == dialects.own().highest() {
        return;
    }
    for member in registry.table.members() {
        if let Ok(record) = Record::from_entry(member.entry) {
            dialects.learn(record.gossip, record.speaks());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::Keyed;
    use crate::data::{Clock, Map, Replica};
    use crate::limits::Limits;
    use crate::member::Table;
    use crate::member::record::tests::record;
    use crate::output::Output;
    use crate::retain::tests::assert_found;
    use crate::stats::Stats;

    /// The watch of node 1, and what it works on.
    struct Stand {
        watch: Watch,
        now: Now,
        table: Table,
        replica: Replica,
        rng: Rng,
        limits: Limits,
        outbox: Outbox,
        stats: Stats,
        out: Vec<Output>,
    }

    impl Stand {
        /// It knows the members from 1 to `of`.
        fn new(of: u64) -> Self {
            let (keyed, mut rng) = (Keyed::for_cluster("test"), Rng::new(1));
            let now = Now { mono: Instant(0), wall_ms: 5000 };
            let identity = Identity::new(NodeId(1), "n", record(1, 1, State::Alive).gossip);
            let clock = Clock::new(NodeId(1), Duration::from_secs(60));
            let mut stand = Self {
                watch: Watch::new(Config::default(), identity, now, &mut rng),
                now,
                table: Table::new(NodeId(1)),
                replica: Replica::new(Map::new(keyed), Map::new(keyed), clock),
                rng,
                limits: Limits::default(),
                outbox: Outbox::default(),
                stats: Stats::default(),
                out: Vec::new(),
            };
            stand.at(|watch, registry| drop(watch.enrol(registry)));
            for id in 2..=of {
                stand.hears(record(id, 1, State::Alive));
            }
            stand.out.clear();
            stand
        }

        fn at<T>(&mut self, work: impl FnOnce(&mut Watch, &mut Registry<'_>) -> T) -> T {
            let mut registry = Registry {
                now: self.now,
                table: &mut self.table,
                replica: &mut self.replica,
                rng: &mut self.rng,
                limits: &self.limits,
                outbox: &mut self.outbox,
                stats: &mut self.stats,
                out: &mut self.out,
            };
            work(&mut self.watch, &mut registry)
        }

        fn hears(&mut self, record: Record) -> Fate {
            let entry = Arc::new(record.to_entry());
            let from = Origin::new(NodeId(2), address(2), Via::Datagram, false);
            self.at(|watch, registry| watch.offer(&entry, &from, registry))
        }

        /// Goes to the next deadline; answers what everyone is to hear then, and nobody answers.
        fn next(&mut self) -> Vec<(u64, State)> {
            let step = self.watch.deadline().since(self.now.mono);
            self.now.mono = self.now.mono.after(step);
            self.now.wall_ms += millis(step);
            self.at(|watch, registry| {
                watch.poll(registry);
                watch.seek(&mut registry.env());
            });
            self.news()
        }

        /// What everyone is to hear; nothing is left over then.
        fn news(&mut self) -> Vec<(u64, State)> {
            let said = |entry: Arc<Entry>| {
                let record = Record::from_entry(&entry).unwrap();
                (record.id.0, record.state)
            };
            let news = self.watch.news().into_iter().map(said).collect();
            self.watch.check(&self.table);
            news
        }

        /// To whom messages of one kind wait in the outbox; empties it.
        fn sent(&mut self, wanted: u8) -> Vec<SocketAddr> {
            let header = crate::wire::packet::Header { tag: 0, sender: NodeId(1) };
            let mut out = Vec::new();
            let (limits, stats) = (&self.limits, &mut self.stats);
            self.outbox.flush(header, limits, |_| true, |_| false, stats, &mut out);
            let mut to = Vec::new();
            for output in out {
                let Output::Send(packet) = output else { continue };
                let body = &packet.bytes[crate::wire::packet::HEADER..];
                let mut reader = crate::base::codec::Reader::new(body);
                while let Ok((kind, _)) = crate::wire::packet::next_message(&mut reader) {
                    to.extend((kind == wanted).then_some(packet.to));
                }
            }
            to
        }
    }

    fn address(id: u64) -> SocketAddr {
        record(id, 1, State::Alive).gossip
    }

    #[test]
    fn who_stays_silent_is_suspected_told_so_and_held_dead() {
        let mut stand = Stand::new(2);
        let mut heard = Vec::new();
        while heard.is_empty() {
            heard = stand.next();
        }
        assert_eq!(heard, [(2, State::Suspect)]);
        assert!(stand.sent(kind::ENTRIES).contains(&address(2)), "it can refute");
        heard.clear();
        while heard.is_empty() {
            heard = stand.next();
        }
        assert_eq!(heard, [(2, State::Dead)]);
        assert_eq!((stand.stats.suspicions, stand.stats.deaths), (1, 1));
        assert_eq!((stand.table.peer_count(), stand.watch.rejoin().lost_members()), (0, 1));
        let told = |output: &&Output| matches!(output, Output::Applied(it) if it.from.is_none());
        assert_eq!(stand.out.iter().filter(told).count(), 2, "both are in the roster");
    }

    #[test]
    fn a_suspicion_that_a_confirmation_ends_late_is_no_stall() {
        let mut stand = Stand::new(60);
        stand.hears(record(3, 1, State::Suspect));
        while stand.now.mono < Instant(10_000_000) {
            stand.next();
        }
        assert_eq!(stand.table.get(NodeId(3)).map(|member| member.state), Some(State::Suspect));
        // By the measure of four who found it silent its time was over after two seconds.
        stand.hears(Record { confirmations: 3, ..record(3, 1, State::Suspect) });
        stand.at(|watch, registry| watch.poll(registry));
        assert!(stand.news().contains(&(3, State::Dead)));
        assert_eq!(stand.stats.stalls, 0, "nobody else is given eight seconds for it");
    }

    #[test]
    fn what_others_say_of_this_node_it_overrules_once() {
        let mut stand = Stand::new(3);
        let own = stand.table.get(NodeId(1)).unwrap().incarnation;
        assert_eq!(stand.hears(record(1, own, State::Suspect)), Fate::Useless);
        assert_eq!(stand.news(), [(1, State::Alive)]);
        assert_eq!(stand.table.get(NodeId(1)).unwrap().incarnation, own + 1);
        assert_eq!(stand.watch.doubt(), 1);
        stand.sent(kind::ENTRIES);
        // Who says it still has not heard, and is told alone.
        assert_eq!(stand.hears(record(1, own, State::Dead)), Fate::Useless);
        assert_eq!((stand.news(), stand.sent(kind::ENTRIES)), (vec![], vec![address(2)]));
    }

    #[test]
    fn who_is_held_dead_and_talks_is_told_and_strangers_are_asked_in() {
        let mut stand = Stand::new(3);
        stand.hears(record(3, 1, State::Dead));
        let mut hear = |id: u64| {
            let from = Origin::new(NodeId(id), address(id), Via::Datagram, false);
            stand.at(|watch, registry| watch.overheard(&from, &mut registry.env()));
            stand.sent(kind::ENTRIES).len()
        };
        assert_eq!([hear(2), hear(3)], [0, 1]);
        let from = Origin::new(NodeId(9), address(9), Via::Datagram, false);
        for _ in 0..2 {
            stand.at(|watch, registry| watch.overheard(&from, &mut registry.env()));
        }
        assert_eq!(stand.sent(kind::JOIN), [address(9)], "once in a while");
    }

    #[test]
    fn a_table_that_is_full_takes_in_nobody_new() {
        let mut stand = Stand::new(3);
        stand.limits.max_members = 3;
        assert_eq!(stand.hears(record(4, 1, State::Alive)), Fate::Useless);
        assert_eq!(stand.hears(record(3, 2, State::Alive)), Fate::New);
        assert_eq!((stand.table.len(), stand.stats.refused_members), (3, 1));
    }

    #[test]
    fn what_a_later_version_says_of_itself_outlives_what_others_say_of_it() {
        let mut stand = Stand::new(5);
        let later = Record { fields: [9, 1, 7].into(), ..record(2, 2, State::Alive) };
        stand.hears(later.clone());
        for state in [State::Suspect, State::Suspect, State::Dead, State::Forgotten] {
            stand.at(|watch, registry| watch.declare(NodeId(2), state, registry));
            let held = stand.replica.roster.get(&2_u64.to_be_bytes()).unwrap();
            let held = Record::from_entry(held).unwrap();
            assert_eq!((held.state, held.fields), (state, later.fields.clone()));
        }
    }

    #[test]
    fn planted_faults_are_found() {
        type Plant = (&'static str, fn(&mut Stand));
        let plants: [Plant; 4] = [
            ("what this node says of itself", |stand| stand.watch.incarnation += 1),
            ("what this node says of itself", |stand| stand.watch.left = true),
            ("those that are sought", |stand| stand.watch.rejoin.lost(NodeId(3))),
            ("1 entries were not told", |stand| {
                let own = stand.at(|watch, registry| watch.enrol(registry));
                stand.watch.news.push(own);
            }),
        ];
        for (what, plant) in plants {
            let mut stand = Stand::new(3);
            stand.watch.check(&stand.table);
            plant(&mut stand);
            assert_found(what, || stand.watch.check(&stand.table));
        }
    }
}
