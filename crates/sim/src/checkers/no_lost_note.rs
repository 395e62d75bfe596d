//! A note about the key ring is never lost: in the end every node holds it, or one of the same key with a
//! bigger stamp. What went with a disk before others had it is nobody's fault.

use rumormill_core::Node;
use rumormill_core::data::Stamp;

/// A note that was written.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    /// Where.
    pub(crate) by: usize,
    pub(crate) key: Vec<u8>,
    pub(crate) stamp: Stamp,
}

/// Checks a node when all is settled.
pub(crate) fn settled(noted: &[Noted], node: &Node) -> Result<(), String> {
    if noted.is_empty() {
        return Ok(());
    }
    let held = node.notes();
    for Noted { by, key, stamp } in noted {
        let found = held.iter().find(|note| note.key() == key.as_slice());
        if found.is_none_or(|found| found.stamp() < *stamp) {
            let key = key.escape_ascii();
            return Err(format!("holds {found:?}, but n{by} wrote the note {key} of {stamp:?}"));
        }
    }
    Ok(())
}
