//! What holds of questions about coverage between turns.

use super::question::{Question, UPTO};
use super::{MAX_PARTS, MAX_QUESTIONS, Questions};
use crate::base::check::Depth;
use crate::base::id::NodeId;
use crate::base::time::Instant;

impl Questions {
    /// Checks what must hold after what is due was done.
    pub(crate) fn check(&self, own: NodeId, now: Instant, depth: Depth) {
        let (open, done) = (self.open.len(), self.done.len());
        assert!(open <= MAX_QUESTIONS, "{open} questions are under way");
        assert_eq!(done, 0, "answers that were not handed out");
        if depth.is_glance() {
            return;
        }
        let parts: usize = self.open.values().map(|question| question.parts.len()).sum();
        assert_eq!(self.numbers.len(), parts, "numbers that are known, and messages that put them");
        for (token, question) in &self.open {
            assert!(*token <= self.last, "question {token} of {}", self.last);
            for (part, (number, _)) in (0_u32..).zip(&question.parts) {
                let known = self.numbers.get(number).copied();
                assert_eq!(known, Some((*token, part)), "what the number {number} stands for");
            }
            question.check(own, now);
        }
    }
}

impl Question {
    fn check(&self, own: NodeId, now: Instant) {
        let (next, until) = (self.next, self.until);
        assert!(self.due() > now, "a question was due at {:?}, ends at {until:?}", self.due());
        let parts = self.parts.len();
        let about = parts > 0 || self.upto.is_some();
        assert!(about && parts <= MAX_PARTS, "a question in {parts} messages");
        let holders = self.asked.values().filter(|asked| asked.lacks == 0).count();
        assert_eq!(self.holders, holders, "members that hold all, as counted and as they are");
        let silent = self.asked.values().filter(|asked| !asked.answered).count();
        assert_eq!(self.silent, silent, "members that said nothing, as counted and as they are");
        assert!(!self.asked.contains_key(&own), "this node asks itself");
        let all = ((1_u64 << parts) - 1) | self.upto.map_or(0, |_| UPTO);
        let strange = self.asked.values().filter(|asked| asked.lacks & !all != 0).count();
        assert_eq!(strange, 0, "members that lack what was not asked for, next at {next:?}");
    }
}
