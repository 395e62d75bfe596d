//! What holds of frames in pieces between turns.

use super::{Pieces, TAKEN, WAITING};

impl Pieces {
    /// Checks that what is counted is what is held, and within bounds.
    pub(crate) fn check(&self) {
        let mut waiting = 0;
        for (to, line) in &self.lines {
            let sending = line.sending.as_ref();
            let held = sending.map_or(0, |frame| frame.bytes.len());
            let held = held + line.waiting.iter().map(|(_, frame)| frame.len()).sum::<usize>();
            assert_eq!(held, line.held, "bytes that wait for {to}");
            assert!(held > 0 && held <= WAITING.0, "{held} bytes wait for {to}");
            if let Some(frame) = sending {
                let known = frame.before + frame.sent.len();
                assert!(frame.before < frame.count() && known <= frame.count(), "{to}");
            }
            waiting += held;
        }
        assert_eq!(waiting, self.waiting, "bytes that wait");
        assert!(waiting <= WAITING.1, "{waiting} bytes wait");
        let mut taken = 0;
        for (from, taking) in &self.taking {
            let held: usize = taking.fragments.values().map(|bytes| bytes.len()).sum();
            assert_eq!(held, taking.held, "bytes from {from}");
            assert!(!taking.fragments.contains_key(&taking.before), "{from}: one more has come");
            assert!(
                taking.before <= taking.count && taking.done == (taking.before == taking.count)
            );
            taken += held;
        }
        assert_eq!(taken, self.taken, "bytes of what is not whole");
        assert!(taken <= TAKEN.1, "{taken} bytes of what is not whole");
    }
}
