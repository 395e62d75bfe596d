//! The flight recorder: the last things that happened to the membership as this node saw it, so
//! that an operator can ask why a member was held dead.

use crate::base::id::NodeId;
use serde::Serialize;
use std::collections::VecDeque;

/// Events that are kept.
pub const KEPT: usize = 2048;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When, by this node's wall clock, milliseconds since 1970.
    pub at_ms: u64,
    /// To whom.
    pub about: NodeId,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen to a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// It was not known before.
    Joined,
    /// It did not answer this node: neither directly, nor through these others (of whom so many
    /// said that it is silent to them too), nor over a stream if one was tried.
    ProbeFailed {
        /// Who was asked to probe it.
        through: Vec<NodeId>,
        /// How many of them answered that it is silent.
        nacks: usize,
    },
    /// It is suspected: these found it silent, the first first.
    Suspected {
        /// Who found it silent.
        by: Vec<NodeId>,
    },
    /// It is held dead: the last of these said so, the others had found it silent.
    Died {
        /// Who.
        by: Vec<NodeId>,
    },
    /// It said goodbye.
    Left,
    /// Nobody waits for it any more.
    Forgotten,
    /// It is alive after all: it has refuted, or was restarted.
    Returned {
        /// Its incarnation now.
        incarnation: u64,
    },
    /// It changed its address, ports, name or tags.
    Changed,
    /// This node was told that it is held suspect or dead, and refuted.
    Refuted {
        /// Who had found it silent.
        by: Vec<NodeId>,
        /// Its incarnation from now on.
        incarnation: u64,
    },
    /// This node stood still and gave the others the time back.
    Stalled {
        /// For how long, milliseconds.
        ms: u64,
    },
    /// A record of this node came from another that has its id: a copied data folder, most likely.
    Twin,
}

/// The recorder.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    events: VecDeque<Event>,
    dropped: u64,
}

impl Recorder {
    /// Keeps an event; the oldest goes when there are too many.
    pub fn record(&mut self, at_ms: u64, about: NodeId, what: What) {
        if self.events.len() >= KEPT {
            self.events.pop_front();
            self.dropped += 1;
        }
        self.events.push_back(Event { at_ms, about, what });
    }

    /// What is kept, the oldest first.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.events.iter()
    }

    /// Events that were dropped for lack of room.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Recorder {
    /// Checks what must hold at any time.
    pub(crate) fn check(&self) {
        let (kept, dropped) = (self.events.len(), self.dropped);
        let full = dropped == 0 || kept == KEPT;
        assert!(kept <= KEPT && full, "{kept} events are kept, {dropped} were dropped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first() {
        let mut recorder = Recorder::default();
        for at in 0..KEPT as u64 + 5 {
            recorder.record(at, NodeId(1), What::Left);
        }
        assert_eq!(recorder.events().next().map(|event| event.at_ms), Some(5));
        assert_eq!((recorder.events().count(), recorder.dropped()), (KEPT, 5));
    }
}
