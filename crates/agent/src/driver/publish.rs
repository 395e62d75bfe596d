//! What readers see of the node beside its entries: numbers, members, alarms.

use super::state::Driver;
use super::waits::freshness;
use super::watchman;
use crate::clock::wall_ms;
use crate::report::{MemberCounts, MemberInfo, state_name};
use crate::snapshot::Numbers;
use rumormill_core::member::Record;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};

/// True once a node has agreed with another, or nobody that it knows is there to agree with.
fn is_settled(numbers: &Numbers) -> bool {
    let Numbers { freshness, members, .. } = numbers;
    let gone = members.dead + members.left + members.forgotten;
    let all_gone = gone > 0 && members.alive + members.suspect < 2;
    all_gone || (freshness.agreed.is_some() && !freshness.alone)
}

impl Driver {
    /// Lets readers see what the turn has changed.
    pub(super) fn publish(&mut self) {
        let changed = std::mem::take(&mut self.turn.roster_changed);
        if changed {
            self.view.look_at_owners(|id| self.node.is_present(id), wall_ms());
        }
        let members = changed.then(|| self.list_members());
        let lock = &self.snapshot.numbers;
        let mut numbers = lock.lock().unwrap_or_else(PoisonError::into_inner);
        *numbers = Numbers {
            stats: *self.node.stats(),
            traffic: self.counters.read(),
            tombstones: self.node.data().tombstones(),
            strays_bytes: self.node.strays().bytes(),
            digest: self.node.data().digest(),
            members: members.as_ref().map_or(numbers.members, |(counts, _)| *counts),
            doubt: self.node.doubt(),
            freshness: freshness(&self.node, self.now()),
            repair: *self.node.sessions().totals(),
            filling: self.node.filling(),
        };
        if self.snapshot.unagreed.load(Relaxed) && is_settled(&numbers) {
            self.snapshot.unagreed.store(false, Relaxed);
        }
        drop(numbers);
        let (node, now) = (&self.node, self.now());
        if let Some(status) = self.turn.shown.renew(node, members.is_some(), now) {
            *self.snapshot.ring.lock().unwrap_or_else(PoisonError::into_inner) = status;
        }
        let list = members.as_ref().map(|(_, list)| list.as_ref());
        let ring = self.snapshot.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let time = watchman::Time { wall_ms: wall_ms(), uptime: self.started.elapsed() };
        let changed = self.turn.watchman.look(&self.node, &ring, list, time);
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
                is_self: record.id == own,
            })
        });
        let list = list.collect();
        (counts, list)
    }
}
