//! Watches for what an operator should look at ([`Alarms`]), and logs it once when it begins and once
//! when it ends.

use crate::report::{
    Alarms, ClockOff, Clocks, ClosedWay, Diverged, ForeignPeer, JoinerInVain, MemberInfo,
    NarrowPath, RingStatus, SharedName, Unreached,
};
use rumormill_core::member::{Member, Off, Record};
use rumormill_core::wire::Versions;
use rumormill_core::{Node, Now};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// A twin that was not heard of for this long is taken to be gone, milliseconds.
const TWIN_GONE: u64 = 60_000;
/// Names taken twice that are told at most.
const MAX_NAMES: usize = 16;
/// Ids told of one such name at most.
const MAX_IDS: usize = 8;
/// Paths told of at most.
const MAX_PATHS: usize = 64;

/// What the watchman goes by beside the node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around {
    pub(crate) now: Now,
    /// For how long the node has been running.
    pub(crate) uptime: Duration,
    /// True if the disk keeps the store waiting.
    pub(crate) store_slow: bool,
}

/// Watches for them.
#[derive(Debug, Default)]
pub(crate) struct Watchman {
    now: Alarms,
    twins: u64,
    twin_at: u64,
    /// How often what the node knows of paths had changed when it was last looked at.
    path_changes: u64,
    /// Entries that had not been kept aside for lack of room when this node was last covered.
    strays_refused: u64,
}

impl Watchman {
    /// Looks at the node, at what is shown of its passes, and at its members if they have changed;
    /// true if an alarm has.
    pub(crate) fn look(
        &mut self,
        node: &Node,
        ring: &RingStatus,
        members: Option<&[MemberInfo]>,
        around: Around,
    ) -> bool {
        let twins = node.stats().twins;
        if twins != self.twins {
            (self.twins, self.twin_at) = (twins, around.now.wall_ms);
        }
        let twin = twins > 0 && around.now.wall_ms.saturating_sub(self.twin_at) < TWIN_GONE;
        let partition_suspected = node.partition_suspected() && !node.has_left();
        let horizon_late = is_late(ring, node.config().ring.interval, around);
        let held_by = if horizon_late { ring.tombstones_held_by.clone() } else { Vec::new() };
        let stats = node.stats();
        if ring.covered {
            self.strays_refused = stats.strays_refused;
        }
        let refused = ring.refused.as_ref().filter(|_| horizon_late);
        let looks = members.is_some() || node.path_changes() != self.path_changes;
        let (closed_ways, narrow_paths) = match looks {
            true => (closed_ways(node), narrow_paths(node)),
            false => (self.now.closed_ways.clone(), self.now.narrow_paths.clone()),
        };
        let next = Alarms {
            partition_suspected,
            twin,
            shared_names: members.map_or_else(|| self.now.shared_names.clone(), shared_names),
            horizon_late,
            brought_back: !ring.covered,
            held_by,
            diverged: node.divergences().map(Diverged::from).collect(),
            replica_faults: stats.audit_content_faults + stats.audit_digest_faults,
            strays: node.strays().digest().count,
            strays_full: stats.strays_refused > self.strays_refused,
            passes_refused: refused.map(|refused| refused.words.clone()),
            foreign: foreign(node),
            store_slow: around.store_slow,
            clocks: clocks(node, around.now).steadied(&self.now.clocks),
            closed_ways,
            joining_in_vain: joining_in_vain(node, around.now),
            unreached: unreached(node, around.now),
            unreached_by: unreached_by(node, around.now),
            narrow_paths,
        };
        self.path_changes = node.path_changes();
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
        let known = |all: &[NarrowPath], address| all.iter().any(|path| path.address == address);
        let (before, after) = (&self.now.narrow_paths, &next.narrow_paths);
        for path in after.iter().filter(|path| !known(before, path.address)) {
            tracing::info!("{}", path.words());
        }
        for path in before.iter().filter(|path| !known(after, path.address)) {
            tracing::info!("the path to {} ({}) is not narrow any more", path.member, path.address);
        }
        self.now = next;
    }
}

fn narrow_paths(node: &Node) -> Vec<NarrowPath> {
    let narrow = node.narrow_paths().take(MAX_PATHS);
    let told = narrow.map(|(address, datagram)| NarrowPath {
        member: name_at(node, address),
        address,
        datagram,
    });
    told.collect()
}

fn closed_ways(node: &Node) -> Vec<ClosedWay> {
    let told = node.closed_ways().take(MAX_PATHS).flat_map(|trouble| {
        let ways = [
            (trouble.datagrams_out, "udp", "to"),
            (trouble.datagrams_in, "udp", "from"),
            (trouble.streams, "tcp", "both"),
        ];
        let member = name_at(node, trouble.address);
        ways.into_iter().filter(|(closed, ..)| *closed).map(move |(_, way, direction)| ClosedWay {
            member: member.clone(),
            address: trouble.address,
            way: way.to_owned(),
            direction: direction.to_owned(),
        })
    });
    told.collect()
}

fn unreached(node: &Node, now: Now) -> Vec<Unreached> {
    let told = node.unreached(now).take(MAX_PATHS).filter_map(|id| node.member(id));
    let told = told.map(|member| Unreached { member: name(&member), address: member.gossip() });
    told.collect()
}

fn unreached_by(node: &Node, now: Now) -> Vec<Unreached> {
    let told = node.unreached_by(now).take(MAX_PATHS).filter_map(|id| node.member(id));
    let address = node.identity().gossip;
    told.map(|member| Unreached { member: name(&member), address }).collect()
}

fn joining_in_vain(node: &Node, now: Now) -> Vec<JoinerInVain> {
    let told = node.joiners_in_vain(now).map(|joiner| JoinerInVain {
        name: joiner.name.clone(),
        address: joiner.claimed,
        from: joiner.from,
    });
    told.collect()
}

fn name(member: &Member<'_>) -> String {
    Record::from_entry(member.entry).map_or_else(|_| member.id.to_string(), |record| record.name)
}

/// The name of the member that receives gossip at an address.
fn name_at(node: &Node, address: SocketAddr) -> String {
    let there = |member: &Member<'_>| member.state.is_present() && member.gossip() == address;
    let found = node.members().find(there);
    found.map_or_else(|| "a member of before".to_owned(), |member| name(&member))
}

fn clocks(node: &Node, now: Now) -> Clocks {
    let judgement = node.clocks(now);
    let told = |off: &Off| {
        let member = node.member(off.id).map_or_else(|| off.id.to_string(), |held| name(&held));
        ClockOff { member, ahead_ms: off.ahead_ms }
    };
    Clocks {
        own_ahead_ms: judgement.off_ms(),
        refuses: judgement.refuses,
        of_two: judgement.ahead_ms.is_none(),
        off: judgement.off.iter().map(told).collect(),
        stamps: judgement.stamps.iter().map(told).collect(),
    }
}

/// True if no pass was complete for three intervals, in which this node ran.
fn is_late(ring: &RingStatus, interval: Duration, around: Around) -> bool {
    let since = ring.horizon.as_ref().map_or(0, |horizon| horizon.time_ms);
    let age = Duration::from_millis(around.now.wall_ms.saturating_sub(since)).min(around.uptime);
    !interval.is_zero() && age > interval.saturating_mul(3)
}

fn foreign(node: &Node) -> Vec<ForeignPeer> {
    let range = |versions: Versions| (versions.lowest(), versions.highest());
    let told = node.foreign().map(|peer| ForeignPeer {
        address: peer.address,
        id: peer.id.to_string(),
        speaks: range(peer.speaks),
        spoken_here: range(node.config().speaks),
    });
    let mut foreign: Vec<ForeignPeer> = told.collect();
    // Who was heard last comes last in the node: that is no news.
    foreign.sort_by_key(|peer| peer.address);
    foreign
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
            ephemeral: false,
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
    fn what_is_kept_aside_is_told_with_what_to_do() {
        let some = Alarms { strays: 3, ..Alarms::default() };
        let warnings = some.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("`rumormill strays list`"));
        let more = Alarms { strays: 4, ..Alarms::default() };
        assert_eq!(more.warnings(), warnings, "it is said once, not for each");
        let full = Alarms { strays: 4, strays_full: true, ..Alarms::default() };
        let warnings = full.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("ring.max_strays"), "{warnings:?}");
        let words = Some("only 1 of 3".to_owned());
        let refused = Alarms { horizon_late: true, passes_refused: words, ..Alarms::default() };
        assert!(refused.warnings()[0].ends_with("tombstones are kept: only 1 of 3"));
    }

    #[test]
    fn who_speaks_another_version_is_told_in_words() {
        let peer = ForeignPeer {
            address: ([10, 0, 0, 1], 7400).into(),
            id: "00ab".into(),
            speaks: (3, 4),
            spoken_here: (1, 1),
        };
        let alarms = Alarms { foreign: vec![peer], ..Alarms::default() };
        let [warning] = &alarms.warnings()[..] else { panic!("one warning") };
        let says = "node 00ab at 10.0.0.1:7400 speaks versions 3 to 4 of the protocol, this node \
                    version 1: ";
        assert!(warning.starts_with(says), "{warning}");
    }

    #[test]
    fn a_horizon_is_late_after_three_intervals_of_running() {
        let horizon = |time_ms| crate::report::HorizonInfo { time_ms, pass: String::new() };
        let late = |horizon_ms: Option<u64>, interval, uptime| {
            let ring = RingStatus { horizon: horizon_ms.map(horizon), ..RingStatus::default() };
            let uptime = Duration::from_secs(uptime);
            let now = Now { wall_ms: 1_000_000, ..Now::default() };
            let around = Around { now, uptime, store_slow: false };
            is_late(&ring, Duration::from_secs(interval), around)
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
