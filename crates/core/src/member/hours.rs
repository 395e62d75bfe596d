//! What time it is: this node's wall clock, set against those of the members that it hears.
//!
//! Members tell their wall clocks with every answer to a ping. Each is kept as what it read when this
//! node's monotonic clock stood at zero, half of the way there and back taken out: so a wall clock
//! that is set, here or there, moves one reading and no other. The median of at least three, this
//! node's own among them, is the cluster's time: while less than half of them are wrong it lies
//! between right ones. A node that is off by more than a second says so. docs/clocks.md has what that
//! assumes.
//!
//! Messages: PING (number), PONG (number, and the wall clock of who answers).

mod check;

use crate::base::codec::Write as _;
use crate::base::id::NodeId;
use crate::base::rng::Rng;
use crate::base::time::{Instant, Now, micros, millis};
use crate::member::Env;
use crate::output::{Class, Via};
use crate::wire::kind;
use std::collections::BTreeMap;
use std::time::Duration;

/// From here on a clock is said to be off.
const OFF_MS: i64 = 1000;
/// For so long after the start others are waited for, before a clock that nobody contradicts is
/// taken to be right.
const SETTLED: Duration = Duration::from_secs(5);
/// After so long that a node's clock was off by nearly the same it stamps by the cluster's time (guess:
/// a few answers to probes).
const STEADY: Duration = Duration::from_secs(10);
/// A clock whose reading changes by more than this has jumped.
const NEAR_MS: i64 = 500;
/// Clocks that are kept at most (guess: the median of many is no better).
const MAX_HEARD: usize = 64;
/// For so long a reading counts: a clock that is one in ten thousand too fast gains 60 ms.
const MAX_AGE: Duration = Duration::from_secs(600);
/// An answer that took longer says too little.
const MAX_WAY: Duration = Duration::from_secs(1);
/// Members that are asked at once, until as many have answered (probes ask the others in turn).
const WANTED: usize = 4;
/// The first pause between two times that members are asked, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Of so many writers it is remembered that their stamps are ahead.
const MAX_AHEAD: usize = 16;
/// And for so long.
const AHEAD_AGE: Duration = Duration::from_secs(60);
/// Numbers of pings that only ask for the time: no probe's is as large.
const ASKS: u64 = 1 << 63;
/// What a clock is taken for that says more: the year 10,889.
const MAX_TOLD: u64 = 1 << 48;

/// A clock that was heard.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// What it read at this node's monotonic zero, milliseconds since 1970.
    zero: i64,
    at: Instant,
    /// From before this node's clocks have jumped against each other.
    doubted: bool,
}

/// A member whose clock is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Off {
    /// The member.
    pub id: NodeId,
    /// By how many milliseconds it is ahead; behind, if negative.
    pub ahead_ms: i64,
}

/// What a node makes of the clocks that it hears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// By how many milliseconds this node's wall clock is ahead of the cluster's time; behind, if
    /// negative. `None` while too few were heard to say.
    pub ahead_ms: Option<i64>,
    /// True if it is so far off that it takes no writes.
    pub refuses: bool,
    /// How many other clocks were heard lately.
    pub heard: usize,
    /// Members whose clocks are more than a second off the cluster's time, or off this node's where
    /// there is nobody else to ask; at most 64.
    pub off: Vec<Off>,
    /// Writers whose stamps were so far ahead lately that no clock followed them, and by how much;
    /// at most 16.
    pub stamps: Vec<Off>,
}

impl Judgement {
    /// By how many milliseconds this node's clock is ahead, or behind, if that is more than a second;
    /// else zero.
    #[must_use]
    pub fn off_ms(&self) -> i64 {
        self.ahead_ms.filter(|ahead| ahead.abs() > OFF_MS).unwrap_or_default()
    }
}

/// The machine.
#[derive(Debug)]
pub struct Hours {
    own: NodeId,
    rng: Rng,
    max_ms: i64,
    heard: BTreeMap<NodeId, Heard>,
    /// Pings under way: number, to whom, when.
    asked: Vec<(u64, NodeId, Instant)>,
    next: Instant,
    pause: Duration,
    wants: bool,
    /// This node's own reading, as the others'.
    zero: Option<i64>,
    /// The cluster's.
    cluster: Option<i64>,
    /// By how much this node's is ahead of it, if that is more than a second, and since when.
    off: Option<(i64, Instant)>,
    ahead: BTreeMap<NodeId, (Instant, i64)>,
}

impl Hours {
    /// A machine that has heard nobody. A node whose clock is further off than `max_skew` is not to
    /// take writes.
    #[must_use]
    pub fn new(own: NodeId, seed: u64, max_skew: Duration) -> Self {
        Self {
            own,
            rng: Rng::new(seed ^ 0x686f_7572_7300),
            max_ms: i64::try_from(millis(max_skew)).unwrap_or(i64::MAX),
            heard: BTreeMap::new(),
            asked: Vec::new(),
            next: Instant(0),
            pause: PAUSE.0,
            wants: false,
            zero: None,
            cluster: None,
            off: None,
            ahead: BTreeMap::new(),
        }
    }

    /// What this node's clocks say now.
    pub fn time(&mut self, now: Now) {
        let zero = zero_of(now);
        let before = self.zero.unwrap_or(zero);
        if before.abs_diff(zero) > NEAR_MS as u64 {
            // A wall clock was set, or the machine stood still: the others will tell which.
            self.heard.values_mut().for_each(|heard| heard.doubted = true);
        }
        if before != zero || self.zero.is_none() {
            self.zero = Some(zero);
            self.weigh(now.mono);
        }
    }

    /// This node's wall clock and the cluster's time, milliseconds since 1970, if they are so far
    /// apart that it is to take no writes.
    #[must_use]
    pub fn refuses(&self, now: Now) -> Option<(u64, u64)> {
        let (cluster, zero) = (self.cluster?, self.zero?);
        let far = cluster.abs_diff(zero) > self.max_ms as u64;
        far.then(|| (wall_of(zero, now.mono), wall_of(cluster, now.mono)))
    }

    /// True if nothing speaks against this node's clock, and others had the time to.
    #[must_use]
    pub fn is_plausible(&self, now: Now) -> bool {
        match self.cluster {
            Some(_) => self.refuses(now).is_none(),
            None => now.mono.since(Instant(0)) > SETTLED,
        }
    }

    /// True if others have confirmed this node's clock.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        let Some(zero) = self.zero else { return false };
        let near = |heard: &&Heard| heard.zero.abs_diff(zero) <= OFF_MS as u64;
        let agree = self.heard.values().filter(|heard| !heard.doubted).filter(near).count();
        agree > 0 && (self.cluster.is_some() || agree == self.heard.len())
    }

    /// A member has said what its wall clock is, in answer to what was sent to it at `sent`.
    pub fn hear(&mut self, peer: NodeId, told_ms: u64, sent: Instant, now: Instant) {
        let way = now.since(sent);
        if peer == self.own || way > MAX_WAY {
            return;
        }
        let middle = Instant(sent.0 + (now.0.saturating_sub(sent.0)) / 2);
        let zero = zero_of(Now { mono: middle, wall_ms: told_ms.min(MAX_TOLD) });
        self.settle_doubt(peer, zero);
        self.heard.retain(|_, heard| now.since(heard.at) <= MAX_AGE);
        if self.heard.len() >= MAX_HEARD && !self.heard.contains_key(&peer) {
            let oldest = self.heard.iter().min_by_key(|(_, heard)| heard.at).map(|(id, _)| *id);
            oldest.map(|id| self.heard.remove(&id));
        }
        self.heard.insert(peer, Heard { zero, at: now, doubted: false });
        self.pause = PAUSE.0;
        self.weigh(now);
    }

    /// A clock that reads the same as before this node's jumped says that its wall clock was set:
    /// all the others stand. One that does not says that its monotonic clock stood still.
    fn settle_doubt(&mut self, peer: NodeId, zero: i64) {
        let Some(before) = self.heard.get(&peer).filter(|heard| heard.doubted) else { return };
        if before.zero.abs_diff(zero) <= NEAR_MS as u64 {
            self.heard.values_mut().for_each(|heard| heard.doubted = false);
        } else {
            self.heard.retain(|_, heard| !heard.doubted);
            (self.cluster, self.off) = (None, None);
        }
    }

    /// The time that this node stamps its writes by, milliseconds since 1970: the cluster's where its
    /// own clock has been off by nearly the same for a while, and no further than it may be.
    #[must_use]
    pub fn stamp_ms(&self, now: Now) -> u64 {
        let steady = |(_, since): &(i64, Instant)| now.mono.since(*since) >= STEADY;
        let near = |(off, _): &(i64, Instant)| off.unsigned_abs() <= self.max_ms as u64;
        let sure = !self.heard.values().any(|heard| heard.doubted);
        match self.off.filter(steady).filter(near) {
            Some((off, _)) if sure => now.wall_ms.saturating_add_signed(off.saturating_neg()),
            Some(_) | None => now.wall_ms,
        }
    }

    /// Takes the median anew.
    fn weigh(&mut self, now: Instant) {
        self.cluster = self.median();
        let off = self.zero.zip(self.cluster).map(|(own, cluster)| own.saturating_sub(cluster));
        let off = off.filter(|off| off.abs() > OFF_MS);
        self.off = off.map(|off| match self.off {
            Some(held) if held.0.abs_diff(off) <= NEAR_MS as u64 => held,
            Some(_) | None => (off, now),
        });
    }

    /// The median of this node's clock and of at least two others.
    fn median(&self) -> Option<i64> {
        let zero = self.zero.filter(|_| self.heard.len() > 1)?;
        let mut readings: Vec<i64> = self.heard.values().map(|heard| heard.zero).collect();
        readings.push(zero);
        readings.sort_unstable();
        let middle = |at: usize| readings.get(at).copied().unwrap_or(zero);
        let len = readings.len();
        Some(i64::midpoint(middle((len - 1) / 2), middle(len / 2)))
    }

    /// What this node's own wall clock reads, milliseconds since 1970.
    #[must_use]
    pub fn own_ms(&self, mono: Instant) -> u64 {
        self.zero.map_or(0, |zero| wall_of(zero, mono))
    }

    /// A probe is answered, after this time.
    pub fn took(&mut self, from: NodeId, told_ms: Option<u64>, took: Duration, now: Instant) {
        if let Some(told_ms) = told_ms {
            self.hear(from, told_ms, Instant(now.0.saturating_sub(micros(took))), now);
        }
    }

    /// A ping that only asked for the time is answered.
    pub fn answered(&mut self, from: NodeId, number: u64, told_ms: Option<u64>, now: Instant) {
        let Some(at) = self.asked.iter().position(|(n, to, _)| *n == number && *to == from) else {
            return;
        };
        let (_, _, sent) = self.asked.swap_remove(at);
        if let Some(told_ms) = told_ms {
            self.hear(from, told_ms, sent, now);
        }
    }

    /// Asks members for the time while few have told it.
    pub fn poll(&mut self, env: &mut Env<'_>) {
        let most = WANTED.min(env.table.peer_count());
        self.wants = self.heard.len() < most;
        if !self.wants || self.next > env.now {
            return;
        }
        self.asked.clear();
        for _ in 0..WANTED * 4 {
            let Some(peer) = env.table.random(&mut self.rng) else { continue };
            let asked = self.asked.iter().any(|(_, to, _)| *to == peer.id);
            if asked || self.heard.contains_key(&peer.id) || self.asked.len() >= WANTED {
                continue;
            }
            let number = ASKS | self.rng.bits();
            self.asked.push((number, peer.id, env.now));
            let mut body = Vec::with_capacity(10);
            body.put_varint(number);
            env.outbox.push(peer.gossip, Class::Membership, Via::Datagram, kind::PING, &[&body]);
        }
        self.next = env.now.after(self.pause);
        self.pause = (self.pause * 2).min(PAUSE.1);
    }

    /// When members are to be asked.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.wants.then_some(self.next)
    }

    /// A writer's stamp was too far ahead to be followed.
    pub fn saw_ahead(&mut self, writer: NodeId, ahead_ms: u64, now: Instant) {
        if self.ahead.len() >= MAX_AHEAD && !self.ahead.contains_key(&writer) {
            self.ahead.retain(|_, (at, _)| now.since(*at) <= AHEAD_AGE);
        }
        if self.ahead.len() < MAX_AHEAD || self.ahead.contains_key(&writer) {
            self.ahead.insert(writer, (now, i64::try_from(ahead_ms).unwrap_or(i64::MAX)));
        }
    }

    /// What is made of all this.
    #[must_use]
    pub fn judgement(&self, now: Instant) -> Judgement {
        let lately = |heard: &&Heard| now.since(heard.at) <= MAX_AGE;
        let reading = self.cluster.or(self.zero);
        let off = |(id, heard): (&NodeId, &Heard)| {
            let ahead_ms = heard.zero.saturating_sub(reading?);
            (ahead_ms.abs() > OFF_MS).then_some(Off { id: *id, ahead_ms })
        };
        let fresh = |(_, (at, _)): &(&NodeId, &(Instant, i64))| now.since(*at) <= AHEAD_AGE;
        let stamps = self.ahead.iter().filter(fresh);
        Judgement {
            ahead_ms: self.cluster.zip(self.zero).map(|(cluster, own)| own.saturating_sub(cluster)),
            refuses: self.refuses(Now { mono: now, wall_ms: 0 }).is_some(),
            heard: self.heard.values().filter(lately).count(),
            off: self.heard.iter().filter(|(_, heard)| lately(heard)).filter_map(off).collect(),
            stamps: stamps
                .map(|(id, (_, ahead_ms))| Off { id: *id, ahead_ms: *ahead_ms })
                .collect(),
        }
    }
}

/// What a clock read at this node's monotonic zero.
fn zero_of(now: Now) -> i64 {
    let wall = i64::try_from(now.wall_ms).unwrap_or(i64::MAX);
    wall.saturating_sub(i64::try_from(now.mono.0 / 1000).unwrap_or(i64::MAX))
}

/// What a clock of this reading reads now.
fn wall_of(zero: i64, mono: Instant) -> u64 {
    let wall = zero.saturating_add(i64::try_from(mono.0 / 1000).unwrap_or(i64::MAX));
    u64::try_from(wall).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retain::tests::assert_found;

    const WALL: u64 = 1_800_000_000_000;
    const HOUR: i64 = 3_600_000;

    fn at(ms: u64, off: i64) -> Now {
        Now { mono: Instant(ms * 1000), wall_ms: (WALL + ms).saturating_add_signed(off) }
    }

    /// A machine at a node whose clock is off by `own`, and that has heard others that are.
    fn hours(own: i64, others: &[i64]) -> Hours {
        let mut hours = Hours::new(NodeId(1), 1, Duration::from_secs(60));
        hours.time(at(0, own));
        for (number, off) in others.iter().enumerate() {
            hear(&mut hours, number as u64 + 2, 10, *off);
        }
        hours.check();
        hours
    }

    #[test]
    fn stamps_go_by_the_clusters_time_once_a_clock_is_steadily_off() {
        // Ahead, behind; near, too far to be trusted with writes, alone with another.
        let cases: [(i64, &[i64], i64); 6] = [
            (20_000, &[0, 10], 0),
            (-20_000, &[0, 10], 0),
            (800, &[0, 0], 800),
            (61_000, &[0, 0], 61_000),
            (20_000, &[0], 20_000),
            (20_000, &[0, 30_000], 20_000),
        ];
        for (own, others, by) in cases {
            let mut hours = hours(own, others);
            let off = |hours: &mut Hours, ms: u64| {
                hours.time(at(ms, own));
                hours.check();
                hours.stamp_ms(at(ms, own)).cast_signed() - (WALL + ms).cast_signed()
            };
            assert_eq!(off(&mut hours, 9_000), own, "not before that is steady");
            let by_cluster = off(&mut hours, 11_000);
            assert!(by_cluster.abs_diff(by) <= 10, "{own} {others:?}: {by_cluster}");
        }
    }

    #[test]
    fn a_clock_that_jumps_is_not_steady() {
        let mut hours = hours(20_000, &[0, 0]);
        hours.time(at(11_000, 25_000));
        let stamps = |hours: &Hours, ms: u64, own: i64| hours.stamp_ms(at(ms, own)) - WALL - ms;
        assert_eq!(stamps(&hours, 11_000, 25_000), 25_000, "the others have not said which it was");
        hear(&mut hours, 2, 11_100, 0);
        assert_eq!(stamps(&hours, 20_000, 25_000), 25_000);
        assert_eq!(stamps(&hours, 21_500, 25_000), 0);
        // It is right again: at once.
        hours.time(at(30_000, 0));
        assert_eq!(stamps(&hours, 30_000, 0), 0);
    }

    /// The answer of a member takes 40 ms.
    fn hear(hours: &mut Hours, id: u64, ms: u64, off: i64) {
        let told = at(ms + 20, off).wall_ms;
        hours.hear(NodeId(id), told, at(ms, 0).mono, at(ms + 40, 0).mono);
    }

    #[test]
    fn a_clock_that_is_off_is_told_by_the_median_of_three() {
        for off in [2 * HOUR, -HOUR, 1040, -1040] {
            let hours = hours(off, &[0, 30]);
            let told = hours.judgement(Instant(0));
            assert!((told.off_ms() - off).abs() <= 30 && told.off.is_empty(), "{off}: {told:?}");
            assert!(!hours.is_sure());
            let refuses = off.abs() > 60_000;
            assert_eq!((hours.refuses(at(500, 0)).is_some(), told.refuses), (refuses, refuses));
        }
        for off in [0, 900, -900] {
            let hours = hours(off, &[0, 0]);
            assert!(hours.is_sure() && hours.judgement(Instant(0)).off_ms() == 0);
        }
        let (own_ms, cluster_ms) = hours(2 * HOUR, &[0, 0]).refuses(at(500, 0)).unwrap();
        assert_eq!((own_ms, cluster_ms), (at(500, 2 * HOUR).wall_ms, at(500, 0).wall_ms));
    }

    #[test]
    fn one_liar_moves_the_median_no_further_than_the_honest_are_apart() {
        for lie in [59_000, -59_000, 365 * 24 * HOUR, -365 * 24 * HOUR] {
            for honest in [&[300][..], &[300, -200], &[300, -200, 100]] {
                let others = [honest, &[lie]].concat();
                let told = hours(0, &others).judgement(Instant(0));
                let ahead = told.ahead_ms.unwrap();
                assert!((-300..=200).contains(&ahead), "{others:?}: {ahead}");
                let off: Vec<NodeId> = told.off.iter().map(|off| off.id).collect();
                assert_eq!(off, [NodeId(others.len() as u64 + 1)]);
            }
        }
    }

    #[test]
    fn of_two_nobody_can_say_which_is_wrong() {
        let hours = hours(0, &[2 * HOUR]);
        assert!(!hours.is_sure() && hours.refuses(at(500, 0)).is_none());
        let judgement = hours.judgement(Instant(0));
        assert_eq!((judgement.ahead_ms, judgement.heard), (None, 1));
        assert_eq!(judgement.off, [Off { id: NodeId(2), ahead_ms: 2 * HOUR }]);
        assert!(self::hours(0, &[400]).is_sure(), "two that agree");
        assert!(!self::hours(0, &[]).is_sure(), "nobody");
    }

    #[test]
    fn a_wall_clock_that_is_set_is_found_where_others_are_heard() {
        let mut hours = hours(0, &[0, 0]);
        hours.time(at(1000, HOUR));
        hear(&mut hours, 2, 1100, 0);
        let told = hours.judgement(Instant(0));
        assert!(!hours.is_sure() && told.refuses && told.heard == 2, "{told:?}");
        hours.time(at(2000, 0));
        hear(&mut hours, 2, 2100, 0);
        assert!(hours.is_sure() && !hours.judgement(Instant(0)).refuses, "and back");
    }

    #[test]
    fn after_a_machine_has_stood_still_the_first_answer_says_so() {
        let mut hours = hours(0, &[0, 0, 0]);
        // An hour later by all clocks but its monotonic one.
        hours.time(at(1000, HOUR));
        assert!(!hours.is_sure());
        hear(&mut hours, 2, 1100, HOUR);
        assert_eq!(hours.judgement(Instant(0)).heard, 1, "what the others said was of before");
        assert!(hours.is_sure());
    }

    #[test]
    fn what_is_kept_is_bounded_and_ages() {
        let mut hours = hours(0, &[]);
        for id in 2..500 {
            hear(&mut hours, id, id, 0);
            hours.saw_ahead(NodeId(id), 40_000, Instant(0));
        }
        hours.check();
        assert_eq!((hours.heard.len(), hours.ahead.len()), (MAX_HEARD, MAX_AHEAD));
        assert_eq!(hours.judgement(Instant(0)).stamps.len(), MAX_AHEAD);
        let later = 1000 * 1000;
        hear(&mut hours, 2, later, 0);
        assert_eq!(hours.heard.len(), 1);
        assert!(hours.judgement(at(later, 0).mono).stamps.is_empty());
        // What took too long, or says what no clock can, moves nothing.
        hours.hear(NodeId(3), u64::MAX, at(later, 0).mono, at(later + 2000, 0).mono);
        assert_eq!(hours.heard.len(), 1);
        hours.hear(NodeId(3), u64::MAX, at(later, 0).mono, at(later, 0).mono);
        hours.time(Now { wall_ms: u64::MAX, ..at(later, 0) });
        hours.check();
    }

    #[test]
    fn planted_faults_are_found() {
        type Plant = fn(&mut Hours);
        let plants: [(&str, Plant); 2] = [
            ("a median of fewer than three", |hours| hours.heard.clear()),
            ("its own clock is no other's", |hours| {
                let heard = Heard { zero: 0, at: Instant(0), doubted: false };
                hours.heard.insert(NodeId(1), heard);
            }),
        ];
        for (what, plant) in plants {
            let mut hours = hours(0, &[0, 0]);
            plant(&mut hours);
            assert_found(what, || hours.check());
        }
    }
}
