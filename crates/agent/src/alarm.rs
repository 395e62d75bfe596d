//! What about the membership, ring repair and the replica an operator should look at: told in the
//! status, and logged once when it begins and once when it ends.

use crate::repair::Diverged;
use crate::ring::RingStatus;
use crate::status::MemberInfo;
use rumormill_core::Node;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

/// A twin that was not heard of for this long is taken to be gone, milliseconds.
const TWIN_GONE: u64 = 60_000;
/// Names taken twice that are told at most.
const MAX_NAMES: usize = 16;
/// Divergences told in words at most.
const MAX_TOLD: usize = 16;
/// Ids told of one such name at most.
const MAX_IDS: usize = 8;

/// A name that several present members go by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedName {
    /// The name.
    pub name: String,
    /// Their ids.
    pub ids: Vec<String>,
}

/// What is wrong with the membership, ring repair or the replica, as this node sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarms {
    /// This node sees less than half of the members that it knows and that did not say goodbye.
    pub partition_suspected: bool,
    /// Another node runs with this node's id.
    pub twin: bool,
    /// Names that several present members go by.
    pub shared_names: Vec<SharedName>,
    /// No pass of ring repair was complete for three times as long as one is due after.
    #[serde(default)]
    pub horizon_late: bool,
    /// This node was not part of the latest pass, and is being brought back to what it covered.
    #[serde(default)]
    pub brought_back: bool,
    /// Whom passes wait for, if they are late.
    #[serde(skip)]
    pub(crate) held_by: Vec<String>,
    /// Members whose replicas stay different from this node's although repair goes on.
    #[serde(default)]
    pub diverged: Vec<Diverged>,
    /// Times that this node's own replica was found not to hold what had been written to it.
    #[serde(default)]
    pub replica_faults: u64,
}

impl Alarms {
    /// In words, for people.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let partition = self.partition_suspected.then(|| {
            "partition suspected: this node sees less than half of the members that it knows; \
             what is written here may not reach the others until the network is back. Check that \
             the gossip ports reach each other, by UDP and TCP"
                .to_owned()
        });
        let twin = self.twin.then(|| {
            "another node runs with this node's id, from a copy of its data folder or disk: stop \
             one of them and start it on an empty data folder"
                .to_owned()
        });
        let shared = self.shared_names.iter().map(|shared| {
            format!(
                "several members go by the name {:?} ({}): give each a name of its own, with --name \
                 or in its settings, and restart it",
                shared.name,
                shared.ids.join(", ")
            )
        });
        let diverged = self.diverged.iter().take(MAX_TOLD).map(|told| {
            let since = UNIX_EPOCH + Duration::from_millis(told.since_ms);
            format!(
                "the replica of {} has been different since {}, in key hashes {} to {}, and repair \
                 does not see it; these are being exchanged in full: see `rumormill explain repair`",
                told.peer,
                humantime::format_rfc3339_seconds(since),
                told.first_hash,
                told.last_hash
            )
        });
        let faults = (self.replica_faults > 0).then(|| {
            format!(
                "this node's replica did not hold what had been written to it, {} times since the \
                 start; it has been put right from the others: check the memory of this machine",
                self.replica_faults
            )
        });
        let warnings = partition.into_iter().chain(twin).chain(shared).chain(diverged);
        warnings.chain(faults).chain(self.ring_warnings()).collect()
    }

    fn ring_warnings(&self) -> impl Iterator<Item = String> {
        let late = self.horizon_late.then(|| match self.held_by.as_slice() {
            [] => {
                "no pass of ring repair was complete for three intervals, so tombstones are kept; \
                   `rumormill repair ring` says what it waits for"
                    .to_owned()
            }
            names => format!(
                "no pass of ring repair was complete for three intervals, so tombstones are kept: \
                 passes wait for {}; start them again, or `rumormill forget NAME`, or take a seed \
                 that is gone for good out of `join`",
                names.join(", ")
            ),
        });
        let back = self.brought_back.then(|| {
            "this node was away while the others completed a pass of ring repair, and is being \
             brought back to what it covered; until then it may still show what was deleted"
                .to_owned()
        });
        late.into_iter().chain(back)
    }
}

/// When the watchman looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    /// Wall milliseconds since 1970.
    pub(crate) wall_ms: u64,
    /// For how long the node has been running.
    pub(crate) uptime: Duration,
}

/// Watches for them.
#[derive(Debug, Default)]
pub(crate) struct Watchman {
    now: Alarms,
    twins: u64,
    twin_at: u64,
}

impl Watchman {
    /// Looks at the node, at what is shown of its passes, and at its members if they have changed;
    /// true if an alarm has.
    pub(crate) fn look(
        &mut self,
        node: &Node,
        ring: &RingStatus,
        members: Option<&[MemberInfo]>,
        time: Time,
    ) -> bool {
        let twins = node.stats().twins;
        if twins != self.twins {
            (self.twins, self.twin_at) = (twins, time.wall_ms);
        }
        let twin = twins > 0 && time.wall_ms.saturating_sub(self.twin_at) < TWIN_GONE;
        let partition_suspected = node.partition_suspected() && !node.has_left();
        let horizon_late = is_late(ring, node.config().ring.interval, time);
        let held_by = if horizon_late { ring.tombstones_held_by.clone() } else { Vec::new() };
        let stats = node.stats();
        let next = Alarms {
            partition_suspected,
            twin,
            shared_names: members.map_or_else(|| self.now.shared_names.clone(), shared_names),
            horizon_late,
            brought_back: !ring.covered,
            held_by,
            diverged: node.divergences().map(Diverged::from).collect(),
            replica_faults: stats.audit_content_faults + stats.audit_digest_faults,
        };
        let changed = next != self.now;
        if changed {
            self.turn(next);
        }
        changed
    }

    /// The alarms that are on.
    pub(crate) fn alarms(&self) -> &Alarms {
        &self.now
    }

    fn turn(&mut self, next: Alarms) {
        let (before, after) = (self.now.warnings(), next.warnings());
        for warning in after.iter().filter(|warning| !before.contains(warning)) {
            tracing::warn!("{warning}");
        }
        for warning in before.iter().filter(|warning| !after.contains(warning)) {
            tracing::info!("no longer so: {warning}");
        }
        self.now = next;
    }
}

/// True if no pass was complete for three intervals, in which this node ran.
fn is_late(ring: &RingStatus, interval: Duration, time: Time) -> bool {
    let since = ring.horizon.as_ref().map_or(0, |horizon| horizon.time_ms);
    let age = Duration::from_millis(time.wall_ms.saturating_sub(since)).min(time.uptime);
    !interval.is_zero() && age > interval.saturating_mul(3)
}

fn shared_names(members: &[MemberInfo]) -> Vec<SharedName> {
    let mut ids: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for member in members.iter().filter(|member| member.is_present()) {
        ids.entry(&member.name).or_default().push(&member.id);
    }
    ids.into_iter()
        .filter(|(_, ids)| ids.len() > 1)
        .take(MAX_NAMES)
        .map(|(name, ids)| SharedName {
            name: name.to_owned(),
            ids: ids.into_iter().take(MAX_IDS).map(str::to_owned).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::member::Tags;

    fn member(id: &str, name: &str, state: &str) -> MemberInfo {
        MemberInfo {
            id: id.into(),
            name: name.into(),
            state: state.into(),
            incarnation: 1,
            gossip: ([127, 0, 0, 1], 1).into(),
            redis: None,
            http: None,
            tags: Tags::default(),
            is_self: false,
        }
    }

    #[test]
    fn a_name_counts_as_taken_by_those_who_are_present() {
        let members = [
            member("1", "a", "alive"),
            member("2", "b", "alive"),
            member("3", "a", "suspect"),
            member("4", "b", "dead"),
            member("5", "b", "left"),
        ];
        let shared = SharedName { name: "a".into(), ids: vec!["1".into(), "3".into()] };
        assert_eq!(shared_names(&members), std::slice::from_ref(&shared));
        let alarms = Alarms { shared_names: vec![shared], ..Alarms::default() };
        assert_eq!(
            alarms.warnings(),
            [
                "several members go by the name \"a\" (1, 3): give each a name of its own, with --name \
                 or in its settings, and restart it"
            ]
        );
        assert!(Alarms::default().warnings().is_empty());
    }

    #[test]
    fn a_horizon_is_late_after_three_intervals_of_running() {
        let horizon = |time_ms| crate::HorizonInfo { time_ms, pass: String::new() };
        let late = |horizon_ms: Option<u64>, interval, uptime| {
            let ring = RingStatus { horizon: horizon_ms.map(horizon), ..RingStatus::default() };
            let uptime = Duration::from_secs(uptime);
            is_late(&ring, Duration::from_secs(interval), Time { wall_ms: 1_000_000, uptime })
        };
        assert!(late(Some(969_000), 10, 1000) && late(None, 10, 31));
        assert!(!late(Some(971_000), 10, 1000), "young enough");
        assert!(!late(Some(0), 10, 29) && !late(None, 10, 29), "it has just been started");
        assert!(!late(None, 0, 1000), "no passes are due");
        let held_by = vec!["c".to_owned()];
        let alarms = Alarms { horizon_late: true, held_by, ..Alarms::default() };
        let warnings = alarms.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("passes wait for c;"), "{warnings:?}");
    }
}
