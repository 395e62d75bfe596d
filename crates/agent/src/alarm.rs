//! What about the membership and the replica an operator should look at: told in the status, and
//! logged once when it begins and once when it ends.

use crate::repair::Diverged;
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

/// What is wrong with the membership or the replica, as this node sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarms {
    /// This node sees less than half of the members that it knows and that did not say goodbye.
    pub partition_suspected: bool,
    /// Another node runs with this node's id.
    pub twin: bool,
    /// Names that several present members go by.
    pub shared_names: Vec<SharedName>,
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
        warnings.chain(faults).collect()
    }
}

/// Watches for them.
#[derive(Debug, Default)]
pub(crate) struct Watchman {
    now: Alarms,
    twins: u64,
    twin_at: u64,
}

impl Watchman {
    /// Looks at the node, and at its members if they have changed; true if an alarm has.
    pub(crate) fn look(
        &mut self,
        node: &Node,
        members: Option<&[MemberInfo]>,
        wall_ms: u64,
    ) -> bool {
        let twins = node.stats().twins;
        if twins != self.twins {
            (self.twins, self.twin_at) = (twins, wall_ms);
        }
        let twin = twins > 0 && wall_ms.saturating_sub(self.twin_at) < TWIN_GONE;
        let partition_suspected = node.partition_suspected() && !node.has_left();
        let shared_names = members.map(shared_names);
        let diverged: Vec<Diverged> = node.divergences().map(Diverged::from).collect();
        let stats = node.stats();
        let replica_faults = stats.audit_content_faults + stats.audit_digest_faults;
        let changed = (twin, partition_suspected) != (self.now.twin, self.now.partition_suspected)
            || (&diverged, replica_faults) != (&self.now.diverged, self.now.replica_faults)
            || shared_names.as_ref().is_some_and(|names| *names != self.now.shared_names);
        if changed {
            let shared_names =
                shared_names.unwrap_or_else(|| std::mem::take(&mut self.now.shared_names));
            self.turn(Alarms { partition_suspected, twin, shared_names, diverged, replica_faults });
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
}
