//! No two writes have the same stamp: a restarted node's clock goes on where it was. What a disk had
//! not yet taken when its node ended does not count if nobody else has ever held it: it was held back
//! for that disk, and so was the answer to its writer.

use crate::ledger::Ledger;
use rumormill_core::data::Entry;

/// Checks a write that a node is about to acknowledge.
pub(crate) fn acknowledged(ledger: &Ledger, entry: &Entry) -> Result<(), String> {
    match ledger.find(entry.stamp()) {
        None => Ok(()),
        Some(write) if ledger.is_undone(write) => Ok(()),
        Some(write) => {
            let before = &ledger.get(write).entry;
            Err(format!("writes {entry:?} with the stamp of an earlier write, {before:?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::entry;
    use rumormill_core::Instant;

    #[test]
    fn a_stamp_used_twice_is_found() {
        let mut ledger = Ledger::new(1);
        ledger.acknowledge(0, &entry("a", Some("1"), 5, 0), Instant(0));
        assert!(acknowledged(&ledger, &entry("b", Some("1"), 6, 0)).is_ok());
        assert!(acknowledged(&ledger, &entry("b", Some("1"), 5, 0)).is_err());
    }

    #[test]
    fn what_nobody_else_has_held_and_no_disk_does_may_be_stamped_again() {
        for (heard, found) in [(false, false), (true, true)] {
            let mut ledger = Ledger::new(2);
            let write = ledger.acknowledge(0, &entry("a", Some("1"), 5, 0), Instant(5));
            ledger.hold(0, write, Instant(5));
            if heard {
                ledger.hold(1, write, Instant(6));
            }
            ledger.take_back(0, &[(0, u32::MAX)], Instant(7));
            let again = acknowledged(&ledger, &entry("b", Some("1"), 5, 0));
            assert_eq!(again.is_err(), found, "{again:?}");
        }
    }
}
