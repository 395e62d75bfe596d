//! What readers see of the node beside its entries: numbers, members, alarms.

use super::state::Driver;
use super::waits::freshness;
use super::watchman;
use crate::clock::wall_ms;
use crate::report::{MemberCounts, MemberInfo, Traffic, state_name};
use crate::snapshot::Numbers;
use rumormill_core::member::Record;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// True once a node has agreed with another about a moment since its start, or nobody that it knows
/// is there to agree with. An agreement about an earlier moment says nothing of what was deleted just
/// before the start.
fn is_settled(members: MemberCounts, staleness: Option<Duration>, uptime: Duration) -> bool {
    let gone = members.dead + members.left + members.forgotten;
    let all_gone = gone > 0 && members.alive + members.suspect < 2;
    all_gone || staleness.is_some_and(|ago| !ago.is_zero() && ago < uptime)
}

impl Driver {
    /// Lets readers see what the turn has changed.
    pub(crate) fn publish(&mut self) {
        let changed = std::mem::take(&mut self.turn.roster_changed);
        if changed {
            self.view.look_at_owners(|id| self.node.is_present(id), wall_ms());
        }
        let members = changed.then(|| self.list_members());
        let (incoming_bytes, incoming_ended) = self.streams.incoming();
        let lock = &self.snapshot.numbers;
        let mut numbers = lock.lock().unwrap_or_else(PoisonError::into_inner);
        *numbers = Numbers {
            stats: *self.node.stats(),
            traffic: Traffic { incoming_bytes, incoming_ended, ..self.counters.read() },
            tombstones: self.node.data().tombstones(),
            strays_bytes: self.node.strays().bytes(),
            digest: self.node.data().digest(),
            members: members.as_ref().map_or(numbers.members, |(counts, _)| *counts),
            doubt: self.node.doubt(),
            freshness: freshness(&self.node, self.now()),
            repair: *self.node.sessions().totals(),
            filling: self.node.filling(),
            clock_ahead_ms: self.node.clocks(self.now()).ahead_ms,
        };
        let counts = numbers.members;
        drop(numbers);
        if self.snapshot.unagreed.load(Relaxed) {
            let now = self.now();
            let uptime = Duration::from_micros(now.mono.0);
            let settled = is_settled(counts, self.node.staleness(now), uptime);
            self.snapshot.unagreed.store(!settled, Relaxed);
        }
        let (node, now) = (&self.node, self.now());
        if let Some(status) = self.turn.shown.renew(node, members.is_some(), now) {
            *self.snapshot.ring.lock().unwrap_or_else(PoisonError::into_inner) = status;
        }
        let list = members.as_ref().map(|(_, list)| list.as_ref());
        let ring = self.snapshot.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let around = watchman::Around {
            now: self.now(),
            uptime: self.started.elapsed(),
            store_slow: self.turn.stall.is_slow(),
        };
        let changed = self.turn.watchman.look(&self.node, &ring, list, around);
        drop(ring);
        if changed {
            let lock = &self.snapshot.alarms;
            let mut alarms = lock.lock().unwrap_or_else(PoisonError::into_inner);
            alarms.clone_from(self.turn.watchman.alarms());
        }
        if let Some((_, list)) = members {
            let lock = &self.snapshot.members;
            *lock.write().unwrap_or_else(PoisonError::into_inner) = list;
        }
    }

    fn list_members(&self) -> (MemberCounts, Arc<[MemberInfo]>) {
        let own = self.node.identity().id;
        let mut counts = MemberCounts::default();
        let list = self.node.members().filter_map(|member| {
            let record = Record::from_entry(member.entry).ok()?;
            let ephemeral = record.is_ephemeral();
            counts.count(record.state);
            Some(MemberInfo {
                id: record.id.to_string(),
                name: record.name,
                state: state_name(record.state).into(),
                incarnation: record.incarnation,
                gossip: record.gossip,
                redis: record.redis,
                http: record.http,
                tags: record.tags,
                ephemeral,
                is_self: record.id == own,
            })
        });
        let list = list.collect();
        (counts, list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_so_since_the_start_counts() {
        let counts = |alive, dead| MemberCounts { alive, dead, ..MemberCounts::default() };
        let (one, two) = (Duration::from_secs(1), Duration::from_secs(2));
        assert!(is_settled(counts(2, 0), Some(one), two));
        // About a moment before the start, which is held for the start itself.
        assert!(!is_settled(counts(2, 0), Some(two), two));
        assert!(!is_settled(counts(2, 0), None, two));
        // Nobody is known yet, of those that it should join by.
        assert!(!is_settled(counts(1, 0), Some(Duration::ZERO), two));
        assert!(is_settled(counts(1, 1), None, two), "all are gone");
        assert!(!is_settled(counts(2, 1), None, two));
    }
}
