//! No two writes have the same stamp: a restarted node's clock goes on where it was.

use crate::ledger::Ledger;
use rumormill_core::data::Entry;

/// Checks a write that a node is about to acknowledge.
pub(crate) fn acknowledged(ledger: &Ledger, entry: &Entry) -> Result<(), String> {
    match ledger.find(entry.stamp()) {
        None => Ok(()),
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
}
