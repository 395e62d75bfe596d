//! Anti-entropy: every interval, compare with one random member and exchange what differs. Mostly
//! one of this node's own zone, now and then one of another.
//!
//! A simple epidemic (SI): every node stays infective for ever. This file says when, with whom and
//! which way; how differences are found is the business of [`crate::reconcile`].

mod check;
mod plan;

pub use plan::{Begin, Opener, Plan};

use crate::base::id::NodeId;
use crate::base::rng::Rng;
use crate::base::time::{Instant, micros, millis, text};
use crate::data::{Cut, Space};
use crate::member::table::{Peer, Table};
use crate::reconcile::Flow;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// A bulk transfer whose peer is silent for this long is given up, and goes on with another
/// (guess: several round trips of any network).
const STALL: Duration = Duration::from_secs(5);
/// A pause between two pieces that is not worth a timer, microseconds (guess: a round trip).
const SHORT: u64 = 1000;
/// While an exchange makes progress, no other is begun for this long (guess: a round trip on a
/// slow network).
const BUSY: Duration = Duration::from_millis(100);
/// Exchanges that can see the latest news before the pace slows down. Each more costs every node
/// about 60 bytes for an update; source: the simulation in docs/spread.md.
const BRISK: u32 = 1;

/// Which way entries move in an exchange, seen from the node that begins it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the other: one message.
    Push,
    /// From the other: two messages.
    Pull,
    /// Both ways: three messages.
    PushPull,
}

impl Direction {
    /// The direction as the sides of an exchange see it.
    #[must_use]
    pub fn flow(self) -> Flow {
        Flow { mine: self != Self::Pull, yours: self != Self::Push }
    }
}

/// How an exchange finds out what differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// It does not: everything is shipped.
    Full,
    /// A checksum of everything first, then of ranges, then of items.
    Checksum,
    /// Sketches of everything, whose size follows the difference.
    Sketch,
}

/// Settings of anti-entropy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often one random member is compared with while there is something new or different;
    /// "0s" switches anti-entropy off. About 60 bytes where nothing differs. Source: the
    /// simulation in docs/spread.md.
    #[serde(with = "text")]
    pub interval: Duration,
    /// The interval of a cluster in which nothing changes, reached by doubling (guess).
    #[serde(with = "text")]
    pub idle_interval: Duration,
    /// Which way entries move.
    pub direction: Direction,
    /// How differences are found.
    pub compare: Compare,
    /// Entries younger than this are still on their way by other means and are not compared, so
    /// that nothing is sent twice; "0s" compares everything (guess: several hops and one repeated
    /// hop of a tree rumor).
    #[serde(with = "text")]
    pub settle: Duration,
    /// Bytes of entries in one piece of a bulk transfer: the memory that a transfer takes at
    /// either end (guess: large against a round trip's worth on a LAN, small against the heap).
    pub piece_bytes: usize,
    /// Bytes of entries a second that this node takes in bulk, about, so that it and who sends can
    /// go on serving; 0 sets no bound. Pieces come one by one (guess: a third of what one core does).
    pub bulk_rate: u64,
    /// Share of the comparisons, 0 to 1, that are with members of other zones, where there are
    /// others; more in zones so small that nobody would cross for several intervals. With 0 only
    /// who is alone in its zone crosses. Source: the simulation in docs/spread.md.
    pub cross_zone: f64,
    /// How often a replica is checked against itself and, by an account of its own, against that
    /// of a random member, apart from the comparisons above; "0s" switches that off. About 60
    /// bytes, and the reading of 4,096 entries (guess: a fault shows within minutes, and nobody
    /// notices the cost).
    #[serde(with = "text")]
    pub audit_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(200),
            idle_interval: Duration::from_secs(2),
            direction: Direction::PushPull,
            compare: Compare::Sketch,
            settle: Duration::from_millis(300),
            piece_bytes: 256 * 1024,
            bulk_rate: 32 * 1024 * 1024,
            cross_zone: 0.125,
            audit_interval: Duration::from_secs(10),
        }
    }
}

/// A bulk transfer to this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bulk {
    /// Who sends.
    pub peer: NodeId,
    /// Where it is.
    pub addr: SocketAddr,
    /// Which map.
    pub space: Space,
    /// The key hash up to which everything has come.
    pub from: u64,
    /// Pieces that have come.
    pub pieces: u64,
    /// Entries that the other end held when it began.
    pub entries: u64,
    /// When the next piece may be asked for, if it has not been.
    due: Option<Instant>,
    until: Instant,
}

/// How far this node's replica of the data has been filled from another's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Filling {
    /// Who sends.
    pub peer: NodeId,
    /// The share of the map that has come, 0 to 1. Keys are placed by their hashes, so it is that
    /// of the entries as well.
    pub done: f64,
    /// Entries that the other end held when it began.
    pub entries: u64,
    /// Pieces that have come from it.
    pub pieces: u64,
}

/// The machine.
#[derive(Debug)]
pub struct Entropy {
    config: Config,
    next: Option<Instant>,
    /// Exchanges since the last news or difference.
    calm: u32,
    /// For how long news is still on its way by other means.
    settle: Duration,
    /// When the latest news can be compared.
    shown: Instant,
    busy_until: Instant,
    bulk: Option<Bulk>,
    /// Where a transfer that stalled goes on.
    resume: [u64; 2],
    /// Entries that there were when a transfer of the data stalled.
    entries: u64,
    /// From when on a transfer may come from another zone as well.
    far_from: Option<Instant>,
}

impl Entropy {
    /// A machine that begins at once, or never if the interval is zero. `alone` says that nothing
    /// else carries updates, so that there is nothing to wait for.
    #[must_use]
    pub fn new(config: Config, alone: bool, now: Instant, rng: &mut Rng) -> Self {
        let settle = if alone { Duration::ZERO } else { config.settle };
        let next = (!config.interval.is_zero())
            .then(|| Instant(now.0 + rng.below(micros(config.interval).max(1))));
        let (shown, busy_until) = (Instant(0), Instant(0));
        let (bulk, resume, entries, far_from) = (None, [0; 2], 0, None);
        Self { config, next, calm: 0, settle, shown, busy_until, bulk, resume, entries, far_from }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// For how long after it was written an entry is on its way by other means, milliseconds.
    #[must_use]
    pub fn settle_ms(&self) -> u64 {
        millis(self.settle)
    }

    /// How long after it was written an entry is compared for sure.
    #[must_use]
    pub fn hidden(&self) -> Duration {
        match self.settle {
            Duration::ZERO => Duration::ZERO,
            settle => settle + Cut::GRAIN,
        }
    }

    /// The cut at which the data is compared at a wall time.
    #[must_use]
    pub fn cut(&self, wall_ms: u64) -> Cut {
        match self.settle_ms() {
            0 => Cut::NONE,
            settle => Cut::around(wall_ms, settle),
        }
    }

    /// When the next exchange is due or a transfer counts as stalled.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let bulk = self.bulk.map(|bulk| bulk.due.map_or(bulk.until, |due| due.min(bulk.until)));
        self.next.into_iter().chain(bulk).min()
    }

    /// The peer to compare with now, if it is time. The second value is true if a bulk transfer has
    /// just been given up.
    pub fn poll(&mut self, now: Instant, table: &Table, rng: &mut Rng) -> (Option<Peer>, bool) {
        let stalled = self.bulk.is_some_and(|bulk| bulk.until <= now);
        if stalled {
            self.abandon_bulk();
        }
        if self.next.is_none_or(|next| next > now) {
            return (None, stalled);
        }
        if now < self.busy_until {
            self.next = Some(self.busy_until);
            return (None, stalled);
        }
        // What is not shown yet, an exchange cannot find missing.
        if self.shown <= now {
            self.calm = self.calm.saturating_add(1);
        }
        let interval = (self.config.interval * (1 << self.calm.saturating_sub(BRISK).min(16)))
            .min(self.config.idle_interval.max(self.config.interval));
        // A quarter up or down, so that nodes do not fall into step.
        let (mean, spread) = (micros(interval), micros(interval) / 2);
        self.next = Some(Instant(now.0 + mean - spread / 2 + rng.below(spread.max(1))));
        (self.pick(table, rng), stalled)
    }

    fn pick(&self, table: &Table, rng: &mut Rng) -> Option<Peer> {
        if !table.is_zoned() {
            return table.random(rng);
        }
        // From a small zone one member crosses in every interval, so that it is not cut off.
        let least = 1.0 / (table.near_count() + 1) as f64;
        let share = match self.config.cross_zone {
            never if never <= 0.0 => 0.0,
            share => share.max(least),
        };
        let near = if rng.chance(share) { None } else { table.random_near(rng) };
        near.or_else(|| table.random_far(rng)).or_else(|| table.random_near(rng))
    }

    /// True if a bulk transfer had better wait, since it would come from another zone: a member of
    /// this node's own zone may be found that has it all. For two intervals at most.
    fn waits(&mut self, now: Instant) -> bool {
        let from = *self.far_from.get_or_insert(now.after(self.config.interval * 2));
        now < from
    }

    /// Something is different: compare often again.
    pub fn stir(&mut self, now: Instant, rng: &mut Rng) {
        self.hurry(now, rng);
    }

    /// Something is new: compare often again as soon as it can be compared.
    pub fn news(&mut self, now: Instant, rng: &mut Rng) {
        self.shown = now.after(self.hidden());
        self.hurry(self.shown, rng);
    }

    fn hurry(&mut self, from: Instant, rng: &mut Rng) {
        let slow = self.calm > BRISK;
        self.calm = 0;
        if slow && let Some(next) = self.next {
            let soon = Instant(from.0 + rng.below(micros(self.config.interval).max(1)));
            self.next = Some(next.min(soon));
        }
    }

    /// An exchange goes on that found something different.
    pub fn goes_on(&mut self, now: Instant, rng: &mut Rng) {
        self.stir(now, rng);
        self.progress(now);
    }

    /// An exchange goes on: begin no other for a moment.
    pub fn progress(&mut self, now: Instant) {
        self.busy_until = now.after(BUSY);
    }

    /// The bulk transfer under way.
    #[must_use]
    pub fn bulk(&self) -> Option<&Bulk> {
        self.bulk.as_ref()
    }

    /// How far the data has been filled, while that goes on.
    #[must_use]
    pub fn filling(&self) -> Option<Filling> {
        let bulk = self.bulk.filter(|bulk| bulk.space == Space::Data)?;
        let done = bulk.from as f64 / u64::MAX as f64;
        Some(Filling { peer: bulk.peer, done, entries: bulk.entries, pieces: bulk.pieces })
    }

    /// True if a map is being transferred in bulk.
    #[must_use]
    pub fn in_bulk(&self, space: Space) -> bool {
        self.bulk.is_some_and(|bulk| bulk.space == space)
    }

    /// True if a replica of `mine` entries had better be filled in bulk from one of `theirs`.
    #[must_use]
    pub fn wants_bulk(mine: u64, theirs: u64) -> bool {
        theirs.saturating_sub(mine) > mine.max(64)
    }

    /// Begins a bulk transfer from a peer; returns the hash to begin at, or `None` if another is
    /// under way.
    pub fn begin_bulk(
        &mut self,
        peer: NodeId,
        addr: SocketAddr,
        space: Space,
        entries: u64,
        now: Instant,
    ) -> Option<u64> {
        if self.bulk.is_some() {
            return None;
        }
        let from = self.resume.get(usize::from(space.code())).copied().unwrap_or(0);
        if space == Space::Data {
            self.far_from = None;
        }
        let until = now.after(STALL);
        self.bulk = Some(Bulk { peer, addr, space, from, pieces: 0, entries, due: None, until });
        Some(from)
    }

    /// A piece of the bulk transfer of so many bytes has been applied; returns the hash to go on from
    /// if that is to be asked for at once. Else [`Entropy::due_piece`] tells when it is time.
    pub fn advance_bulk(
        &mut self,
        peer: NodeId,
        space: Space,
        next: Option<u64>,
        bytes: usize,
        now: Instant,
    ) -> Option<u64> {
        let bulk = self.bulk.as_mut().filter(|bulk| bulk.peer == peer && bulk.space == space)?;
        let resume = self.resume.get_mut(usize::from(space.code()))?;
        *resume = next.unwrap_or(0);
        match next {
            Some(from) => {
                let pause = match self.config.bulk_rate {
                    0 => 0,
                    rate => (bytes as u64).saturating_mul(1_000_000) / rate,
                };
                bulk.from = from;
                bulk.pieces += 1;
                // A short pause is caught up with by the round trip.
                bulk.due = (pause > SHORT).then(|| Instant(now.0.saturating_add(pause)));
                bulk.until = now.after(STALL).max(bulk.due.unwrap_or(now).after(STALL));
                next.filter(|_| bulk.due.is_none())
            }
            None => {
                self.bulk = None;
                None
            }
        }
    }

    /// The transfer whose next piece is to be asked for now.
    pub fn due_piece(&mut self, now: Instant) -> Option<Bulk> {
        let bulk = self.bulk.as_mut().filter(|bulk| bulk.due.is_some_and(|due| due <= now))?;
        bulk.due = None;
        bulk.until = now.after(STALL);
        Some(*bulk)
    }

    /// Goes on with a transfer of the data that stalled, with another member; returns the hash to
    /// begin at. Without that a replica that is more than half full would be compared instead,
    /// which costs far more.
    pub fn resume_bulk(&mut self, peer: &Peer, now: Instant) -> Option<u64> {
        let unfinished = self.resume.first().is_some_and(|from| *from > 0);
        let entries = self.entries;
        let begin = unfinished && self.bulk.is_none();
        begin.then(|| self.begin_bulk(peer.id, peer.gossip, Space::Data, entries, now)).flatten()
    }

    /// The stream of a transfer broke; returns whether there was one.
    pub fn stream_lost(&mut self, addr: SocketAddr) -> bool {
        let lost = self.bulk.is_some_and(|bulk| bulk.addr == addr);
        if lost {
            self.abandon_bulk();
        }
        lost
    }

    fn abandon_bulk(&mut self) {
        if let Some(bulk) = self.bulk.take()
            && let Some(resume) = self.resume.get_mut(usize::from(bulk.space.code()))
        {
            *resume = bulk.from;
            if bulk.space == Space::Data {
                self.entries = bulk.entries;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Stand;
    use super::*;
    use crate::member::record::tests::record;
    use crate::member::{State, Tags};
    use std::sync::Arc;

    fn ms(ms: u64) -> Instant {
        Instant(ms * 1000)
    }

    fn machine(config: Config) -> (Entropy, Rng) {
        let mut rng = Rng::new(1);
        (Entropy::new(config, false, Instant(0), &mut rng), rng)
    }

    /// Waits for the next exchange; answers when it begins.
    fn next(entropy: &mut Entropy, rng: &mut Rng) -> u64 {
        let stand = Stand::new(5, 1);
        let due = entropy.deadline().unwrap();
        let (peer, stalled) = entropy.poll(due, &stand.table, rng);
        assert!(peer.is_some() && !stalled);
        due.0 / 1000
    }

    #[test]
    fn the_pace_slows_down_to_the_idle_interval_and_news_brings_it_back() {
        let (mut entropy, mut rng) = machine(Config::default());
        let mut last = next(&mut entropy, &mut rng);
        for mean in [200, 400, 800, 1600, 2000, 2000] {
            let now = next(&mut entropy, &mut rng);
            assert!((mean * 3 / 4..=mean * 5 / 4).contains(&(now - last)), "{} ms", now - last);
            last = now;
        }
        entropy.news(ms(last + 10), &mut rng);
        let first = next(&mut entropy, &mut rng);
        assert!(
            (last + 410..last + 610).contains(&first),
            "not before it can be compared, and within an interval then: {}",
            first - last
        );
        let then = next(&mut entropy, &mut rng);
        assert!((150..=250).contains(&(then - first)));
    }

    #[test]
    fn a_difference_is_followed_up_at_once_and_never_puts_an_exchange_off() {
        let (mut entropy, mut rng) = machine(Config::default());
        let last = (0..8).map(|_| next(&mut entropy, &mut rng)).last().unwrap();
        entropy.stir(ms(last), &mut rng);
        let due = entropy.deadline().unwrap();
        assert!(due < ms(last + 200));
        entropy.news(ms(last), &mut rng);
        entropy.stir(ms(last + 1), &mut rng);
        assert_eq!(entropy.deadline(), Some(due));
    }

    #[test]
    fn an_interval_of_zero_switches_it_off() {
        let config = Config { interval: Duration::ZERO, ..Config::default() };
        let (mut entropy, mut rng) = machine(config);
        entropy.news(ms(5), &mut rng);
        entropy.stir(ms(5), &mut rng);
        assert_eq!(entropy.deadline(), None);
        assert_eq!(entropy.poll(ms(99_999), &Stand::new(3, 1).table, &mut rng), (None, false));
    }

    #[test]
    fn no_exchange_begins_while_another_makes_progress() {
        let (mut entropy, mut rng) = machine(Config::default());
        let due = entropy.deadline().unwrap();
        entropy.progress(due);
        let stand = Stand::new(5, 1);
        assert_eq!(entropy.poll(due, &stand.table, &mut rng), (None, false));
        assert_eq!(entropy.deadline(), Some(due.after(BUSY)));
        next(&mut entropy, &mut rng);
    }

    #[test]
    fn a_transfer_goes_on_where_it_stopped_with_whoever_comes_next() {
        let (mut entropy, mut rng) = machine(Config::default());
        let (one, other) = (NodeId(1), NodeId(2));
        let begin = |entropy: &mut Entropy, peer: NodeId, now| {
            entropy.begin_bulk(peer, Stand::addr(peer.0), Space::Data, 1000, now)
        };
        assert_eq!(begin(&mut entropy, one, ms(0)), Some(0));
        assert_eq!(begin(&mut entropy, other, ms(0)), None, "one at a time");
        assert!(entropy.in_bulk(Space::Data) && !entropy.in_bulk(Space::Roster));
        assert_eq!(entropy.advance_bulk(other, Space::Data, Some(9), 0, ms(1)), None);
        assert_eq!(entropy.advance_bulk(one, Space::Data, Some(50), 0, ms(1)), Some(50));
        // Silence ends it; another peer goes on from there.
        let (_, stalled) = entropy.poll(ms(1).after(STALL), &Stand::new(0, 1).table, &mut rng);
        assert!(stalled && entropy.bulk().is_none());
        assert_eq!(begin(&mut entropy, other, ms(9000)), Some(50));
        assert!(!entropy.stream_lost(Stand::addr(1)));
        assert!(entropy.stream_lost(Stand::addr(2)));
        // The last piece ends it for good.
        assert_eq!(begin(&mut entropy, one, ms(9001)), Some(50));
        assert_eq!(entropy.advance_bulk(one, Space::Data, None, 0, ms(9002)), None);
        assert_eq!(begin(&mut entropy, one, ms(9003)), Some(0));
    }

    #[test]
    fn a_transfer_that_broke_goes_on_by_itself_however_full_the_replica_is() {
        let (mut entropy, mut rng) = machine(Config::default());
        let peer = Stand::new(1, 1).table.random(&mut rng).unwrap();
        assert_eq!(entropy.resume_bulk(&peer, ms(0)), None, "nothing has begun");
        entropy.begin_bulk(NodeId(7), Stand::addr(7), Space::Data, 1000, ms(0));
        assert_eq!(entropy.resume_bulk(&peer, ms(0)), None, "it goes on");
        let most = u64::MAX / 4 * 3;
        entropy.advance_bulk(NodeId(7), Space::Data, Some(most), 0, ms(1));
        assert!(entropy.stream_lost(Stand::addr(7)));
        assert_eq!(
            (entropy.resume_bulk(&peer, ms(2)), entropy.filling().is_some()),
            (Some(most), true)
        );
        let filling = entropy.filling().unwrap();
        assert_eq!((filling.peer, filling.entries, filling.pieces), (peer.id, 1000, 0));
        assert!((0.7499..0.7501).contains(&filling.done));
        entropy.advance_bulk(peer.id, Space::Data, None, 0, ms(3));
        assert_eq!((entropy.resume_bulk(&peer, ms(4)), entropy.filling()), (None, None));
    }

    #[test]
    fn pieces_come_no_faster_than_the_rate() {
        let config = Config { bulk_rate: 1_000_000, ..Config::default() };
        let (mut entropy, _) = machine(config);
        let one = NodeId(1);
        entropy.begin_bulk(one, Stand::addr(1), Space::Data, 1000, ms(0));
        assert_eq!(entropy.advance_bulk(one, Space::Data, Some(9), 250_000, ms(10)), None);
        assert!(entropy.deadline().unwrap() <= ms(260));
        assert_eq!(entropy.due_piece(ms(259)), None);
        assert_eq!(entropy.due_piece(ms(260)).map(|bulk| bulk.from), Some(9));
        assert_eq!(entropy.due_piece(ms(261)), None, "once");
        let small = entropy.advance_bulk(one, Space::Data, Some(10), 900, ms(262));
        assert_eq!(small, Some(10), "a short pause is none");
    }

    #[test]
    fn zones_are_crossed_as_often_as_was_asked() {
        let mut stand = Stand::new(40, 1);
        for id in 0..=40 {
            let mut record = record(id, 2, State::Alive);
            let zone = if id < 20 { "a" } else { "b" };
            record.tags = Tags::new([("zone", zone)]).unwrap();
            stand.table.update(&record, &Arc::new(record.to_entry()), Instant(0));
        }
        for share in [0.0, 0.125, 1.0] {
            let config = Config { cross_zone: share, ..Config::default() };
            let (entropy, mut rng) = machine(config);
            let crossed =
                (0..4000).filter(|_| entropy.pick(&stand.table, &mut rng).unwrap().id.0 >= 20);
            let crossed = crossed.count() as f64 / 4000.0;
            assert!((crossed - share).abs() < 0.02, "{crossed}");
        }
        // Alone in its zone, it crosses always.
        for id in 1..20 {
            let record = record(id, 3, State::Alive);
            stand.table.update(&record, &Arc::new(record.to_entry()), Instant(0));
        }
        let (entropy, mut rng) = machine(Config { cross_zone: 0.0, ..Config::default() });
        assert!((0..100).all(|_| entropy.pick(&stand.table, &mut rng).is_some()));
    }

    #[test]
    fn a_transfer_from_afar_waits_for_two_intervals() {
        let (mut entropy, _) = machine(Config::default());
        assert!(entropy.waits(ms(1000)) && entropy.waits(ms(1399)));
        assert!(!entropy.waits(ms(1400)));
        entropy.begin_bulk(NodeId(1), Stand::addr(1), Space::Data, 9, ms(1400));
        assert!(entropy.waits(ms(5000)), "the next one waits as well");
    }

    #[test]
    fn a_node_that_lacks_most_is_filled_in_bulk() {
        assert!(Entropy::wants_bulk(0, 65) && Entropy::wants_bulk(100, 201));
        assert!(!Entropy::wants_bulk(0, 64) && !Entropy::wants_bulk(100, 200));
        assert!(!Entropy::wants_bulk(200, 100));
    }
}
