//! An acknowledged write is never lost: in the end every node holds it, or a write of the same key
//! with a bigger stamp. What was written anew counts by the stamp that it had first. What stands only
//! on disks of nodes that are down is away, and what somebody keeps aside is that: neither is lost.

use crate::ledger::Ledger;
use rumormill_core::Node;
use rumormill_core::base::hash::Set;
use rumormill_core::data::Stamp;

/// Checks a node when all is settled.
pub(crate) fn settled(ledger: &Ledger, node: &Node, away: &Set<Stamp>) -> Result<(), String> {
    if !ledger.promises_writes {
        return Ok(());
    }
    for required in ledger.required().filter(|write| !away.contains(&write.entry.stamp())) {
        let (key, stamp) = (required.entry.key(), required.entry.stamp());
        let held = node.data().get(key).or_else(|| node.certificates().get(key));
        let write = held.and_then(|held| ledger.find_entry(held));
        if write.is_some_and(|write| ledger.first_stamp(write) >= stamp) {
            continue;
        }
        // What has been collected may be followed by nothing, or by what its writer had not seen.
        let deleted = required.entry.is_tombstone() || held.is_none();
        if deleted && ledger.is_collected(stamp) || ledger.is_aside(required) {
            continue;
        }
        let held = held.map_or("nothing".into(), |held| format!("{held:?}"));
        return Err(format!(
            "holds {held}, but n{} acknowledged {:?} at {} us",
            required.by, required.entry, required.at.0
        ));
    }
    Ok(())
}
