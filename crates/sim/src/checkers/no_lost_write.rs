//! An acknowledged write is never lost: in the end every node holds it, or a write of the same key
//! with a bigger stamp. What stands only on disks of nodes that are down is away, not lost.

use crate::ledger::Ledger;
use rumormill_core::Node;
use rumormill_core::base::hash::Set;
use rumormill_core::data::Stamp;

/// Checks a node when all is settled.
pub(crate) fn settled(ledger: &Ledger, node: &Node, away: &Set<Stamp>) -> Result<(), String> {
    for required in ledger.required().filter(|write| !away.contains(&write.entry.stamp())) {
        let key = required.entry.key();
        let held = node.data().get(key).or_else(|| node.certificates().get(key));
        if held.is_none() && ledger.is_collected(required.entry.stamp()) {
            continue;
        }
        if held.is_none_or(|held| held.stamp() < required.entry.stamp()) {
            let held = held.map_or("nothing".into(), |held| format!("{held:?}"));
            return Err(format!(
                "holds {held}, but n{} acknowledged {:?} at {} us",
                required.by, required.entry, required.at.0
            ));
        }
    }
    Ok(())
}
