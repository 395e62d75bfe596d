//! Up to which time this node's own writes are known to be held by a majority of the members.
//!
//! Whoever is found to agree with this node holds all that it had written. Such members are counted
//! in rounds; a majority confirms the time that the round is about.

use crate::base::id::NodeId;

/// How far the confirmed time on disk may be behind: five seconds.
const KEEP_EVERY: u64 = 5000 << 16;

/// The machine.
#[derive(Debug, Default)]
pub struct Confirmed {
    upto: u64,
    /// What of it is on disk.
    kept: u64,
    round: Round,
}

/// Who is known to hold everything that this node had written at some time.
#[derive(Debug, Default)]
struct Round {
    time: u64,
    /// A bit per member, by its id: two that share one count once.
    seen: Vec<u64>,
    count: usize,
}

impl Confirmed {
    /// As it was on disk.
    #[must_use]
    pub fn restored(upto: u64) -> Self {
        Self { upto, kept: upto, round: Round::default() }
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

    /// True if the disk is too far behind. A little costs nothing but a repeated write one day.
    #[must_use]
    pub fn is_to_be_kept(&self) -> bool {
        self.upto >= self.kept.saturating_add(KEEP_EVERY)
    }

    /// It is on disk.
    pub fn keep(&mut self) {
        self.kept = self.upto;
    }

    /// A peer was found to hold all that this node had written up to a time; so many members count,
    /// this node included.
    pub fn agree(&mut self, peer: NodeId, time: u64, of: usize) {
        let round = &mut self.round;
        if round.seen.is_empty() || time < round.time {
            *round = Round { time, seen: vec![0; (2 * of).div_ceil(64)], count: 0 };
        }
        let bits = round.seen.len() as u64 * 64;
        let bit = peer.0 % bits.max(1);
        if let Some(word) = round.seen.get_mut((bit / 64) as usize)
            && *word >> (bit % 64) & 1 == 0
        {
            *word |= 1 << (bit % 64);
            round.count += 1;
        }
        // With this node itself.
        if 2 * (round.count + 1) > of {
            self.upto = self.upto.max(round.time);
            *round = Round::default();
        }
    }

    /// Panics unless the disk is not ahead and the round has counted whom it has seen.
    pub(crate) fn check(&self) {
        assert!(self.kept <= self.upto, "more is confirmed on disk than in memory");
        let seen: usize = self.round.seen.iter().map(|word| word.count_ones() as usize).sum();
        assert_eq!(self.round.count, seen, "members counted in the round are those seen");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_confirms_what_its_slowest_member_holds() {
        let mut confirmed = Confirmed::default();
        confirmed.agree(NodeId(2), 100, 5);
        confirmed.agree(NodeId(2), 500, 5);
        assert_eq!(confirmed.upto(), 0, "one other, twice");
        confirmed.agree(NodeId(3), 500, 5);
        assert_eq!(confirmed.upto(), 100, "the time of the round");
        // An earlier time begins the round anew.
        for (peer, time) in [(2, 300), (3, 200), (4, 250)] {
            confirmed.check();
            confirmed.agree(NodeId(peer), time, 5);
        }
        assert_eq!(confirmed.upto(), 200);
        confirmed.check();
    }

    #[test]
    fn the_disk_is_a_little_behind() {
        let mut confirmed = Confirmed::restored(1000);
        confirmed.raise(1000 + KEEP_EVERY - 1);
        assert!(!confirmed.is_to_be_kept());
        confirmed.raise(1000 + KEEP_EVERY);
        assert!(confirmed.is_to_be_kept());
        confirmed.keep();
        assert!(!confirmed.is_to_be_kept());
        confirmed.check();
    }
}
