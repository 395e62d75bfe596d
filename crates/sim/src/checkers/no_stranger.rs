//! Who can send anything, but does not get what is sent to others, gets nobody into the roster who was
//! never there.

use rumormill_core::base::hash::Set;
use rumormill_core::{Node, NodeId};

/// Checks a node at any time; `all` are the ids of everybody who was ever there.
pub(crate) fn settled(all: &Set<NodeId>, node: &Node) -> Result<(), String> {
    match node.members().find(|member| !all.contains(&member.id)) {
        Some(member) => Err(format!("knows {} ({:?}), who never was", member.id, member.state)),
        None => Ok(()),
    }
}
