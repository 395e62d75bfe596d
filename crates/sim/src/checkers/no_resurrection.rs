//! A deleted key never comes back unless it is written again: nobody shows again, by whatever way,
//! what somebody deleted who had seen it. What a deletion and a write come to that have not seen each
//! other is not promised.

use crate::ledger::{Ledger, WriteId};
use rumormill_core::Node;
use rumormill_core::base::hash::Set;
use rumormill_core::data::Stamp;

/// Checks what a node writes anew.
pub(crate) fn written_anew(ledger: &Ledger, write: WriteId) -> Result<(), String> {
    match ledger.deletion_of(write, |_| true) {
        Some(deleted) => Err(format!(
            "writes {:?} anew, which n{} had seen when it deleted it ({:?})",
            ledger.get(write).entry,
            deleted.by,
            deleted.entry
        )),
        None => Ok(()),
    }
}

/// Checks a write that a node is about to hold. With `fenced` whoever a pass has covered holds all
/// from before it, or knows that it is gone.
pub(crate) fn applied(
    ledger: &Ledger,
    node: usize,
    write: WriteId,
    fenced: bool,
) -> Result<(), String> {
    if !ledger.promises_deletions {
        return Ok(());
    }
    let (new, is_first) = (&ledger.get(write).entry, ledger.origin_of(write) == write);
    let grave = ledger.grave(node, write);
    if let Some(grave) = grave.filter(|grave| is_first && new.stamp() < *grave) {
        return Err(format!("brings back {new:?} from before {grave}, which everyone had"));
    }
    if new.is_tombstone() {
        return Ok(());
    }
    let held = ledger.held_by(node, write).filter(|held| held.entry.is_tombstone());
    if let Some(held) = held.filter(|held| is_first && new.stamp() < held.entry.stamp()) {
        return Err(format!("brings back {new:?} after {:?}", held.entry));
    }
    let held = ledger.first_stamp_held(node, write);
    let covered = if fenced { ledger.covered(node) } else { 0 };
    let upto = grave.max(held);
    let known = |stamp: Stamp| stamp.time <= covered || Some(stamp) <= upto;
    match ledger.deletion_of(write, |deleted| known(deleted.entry.stamp())) {
        Some(deleted) => Err(format!(
            "brings back {new:?} after {:?}, which it knows of and which means it",
            deleted.entry
        )),
        None => Ok(()),
    }
}

/// Checks, when all is settled, that no node shows what was deleted. Deletions that only nodes which
/// are down know of are `away`.
pub(crate) fn settled(
    ledger: &Ledger,
    index: usize,
    node: &Node,
    away: &Set<Stamp>,
) -> Result<(), String> {
    let here = ledger.superseded_at(index).filter(|(_, required)| !away.contains(required));
    for (write, _) in here {
        // With it whatever took its place on the same side of a partition may be aside.
        let deleted = ledger.deletion_of(write, |_| true);
        if let Some(deleted) = deleted.filter(|deleted| !ledger.is_aside(deleted)) {
            let held = node.data().get(deleted.entry.key());
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
        assert!(applied(&ledger, 0, old, true).is_err());
        assert!(applied(&ledger, 0, new, true).is_ok());
    }

    #[test]
    fn whoever_writes_anew_what_was_deleted_is_found() {
        let mut ledger = Ledger::new(3);
        let old = ledger.acknowledge(0, &entry("a", Some("1"), 5, 0), Instant(0));
        (0..3).for_each(|node| ledger.hold(node, old, Instant(node as u64)));
        let deleted = ledger.acknowledge(1, &entry("a", None, 6, 1), Instant(9));
        ledger.hold(1, deleted, Instant(9));
        ledger.release(2, old, false);
        let again = ledger.write_anew(2, &entry("a", Some("1"), 90, 2), Instant(10)).unwrap();
        assert!(written_anew(&ledger, again).is_err());
        assert!(applied(&ledger, 0, again, true).is_ok(), "it knows of no deletion");
        assert!(applied(&ledger, 1, again, true).is_err());
        ledger.cover(0, Some(6));
        assert!(applied(&ledger, 0, again, true).is_err());
        assert!(applied(&ledger, 0, again, false).is_ok(), "coverage proves nothing");
        ledger.promises_deletions = false;
        assert!(written_anew(&ledger, again).is_ok());
    }

    #[test]
    fn what_was_deleted_unseen_may_be_written_anew() {
        let mut ledger = Ledger::new(3);
        let unseen = ledger.acknowledge(0, &entry("a", Some("1"), 5, 0), Instant(0));
        ledger.hold(0, unseen, Instant(0));
        let seen = ledger.acknowledge(1, &entry("a", Some("2"), 6, 1), Instant(1));
        ledger.hold(1, seen, Instant(1));
        let deleted = ledger.acknowledge(1, &entry("a", None, 7, 1), Instant(2));
        ledger.hold(1, deleted, Instant(2));
        ledger.release(1, deleted, true);
        ledger.cover(1, Some(8));
        assert!(applied(&ledger, 1, unseen, true).is_err(), "as it is the fence keeps it out");
        ledger.release(0, unseen, false);
        let again = ledger.write_anew(0, &entry("a", Some("1"), 9, 0), Instant(3)).unwrap();
        assert!(written_anew(&ledger, again).is_ok());
        assert!(applied(&ledger, 1, again, true).is_ok());
    }
}
