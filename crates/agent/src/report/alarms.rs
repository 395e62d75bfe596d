//! What about the membership, ring repair and the replica an operator should look at.

use super::clocks::Clocks;
use super::paths::{ClosedWay, JoinerInVain, NarrowPath, Unreached};
use super::repair::Diverged;
use rumormill_core::wire::Versions;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

/// Divergences told in words at most.
const MAX_TOLD: usize = 16;

/// A name that several present members go by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedName {
    /// The name.
    pub name: String,
    /// Their ids.
    pub ids: Vec<String>,
}

/// A peer that speaks other versions of the protocol than this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignPeer {
    /// Where it talks from.
    pub address: SocketAddr,
    /// Its id.
    pub id: String,
    /// The lowest and the highest version that it speaks, as far as it was heard.
    pub speaks: (u8, u8),
    /// Those that this node speaks.
    pub spoken_here: (u8, u8),
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
    /// Entries that this node keeps aside, until an operator decides on them.
    #[serde(default)]
    pub strays: u64,
    /// There is no room to keep more aside, so this node cannot be brought back.
    #[serde(default)]
    pub strays_full: bool,
    /// Why passes have been given up for three times as long as one is due after, in words.
    #[serde(default)]
    pub passes_refused: Option<String>,
    /// Peers that this node cannot talk with.
    #[serde(default)]
    pub foreign: Vec<ForeignPeer>,
    /// The disk under the data folder has not come back from one thing for more than a second.
    #[serde(default)]
    pub store_slow: bool,
    /// Ways to members that are closed while another is open.
    #[serde(default)]
    pub closed_ways: Vec<ClosedWay>,
    /// Members that this node hears and cannot reach.
    #[serde(default)]
    pub unreached: Vec<Unreached>,
    /// Members that hear this node and cannot reach it.
    #[serde(default)]
    pub unreached_by: Vec<Unreached>,
    /// Those that ask to be let in and cannot be reached.
    #[serde(default)]
    pub joining_in_vain: Vec<JoinerInVain>,
    /// Paths that carry smaller datagrams than the settings allow. No warning: the stream is taken
    /// for what does not fit.
    #[serde(default)]
    pub narrow_paths: Vec<NarrowPath>,
    /// Clocks that are off.
    #[serde(default)]
    pub clocks: Clocks,
}

impl ForeignPeer {
    fn warning(&self) -> String {
        let words = |(lowest, highest): (u8, u8)| {
            Versions::new(lowest, highest).map(|versions| versions.to_string()).unwrap_or_default()
        };
        format!(
            "node {} at {} speaks {} of the protocol, this node {}: they cannot talk with each \
             other, and hear of each other only through members that speak both; bring the older \
             one up to date",
            self.id,
            self.address,
            words(self.speaks),
            words(self.spoken_here)
        )
    }
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
        let foreign = self.foreign.iter().take(MAX_TOLD).map(ForeignPeer::warning);
        let closed = self.closed_ways.iter().take(MAX_TOLD).map(ClosedWay::words);
        let unreached = self.unreached.iter().take(MAX_TOLD).map(Unreached::words);
        let joining = self.joining_in_vain.iter().take(MAX_TOLD).map(JoinerInVain::words);
        let unreached_by = self.unreached_by.iter().take(MAX_TOLD).map(Unreached::words_of_this);
        let warnings = partition.into_iter().chain(twin).chain(shared).chain(foreign);
        let warnings = warnings.chain(joining).chain(unreached).chain(unreached_by);
        let warnings = warnings.chain(closed).chain(diverged).chain(self.clocks.warnings());
        let slow = self.store_slow.then(|| {
            "the disk under the data folder has not answered for more than a second: writes wait, \
             and after five seconds they are refused; reads and membership go on. Check the disk"
                .to_owned()
        });
        let warnings = warnings.chain(faults).chain(slow);
        warnings.chain(self.ring_warnings()).chain(self.stray_warnings()).collect()
    }

    /// How many there are is not said: it would be news whenever one comes or goes.
    fn stray_warnings(&self) -> impl Iterator<Item = String> {
        let full = self.strays_full.then(|| {
            "there is no room to keep more entries aside (ring.max_strays, ring.max_strays_bytes), so \
             this node stays behind: decide on those that are there, with `rumormill strays \
             restore` or `rumormill strays drop`, or raise the bounds"
                .to_owned()
        });
        let any = (self.strays > 0 && full.is_none()).then(|| {
            "this node has brought back entries that the others do not hold, and nothing proves what \
             is right, so it keeps them aside: see `rumormill strays list`, then `rumormill strays \
             restore` (write them again) or `rumormill strays drop`"
                .to_owned()
        });
        full.into_iter().chain(any)
    }

    fn ring_warnings(&self) -> impl Iterator<Item = String> {
        let late = self.horizon_late.then(|| match self.held_by.as_slice() {
            _ if self.passes_refused.is_some() => format!(
                "no pass of ring repair was complete for three intervals, so tombstones are kept: \
                 {}",
                self.passes_refused.as_deref().unwrap_or_default()
            ),
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
