//! On one node, reads of one key never go back to a smaller stamp, also over a restart.

use crate::ledger::{Ledger, WriteId};

/// Checks a write that a node is about to hold.
pub(crate) fn applied(ledger: &Ledger, node: usize, write: WriteId) -> Result<(), String> {
    let new = ledger.get(write);
    match ledger.held_by(node, write) {
        Some(held) if held.version() >= new.version() => {
            let (new, held) = (&new.entry, &held.entry);
            Err(format!("puts {new:?} in place of {held:?}, which is not older"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::entry;
    use rumormill_core::Instant;

    #[test]
    fn going_back_or_standing_still_is_found() {
        let mut ledger = Ledger::new(2);
        let old = ledger.acknowledge(0, &entry("a", Some("1"), 5, 0), Instant(0));
        let new = ledger.acknowledge(0, &entry("a", Some("2"), 6, 0), Instant(0));
        assert!(applied(&ledger, 0, new).is_ok());
        ledger.hold(0, new, Instant(1));
        assert!(applied(&ledger, 0, old).is_err());
        assert!(applied(&ledger, 0, new).is_err());
        assert!(applied(&ledger, 1, old).is_ok(), "another node is free to hold it");
    }
}
