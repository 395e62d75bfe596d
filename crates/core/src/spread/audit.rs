//! The divergence alarm: does repair do what it says?
//!
//! Every interval a node checks a part of its own replica against what it keeps about it, and asks
//! one random member whether both hold the same by an account that repair does not use. Whoever
//! differs is compared with by the usual repair and asked again, in turn with others. A part that
//! differs by the very same amount in several checks, for longer than repair takes, has diverged:
//! that is told, and the part is exchanged in full. What is merely on its way changes from check to
//! check.

mod check;

use super::entropy;
use crate::base::id::NodeId;
use crate::base::rng::Rng;
use crate::base::time::{Instant, Now, micros, millis};
use crate::data::{Cut, Map, Range, Space, account};
use crate::member::table::{Peer, Table};
use crate::output::Via;
use crate::reconcile::audit::{Check, Checked, Stand};
use crate::reconcile::{Desk, full};
use crate::stats::Stats;
use crate::wire::kind;
use std::time::Duration;

/// Checks that must find a part different by the same amount.
const CHECKS: u32 = 3;
/// And for how many idle intervals of repair: each of them compares with somebody, so a difference
/// that repair can see is gone long before.
const INTERVALS: u32 = 10;
/// And for at least so long (guess: what is stuck behind a lossy network for a moment gets through).
const LEAST: Duration = Duration::from_secs(10);
/// With more parts different than this, a part that did not change while others did waits for its
/// turn: repair is at work.
const MANY: usize = 8;
/// Members that are looked at more closely, at once; the rest come later.
const MAX_WATCHED: usize = 16;
/// An exchange in full whose other end is silent for this long is given up (guess, as for bulk
/// transfers).
const STALL: Duration = Duration::from_secs(5);
/// What is stamped less than this long ago is left out of checks: repair is given several goes at
/// it. Less than cuts can be gone back to.
pub const YOUNG: Duration = Duration::from_secs(2);
/// No cut begins longer ago than this: it is still to be had when the question arrives.
const OLDEST: Duration = Duration::from_secs(5);
/// Entries of the own replica that are read at once, about.
const ENTRIES: u64 = 4096;

/// A part of the map in which a member stays different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The member.
    pub peer: NodeId,
    /// The hashes of the keys in the part.
    pub range: Range,
    /// When the difference was first seen, by this node's wall clock.
    pub since_ms: u64,
    /// Checks that have found it.
    pub checks: u32,
}

/// A part that differed in the latest check.
#[derive(Clone, Copy, Debug)]
struct Part {
    part: u8,
    by: u32,
    since_ms: u64,
    since: Instant,
    checks: u32,
    /// True once it is told as diverged.
    told: bool,
}

/// A member that differed in the latest check.
#[derive(Debug)]
struct Watched {
    peer: NodeId,
    parts: Vec<Part>,
}

/// An exchange of a part in full.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    peer: NodeId,
    from: u64,
    last: u64,
    until: Instant,
}

/// What a check led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Parts that are now told as diverged.
    pub told: u64,
    /// Parts that were told and are equal now.
    pub healed: u64,
    /// The first key hash of a part to exchange in full, if there is one.
    pub exchange: Option<u64>,
}

/// The machine.
#[derive(Debug)]
pub struct Auditor {
    interval: Duration,
    patience: Duration,
    next: Option<Instant>,
    /// Of its own, so that checks do not change what else is drawn.
    rng: Rng,
    /// The part of the own replica that is verified next.
    part: u8,
    asked: Option<(NodeId, Cut)>,
    watched: Vec<Watched>,
    /// True if the next check is with somebody new.
    look_around: bool,
    exchange: Option<Exchange>,
}

impl Auditor {
    /// A machine that begins within an interval, or never if that is zero or repair is off.
    #[must_use]
    pub fn new(config: &entropy::Config, seed: u64, now: Instant) -> Self {
        let mut rng = Rng::new(seed ^ 0x0061_7564_6974);
        let interval = config.audit_interval;
        let on = !interval.is_zero() && !config.interval.is_zero();
        let next = on.then(|| Instant(now.0 + rng.below(micros(interval).max(1))));
        Self {
            interval,
            patience: (INTERVALS * config.idle_interval.max(config.interval)).max(LEAST),
            next,
            rng,
            part: 0,
            asked: None,
            watched: Vec::new(),
            look_around: true,
            exchange: None,
        }
    }

    /// When the next check is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// If it is time: the part of the own replica to verify, and the member to ask.
    pub fn poll(&mut self, now: Instant, table: &Table) -> Option<(u8, Option<Peer>)> {
        if self.next.is_none_or(|next| next > now) {
            return None;
        }
        self.watched.retain(|watched| table.peer(watched.peer).is_some());
        if self.exchange.is_some_and(|exchange| exchange.until <= now) {
            self.exchange = None;
        }
        let (mean, spread) = (micros(self.interval), micros(self.interval) / 2);
        self.next =
            Some(Instant(now.0 + (mean - spread / 2 + self.rng.below(spread.max(1))).max(1)));
        self.look_around = !self.look_around || self.watched.is_empty();
        let peer = match self.look_around {
            true => table.random(&mut self.rng),
            false => {
                // In turn.
                self.watched.rotate_left(1);
                self.watched.last().and_then(|watched| table.peer(watched.peer))
            }
        };
        Some((self.part, peer))
    }

    /// Verifies the own replica from a part on, and puts right what is kept about it.
    pub fn verify(&mut self, part: u8, map: &mut Map, stats: &mut Stats) {
        let verified = map.verify(part, ENTRIES);
        self.part = verified.next;
        stats.audit_content_faults += u64::from(verified.content.is_some());
        if verified.digest.is_some() {
            stats.audit_digest_faults += 1;
            map.rebuild();
        }
    }

    /// Asks a member whether it holds the same, where what is younger than `settle` is left out of
    /// comparisons.
    pub fn question(&mut self, peer: &Peer, settle: Duration, wall_ms: u64, desk: &mut Desk<'_>) {
        let cut = Cut::from(wall_ms, millis(YOUNG.max(settle).min(OLDEST)));
        // After a wall clock was set back, nothing is known of its time until it has caught up.
        let Some(sums) = desk.map.account_at(cut) else { return };
        self.ask(peer.id, cut);
        let check = Check { cut, total: sums.total(), account: sums.account() };
        desk.push_via(Via::Datagram, kind::CHECK, &[&check.encode()]);
    }

    /// Takes an answer in; true if it was asked for and something differs. `excused` says that it
    /// is known why this replica may differ.
    pub fn on_checked(
        &mut self,
        from: NodeId,
        checked: &Checked,
        excused: bool,
        now: Now,
        desk: &mut Desk<'_>,
    ) -> bool {
        if !self.answered(from, checked.cut) {
            return false;
        }
        let mine = desk.map.account_at(checked.cut);
        let differences = match (&checked.stand, mine) {
            (Stand::Equal, _) => Some(Vec::new()),
            (Stand::Different(theirs, account), Some(mine)) if !excused => {
                Checked::differences(theirs, *account, &mine)
            }
            _ => None,
        };
        let Some(differences) = differences else {
            self.forget(from);
            return false;
        };
        desk.stats.audit_checks += 1;
        desk.stats.audit_different += u64::from(!differences.is_empty());
        let findings = self.learn(from, &differences, now.mono, now.wall_ms);
        desk.stats.divergences += findings.told;
        desk.stats.divergences_healed += findings.healed;
        if let Some(first) = findings.exchange {
            full::pull(desk, true, false, first, Via::Stream);
        }
        !differences.is_empty()
    }

    /// A member is asked at a cut.
    pub fn ask(&mut self, peer: NodeId, cut: Cut) {
        self.asked = Some((peer, cut));
    }

    /// True if an answer is to the last question.
    pub fn answered(&mut self, peer: NodeId, cut: Cut) -> bool {
        self.asked.take_if(|asked| *asked == (peer, cut)).is_some()
    }

    /// A member cannot be compared with now.
    pub fn forget(&mut self, peer: NodeId) {
        self.watched.retain(|watched| watched.peer != peer);
    }

    /// Takes in where a member differs, and by how much: nowhere, if all is well.
    pub fn learn(
        &mut self,
        peer: NodeId,
        differences: &[(u8, u32)],
        now: Instant,
        wall_ms: u64,
    ) -> Findings {
        let place = self.watched.iter().position(|watched| watched.peer == peer);
        let before = place.map(|place| self.watched.remove(place).parts).unwrap_or_default();
        let known = |part: u8| before.iter().find(|known| known.part == part);
        let steady = |(part, by): &&(u8, u32)| known(*part).is_some_and(|known| known.by == *by);
        let moved = before.len().max(differences.len()) - differences.iter().filter(steady).count();
        let at_work = differences.len() > MANY && moved > 0;
        let mut findings = Findings::default();
        let mut parts = Vec::with_capacity(differences.len());
        for &(part, by) in differences {
            let new = Part { part, by, since_ms: wall_ms, since: now, checks: 1, told: false };
            let mut next = match known(part) {
                Some(known) if known.told || known.by == by => {
                    let checks = known.checks.saturating_add(u32::from(!at_work));
                    Part { by, checks, ..*known }
                }
                _ => new,
            };
            if !next.told && next.checks >= CHECKS && now.since(next.since) >= self.patience {
                next.told = true;
                findings.told += 1;
            }
            parts.push(next);
        }
        let still = |part: u8| differences.iter().any(|(different, _)| *different == part);
        let gone = before.iter().filter(|known| known.told && !still(known.part));
        findings.healed = gone.count() as u64;
        if self.exchange.is_none()
            && let Some(part) = parts.iter().filter(|part| part.told).min_by_key(|part| part.checks)
        {
            let range = account::range_of(part.part);
            let (from, last, until) = (range.first(), range.last(), now.after(STALL));
            self.exchange = Some(Exchange { peer, from, last, until });
            findings.exchange = Some(from);
        }
        if !parts.is_empty() {
            if self.watched.len() >= MAX_WATCHED {
                // Rather one of whom nothing is told.
                let told = |watched: &Watched| watched.parts.iter().any(|part| part.told);
                let place = self.watched.iter().position(|watched| !told(watched)).unwrap_or(0);
                self.watched.remove(place);
            }
            self.watched.push(Watched { peer, parts });
        }
        findings
    }

    /// True if a piece belongs to the exchange in full that is under way.
    #[must_use]
    pub fn expects(&self, (peer, space, from): (NodeId, Space, u64)) -> bool {
        let expected = |exchange: &Exchange| (exchange.peer, exchange.from) == (peer, from);
        space == Space::Data && self.exchange.as_ref().is_some_and(expected)
    }

    /// A piece of it has come; returns the hash to go on from.
    pub fn advance(&mut self, next: Option<u64>, now: Instant) -> Option<u64> {
        let exchange = self.exchange.as_mut()?;
        match next.filter(|next| *next <= exchange.last) {
            Some(next) => {
                (exchange.from, exchange.until) = (next, now.after(STALL));
                Some(next)
            }
            None => {
                self.exchange = None;
                None
            }
        }
    }

    /// What is told as diverged.
    pub fn divergences(&self) -> impl Iterator<Item = Divergence> + '_ {
        self.watched.iter().flat_map(|watched| {
            watched.parts.iter().filter(|part| part.told).map(|part| Divergence {
                peer: watched.peer,
                range: account::range_of(part.part),
                since_ms: part.since_ms,
                checks: part.checks,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Stand;
    use super::*;

    const PEER: NodeId = NodeId(1);

    fn secs(secs: u64) -> Instant {
        Instant(secs * 1_000_000)
    }

    fn machine() -> Auditor {
        Auditor::new(&entropy::Config::default(), 1, Instant(0))
    }

    fn learn(auditor: &mut Auditor, at: u64, differences: &[(u8, u32)]) -> (u64, u64, bool) {
        let findings = auditor.learn(PEER, differences, secs(at), at * 1000);
        (findings.told, findings.healed, findings.exchange.is_some())
    }

    #[test]
    fn what_stays_the_same_for_long_is_told_until_it_is_gone() {
        let mut auditor = machine();
        assert_eq!(learn(&mut auditor, 10, &[(3, 7)]), (0, 0, false));
        assert_eq!(learn(&mut auditor, 20, &[(3, 7)]), (0, 0, false));
        assert_eq!(learn(&mut auditor, 30, &[(3, 7), (9, 1)]), (1, 0, true));
        let told: Vec<_> = auditor.divergences().collect();
        let range = Range::around(3 << 56, 2);
        assert_eq!(told, [Divergence { peer: PEER, range, since_ms: 10_000, checks: 3 }]);
        assert_eq!(learn(&mut auditor, 31, &[(3, 8)]), (0, 0, false), "told once, and in exchange");
        assert_eq!(learn(&mut auditor, 40, &[(9, 1)]), (0, 1, false));
        assert_eq!(auditor.divergences().count(), 0);
    }

    #[test]
    fn what_changes_or_is_young_is_not_told() {
        let mut auditor = machine();
        for second in 0..100 {
            assert_eq!(learn(&mut auditor, 10 * second, &[(3, second as u32)]).0, 0);
        }
        let mut auditor = machine();
        for second in 0..20 {
            assert_eq!(learn(&mut auditor, second, &[(3, 7)]).0, 0);
        }
    }

    #[test]
    fn while_much_is_repaired_nothing_is_told() {
        let mut auditor = machine();
        for step in 0..100_u8 {
            let left: Vec<(u8, u32)> = (step..120).map(|part| (part, 5)).collect();
            assert_eq!(learn(&mut auditor, 10 * u64::from(step), &left).0, 0);
        }
        let stuck: Vec<(u8, u32)> = (0..20).map(|part| (part, 5)).collect();
        let mut auditor = machine();
        let told: u64 = (0..3).map(|step| learn(&mut auditor, 10 * step, &stuck).0).sum();
        assert_eq!(told, 20);
    }

    #[test]
    fn an_exchange_goes_through_its_part_and_no_further() {
        let mut auditor = machine();
        for second in [10, 20, 30] {
            learn(&mut auditor, second, &[(3, 7)]);
        }
        let first = 3 << 56;
        assert!(auditor.expects((PEER, Space::Data, first)));
        assert!(!auditor.expects((NodeId(2), Space::Data, first)));
        assert!(!auditor.expects((PEER, Space::Roster, first)));
        assert_eq!(auditor.advance(Some(first + 9), secs(31)), Some(first + 9));
        assert!(!auditor.expects((PEER, Space::Data, first)));
        assert_eq!(auditor.advance(Some(4 << 56), secs(32)), None);
        assert!(!auditor.expects((PEER, Space::Data, first + 9)));
    }

    #[test]
    fn who_differs_is_asked_in_turn_with_others_and_who_is_gone_is_forgotten() {
        let (mut auditor, stand) = (machine(), Stand::new(5, 1));
        learn(&mut auditor, 0, &[(3, 7)]);
        let mut asked = Vec::new();
        for _ in 0..20 {
            let due = auditor.deadline().unwrap();
            let (_, peer) = auditor.poll(due, &stand.table).unwrap();
            asked.push(peer.unwrap().id);
        }
        assert!(asked.iter().filter(|id| **id == PEER).count() >= 10);
        assert!(asked.iter().any(|id| *id != PEER));
        let due = auditor.deadline().unwrap();
        auditor.poll(due, &Stand::new(0, 1).table);
        assert!(auditor.watched.is_empty());
    }

    #[test]
    fn zero_switches_it_off() {
        for (interval, audit_interval) in [(0, 10), (10, 0)] {
            let [interval, audit_interval] = [interval, audit_interval].map(Duration::from_secs);
            let config = entropy::Config { interval, audit_interval, ..entropy::Config::default() };
            assert_eq!(Auditor::new(&config, 1, Instant(0)).deadline(), None);
        }
    }
}
