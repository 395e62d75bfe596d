//! Local health: how much this node doubts itself (Lifeguard, section 4.1).
//!
//! A node whose own probes go unanswered, or who is told that it is suspected, may be the one that
//! is slow. It then waits longer before it blames others.

use std::time::Duration;

/// The score: 0 for a healthy node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    score: u32,
    most: u32,
}

impl Health {
    /// A healthy node whose score never passes `most`.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self { score: 0, most }
    }

    /// Something speaks against this node.
    pub fn worse(&mut self, by: u32) {
        self.score = self.score.saturating_add(by).min(self.most);
    }

    /// Something speaks for it.
    pub fn better(&mut self) {
        self.score = self.score.saturating_sub(1);
    }

    /// The score.
    #[must_use]
    pub fn score(self) -> u32 {
        self.score
    }

    /// A time limit for others, stretched by the doubt in this node.
    #[must_use]
    pub fn stretch(self, limit: Duration) -> Duration {
        limit.saturating_mul(self.score + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubts_grow_to_their_bound_and_go_step_by_step() {
        let mut health = Health::new(3);
        health.worse(1);
        assert_eq!(health.stretch(Duration::from_secs(1)), Duration::from_secs(2));
        health.worse(u32::MAX);
        assert_eq!(health.score(), 3);
        (0..3).for_each(|_| health.better());
        assert_eq!(health.stretch(Duration::from_secs(1)), Duration::from_secs(1));
        health.better();
        assert_eq!(health.score(), 0);
    }

    #[test]
    fn without_room_for_doubt_there_is_none() {
        let mut health = Health::new(0);
        health.worse(5);
        assert_eq!(health.score(), 0);
    }
}
