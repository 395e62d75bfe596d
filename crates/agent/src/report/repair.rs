//! What repair did lately, as one node tells it.

use rumormill_core::spread::audit::Divergence;
use rumormill_core::spread::sessions::{KEPT, KEPT_CALM, METHODS, Outcome, Session, Sums, Totals};
use rumormill_core::{Node, NodeId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Most exchanges of one answer: all that a node keeps.
pub const MAX_SESSIONS: usize = KEPT + KEPT_CALM;

/// A part of a node's account of repair.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RepairStory {
    /// The id of the node that tells.
    pub seen_by: String,
    /// Its name.
    pub seen_by_name: String,
    /// Exchanges that are over, the latest first.
    pub sessions: Vec<Session>,
    /// True if more of those that were asked for are kept.
    pub more: bool,
    /// Sums since the start, by method.
    pub totals: Map<String, Value>,
    /// Members that stay different although repair goes on.
    pub diverged: Vec<Diverged>,
    /// Names by id, of everyone that is told of and known.
    pub names: BTreeMap<String, String>,
}

/// A member whose replica stays different from this node's in a part of the map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diverged {
    /// The id of the member.
    pub peer: String,
    /// When that was first seen, milliseconds since 1970.
    pub since_ms: u64,
    /// The hash of the first key in the part, 16 hexadecimal digits.
    pub first_hash: String,
    /// That of the last.
    pub last_hash: String,
}

impl From<Divergence> for Diverged {
    fn from(told: Divergence) -> Self {
        let hash = |hash: u64| format!("{hash:016x}");
        Self {
            peer: told.peer.to_string(),
            since_ms: told.since_ms,
            first_hash: hash(told.range.first()),
            last_hash: hash(told.range.last()),
        }
    }
}

/// The latest exchanges with one of `about` (with everyone, if it is not given), at most `limit`,
/// without those that found nothing unless `calm`.
pub(crate) fn story(
    node: &Node,
    about: Option<&[NodeId]>,
    calm: bool,
    limit: usize,
) -> RepairStory {
    let wanted = |session: &&&Session| {
        let quiet = matches!(session.outcome, Outcome::Equal | Outcome::Quiet);
        about.is_none_or(|about| about.contains(&session.peer)) && (calm || !quiet)
    };
    let latest = node.sessions().latest();
    let mut found = latest.iter().filter(wanted);
    let sessions = found.by_ref().take(limit).map(|session| (*session).clone()).collect();
    RepairStory {
        sessions,
        more: found.next().is_some(),
        totals: totals(node.sessions().totals()),
        diverged: node.divergences().map(Diverged::from).collect(),
        ..RepairStory::default()
    }
}

fn totals(totals: &Totals) -> Map<String, Value> {
    let of = |sums: &Sums| {
        let outcomes = Outcome::ALL.iter().zip(sums.outcomes);
        let outcomes: Map<String, Value> =
            outcomes.map(|(outcome, count)| (outcome.name().into(), count.into())).collect();
        json!({
            "sessions": sums.outcomes.iter().sum::<u64>(),
            "outcomes": outcomes,
            "differences": sums.differences,
            "sent_bytes": sums.sent_bytes,
            "received_bytes": sums.received_bytes,
            "messages": sums.messages,
            "round_trips": sums.round_trips,
        })
    };
    METHODS.iter().zip(totals).map(|((_, name), sums)| ((*name).to_owned(), of(sums))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_serializer() {
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.name());
        }
        for (method, name) in METHODS {
            assert_eq!(serde_json::to_value(method).unwrap(), name);
        }
        let totals = totals(&Totals::default());
        assert_eq!(totals.len(), 3);
        assert_eq!(totals["sketch"]["outcomes"]["fell-back"], 0);
    }
}
