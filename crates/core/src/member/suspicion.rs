//! Suspicion: how long a silent member may take to speak up before it is held dead.
//!
//! The more members have found it silent by themselves, the shorter (Lifeguard, section 4.2). With
//! enough of them it does not grow with the cluster as the paper's does, which is the time that news
//! takes by gossip: here a suspicion is at all members, and at the suspect, within some hops. How
//! many have is part of the rank in the stamp of the suspect's record, so it spreads as all
//! beliefs do; if two members confirm at the same moment, one of them does not count, which only
//! errs to the side of patience.

mod check;

use super::config::Config;
use crate::base::id::NodeId;
use crate::base::planted::{self, Fault};
use crate::base::time::{Instant, micros};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most confirmations that a record can say.
pub const MAX_CONFIRMATIONS: u8 = 3;

/// log(c + 1) / log(k + 1) in thousandths, by k - 1 and c.
const PROGRESS: [[u64; 4]; 3] = [[0, 1000, 1000, 1000], [0, 631, 1000, 1000], [0, 500, 792, 1000]];

#[derive(Clone, Copy, Debug)]
struct Suspect {
    since: Instant,
    confirmations: u8,
    /// True if this node has found it silent itself.
    mine: bool,
    /// When this node thinks again of seeing for itself.
    look: Instant,
    until: Instant,
}

/// Everyone whom this node suspects.
#[derive(Debug)]
pub struct Suspicions {
    config: Config,
    suspects: BTreeMap<NodeId, Suspect>,
    earliest: Option<Instant>,
}

impl Suspicions {
    /// Nobody is suspected.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, suspects: BTreeMap::new(), earliest: None }
    }

    /// How many are suspected.
    #[must_use]
    pub fn count(&self) -> usize {
        self.suspects.len()
    }

    /// How many others than this one are.
    #[must_use]
    pub fn count_without(&self, id: NodeId) -> usize {
        self.suspects.len() - usize::from(self.suspects.contains_key(&id))
    }

    /// How long a suspect has in a cluster of so many members, when so many have confirmed its
    /// silence beside the first who found it silent.
    #[must_use]
    pub fn patience(config: &Config, members: usize, confirmations: u8) -> Duration {
        let base = micros(config.probe_interval).saturating_mul(config.suspicion_mult.into());
        let paper = base.saturating_mul(log10_thousandths(members).max(1000)) / 1000;
        // Beside the suspect and the first who found it silent.
        let others = members.saturating_sub(2).min(usize::from(MAX_CONFIRMATIONS)) as u8;
        let needed = config.confirmations.min(others);
        let Some(row) = needed.checked_sub(1).and_then(|row| PROGRESS.get(usize::from(row))) else {
            return Duration::from_micros(paper);
        };
        let least = match micros(config.confirmed_timeout) {
            0 => paper,
            confirmed => paper.min(confirmed),
        };
        let progress = row.get(usize::from(confirmations)).copied().unwrap_or(1000);
        let most = paper.saturating_mul(config.suspicion_max_mult.max(1).into());
        Duration::from_micros(most - (most - least) / 1000 * progress)
    }

    /// A member is suspected, or its silence was confirmed.
    pub fn suspect(&mut self, id: NodeId, confirmations: u8, members: usize, now: Instant) {
        let look = now.after(self.config.probe_interval);
        let new = Suspect { since: now, confirmations, mine: false, look, until: now };
        let suspect = self.suspects.entry(id).or_insert(new);
        suspect.confirmations = suspect.confirmations.max(confirmations);
        // Its time may have been over for long by the shorter measure. It is over now, not then: a
        // deadline that has gone by is how a node notices that it stood still.
        let patience = Self::patience(&self.config, members, suspect.confirmations);
        suspect.until = suspect.since.after(patience).max(now);
        if members <= usize::from(MAX_CONFIRMATIONS) + 2 {
            self.expect_of(members, now);
        }
        if !planted::has(Fault::Suspicion) {
            self.recount();
        }
    }

    /// So few are left that not as many can confirm a silence as was waited for.
    fn expect_of(&mut self, members: usize, now: Instant) {
        for suspect in self.suspects.values_mut() {
            let patience = Self::patience(&self.config, members, suspect.confirmations);
            suspect.until = suspect.until.min(suspect.since.after(patience).max(now));
        }
    }

    /// A member is not suspected any more.
    pub fn clear(&mut self, id: NodeId) {
        if self.suspects.remove(&id).is_some() {
            self.recount();
        }
    }

    /// This node has found a suspect silent itself. True the first time.
    pub fn witness(&mut self, id: NodeId) -> bool {
        self.suspects
            .get_mut(&id)
            .is_some_and(|suspect| !std::mem::replace(&mut suspect.mine, true))
    }

    /// Those whose silence too few have confirmed, this node not among them, once in an interval each:
    /// of those who were to see for themselves most may be gone as well.
    pub fn unconfirmed(&mut self, now: Instant) -> Vec<NodeId> {
        let needed = self.config.confirmations.min(MAX_CONFIRMATIONS);
        let mut found = Vec::new();
        for (id, suspect) in &mut self.suspects {
            if !suspect.mine && suspect.confirmations < needed && suspect.look <= now {
                suspect.look = now.after(self.config.probe_interval);
                found.push(*id);
            }
        }
        found
    }

    /// When the first suspect's time is over.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.earliest
    }

    /// Those whose time is over; they are suspects no more.
    pub fn expired(&mut self, now: Instant) -> Vec<NodeId> {
        if self.earliest.is_none_or(|earliest| earliest > now) {
            return Vec::new();
        }
        let mut late = Vec::new();
        self.suspects.retain(|id, suspect| {
            if suspect.until <= now {
                late.push(*id);
            }
            suspect.until > now
        });
        self.recount();
        late
    }

    /// Gives every suspect this much more time; no more than there was since it was suspected.
    pub fn postpone(&mut self, by: Duration, now: Instant) {
        for suspect in self.suspects.values_mut() {
            let since = suspect.since.after(by).min(now);
            suspect.until = suspect.until.after(since.since(suspect.since));
            suspect.since = since;
        }
        self.recount();
    }

    fn recount(&mut self) {
        self.earliest = self.suspects.values().map(|suspect| suspect.until).min();
    }
}

/// The decimal logarithm in thousandths, at most 26 too small: the binary one goes straight between
/// powers of two, so that every machine gets the same.
fn log10_thousandths(n: usize) -> u64 {
    let n = n.max(1) as u64;
    let whole = u64::from(n.ilog2());
    let power = 1_u64 << whole;
    let rest = (n - power).saturating_mul(1000) / power;
    (whole * 1000 + rest) * 301 / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant(1_000_000);

    fn seconds(members: usize, confirmations: u8) -> f64 {
        Suspicions::patience(&Config::default(), members, confirmations).as_secs_f64()
    }

    #[test]
    fn patience_follows_the_paper() {
        let config = Config { confirmed_timeout: Duration::ZERO, ..Config::default() };
        let seconds = |members, confirmations| {
            Suspicions::patience(&config, members, confirmations).as_secs_f64()
        };
        // 4 x log10(128) = 8.43 s at least, six times that at most.
        assert!((8.3..8.5).contains(&seconds(128, 3)), "{}", seconds(128, 3));
        assert!((seconds(128, 0) / seconds(128, 3) - 6.0).abs() < 0.01);
        let (first, second) = (seconds(128, 1), seconds(128, 2));
        assert!((first / seconds(128, 3) - 3.5).abs() < 0.02, "{first}");
        assert!((second / seconds(128, 3) - 2.04).abs() < 0.02, "{second}");
    }

    #[test]
    fn a_silence_that_is_confirmed_is_believed_soon_among_any_number() {
        for members in [5, 128, 1_000_000] {
            assert_eq!(seconds(members, 3), 2.0);
            assert!(seconds(members, 0) >= 24.0);
        }
    }

    #[test]
    fn few_members_need_few_confirmations() {
        assert_eq!(seconds(2, 0), 4.0);
        assert_eq!((seconds(3, 0), seconds(3, 1)), (24.0, 2.0));
        assert_eq!(seconds(4, 2), 2.0);
    }

    #[test]
    fn who_is_left_among_few_is_enough() {
        let mut suspicions = Suspicions::new(Config::default());
        for (id, members) in [(1, 6), (2, 5), (3, 4), (4, 3)] {
            suspicions.suspect(NodeId(id), 1, members, NOW);
        }
        // Two are left to see it, and for the first three more than they are would have been needed.
        let late = NOW.after(Duration::from_secs(2));
        assert_eq!(suspicions.expired(late).len(), 4);
    }

    #[test]
    fn plain_swim_has_one_patience() {
        let config = Config { confirmations: 0, ..Config::default() };
        for confirmations in 0..4 {
            let patience = Suspicions::patience(&config, 10, confirmations);
            assert_eq!(patience, Suspicions::patience(&config, 10, 0));
        }
    }

    #[test]
    fn logarithms_are_close() {
        for n in [1, 2, 3, 10, 100, 128, 1000, 1024, 1_000_000] {
            let exact = (n as f64).log10() * 1000.0;
            let got = log10_thousandths(n) as f64;
            assert!((exact - 27.0..=exact + 1.0).contains(&got), "{n}: {got} for {exact}");
        }
    }

    #[test]
    fn confirmations_shorten_the_time_and_nothing_lengthens_it() {
        let mut suspicions = Suspicions::new(Config::default());
        let id = NodeId(7);
        suspicions.suspect(id, 0, 128, NOW);
        let lone = suspicions.deadline();
        suspicions.suspect(id, 2, 128, NOW.after(Duration::from_secs(1)));
        let confirmed = suspicions.deadline();
        assert!(confirmed < lone);
        suspicions.suspect(id, 1, 128, NOW.after(Duration::from_secs(2)));
        assert_eq!(suspicions.deadline(), confirmed);
        assert!(suspicions.expired(NOW).is_empty());
        assert_eq!(suspicions.expired(confirmed.unwrap()), [id]);
        assert_eq!(suspicions.deadline(), None);
    }

    #[test]
    fn a_late_confirmation_ends_a_suspicion_now_and_not_in_the_past() {
        let mut suspicions = Suspicions::new(Config::default());
        suspicions.suspect(NodeId(7), 0, 128, NOW);
        let late = NOW.after(Duration::from_secs(30));
        assert!(suspicions.expired(late).is_empty());
        suspicions.suspect(NodeId(7), 3, 128, late);
        assert_eq!(suspicions.deadline(), Some(late));
        assert_eq!(suspicions.expired(late), [NodeId(7)]);
    }

    #[test]
    fn a_witness_counts_once() {
        let mut suspicions = Suspicions::new(Config::default());
        assert!(!suspicions.witness(NodeId(1)));
        suspicions.suspect(NodeId(1), 0, 9, NOW);
        assert!(suspicions.witness(NodeId(1)));
        assert!(!suspicions.witness(NodeId(1)));
        suspicions.clear(NodeId(1));
        suspicions.suspect(NodeId(1), 0, 9, NOW);
        assert!(suspicions.witness(NodeId(1)));
    }

    #[test]
    fn who_is_not_confirmed_is_looked_at_again() {
        let mut suspicions = Suspicions::new(Config::default());
        suspicions.suspect(NodeId(1), 0, 9, NOW);
        suspicions.suspect(NodeId(2), 3, 9, NOW);
        suspicions.suspect(NodeId(3), 0, 9, NOW);
        suspicions.witness(NodeId(3));
        let after = |ms| NOW.after(Duration::from_millis(ms));
        let mut found = |ms| suspicions.unconfirmed(after(ms)).len();
        assert_eq!([found(999), found(1000), found(1001), found(2000)], [0, 1, 0, 1]);
    }

    #[test]
    fn time_can_be_given_back() {
        let mut suspicions = Suspicions::new(Config::default());
        suspicions.suspect(NodeId(1), 3, 9, NOW);
        let due = suspicions.deadline().unwrap();
        let (stall, now) = (Duration::from_secs(5), NOW.after(Duration::from_secs(6)));
        suspicions.postpone(stall, now);
        assert_eq!(suspicions.deadline(), Some(due.after(stall)));
        // Who was suspected only afterwards has lost nothing.
        suspicions.clear(NodeId(1));
        suspicions.suspect(NodeId(2), 3, 9, now);
        let due = suspicions.deadline();
        suspicions.postpone(stall, now);
        assert_eq!(suspicions.deadline(), due);
    }
}
