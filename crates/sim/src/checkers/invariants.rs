//! Between two turns every machine of a node keeps what it promises itself: counts are those of the
//! contents, timers lie ahead, nothing is both here and there. See [`Node::CHECKS`].

use crate::caught::caught;
use rumormill_core::base::check::Depth;
use rumormill_core::{Node, Now};

/// Checks a node at the end of a turn.
///
/// # Errors
/// What does not hold: the name of the check, and what it says.
pub(crate) fn turned(node: &Node, now: Now, depth: Depth) -> Result<(), (&'static str, String)> {
    let mut name = "";
    let checked = caught(|| {
        for (check, look) in Node::CHECKS {
            name = check;
            look(node, now, depth);
        }
    });
    checked.map_err(|what| (name, what))
}
