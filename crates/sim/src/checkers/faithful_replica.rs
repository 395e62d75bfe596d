//! A replica is exactly what its node persisted: nothing is shown that a crash would take back.

use crate::ledger::Ledger;
use rumormill_core::Node;

/// Checks a node at any time between two inputs.
pub(crate) fn settled(ledger: &Ledger, index: usize, node: &Node) -> Result<(), String> {
    let mut persisted = 0;
    for written in ledger.all_held_by(index) {
        persisted += 1;
        let key = written.entry.key();
        let held = node.data().get(key).or_else(|| node.certificates().get(key));
        if held != Some(&written.entry) {
            return Err(format!("persisted {:?} but shows {held:?}", written.entry));
        }
    }
    let shown = node.data().digest().count + node.certificates().digest().count;
    if shown != persisted {
        return Err(format!("shows {shown} entries but persisted {persisted}"));
    }
    Ok(())
}
