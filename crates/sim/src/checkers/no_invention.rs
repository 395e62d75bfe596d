//! A node holds only what some node acknowledged before, byte for byte: nothing is sent before it
//! is persisted, and nothing is damaged on its way.

use crate::ledger::{Ledger, WriteId};
use rumormill_core::data::Entry;

/// Checks an entry that a node got from a peer, and says which write it is.
pub(crate) fn applied(ledger: &Ledger, entry: &Entry) -> Result<WriteId, String> {
    let Some(write) = ledger.find_entry(entry) else {
        return Err(format!("holds {entry:?}, a write that no node acknowledged"));
    };
    let written = &ledger.get(write).entry;
    if **written != *entry {
        return Err(format!("holds {entry:?}, but what was written is {written:?}"));
    }
    Ok(write)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::entry;
    use rumormill_core::Instant;

    #[test]
    fn an_unknown_or_changed_entry_is_found() {
        let mut ledger = Ledger::new(1);
        let write = ledger.acknowledge(0, &entry("a", Some("1"), 5, 0), Instant(0));
        assert_eq!(applied(&ledger, &entry("a", Some("1"), 5, 0)), Ok(write));
        assert!(applied(&ledger, &entry("a", Some("1"), 6, 0)).is_err());
        assert!(applied(&ledger, &entry("a", Some("2"), 5, 0)).is_err());
        assert!(applied(&ledger, &entry("a", None, 5, 0)).is_err());
    }
}
