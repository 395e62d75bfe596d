//! What holds of direct mail between turns.

use super::DirectMail;
use crate::base::check::Depth;
use crate::base::time::Instant;

impl DirectMail {
    /// Checks what must hold after what is due was done.
    pub(crate) fn check(&self, now: Instant, depth: Depth) {
        let pending: usize = self.pending.iter().map(Vec::len).sum();
        assert_eq!(pending, 0, "entries that were not mailed");
        if depth.is_glance() {
            return;
        }
        let bound = self.config.outbox_bytes;
        for (id, mailbox) in &self.boxes {
            let (letters, bytes) = (mailbox.letters.len(), mailbox.bytes);
            let held: usize = mailbox.letters.iter().map(|letter| letter.block.len()).sum();
            assert_eq!(bytes, held, "bytes in the box of {id}, as counted and as they are");
            assert!(bytes <= bound, "{bytes} bytes wait for {id}, over {bound}");
            let sorted = mailbox.letters.iter().is_sorted_by(|one, next| one.number < next.number);
            assert!(sorted, "the letters to {id} are not in order");
            let last = mailbox.letters.back().map_or(0, |letter| letter.number);
            assert!(last <= self.number, "letter {last} of {} to {id}", self.number);
            let (tries, due) = (mailbox.tries, mailbox.due);
            let latest = now.after(self.config.retransmit.saturating_mul(32));
            let in_time = letters == 0 || now < due && due <= latest;
            assert!(in_time && tries <= 5, "{letters} letters to {id} again at {due:?}, {tries}");
        }
    }
}
