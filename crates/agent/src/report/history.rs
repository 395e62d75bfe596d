//! What happened to the members lately, as one node saw it.

use rumormill_core::member::flight::{Event, Recorder, What};
use rumormill_core::{NodeId, member};
use serde::Serialize;
use std::collections::BTreeMap;

/// Most events of one answer: all that a node keeps.
pub const MAX_EVENTS: usize = member::flight::KEPT;

/// A part of a node's flight recorder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemberEvents {
    /// The id of the node that saw them.
    pub seen_by: String,
    /// Its name.
    pub seen_by_name: String,
    /// The events, the oldest first. What this node itself did (it stood still, it refuted) is
    /// about its own id.
    pub events: Vec<Event>,
    /// Names by id, of everyone that the events name and this node knows.
    pub names: BTreeMap<String, String>,
    /// True if there were more that fit, older ones.
    pub more: bool,
    /// Events that the recorder has dropped since the start, for lack of room.
    pub dropped: u64,
}

/// The latest events about one of `about` (everyone, if it is not given), at most `limit`. That
/// this node stood still is always told: it colours all else that it says.
pub(crate) fn pick(
    recorder: &Recorder,
    about: Option<&[NodeId]>,
    limit: usize,
) -> (Vec<Event>, bool) {
    let wanted = |event: &&Event| {
        about.is_none_or(|about| about.contains(&event.about))
            || matches!(event.what, What::Stalled { .. })
    };
    let mut found = recorder.events().rev().filter(wanted);
    let mut events: Vec<Event> = found.by_ref().take(limit).cloned().collect();
    events.reverse();
    (events, found.next().is_some())
}

/// Everyone whom an event names.
pub(crate) fn named(event: &Event) -> impl Iterator<Item = NodeId> + '_ {
    let others: &[NodeId] = match &event.what {
        What::ProbeFailed { through, .. } => through,
        What::Suspected { by } | What::Died { by } | What::Refuted { by, .. } => by,
        What::Joined
        | What::Left
        | What::Forgotten
        | What::Returned { .. }
        | What::Changed
        | What::Stalled { .. }
        | What::Twin => &[],
    };
    std::iter::once(event.about).chain(others.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_picked_and_told_in_order() {
        let mut recorder = Recorder::default();
        for at in 0..9 {
            recorder.record(at, NodeId(at % 3), What::Left);
        }
        recorder.record(9, NodeId(7), What::Stalled { ms: 5 });
        let times = |(events, more): (Vec<Event>, bool)| {
            (events.iter().map(|event| event.at_ms).collect::<Vec<_>>(), more)
        };
        assert_eq!(times(pick(&recorder, Some(&[NodeId(1)]), 9)), (vec![1, 4, 7, 9], false));
        assert_eq!(times(pick(&recorder, Some(&[NodeId(1)]), 2)), (vec![7, 9], true));
        assert_eq!(times(pick(&recorder, None, 3)), (vec![7, 8, 9], true));
        assert_eq!(times(pick(&recorder, Some(&[]), 9)), (vec![9], false));
    }
}
