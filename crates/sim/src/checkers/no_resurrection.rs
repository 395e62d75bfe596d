//! A deleted key never comes back unless it is written again.

use crate::ledger::{Ledger, WriteId};
use rumormill_core::Node;
use rumormill_core::base::hash::Set;
use rumormill_core::data::Stamp;

/// Checks a write that a node is about to hold.
pub(crate) fn applied(ledger: &Ledger, node: usize, write: WriteId) -> Result<(), String> {
    let new = &ledger.get(write).entry;
    if let Some(grave) = ledger.grave(node, write).filter(|grave| new.stamp() < *grave) {
        return Err(format!("brings back {new:?} from before {grave}, which everyone had"));
    }
    match ledger.held_by(node, write) {
        Some(held)
            if held.entry.is_tombstone()
                && !new.is_tombstone()
                && new.stamp() < held.entry.stamp() =>
        {
            Err(format!("brings back {new:?} after {:?}", held.entry))
        }
        _ => Ok(()),
    }
}

/// Checks, when all is settled, that no node shows what was deleted. Deletions that only nodes which
/// are down know of are `away`.
pub(crate) fn settled(ledger: &Ledger, node: &Node, away: &Set<Stamp>) -> Result<(), String> {
    let known = ledger.required().filter(|write| !away.contains(&write.entry.stamp()));
    for deleted in known.filter(|written| written.entry.is_tombstone()) {
        if let Some(held) = node.data().get(deleted.entry.key())
            && !held.is_tombstone()
            && held.stamp() < deleted.entry.stamp()
        {
            return Err(format!("still shows {held:?}, but there was {:?}", deleted.entry));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::entry;
    use rumormill_core::Instant;

    #[test]
    fn only_a_newer_write_brings_a_key_back() {
        let mut ledger = Ledger::new(1);
        let old = ledger.acknowledge(0, &entry("a", Some("1"), 5, 0), Instant(0));
        let deleted = ledger.acknowledge(0, &entry("a", None, 6, 0), Instant(0));
        let new = ledger.acknowledge(0, &entry("a", Some("2"), 7, 0), Instant(0));
        ledger.hold(0, deleted, Instant(0));
        assert!(applied(&ledger, 0, old).is_err());
        assert!(applied(&ledger, 0, new).is_ok());
    }
}
