//! Who noticed which death when, and who was held dead but was not.

use crate::meter::{Death, Detections, NEVER};
use crate::world::World;
use rumormill_core::data::Entry;
use rumormill_core::member::{Record, State};
use rumormill_core::{Node, NodeId};

impl World {
    /// How often, since a time, a node declared a member dead that ran and that it could reach.
    #[must_use]
    pub fn false_positives(&self, since: std::time::Duration) -> u64 {
        let since = rumormill_core::base::time::micros(since);
        self.meter.accused.iter().filter(|at| at.0 >= since).count() as u64
    }

    pub(crate) fn detections(&self) -> Detections {
        let mut found = Detections { deaths: self.meter.deaths.len(), ..Detections::default() };
        for death in &self.meter.deaths {
            let first = death.noticed.iter().copied().min().filter(|&first| first != NEVER);
            found.first.extend(first);
            let open = self.meter.open.contains_key(&death.id);
            found.all.extend(if open { self.noticed_by_all(death) } else { death.all });
        }
        found
    }

    /// When the last live node came to hold a dead one dead, if all do.
    fn noticed_by_all(&self, death: &Death) -> Option<u32> {
        let mut last = None;
        for (index, node) in self.live() {
            match death.noticed.get(index).copied() {
                Some(after) if after != NEVER => last = last.max(Some(after)),
                // It may have read it from its disk, or joined later and been told.
                _ if holds_dead(node, death.id) => {}
                _ => return None,
            }
        }
        last
    }

    /// A node is about to boot: what was noticed of its death until now is all there will be.
    pub(crate) fn returns(&mut self, id: NodeId) {
        let Some(death) = self.meter.open.remove(&id) else { return };
        let all = self.noticed_by_all(&self.meter.deaths[death]);
        self.meter.deaths[death].all = all;
    }

    /// A node now holds this record of the roster.
    pub(crate) fn note_member(&mut self, node: usize, entry: &Entry, own: bool) {
        let stamp = entry.stamp();
        let Ok(record) = Record::from_entry(entry) else { return };
        if record.state != State::Dead {
            return;
        }
        if let Some(&open) = self.meter.open.get(&stamp.node) {
            let death = &mut self.meter.deaths[open];
            let after = self.now.0.saturating_sub(death.at.0).min(u64::from(NEVER - 1)) as u32;
            if let Some(noticed) = death.noticed.get_mut(node) {
                *noticed = (*noticed).min(after);
            }
        } else if own && self.meter.declared.insert(stamp) && self.is_there(node, &record) {
            self.meter.accused.push(self.now);
        }
    }

    /// True if the run of a member that a record speaks of goes on, within a node's reach.
    fn is_there(&self, from: usize, record: &Record) -> bool {
        let found = self.hosts.iter().position(|host| host.identity.id == record.id);
        let Some((member, node)) = found.and_then(|at| Some((at, self.hosts[at].running()?)))
        else {
            return false;
        };
        let current = node.members().find(|member| member.id == record.id);
        self.network.reaches(from, member)
            && current.is_some_and(|own| own.incarnation <= record.incarnation)
    }
}

fn holds_dead(node: &Node, id: NodeId) -> bool {
    node.members().any(|member| member.id == id && member.state == State::Dead)
}

#[cfg(test)]
mod tests {
    use crate::{Options, World};
    use std::time::Duration;

    const SECS: fn(u64) -> Duration = Duration::from_secs;

    fn world() -> World {
        let mut world = World::new(Options { seed: 4, nodes: 8, ..Options::default() });
        world.run_for(SECS(1)).unwrap();
        world
    }

    #[test]
    fn a_death_is_noticed_by_one_first_and_then_by_all() {
        let mut world = world();
        world.crash(3);
        world.run_for(SECS(20)).unwrap();
        let found = world.detections();
        assert_eq!((found.deaths, found.first.len(), found.all.len()), (1, 1, 1));
        let config = world.options.config.member.clone();
        let least = (config.probe_interval * config.suspicion_mult).as_micros() as u32;
        assert!(found.first[0] > least && found.first[0] <= found.all[0], "{found:?}");
        assert_eq!(world.false_positives(Duration::ZERO), 0);
        world.boot(3);
        world.run_for(SECS(5)).unwrap();
        assert_eq!(world.detections(), found, "its return changes nothing");
    }

    #[test]
    fn who_is_back_before_anyone_noticed_or_said_goodbye_was_not_missed() {
        let mut world = world();
        world.restart(2);
        world.leave(5);
        world.run_for(SECS(20)).unwrap();
        let found = world.detections();
        assert_eq!((found.deaths, found.first.len(), found.all.len()), (1, 0, 0));
        assert_eq!(world.false_positives(Duration::ZERO), 0);
    }

    #[test]
    fn only_who_is_within_reach_is_accused_falsely() {
        let mut world = world();
        world.partition(&[0], &[1, 2, 3, 4, 5, 6, 7]);
        world.run_for(SECS(20)).unwrap();
        assert_eq!(world.false_positives(Duration::ZERO), 0);
        world.heal();
        // Slow beyond every timeout, and alive.
        world.run_for(SECS(20)).unwrap();
        world.slow(4, SECS(30));
        world.run_for(SECS(20)).unwrap();
        assert!(world.false_positives(SECS(21)) > 0);
        assert_eq!(world.false_positives(SECS(100)), 0);
    }
}
