//! Bytes per second for each class of traffic, so that none starves another.
//!
//! A token bucket per class, where packets leave. What is over the rate waits its turn for a moment;
//! what would wait longer is dropped and counted: updates and repair come again by repair, probes by
//! the next probe. Steps of walks come by nothing and wait. The classes know nothing of each other.

mod check;

use crate::base::planted::{self, Fault};
use crate::base::time::Instant;
use crate::limits::Limits;
use crate::output::{Class, Output, Send};
use crate::stats::Stats;
use std::collections::VecDeque;

/// Most bytes per second that can be set; far more than any network, and products stay in range.
pub const MAX_RATE: u64 = 1_000_000_000_000;
/// What may be sent at once after a pause, as a part of a second's worth (guess: short against every
/// timeout of the protocol).
const BURST: u64 = 4;
/// Steps of walks that wait at most, whatever their bytes: far more than walks are given at once.
const MAX_WALKS: usize = 64;
/// A packet's bytes count as so many tokens: those of a microsecond at a byte per second.
const TOKENS: i64 = 1_000_000;

/// A packet that is ready to leave.
#[derive(Debug)]
pub struct Parcel {
    /// The packet.
    pub send: Send,
    /// Messages in it.
    pub messages: u64,
    /// True if it goes to another zone.
    pub far: bool,
    /// True for a step of a walk: one at a time is under way, both ends wait for it, and nobody says
    /// it again.
    pub walks: bool,
}

impl Parcel {
    fn len(&self) -> u64 {
        self.send.bytes.len() as u64
    }

    fn leave(self, stats: &mut Stats, out: &mut Vec<Output>) {
        let bytes = self.len();
        let counters = sent(self.send.class, stats);
        for (messages, sent) in counters.into_iter().take(1 + usize::from(self.far)) {
            *messages += self.messages;
            *sent += bytes;
        }
        out.push(Output::Send(self.send));
    }
}

/// The buckets of a node. By default nothing is held back.
#[derive(Debug, Default)]
pub struct Budgets {
    begun: Instant,
    now: Instant,
    membership: Bucket,
    updates: Bucket,
    repair: Bucket,
}

#[derive(Debug, Default)]
struct Bucket {
    /// Bytes per second; 0 is no bound.
    rate: u64,
    /// Below or at 0 nothing leaves: a large packet is paid for afterwards.
    tokens: i64,
    /// Tokens that came while there was no room for them: with these the account adds up.
    spilled: i128,
    /// What waits, the oldest first.
    held: VecDeque<Parcel>,
    held_bytes: u64,
}

impl Budgets {
    /// Full buckets.
    #[must_use]
    pub fn new(limits: &Limits, now: Instant) -> Self {
        let [membership, updates, repair] =
            [limits.membership_rate, limits.updates_rate, limits.repair_rate].map(Bucket::new);
        Self { begun: now, now, membership, updates, repair }
    }

    /// Lets time pass, and what waited leave.
    pub fn advance(&mut self, now: Instant, stats: &mut Stats, out: &mut Vec<Output>) {
        let micros = now.0.saturating_sub(self.now.0);
        self.now = self.now.max(now);
        for class in Class::ALL {
            let bucket = self.bucket(class);
            bucket.refill(micros);
            while bucket.tokens > 0
                && let Some(parcel) = bucket.held.pop_front()
            {
                bucket.held_bytes -= parcel.len();
                bucket.pay(parcel.len());
                parcel.leave(stats, out);
            }
        }
    }

    /// A packet leaves now, waits, or is dropped.
    pub fn pass(&mut self, parcel: Parcel, stats: &mut Stats, out: &mut Vec<Output>) {
        let class = parcel.send.class;
        let bucket = self.bucket(class);
        if bucket.rate == 0 || (bucket.held.is_empty() && bucket.tokens > 0) {
            if !planted::has(Fault::Budget) {
                bucket.pay(parcel.len());
            }
            return parcel.leave(stats, out);
        }
        let (delayed, shed) = held_back(class, stats);
        // One may always wait, however large.
        let fits = bucket.held_bytes + parcel.len() <= bucket.rate / BURST;
        if bucket.held.is_empty() || fits || parcel.walks && bucket.walks() < MAX_WALKS {
            *delayed += 1;
            bucket.held_bytes += parcel.len();
            bucket.held.push_back(parcel);
        } else {
            *shed += 1;
        }
    }

    /// When something that waits may leave.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let buckets = [&self.membership, &self.updates, &self.repair];
        let waits = buckets.into_iter().filter(|bucket| !bucket.held.is_empty());
        waits.map(|bucket| Instant(self.now.0.saturating_add(bucket.wait()))).min()
    }

    /// True if so much repair waits that more had better not be asked for.
    #[must_use]
    pub fn repair_is_behind(&self) -> bool {
        self.repair.rate > 0 && self.repair.held_bytes > self.repair.rate / BURST / 2
    }

    /// Bytes of a piece of repair, of which several fit the budget of a second.
    #[must_use]
    pub fn piece(&self, wanted: usize) -> usize {
        match self.repair.rate {
            0 => wanted,
            rate => wanted.min(usize::try_from(rate / BURST / 2).unwrap_or(usize::MAX)).max(1024),
        }
    }

    fn bucket(&mut self, class: Class) -> &mut Bucket {
        match class {
            Class::Membership => &mut self.membership,
            Class::Updates => &mut self.updates,
            Class::Repair => &mut self.repair,
        }
    }
}

impl Bucket {
    fn new(rate: u64) -> Self {
        let mut bucket = Self { rate, ..Self::default() };
        bucket.tokens = bucket.most();
        bucket
    }

    fn most(&self) -> i64 {
        i64::try_from(self.rate.max(1) / BURST).unwrap_or(i64::MAX).saturating_mul(TOKENS).max(1)
    }

    fn refill(&mut self, micros: u64) {
        let more = i64::try_from(micros.saturating_mul(self.rate)).unwrap_or(i64::MAX);
        let before = self.tokens;
        self.tokens = before.saturating_add(more).min(self.most());
        let came = i128::from(micros) * i128::from(self.rate);
        self.spilled += i128::from(before) + came - i128::from(self.tokens);
    }

    fn pay(&mut self, bytes: u64) {
        if self.rate > 0 {
            let tokens = i64::try_from(bytes).unwrap_or(i64::MAX).saturating_mul(TOKENS);
            self.tokens = self.tokens.saturating_sub(tokens);
        }
    }

    /// Steps of walks that wait.
    fn walks(&self) -> usize {
        self.held.iter().filter(|parcel| parcel.walks).count()
    }

    /// Microseconds until there is a token.
    fn wait(&self) -> u64 {
        let lacking = u64::try_from(1_i64.saturating_sub(self.tokens)).unwrap_or(0);
        lacking.div_ceil(self.rate.max(1))
    }
}

/// The counters of messages and bytes: of all, then of those to other zones.
fn sent(class: Class, s: &mut Stats) -> [(&mut u64, &mut u64); 2] {
    match class {
        Class::Membership => [
            (&mut s.sent_membership_messages, &mut s.sent_membership_bytes),
            (&mut s.sent_cross_zone_membership_messages, &mut s.sent_cross_zone_membership_bytes),
        ],
        Class::Updates => [
            (&mut s.sent_update_messages, &mut s.sent_update_bytes),
            (&mut s.sent_cross_zone_update_messages, &mut s.sent_cross_zone_update_bytes),
        ],
        Class::Repair => [
            (&mut s.sent_repair_messages, &mut s.sent_repair_bytes),
            (&mut s.sent_cross_zone_repair_messages, &mut s.sent_cross_zone_repair_bytes),
        ],
    }
}

/// The counters of packets that waited, and of those that were dropped.
fn held_back(class: Class, s: &mut Stats) -> (&mut u64, &mut u64) {
    match class {
        Class::Membership => (&mut s.budget_membership_delayed, &mut s.budget_membership_shed),
        Class::Updates => (&mut s.budget_updates_delayed, &mut s.budget_updates_shed),
        Class::Repair => (&mut s.budget_repair_delayed, &mut s.budget_repair_shed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::check::Depth;
    use crate::output::Via;
    use proptest::prelude::*;

    fn parcel(class: Class, len: usize) -> Parcel {
        let to = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let send = Send { to, via: Via::Datagram, class, bytes: vec![0; len] };
        Parcel { send, messages: 1, far: false, walks: false }
    }

    fn budgets(membership_rate: u64, updates_rate: u64, repair_rate: u64) -> Budgets {
        let limits = Limits { membership_rate, updates_rate, repair_rate, ..Limits::default() };
        Budgets::new(&limits, Instant(0))
    }

    fn bytes(out: &[Output], class: Class) -> u64 {
        let len = |output: &Output| match output {
            Output::Send(send) if send.class == class => send.bytes.len() as u64,
            _ => 0,
        };
        out.iter().map(len).sum()
    }

    #[test]
    fn a_flood_of_one_class_does_not_hold_up_another() {
        let (mut budgets, mut stats, mut out) = (budgets(0, 5000, 4000), Stats::default(), vec![]);
        for _ in 0..100 {
            budgets.pass(parcel(Class::Repair, 1000), &mut stats, &mut out);
        }
        // A quarter of a second's worth at once; the one above it is paid for later; as much waits.
        assert_eq!(bytes(&out, Class::Repair), 1000);
        assert_eq!((stats.budget_repair_delayed, stats.budget_repair_shed), (1, 98));
        assert_eq!((stats.sent_repair_messages, stats.sent_repair_bytes), (1, 1000));
        assert!(budgets.repair_is_behind());
        budgets.pass(parcel(Class::Updates, 900), &mut stats, &mut out);
        budgets.pass(parcel(Class::Membership, 9_000_000), &mut stats, &mut out);
        assert_eq!((bytes(&out, Class::Updates), bytes(&out, Class::Membership)), (900, 9_000_000));
        assert_eq!((stats.budget_updates_delayed, stats.budget_membership_delayed), (0, 0));
    }

    #[test]
    fn a_step_of_a_walk_waits_where_others_are_dropped() {
        let (mut budgets, mut stats, mut out) = (budgets(0, 0, 4000), Stats::default(), vec![]);
        for _ in 0..3 {
            budgets.pass(parcel(Class::Repair, 1000), &mut stats, &mut out);
        }
        assert_eq!((budgets.held(Class::Repair), stats.budget_repair_shed), (1, 1));
        for _ in 0..=MAX_WALKS {
            let step = Parcel { walks: true, ..parcel(Class::Repair, 1000) };
            budgets.pass(step, &mut stats, &mut out);
        }
        assert_eq!((budgets.held(Class::Repair), stats.budget_repair_shed), (1 + MAX_WALKS, 2));
        budgets.check(&stats, Depth::Whole);
        while let Some(due) = budgets.deadline() {
            budgets.advance(due, &mut stats, &mut out);
        }
        assert_eq!(bytes(&out, Class::Repair), 1000 * (2 + MAX_WALKS as u64));
    }

    #[test]
    fn what_waits_leaves_when_its_deadline_says() {
        let (mut budgets, mut stats, mut out) = (budgets(1000, 0, 0), Stats::default(), vec![]);
        assert_eq!(budgets.deadline(), None);
        for _ in 0..4 {
            budgets.pass(parcel(Class::Membership, 100), &mut stats, &mut out);
        }
        assert_eq!((bytes(&out, Class::Membership), budgets.held(Class::Membership)), (300, 1));
        let due = budgets.deadline().unwrap();
        assert_eq!(due, Instant(50_001));
        budgets.advance(Instant(due.0 - 1), &mut stats, &mut out);
        assert_eq!(bytes(&out, Class::Membership), 300);
        budgets.advance(due, &mut stats, &mut out);
        assert_eq!((bytes(&out, Class::Membership), budgets.deadline()), (400, None));
        assert_eq!(stats.sent_membership_bytes, 400);
    }

    impl Budgets {
        fn held(&mut self, class: Class) -> usize {
            self.bucket(class).held.len()
        }
    }

    proptest! {
        #[test]
        fn the_rate_holds_and_nothing_waits_for_ever(
            rate in 1_u64..100_000,
            sends in prop::collection::vec((0_u64..200_000, 1_usize..3000), 1..200),
        ) {
            let (mut budgets, mut stats, mut out) = (budgets(0, rate, 0), Stats::default(), vec![]);
            let (mut now, mut given, largest) = (0, 0, 3000);
            for (pause, len) in sends {
                now += pause;
                budgets.advance(Instant(now), &mut stats, &mut out);
                budgets.pass(parcel(Class::Updates, len), &mut stats, &mut out);
                given += 1;
                let most = rate / BURST + 1 + rate * now / 1_000_000 + largest;
                prop_assert!(bytes(&out, Class::Updates) <= most);
            }
            while let Some(due) = budgets.deadline() {
                prop_assert!(due.0 > budgets.now.0);
                budgets.advance(due, &mut stats, &mut out);
            }
            prop_assert_eq!(out.len() as u64 + stats.budget_updates_shed, given);
        }
    }
}
