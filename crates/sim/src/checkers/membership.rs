//! A member that stays reachable is not held dead for ever, and a dead one is noticed: in the end
//! every live node holds exactly the live nodes for alive, and suspects nobody.

use rumormill_core::member::State;
use rumormill_core::{Node, NodeId};

/// Checks a node when all is settled; `live` is sorted.
pub(crate) fn settled(live: &[NodeId], node: &Node) -> Result<(), String> {
    if let Some(suspect) = node.members().find(|member| member.state == State::Suspect) {
        return Err(format!("still suspects {}", suspect.id));
    }
    let mut seen: Vec<NodeId> = node
        .members()
        .filter(|member| member.state == State::Alive)
        .map(|member| member.id)
        .collect();
    seen.sort_unstable();
    if seen == live {
        return Ok(());
    }
    let lacks = live.iter().filter(|id| seen.binary_search(id).is_err()).count();
    let extra = seen.iter().filter(|id| live.binary_search(id).is_err()).count();
    Err(format!(
        "holds {} nodes for alive of {} that are: {lacks} are missing, {extra} are not there",
        seen.len(),
        live.len()
    ))
}
