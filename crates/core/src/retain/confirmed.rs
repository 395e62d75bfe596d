//! Up to which time this node's own writes are known to be held by a majority of the members.
//!
//! Whoever is found to agree with this node holds all that it had written. Such members are counted
//! in rounds; a majority confirms the time that the round is about, as soon as what they hold is on
//! their disks: two seconds later, if none of them was started anew meanwhile.

use crate::base::id::NodeId;
use crate::base::time::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// How far the confirmed time on disk may be behind: five seconds.
const KEEP_EVERY: u64 = 5000 << 16;
/// Rounds that ripen at once; with more of them new ones wait.
const RIPENING: usize = 16;
/// How late the disk of a member may be: twice what `everysec` promises.
const DISK: Duration = Duration::from_secs(2);

/// The machine.
#[derive(Debug, Default)]
pub struct Confirmed {
    upto: u64,
    /// What of it is on disk.
    kept: u64,
    round: Round,
    /// What a majority holds in memory, and when it counts; the oldest first.
    ripens: VecDeque<(Instant, Round)>,
}

/// Who is known to hold everything that this node had written at some time.
#[derive(Debug, Default)]
struct Round {
    time: u64,
    /// Members, and their incarnations then.
    seen: Vec<(NodeId, u64)>,
}

impl Confirmed {
    /// As it was on disk.
    #[must_use]
    pub fn restored(upto: u64) -> Self {
        Self { upto, kept: upto, ..Self::default() }
    }

    /// Own writes up to this time are confirmed.
    #[must_use]
    pub fn upto(&self) -> u64 {
        self.upto
    }

    /// Confirms it another way.
    pub fn raise(&mut self, time: u64) {
        self.upto = self.upto.max(time);
    }

    /// True if the disk is too far behind. A little costs nothing but a stray one day.
    #[must_use]
    pub fn is_to_be_kept(&self) -> bool {
        self.upto >= self.kept.saturating_add(KEEP_EVERY)
    }

    /// True if the disk is behind at all.
    #[must_use]
    pub fn is_ahead(&self) -> bool {
        self.upto > self.kept
    }

    /// It is on disk.
    pub fn keep(&mut self) {
        self.kept = self.upto;
    }

    /// Members known to hold all up to a time, while that is counted.
    #[must_use]
    pub fn holders(&self, upto: u64) -> usize {
        let of = |round: &Round| if round.time >= upto { round.seen.len() } else { 0 };
        let ripening = self.ripens.iter().map(|(_, round)| of(round)).max();
        ripening.unwrap_or_default().max(of(&self.round))
    }

    /// A peer of this incarnation was found to hold all that this node had written up to a time.
    /// `others` more than this make a majority.
    pub fn agree(&mut self, peer: (NodeId, u64), time: u64, others: usize, now: Instant) {
        let round = &mut self.round;
        if round.seen.is_empty() || time < round.time {
            *round = Round { time, seen: Vec::new() };
        }
        let held = round.seen.binary_search_by_key(&peer.0, |(id, _)| *id);
        match held {
            Ok(at) => round.seen.iter_mut().skip(at).take(1).for_each(|seen| *seen = peer),
            Err(at) => round.seen.insert(at, peer),
        }
        if round.seen.len() >= others && self.ripens.len() < RIPENING {
            self.ripens.push_back((now.after(DISK), std::mem::take(round)));
        }
    }

    /// When something is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.ripens.front().map(|(at, _)| *at)
    }

    /// Lets time pass. `incarnation` is that of a member now.
    pub fn poll(&mut self, now: Instant, incarnation: impl Fn(NodeId) -> Option<u64>) {
        while self.ripens.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, round)) = self.ripens.pop_front()
        {
            if round.seen.iter().all(|(id, then)| incarnation(*id) == Some(*then)) {
                self.raise(round.time);
            }
        }
    }

    /// The members that count are others now.
    pub fn restart(&mut self) {
        (self.round, self.ripens) = (Round::default(), VecDeque::new());
    }

    /// Panics unless the disk is not ahead and each member is counted once.
    pub(crate) fn check(&self) {
        assert!(self.kept <= self.upto, "more is confirmed on disk than in memory");
        let rounds = self.ripens.iter().map(|(_, round)| round).chain([&self.round]);
        for round in rounds {
            let once = round.seen.is_sorted_by(|(one, _), (other, _)| one < other);
            assert!(once, "a member is counted once in a round");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant(ms * 1000)
    }

    #[test]
    fn a_majority_confirms_what_its_slowest_member_holds() {
        let mut confirmed = Confirmed::default();
        let mut agree = |id: u64, time| {
            confirmed.agree((NodeId(id), 1), time, 2, at(0));
            confirmed.check();
            confirmed.poll(at(5000), |_| Some(1));
            confirmed.upto()
        };
        assert_eq!((agree(2, 100), agree(2, 500)), (0, 0), "one other, twice");
        assert_eq!(agree(3, 500), 100, "the time of the round");
        // An earlier time begins the round anew.
        assert_eq!((agree(2, 300), agree(3, 200), agree(4, 250)), (100, 100, 200));
    }

    #[test]
    fn it_counts_once_it_is_on_their_disks() {
        for (second, upto) in [(1, 100), (7, 0)] {
            let mut confirmed = Confirmed::default();
            confirmed.agree((NodeId(2), 1), 100, 1, at(0));
            assert_eq!((confirmed.holders(100), confirmed.holders(101)), (1, 0));
            confirmed.poll(at(1999), |_| Some(1));
            assert_eq!((confirmed.upto(), confirmed.deadline()), (0, Some(at(2000))));
            confirmed.poll(at(2000), |_| Some(second));
            assert_eq!((confirmed.upto(), confirmed.deadline()), (upto, None), "{second}");
        }
    }

    #[test]
    fn the_disk_is_a_little_behind() {
        let mut confirmed = Confirmed::restored(1000);
        confirmed.raise(1000 + KEEP_EVERY - 1);
        assert!(!confirmed.is_to_be_kept() && confirmed.is_ahead());
        confirmed.raise(1000 + KEEP_EVERY);
        assert!(confirmed.is_to_be_kept());
        confirmed.keep();
        assert!(!confirmed.is_to_be_kept());
        confirmed.check();
    }
}
