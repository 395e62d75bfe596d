//! What is kept aside, as it is listed and decided on, and what became of entries.

use super::ring::name_of;
use super::state::Driver;
use crate::command::{StraysAct, WriteReply};
use crate::error::WriteError;
use crate::report::{HeldInstead, KeyStory, StrayInfo, Strays};
use rumormill_core::Node;
use rumormill_core::data::{Entry, Outcome};
use rumormill_core::retain::{End, Story};
use std::ops::ControlFlow;
use std::time::{Duration, UNIX_EPOCH};

impl Driver {
    /// Puts what is kept aside under these keys back, or drops it. Each outcome says what there was,
    /// and what was written.
    pub(super) fn settle_strays(&mut self, act: StraysAct, keys: &[Box<[u8]>], reply: WriteReply) {
        if self.departs() {
            let _ = reply.send(Err(WriteError::Leaving));
            return;
        }
        if let Some(failure) = self.refuses_writes() {
            let _ = reply.send(Err(WriteError::Store(failure.clone())));
            return;
        }
        let now = self.now();
        let Self { node, turn, .. } = self;
        let mut one = |key: &[u8]| {
            let previous = node.strays().get(key).cloned();
            let done = match act {
                StraysAct::Restore => node.put_stray_back(key, now, &mut turn.out)?,
                StraysAct::Drop => node.drop_stray(key, now, &mut turn.out),
            };
            let restored = done && act == StraysAct::Restore;
            let written = restored.then(|| node.data().get(key).cloned()).flatten();
            Ok(Outcome { previous: previous.filter(|_| done), written })
        };
        let outcomes = keys.iter().map(|key| one(key)).collect();
        turn.replies.push((reply, outcomes));
    }
}

/// A page of what is kept aside. Entries whose keys have one hash are never parted.
pub(super) fn list(node: &Node, from: u64, limit: usize) -> Strays {
    let strays = node.strays();
    let (mut page, mut next, mut last) = (Vec::new(), None, None);
    strays.walk_from(from, &mut |hash, entry| {
        if page.len() >= limit.max(1) && last != Some(hash) {
            next = Some(hash);
            return ControlFlow::Break(());
        }
        last = Some(hash);
        page.push(info(node, entry));
        ControlFlow::Continue(())
    });
    Strays { strays: page, count: strays.digest().count, bytes: strays.bytes(), next }
}

fn info(node: &Node, entry: &Entry) -> StrayInfo {
    let stamp = entry.stamp();
    let writer = stamp.node.to_string();
    let name = name_of(node, stamp.node);
    let told = node.stories(entry.key()).filter(|story| story.stamp == stamp);
    let told = told.filter(|story| story.end == End::Aside).last();
    let held = node.data().get(entry.key()).map(|held| HeldInstead {
        deletion: held.is_tombstone(),
        stamp: held.stamp().to_string(),
        writer: held.stamp().node.to_string(),
        size: held.size() as u64,
    });
    let why = told
        .map_or_else(|| format!("{NOT_HELD}, {}", unproved(&name)), |told| sentence(node, told));
    StrayInfo {
        key: entry.key().into(),
        kind: if entry.is_tombstone() { "deletion" } else { "value" },
        size: entry.size() as u64,
        stamp: stamp.to_string(),
        written_ms: stamp.wall_ms(),
        writer_name: (name != writer).then_some(name),
        writer,
        expires_at_ms: entry.expires_at(),
        why,
        held,
    }
}

/// What became of entries of a key here, the oldest first.
pub(super) fn stories(node: &Node, key: &[u8]) -> Vec<KeyStory> {
    let told = node.stories(key).map(|story| {
        let decided = story.horizon > 0;
        KeyStory {
            at_ms: story.wall_ms,
            end: story.end.name(),
            stamp: story.stamp.to_string(),
            deletion: story.deletes,
            writer: story.stamp.node.to_string(),
            pass: decided.then(|| format!("{:016x}", story.pass)),
            horizon_ms: decided.then_some(story.horizon >> 16),
            giver: story.giver.map(|id| id.to_string()),
            why: sentence(node, story),
        }
    });
    told.collect()
}

const NOT_HELD: &str = "this node was away and brought it back, the others did not hold it";

fn unproved(writer: &str) -> String {
    format!(
        "and nothing proves whether they had seen it and it was deleted since, or whether they had \
         never had it from {writer}"
    )
}

/// What happened to an entry, and why.
fn sentence(node: &Node, story: &Story) -> String {
    let writer = name_of(node, story.stamp.node);
    let what = if story.deletes { "the deletion" } else { "the value" };
    let pass = match story.horizon {
        0 => "the last pass".to_owned(),
        horizon => {
            let at = UNIX_EPOCH + Duration::from_millis(horizon >> 16);
            let at = humantime::format_rfc3339_seconds(at);
            format!("pass {:016x}, which covers all up to {at}", story.pass)
        }
    };
    let by = story.giver.map(|id| format!(" by {}", name_of(node, id))).unwrap_or_default();
    let back = format!("this node was brought back{by} to {pass}");
    match story.end {
        End::Collected => format!(
            "{what} that {writer} wrote was collected: every member of {pass}, held it, so nobody \
             needs it any more"
        ),
        End::Placed => format!(
            "{back}, and let {what} go: the pass that had covered this node before covered it, so \
             the others had it, and it was superseded or collected there since"
        ),
        End::Visited => format!(
            "{back}, and let {what} go: a pass since had visited its writer, {writer}, which held \
             it then, so all had it, and it was superseded or collected since"
        ),
        End::Confirmed => format!(
            "{back}, and let {what} go: a majority of the members was known to have had it, and it \
             was superseded or collected there since"
        ),
        End::Anew => format!(
            "{back}, and wrote {what} anew, with the stamp that it had: nobody else can have seen \
             it before, so nobody can have deleted it"
        ),
        End::Aside => format!("{back}, and kept {what} aside: {NOT_HELD}, {}", unproved(&writer)),
        End::Restored => format!("{what} that was kept aside was put back, as a new write"),
        End::Dropped => format!("{what} that was kept aside was dropped"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::data::{Space, Stamp};
    use rumormill_core::{Config, Identity, Instant, NodeId, Now};
    use std::sync::Arc;

    fn node() -> (Node, Now) {
        let now = Now { mono: Instant(0), wall_ms: 1_800_000_000_000 };
        let gossip = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        (Node::new(Config::default(), Identity::new(NodeId(1), "n", gossip), 1, now), now)
    }

    #[test]
    fn strays_are_listed_in_pages_with_what_is_held_instead() {
        let (mut node, now) = node();
        for key in 0..7_u8 {
            let stamp = Stamp { time: 9 << 16, node: NodeId(2) };
            let entry = match key {
                0 => Entry::tombstone(&[key], stamp),
                _ => Entry::new(&[key], b"v", stamp, None),
            };
            node.restore_stray(Arc::new(entry));
        }
        // What is held instead is older: something newer takes the stray away.
        let older = Stamp { time: 8 << 16, node: NodeId(3) };
        let held = Arc::new(Entry::new(&[3], b"older", older, None));
        node.restore(Space::Data, held, now);
        let (mut from, mut found) = (Some(0), Vec::new());
        while let Some(at) = from {
            let page = list(&node, at, 3);
            assert!(page.strays.len() <= 3 && (page.count, page.bytes) == (7, 13));
            found.extend(page.strays);
            from = page.next;
        }
        found.sort_by(|one, other| one.key.cmp(&other.key));
        assert_eq!(found.len(), 7);
        let kinds: Vec<_> = found.iter().map(|stray| stray.kind).collect();
        assert_eq!((kinds[0], kinds[6]), ("deletion", "value"));
        let held: Vec<bool> = found.iter().map(|stray| stray.held.is_some()).collect();
        assert_eq!(held, [0, 1, 2, 3, 4, 5, 6].map(|key| key == 3));
        assert_eq!((found[1].written_ms, found[1].writer_name.clone()), (9, None));
        assert!(found[1].why.contains("nothing proves"), "{}", found[1].why);
    }

    #[test]
    fn what_was_decided_is_told() {
        let (mut node, now) = node();
        for key in ["a", "b"] {
            let stamp = Stamp { time: 9 << 16, node: NodeId(2) };
            node.restore_stray(Arc::new(Entry::new(key.as_bytes(), b"v", stamp, None)));
        }
        let mut out = Vec::new();
        assert_eq!(node.put_stray_back(b"a", now, &mut out), Ok(true));
        assert!(node.drop_stray(b"b", now, &mut out));
        let told = |key: &str| {
            let told: Vec<_> = stories(&node, key.as_bytes());
            assert_eq!(told.len(), 1);
            (told[0].end, told[0].why.clone())
        };
        let (end, why) = told("a");
        assert!(end == "restored" && why.contains("put back"), "{why}");
        assert_eq!(told("b").0, "dropped");
        assert!(stories(&node, b"c").is_empty());
    }
}
