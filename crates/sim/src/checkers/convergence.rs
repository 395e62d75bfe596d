//! After faults stop, all live nodes hold identical replicas, and their digests say so.

use super::Found;
use rumormill_core::Node;
use rumormill_core::data::{Digest, Range, Space};
use std::ops::ControlFlow;

/// The digest of a map, but for the word of the latest pass of ring repair: where passes are made
/// without end, that never stands still.
pub(crate) fn digest(node: &Node, space: Space) -> Digest {
    let mut digest = node.digest(space);
    if let Some(horizon) = node.horizon_entry().filter(|_| space == Space::Roster) {
        digest.remove(node.data().item_hash(&horizon));
    }
    digest
}

/// Checks the live nodes when all is settled. Replicas are compared entry by entry, values
/// included, and every digest is computed anew.
pub(crate) fn settled(live: &[(usize, &Node)]) -> Result<(), Found> {
    let Some(&(first, model)) = live.first() else { return Ok(()) };
    for &(index, node) in live {
        let wrong = |what: String| Err((Some(index), what));
        let mut digest = Digest::default();
        let mut differs = None;
        node.data().walk(Range::ALL, &mut |_, entry| {
            digest.add(node.data().item_hash(entry));
            if index != first && model.data().get(entry.key()) != Some(entry) {
                differs = Some(format!(
                    "holds {entry:?} where n{first} holds {:?}",
                    model.data().get(entry.key())
                ));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        if let Some(what) = differs {
            return wrong(what);
        }
        if digest != node.digest(Space::Data) {
            let says = node.digest(Space::Data);
            return wrong(format!("its digest says {says:?} but its entries make {digest:?}"));
        }
        for space in Space::ALL {
            let (mine, theirs) = (self::digest(node, space), self::digest(model, space));
            if mine != theirs {
                return wrong(format!("{space:?} digest {mine:?}, but n{first} has {theirs:?}"));
            }
        }
    }
    Ok(())
}
