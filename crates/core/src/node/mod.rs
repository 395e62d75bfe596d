//! The facade: one node of the cluster as a state machine. Wiring only.
//!
//! A turn is any number of [`Node::write`] and [`Node::handle`], closed by one [`Node::flush`],
//! which packs all that the turn has to say into as few packets as it can.

mod check;
mod coverage;
mod departure;
mod members;
mod receive;
mod repair;
mod retain;
mod ring;
mod strangers;
mod strays;
mod time;

pub use check::Check;
pub use departure::{Departure, Vote};
pub use strangers::Joiner;

use crate::base::hash::Keyed;
use crate::base::id::NodeId;
use crate::base::rng::Rng;
use crate::base::time::{Instant, Now};
use crate::config::Config;
use crate::data::{
    self, Clock, Digest, Entry, Fate, Map, Op, Outcome, Pool, Refused, Replica, Space,
};
use crate::input::Input;
use crate::member::flight::Recorder;
use crate::member::notes::{self, Notes};
use crate::member::{Hours, Identity, Judgement, Member, State, Table, Watch};
use crate::output::{Output, Via, applied};
use crate::retain::{Certificates, Standing, Stories, Strays, horizon};
use crate::spread::audit::Divergence;
use crate::spread::coverage::{Freshness, Questions};
use crate::spread::entropy::{Compare, Filling};
use crate::spread::repair::Repair;
use crate::spread::ring::Rounds;
use crate::spread::sessions::Sessions;
use crate::spread::{Method, Ways};
use crate::stats::Stats;
use crate::wire::packet::Header;
use crate::wire::path::Trouble;
use crate::wire::proof::Proofs;
use crate::wire::version::Foreign;
use crate::wire::{Origin, Outbox};
use std::net::SocketAddr;
use std::sync::Arc;

/// One node.
#[derive(Debug)]
pub struct Node {
    config: Config,
    header: Header,
    rng: Rng,
    replica: Replica,
    table: Table,
    watch: Watch,
    hours: Hours,
    ended: data::Ended,
    /// True once the time has been looked at.
    looked: bool,
    notes: Notes,
    ways: Ways,
    repair: Repair,
    standing: Standing,
    strays: Strays,
    stories: Stories,
    certificates: Certificates,
    rounds: Rounds,
    questions: Questions,
    freshness: Freshness,
    guard: strangers::Guard,
    outbox: Outbox,
    stats: Stats,
    /// True while the disk is too far behind to take more.
    behind: bool,
}

/// What the machines work with, borrowed from a node field by field.
macro_rules! env {
    ($node:ident, $now:expr) => {
        crate::member::env::Env {
            now: $now.mono,
            table: &$node.table,
            rng: &mut $node.rng,
            limits: &$node.config.limits,
            outbox: &mut $node.outbox,
            stats: &mut $node.stats,
        }
    };
}
use env;

/// The replica and what is around it, borrowed from a node field by field.
macro_rules! holding {
    ($node:ident, $now:expr, $out:expr) => {
        crate::retain::Holding {
            env: crate::node::env!($node, $now),
            wall_ms: $now.wall_ms,
            replica: &mut $node.replica,
            strays: &mut $node.strays,
            stories: &mut $node.stories,
            out: &mut *$out,
        }
    };
}
use holding;

/// What ring repair works on, borrowed from a node field by field.
macro_rules! site {
    ($node:ident, $now:expr, $out:expr) => {
        crate::spread::ring::Site {
            hold: crate::node::holding!($node, $now, $out),
            standing: &mut $node.standing,
            rejoin: $node.watch.rejoin(),
            fills: !$node.config.repair.interval.is_zero(),
        }
    };
}
use site;

/// The same for the watch over the members.
macro_rules! registry {
    ($node:ident, $now:expr, $out:expr) => {
        crate::member::env::Registry {
            now: $now,
            table: &mut $node.table,
            replica: &mut $node.replica,
            rng: &mut $node.rng,
            limits: &$node.config.limits,
            outbox: &mut $node.outbox,
            stats: &mut $node.stats,
            out: $out,
        }
    };
}
use registry;

impl Node {
    /// A node that knows nobody and holds nothing. `seed` determines all its random choices.
    #[must_use]
    pub fn new(config: Config, identity: Identity, seed: u64, now: Now) -> Self {
        let keyed = Keyed::for_cluster(&config.cluster);
        let mut rng = Rng::new(seed);
        let clock = Clock::new(identity.id, config.limits.max_clock_skew);
        let data = match config.repair.compare {
            Compare::Sketch => Map::with_sketches(keyed),
            Compare::Full | Compare::Checksum => Map::new(keyed),
        }
        .accounted();
        let (own, tag) = (identity.id, keyed.tag());
        let watch = Watch::new(config.member.clone(), identity, now, &mut rng);
        let alone = config.spread.method == Method::None;
        let repair = Repair::new(&config.repair, alone, seed, now.mono, &mut rng);
        let (hidden, piece) = (repair.entropy.hidden(), config.repair.piece_bytes);
        let rounds = Rounds::new(config.ring.clone(), hidden, piece, now.mono);
        let mut node = Self {
            header: Header { tag, sender: own },
            replica: Replica::new(data, Map::new(keyed), clock),
            table: Table::new(own),
            watch,
            hours: Hours::new(own, seed, config.limits.max_clock_skew),
            ended: data::Ended::default(),
            looked: false,
            notes: Notes::default(),
            ways: Ways::new(&config.spread, !config.repair.interval.is_zero()),
            repair,
            standing: Standing::new(own, config.ring.policy()),
            strays: Strays::new(keyed, config.ring.stray_limits()),
            stories: Stories::default(),
            certificates: Certificates::new(config.ring.policy(), keyed, now.mono),
            rounds,
            questions: Questions::default(),
            freshness: Freshness::default(),
            guard: strangers::Guard::default(),
            outbox: Outbox::within(&config.limits, config.speaks, now.mono),
            stats: Stats::default(),
            behind: false,
            rng,
            config,
        };
        *node.outbox.proofs_mut() = Proofs::new(seed);
        node.hours.time(now);
        node.replica.data.advance(now.wall_ms);
        node.watch.enrol(&mut registry!(node, now, &mut Vec::new()));
        node
    }

    /// Shares equal entries with the other nodes of the pool from now on.
    pub fn share(&mut self, pool: Arc<Pool>) {
        self.replica.share(pool);
    }

    /// Says whether the disk is too far behind to take more: until it has caught up, messages that
    /// bring data count as lost. Membership, questions and what this node holds go on.
    pub fn set_behind(&mut self, behind: bool) {
        self.behind = behind;
    }

    /// Takes in an entry that this node had persisted. Comes before all input.
    pub fn restore(&mut self, space: Space, entry: Arc<Entry>, now: Now) {
        match space {
            Space::Data => self.restore_data(entry, now),
            Space::Roster if entry.key() == horizon::KEY => self.restore_horizon(&entry),
            Space::Roster if notes::is_note(&entry) => {
                self.notes.restore(&entry, &mut self.replica, now.wall_ms);
            }
            Space::Roster => {
                self.watch.restore(&entry, &mut registry!(self, now, &mut Vec::new()));
                if self.table.peer_count() > 0 {
                    self.rounds.knew_others();
                }
            }
        }
    }

    /// Carries out a user's operation on this node's replica. The entry spreads with the next
    /// [`Node::flush`].
    ///
    /// # Errors
    /// If a bound is passed; nothing was changed then.
    pub fn write(&mut self, op: Op, now: Now, out: &mut Vec<Output>) -> Result<Outcome, Refused> {
        self.look_at_clock(now);
        let limits = &self.config.limits;
        if op.key().len() > limits.max_key {
            return Err(Refused::KeyTooLong { got: op.key().len(), limit: limits.max_key });
        }
        let held = self.replica.data.get(op.key()).filter(|held| self.lives(held, now.wall_ms));
        let hidden = held.is_some_and(|held| !self.shows(held, now.wall_ms));
        let previous = held.filter(|_| !hidden).cloned();
        if let Some(held) = previous.as_ref().filter(|held| held.is_opaque() && op.opens()) {
            return Err(Refused::OtherKind(held.kind()));
        }
        let Some(left) = op.leaves(previous.as_deref(), hidden) else {
            return Ok(Outcome { previous, written: None });
        };
        if let Some(value) = &left.value
            && value.len() > limits.max_value
        {
            return Err(Refused::ValueTooLong { got: value.len(), limit: limits.max_value });
        }
        let stamp = self.stamp_for(op.key(), now)?;
        debug_assert!(self.standing.may_issue(stamp), "no stamp below a horizon that came by");
        let entry = self.replica.keep(left.entry(op.key(), stamp));
        if let data::Merged::New(replaced) = self.replica.data.apply(Arc::clone(&entry)) {
            self.certificates.succeed(entry.key());
            self.standing.note_write();
            self.stats.local_writes += 1;
            out.push(applied(Space::Data, &entry, replaced, None));
            self.strays.superseded(&entry, out);
            self.spread(Space::Data, Arc::clone(&entry), None, now);
        }
        Ok(Outcome { previous, written: Some(entry) })
    }

    /// The stamp of a write of a key.
    fn stamp_for(&mut self, key: &[u8], now: Now) -> Result<data::Stamp, Refused> {
        if let Some((own_ms, cluster_ms)) = self.hours.refuses(now) {
            self.stats.refused_clock += 1;
            return Err(Refused::Clock { own_ms, cluster_ms });
        }
        let above = self.replica.data.get(key).map_or(0, |held| held.stamp().time);
        // Alone it goes on above what it has given, and with others not where they would refuse it.
        let met = self.table.peer_count() > 0;
        let (clock, time_ms) = (&mut self.replica.clock, self.hours.stamp_ms(now));
        // What it writes is not what it may have lost, though its clock was ahead at the start.
        if clock.leads(self.standing.lost_upto(), now.wall_ms) {
            clock.raise(self.standing.lost_upto());
        }
        let far = met && clock.last() >> 16 > time_ms.saturating_add(clock.max_skew_ms());
        let strict = far || self.hours.is_sure();
        clock.next(above, strict, time_ms).map_err(|data::Ahead { needs_ms }| {
            self.stats.refused_clock += 1;
            let leads_ms = time_ms.saturating_add(clock.lead_ms());
            let wait_ms = needs_ms.saturating_sub(leads_ms);
            Refused::Ahead { stamp_ms: needs_ms, time_ms, wait_ms }
        })
    }

    /// Takes an input in. What is to be sent comes out of the next [`Node::flush`].
    pub fn handle(&mut self, input: Input<'_>, now: Now, out: &mut Vec<Output>) {
        self.take(input, false, now, out);
    }

    /// Like [`Node::handle`], for what came sealed with a key of the cluster.
    pub fn handle_sealed(&mut self, input: Input<'_>, now: Now, out: &mut Vec<Output>) {
        self.take(input, true, now, out);
    }

    fn take(&mut self, input: Input<'_>, sealed: bool, now: Now, out: &mut Vec<Output>) {
        self.look_at_clock(now);
        match input {
            Input::Datagram { from, bytes } => {
                self.receive((from, Via::Datagram, sealed), bytes, now, out);
            }
            Input::Frame { from, bytes } => {
                self.receive((from, Via::Stream, sealed), bytes, now, out);
            }
            Input::StreamLost { to } => {
                self.stats.streams_lost += 1;
                self.outbox.paths_mut().stream_lost(to, now.mono);
                self.stats.bulk_stalled += u64::from(self.repair.entropy.stream_lost(to));
                self.rounds.stream_lost(to, &self.table, now.mono);
            }
            Input::TooLarge { to, bytes } => self.outbox.too_large(to, bytes, out),
            Input::Tick => {}
            Input::Join { seeds } => self.join(seeds, now),
            Input::Leave => self.leave(now, out),
        }
    }

    /// Closes a turn: does what is due and packs everything that is to be sent.
    pub fn flush(&mut self, now: Now, out: &mut Vec<Output>) {
        self.look_at_clock(now);
        self.outbox.advance(now.mono, &mut self.stats, out);
        self.replica.data.advance(now.wall_ms);
        if !self.watch.has_left() {
            self.meet_again(now, out);
            self.watch_members(now, out);
            self.hours.poll(&mut env!(self, now));
            self.repair.watch(&mut holding!(self, now, out));
            self.standing.poll(&mut holding!(self, now, out));
            self.say_doubt(now, out);
            self.watch_rounds(now, out);
            self.certificates.poll(&mut holding!(self, now, out));
            // Others drop the same at this moment: the two are compared afterwards.
            if !self.standing.is_collecting() && !self.certificates.is_busy() {
                self.begin_repair(now, out);
            }
        }
        self.ways.poll(self.header.sender, &mut env!(self, now));
        self.watch_questions(now, out);
        self.watch_isolation(now);
        self.standing.reserve(&self.replica.clock, self.hours.stamp_ms(now));
        self.standing.keep(out);
        for (to, cost) in self.outbox.exchanged() {
            self.repair.sessions.sent(to, cost, now.mono);
        }
        self.repair.sessions.poll(now.mono);
        let table = &self.table;
        let known = |ip| table.peers().any(|peer| peer.gossip.ip() == ip);
        let far = |to| table.is_far(to);
        self.outbox.flush(self.header, &self.config.limits, known, far, &mut self.stats, out);
    }

    /// When the next turn is due even without input: [`Input::Tick`], then [`Node::flush`].
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let always = [self.ways.deadline(), self.outbox.deadline(), self.questions.deadline()];
        let present = [
            Some(self.watch.deadline()),
            self.hours.deadline(),
            self.repair.deadline(),
            self.rounds.deadline(&self.standing),
            self.standing.is_collecting().then_some(Instant(0)),
            self.certificates.deadline(),
            self.standing.deadline(),
        ];
        let present = present.into_iter().filter(|_| !self.watch.has_left());
        always.into_iter().chain(present).flatten().min()
    }

    /// Gives a new entry to the configured method of spreading.
    fn spread(&mut self, space: Space, entry: Arc<Entry>, from: Option<NodeId>, now: Now) {
        match space {
            Space::Data => self.repair.entropy.news(now.mono, &mut self.rng),
            Space::Roster => self.repair.entropy.stir(now.mono, &mut self.rng),
        }
        // Repair brings it when this node knows which pass is the latest.
        if space == Space::Data && self.standing.is_silent() {
            return;
        }
        self.ways.add(space, entry, from, &mut env!(self, now));
    }

    /// Offers a peer's entry to the replica.
    fn apply(
        &mut self,
        space: Space,
        entry: &Arc<Entry>,
        from: &Origin,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Fate {
        if space == Space::Roster && entry.key() == horizon::KEY {
            return self.apply_horizon(entry, from, now, out);
        }
        if space == Space::Roster {
            return self.apply_roster(entry, from, now, out);
        }
        if self.is_fenced(entry) {
            match self.replica.data.get(entry.key()).filter(|held| held.stamp() == entry.stamp()) {
                // The same write with another value is for the audit to judge.
                Some(held) if held != entry => {}
                Some(_) => {
                    self.stats.entries_stale += 1;
                    return Fate::Known;
                }
                None => {
                    self.stats.refused_fenced += 1;
                    return Fate::Useless;
                }
            }
        }
        self.accept_data(entry, from, now, out)
    }

    /// Offers a peer's entry to the replica, wherever its stamp lies.
    fn accept_data(
        &mut self,
        entry: &Arc<Entry>,
        from: &Origin,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Fate {
        let latest = data::Stamp { time: entry.age(), ..entry.stamp() };
        if !self.replica.clock.admits(latest, now.wall_ms) {
            self.stats.refused_skew += 1;
            let by_ms = latest.wall_ms().saturating_sub(now.wall_ms);
            self.hours.saw_ahead(latest.node, by_ms, now.mono);
            return Fate::Useless;
        }
        if let Some(fate) = self.judge(entry, from, now, out) {
            return fate;
        }
        let data::Merged::New(replaced) = self.replica.data.apply(Arc::clone(entry)) else {
            self.stats.entries_stale += 1;
            let held = self.replica.data.get(entry.key());
            return match held.is_some_and(|held| held.stamp() == entry.stamp()) {
                true => Fate::Known,
                false => Fate::Useless,
            };
        };
        self.certificates.succeed(entry.key());
        if !self.replica.clock.observe(latest, now.wall_ms) {
            self.stats.stamps_ahead += 1;
            let by_ms = latest.wall_ms().saturating_sub(now.wall_ms);
            self.hours.saw_ahead(latest.node, by_ms, now.mono);
        }
        self.strays.superseded(entry, out);
        self.stats.entries_new += 1;
        // What was written anew is the same write.
        let anew = |replaced: &Entry| replaced.is_anew() || entry.is_anew();
        let same = |replaced: &Arc<Entry>| replaced.stamp() == entry.stamp() && !anew(replaced);
        self.stats.stamp_conflicts += u64::from(replaced.as_ref().is_some_and(same));
        self.repair.entropy.news(now.mono, &mut self.rng);
        out.push(applied(Space::Data, entry, replaced, Some(from.peer)));
        Fate::New
    }

    /// Who this node is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        self.watch.identity()
    }

    /// What this node makes of the clocks that it hears, its own among them.
    #[must_use]
    pub fn clocks(&self, now: Now) -> Judgement {
        self.hours.judgement(now.mono)
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The users' data.
    #[must_use]
    pub fn data(&self) -> &Map {
        &self.replica.data
    }

    /// True if this member takes part as far as this node knows: it is alive or suspect.
    #[must_use]
    pub fn is_present(&self, id: NodeId) -> bool {
        self.table.get(id).is_some_and(|member| member.state.is_present())
    }

    /// True if a reader at this wall time sees an entry of the data: there is a value, and if it is
    /// an owned one, its owner is a live member.
    #[must_use]
    pub fn shows(&self, entry: &Entry, wall_ms: u64) -> bool {
        self.lives(entry, wall_ms) && entry.owner().is_none_or(|owner| self.is_present(owner))
    }

    /// True if there is a value that has not expired at this wall time, and had not at any time that
    /// this node went by before: it does not come back though its clock is set back.
    #[must_use]
    pub fn lives(&self, entry: &Entry, wall_ms: u64) -> bool {
        self.ended.lives(entry, wall_ms, &self.replica.data)
    }

    /// Digest of one of the maps.
    #[must_use]
    pub fn digest(&self, space: Space) -> Digest {
        self.replica.map(space).digest()
    }

    /// What is known of a member.
    #[must_use]
    pub fn member(&self, id: NodeId) -> Option<Member<'_>> {
        self.table.get(id)
    }

    /// All members that are known, this node included, in the order of their ids.
    pub fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.table.members()
    }

    /// What happened to the membership lately, as this node saw it.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        self.watch.recorder()
    }

    /// How far this node's replica has been filled from another's, while that goes on.
    #[must_use]
    pub fn filling(&self) -> Option<Filling> {
        self.repair.entropy.filling()
    }

    /// What the latest exchanges of anti-entropy cost.
    #[must_use]
    pub fn sessions(&self) -> &Sessions {
        &self.repair.sessions
    }

    /// Where other members stay different although repair goes on, as far as this node has found
    /// out: nowhere, if all is well.
    pub fn divergences(&self) -> impl Iterator<Item = Divergence> + '_ {
        self.repair.auditor.divergences()
    }

    /// Peers that this node cannot talk with, since they speak other versions than
    /// [`Config::speaks`], and that were heard of in the last minute.
    pub fn foreign(&self) -> impl Iterator<Item = Foreign> {
        self.outbox.dialects().foreign()
    }

    /// Paths that carry less than [`crate::limits::Limits::datagram`] allows, as far as this node has found
    /// out: where they lead, and bytes of the largest packet that arrives.
    pub fn narrow_paths(&self) -> impl Iterator<Item = (SocketAddr, usize)> {
        self.outbox.paths().narrow()
    }

    /// Addresses of members that can be reached by datagrams only or by streams only, as far as
    /// this node has found out.
    pub fn closed_ways(&self) -> impl Iterator<Item = Trouble> {
        self.outbox.paths().troubles()
    }

    /// Members that this node hears and that answer none of its probes, by any way: their address may
    /// be wrong for this node, or closed.
    pub fn unreached(&self, now: Now) -> impl Iterator<Item = NodeId> {
        self.watch.reach().unreached(self.table.peer_count() + 1, now.mono)
    }

    /// Members that say that this node does not answer, although their answers come here: this node's
    /// own address may be wrong for them, or closed.
    pub fn unreached_by(&self, now: Now) -> impl Iterator<Item = NodeId> {
        self.watch.reach().unreached_by(self.table.peer_count() + 1, now.mono)
    }

    /// How often what [`Node::narrow_paths`] and [`Node::closed_ways`] say has changed.
    #[must_use]
    pub fn path_changes(&self) -> u64 {
        self.outbox.paths().changes()
    }

    /// How much this node doubts itself: 0 if it is well.
    #[must_use]
    pub fn doubt(&self) -> u32 {
        self.watch.doubt()
    }

    /// True if this node sees less than half of the members of the latest pass that have not said
    /// goodbye, or before the first of all: it may be on the small side of a partition. Who only
    /// came by does not count.
    #[must_use]
    pub fn partition_suspected(&self) -> bool {
        let Some(link) = self.standing.covered() else {
            return self.watch.rejoin().lost_members() > self.table.peer_count() + 1;
        };
        let states = link.order.iter().filter_map(|id| self.table.get(*id)).map(|m| m.state);
        let (mut there, mut lost) = (0, 0);
        for state in states {
            there += usize::from(state.is_present());
            lost += usize::from(state == State::Dead);
        }
        lost > there
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Rumors that are hot and mails that wait for a receipt: 0 once there is nothing left to tell.
    #[must_use]
    pub fn telling(&self) -> usize {
        self.ways.telling()
    }

    /// True once this node has said goodbye.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.watch.has_left()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Expiry;
    use crate::member::record::tests::record;
    use std::net::SocketAddr;

    const NOW: Now = Now { mono: Instant(0), wall_ms: 1_800_000_000_000 };
    const OTHER: NodeId = NodeId(9);

    /// A node that holds `key`, owned by another one of which this is known.
    fn node(other: Option<State>) -> Node {
        let identity = Identity::new(NodeId(1), "n", SocketAddr::from(([10, 0, 0, 1], 1)));
        let mut node = Node::new(Config::default(), identity, 1, NOW);
        let stamp = data::Stamp { time: 1 << 40, node: OTHER };
        let owned = Entry::new(b"key", b"old", stamp, Some(NOW.wall_ms + 5000)).owned();
        node.restore(Space::Data, Arc::new(owned), NOW);
        if let Some(state) = other {
            let member = record(OTHER.0, 1, state).to_entry();
            node.restore(Space::Roster, Arc::new(member), NOW);
        }
        node
    }

    fn write(node: &mut Node, op: Op) -> (Option<Arc<Entry>>, Option<Arc<Entry>>) {
        let outcome = node.write(op, NOW, &mut Vec::new()).unwrap();
        (outcome.previous, outcome.written)
    }

    fn key() -> Box<[u8]> {
        b"key"[..].into()
    }

    #[test]
    fn an_owned_entry_is_seen_while_its_owner_is_a_live_member() {
        for (state, seen) in [
            (None, false),
            (Some(State::Alive), true),
            (Some(State::Suspect), true),
            (Some(State::Dead), false),
            (Some(State::Left), false),
        ] {
            let node = node(state);
            let entry = node.data().get(b"key").unwrap();
            assert_eq!(node.shows(entry, NOW.wall_ms), seen, "{state:?}");
            assert!(!node.shows(entry, NOW.wall_ms + 5000), "it expires all the same");
        }
    }

    #[test]
    fn a_writer_owns_what_it_writes_until_it_leaves() {
        let mut node = node(None);
        let put = Op::PutOwned { key: key(), value: b"v"[..].into(), expiry: Expiry::Never };
        let (previous, written) = write(&mut node, put);
        let written = written.unwrap();
        assert_eq!((previous, written.owner()), (None, Some(NodeId(1))));
        assert!(node.shows(&written, NOW.wall_ms));
        let (_, plain) = write(&mut node, Op::put(key(), b"v"[..].into(), Expiry::Never, false));
        assert_eq!(plain.unwrap().owner(), None);
        node.handle(Input::Leave, NOW, &mut Vec::new());
        assert!(!node.shows(&written, NOW.wall_ms));
    }

    #[test]
    fn changing_what_another_owns_takes_it_over() {
        let mut node = node(Some(State::Alive));
        let (previous, written) =
            write(&mut node, Op::Append { key: key(), tail: b"+"[..].into() });
        assert_eq!(previous.unwrap().owner(), Some(OTHER));
        let written = written.unwrap();
        assert_eq!((written.value(), written.owner()), (Some(&b"old+"[..]), Some(NodeId(1))));
        assert_eq!(written.expires_at(), Some(NOW.wall_ms + 5000));
        let (_, written) = write(&mut node, Op::Expire { key: key(), expiry: Expiry::Never });
        assert_eq!(
            written.map(|entry| (entry.owner(), entry.expires_at())),
            Some((Some(NodeId(1)), None))
        );
    }

    #[test]
    fn what_is_hidden_is_not_there_and_can_be_deleted_for_good() {
        let mut node = node(Some(State::Dead));
        let (previous, written) =
            write(&mut node, Op::Expire { key: key(), expiry: Expiry::Never });
        assert_eq!((previous, written), (None, None));
        let keep =
            Op::PutOwned { key: b"other"[..].into(), value: b"v"[..].into(), expiry: Expiry::Keep };
        assert_eq!(write(&mut node, keep).1.unwrap().expires_at(), None);
        let (previous, written) = write(&mut node, Op::Delete { key: key() });
        assert_eq!(previous, None);
        assert!(written.unwrap().is_tombstone());
        assert_eq!(write(&mut node, Op::Delete { key: key() }).1, None);
        let (previous, written) =
            write(&mut node, Op::Append { key: key(), tail: b"x"[..].into() });
        assert_eq!((previous, written.unwrap().value()), (None, Some(&b"x"[..])));
    }
}
