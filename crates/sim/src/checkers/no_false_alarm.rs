//! Whatever is lost, late or cut off, nobody takes a replica that repair will mend for one that has
//! diverged, or its own memory for faulty: nothing here makes either happen.

use rumormill_core::Node;

/// Checks a node when all is settled: its counters tell of all that was before.
pub(crate) fn settled(node: &Node) -> Result<(), String> {
    let stats = node.stats();
    if let Some(told) = node.divergences().next() {
        return Err(format!("holds {} for diverged: {told:?}", told.peer));
    }
    for (what, count) in [
        ("members held for diverged", stats.divergences),
        ("entries that are not what was written", stats.audit_content_faults),
        ("digests that are not those of the entries", stats.audit_digest_faults),
        ("writes that share a stamp", stats.stamp_conflicts),
    ] {
        if count > 0 {
            return Err(format!("{what}: {count}"));
        }
    }
    Ok(())
}
