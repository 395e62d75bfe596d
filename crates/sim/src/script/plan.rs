//! From a script to a plan: who it happens to, drawn from a seed, and what is left of overlapping
//! troubles when one of them ends.

use super::{Action, Script, ScriptError, Step, Who};
use crate::faults::{Does, Fault, Forge, Plan};
use crate::zones::Placement;
use rumormill_core::base::rng::Rng;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a script needs to know of the cluster.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Nodes.
    pub nodes: usize,
    /// Draws the nodes that a step names by their number or share.
    pub seed: u64,
    /// The zones, if there are any.
    pub zones: Option<&'a Placement>,
    /// Shares of datagrams lost, doubled and held back where no fault says otherwise.
    pub base: [f64; 3],
    /// How long the plan runs: all faults lie within.
    pub duration: Duration,
}

impl Script {
    /// The plan for a cluster.
    ///
    /// # Errors
    /// If a step names nodes that there are not, or does not fit into the time.
    pub fn plan(&self, setting: &Setting<'_>) -> Result<Plan, ScriptError> {
        let mut planner = Planner {
            setting,
            rng: Rng::new(setting.seed ^ 0x7363_7269_7074),
            down: vec![false; setting.nodes],
            affected: BTreeMap::new(),
            steps: Vec::new(),
        };
        for (at, ends, index) in self.moments() {
            let Some(step) = self.steps.get(index) else { continue };
            if at > setting.duration {
                return Err(ScriptError {
                    step: step.to_string(),
                    message: format!(
                        "it lies behind the end, at {}: run longer or let it happen sooner",
                        crate::text::Time(setting.duration)
                    ),
                });
            }
            match ends {
                true => planner.end(at, index, step),
                false => planner
                    .begin(at, index, step)
                    .map_err(|message| ScriptError { step: step.to_string(), message })?,
            }
        }
        Ok(Plan { seed: setting.seed, duration: setting.duration, steps: planner.steps })
    }

    /// When steps end (true) and begin, in the order of time; what ends at a time does so before
    /// others begin.
    fn moments(&self) -> Vec<(Duration, bool, usize)> {
        let begins = self.steps.iter().enumerate().map(|(index, step)| (step.from, false, index));
        let ends = self.steps.iter().enumerate();
        let ends = ends.filter_map(|(index, step)| Some((step.to?, true, index)));
        let mut all: Vec<_> = begins.chain(ends).collect();
        all.sort_by_key(|&(at, ends, index)| (at, !ends, index));
        all
    }
}

struct Planner<'a> {
    setting: &'a Setting<'a>,
    rng: Rng,
    down: Vec<bool>,
    /// Steps under way and whom they happen to, in the order in which they stand in the script.
    affected: BTreeMap<usize, (Action, Vec<usize>)>,
    steps: Vec<(Duration, Fault)>,
}

impl Planner<'_> {
    fn begin(&mut self, at: Duration, index: usize, step: &Step) -> Result<(), String> {
        let nodes = self.pick(step)?;
        let mut put = |fault| self.steps.push((at, fault));
        match step.action {
            Action::Crash => nodes.iter().for_each(|&node| put(Fault::Crash(node))),
            Action::Restart => nodes.iter().for_each(|&node| put(Fault::Boot(node))),
            Action::LoseDisk => nodes.iter().for_each(|&node| put(Fault::LoseDisk(node))),
            Action::Leave => nodes.iter().for_each(|&node| put(Fault::Leave(node))),
            Action::Depart => nodes.iter().for_each(|&node| put(Fault::Depart(node))),
            Action::PowerCut(back) => {
                nodes.iter().for_each(|&node| put(Fault::PowerCut { node, back }));
            }
            Action::Replace => nodes.iter().for_each(|&node| {
                put(Fault::Leave(node));
                put(Fault::CopyDisk(node));
                put(Fault::LoseDisk(node));
                put(Fault::Boot(node));
            }),
            Action::Copy => nodes.iter().for_each(|&node| put(Fault::CopyDisk(node))),
            Action::Restore | Action::RestoreAsNew => nodes.iter().for_each(|&node| {
                let fresh = step.action == Action::RestoreAsNew;
                put(Fault::Restore { node, from: node, before: 0, fresh });
                put(Fault::Boot(node));
            }),
            Action::Forget | Action::ForceForget => {
                let force = step.action == Action::ForceForget;
                let there = |node: &usize| !self.down[*node] && !nodes.contains(node);
                let by = (0..self.setting.nodes).find(there);
                let by = by.ok_or("nobody is there to be told")?;
                nodes.iter().for_each(|&node| put(Fault::Forget { by, node, force }));
            }
            Action::Pass => {
                nodes.iter().for_each(|&by| put(Fault::Pass { by, waive: false }));
            }
            Action::Pause => nodes.iter().for_each(|&node| put(Fault::Pause(node))),
            Action::Clock(ms) => {
                nodes.iter().for_each(|&node| put(Fault::ClockJump { node, ms }));
            }
            action if action.divides() => {
                let fault = self.divide(step.action, &nodes);
                self.steps.push((at, fault));
            }
            _ => {}
        }
        for &node in &nodes {
            match step.action {
                action if action.stops() => self.down[node] = true,
                Action::Restart | Action::Restore | Action::RestoreAsNew => {
                    self.down[node] = false;
                }
                _ => {}
            }
        }
        self.affected.insert(index, (step.action, nodes.clone()));
        self.set_shared(at, step.action, &nodes);
        Ok(())
    }

    fn end(&mut self, at: Duration, index: usize, step: &Step) {
        let Some((action, nodes)) = self.affected.remove(&index) else { return };
        for &node in &nodes {
            match action {
                action if action.stops() && self.down[node] => {
                    self.down[node] = false;
                    self.steps.push((at, Fault::Boot(node)));
                }
                Action::Pause => self.steps.push((at, Fault::Resume(node))),
                Action::Clock(ms) => self.steps.push((at, Fault::ClockJump { node, ms: -ms })),
                _ => {}
            }
        }
        if step.action.divides() {
            self.steps.push((at, Fault::Heal));
            // Healing ends all cuts: those that are to go on begin again at once.
            let others: Vec<Fault> = self
                .affected
                .values()
                .filter(|(action, _)| action.divides())
                .map(|(action, nodes)| self.divide(*action, nodes))
                .collect();
            self.steps.extend(others.into_iter().map(|fault| (at, fault)));
        }
        self.set_shared(at, action, &nodes);
    }

    /// Sets what several steps may say something about, as those under way now say it.
    fn set_shared(&mut self, at: Duration, action: Action, nodes: &[usize]) {
        let latest = |value: fn(Action) -> Option<f64>, base: f64| {
            let said = self.affected.values().filter_map(|(action, _)| value(*action)).next_back();
            said.map_or(base, |percent| percent / 100.0)
        };
        let [loss, duplicate, reorder] = self.setting.base;
        let fault = match action {
            Action::Loss(_) => Fault::Loss(latest(
                |action| match action {
                    Action::Loss(percent) => Some(percent),
                    _ => None,
                },
                loss,
            )),
            Action::Duplicate(_) => Fault::Duplicate(latest(
                |action| match action {
                    Action::Duplicate(percent) => Some(percent),
                    _ => None,
                },
                duplicate,
            )),
            Action::Reorder(_) => Fault::Reorder(latest(
                |action| match action {
                    Action::Reorder(percent) => Some(percent),
                    _ => None,
                },
                reorder,
            )),
            Action::Slow(_) => {
                for &node in nodes {
                    let slow = self.affected.values().filter_map(|(action, nodes)| match action {
                        Action::Slow(extra) if nodes.contains(&node) => Some(*extra),
                        _ => None,
                    });
                    let extra = slow.max().unwrap_or_default();
                    self.steps.push((at, Fault::Slow { node, extra }));
                }
                return;
            }
            Action::HangDisk | Action::FailDisk => {
                for &node in nodes {
                    let mut does =
                        self.affected.values().filter_map(|(action, nodes)| match action {
                            Action::HangDisk if nodes.contains(&node) => Some(Does::Hangs),
                            Action::FailDisk if nodes.contains(&node) => Some(Does::Fails),
                            _ => None,
                        });
                    let does = does.next_back().unwrap_or_default();
                    self.steps.push((at, Fault::Disk { node, does }));
                }
                return;
            }
            Action::Squeeze(_) => {
                for &node in nodes {
                    let room = self.affected.values().filter_map(|(action, nodes)| match action {
                        Action::Squeeze(bytes) if nodes.contains(&node) => Some(*bytes),
                        _ => None,
                    });
                    let bytes = room.min().unwrap_or_default();
                    self.steps.push((at, Fault::Squeeze { node, bytes }));
                }
                return;
            }
            Action::Strangers(_) => {
                let mut rates = self.affected.values().filter_map(|(action, _)| match action {
                    Action::Strangers(rate) => Some(*rate),
                    _ => None,
                });
                let per_second = rates.next_back().unwrap_or_default();
                let all = Forge::ALL.map(|forge| (at, Fault::Strangers { forge, per_second }));
                self.steps.extend(all);
                return;
            }
            Action::Narrow(_) => {
                for &node in nodes {
                    let width = self.affected.values().filter_map(|(action, nodes)| match action {
                        Action::Narrow(bytes) if nodes.contains(&node) => Some(*bytes),
                        _ => None,
                    });
                    let bytes = width.min().unwrap_or_default();
                    self.steps.push((at, Fault::Narrow { node, bytes }));
                }
                return;
            }
            _ => return,
        };
        self.steps.push((at, fault));
    }

    fn divide(&self, action: Action, nodes: &[usize]) -> Fault {
        let one = nodes.to_vec();
        let other = (0..self.setting.nodes).filter(|node| !nodes.contains(node)).collect();
        match action {
            Action::Cut => Fault::Cut { from: one, to: other },
            Action::CutUdp => Fault::CutWay { from: one, to: other, streams: false },
            Action::CutTcp => Fault::CutWay { from: one, to: other, streams: true },
            _ => Fault::Partition { one, other },
        }
    }

    /// The nodes that a step happens to.
    fn pick(&mut self, step: &Step) -> Result<Vec<usize>, String> {
        let all = self.setting.nodes;
        let wants_down =
            matches!(step.action, Action::Restart | Action::Forget | Action::ForceForget);
        let fit: Vec<usize> = (0..all).filter(|&node| self.down[node] == wants_down).collect();
        let count = match &step.who {
            Who::Count(count) => *count,
            // Of all nodes, to the nearest, but somebody; and a division has two sides.
            Who::Percent(percent) => {
                let count = ((all as f64 * percent / 100.0 + 0.5) as usize).max(1);
                match step.action {
                    action if action.divides() => count.min(all.saturating_sub(1)).max(1),
                    _ => count,
                }
            }
            Who::Nodes(nodes) => {
                return match nodes.iter().find(|&&node| node >= all) {
                    Some(node) => Err(format!(
                        "there is no n{node}: the {all} nodes are n0 to n{}",
                        all.saturating_sub(1)
                    )),
                    None => Ok(nodes.clone()),
                };
            }
            Who::Zone(name) => return self.zone(name),
            Who::All if wants_down && fit.is_empty() => {
                return Err("nobody is down then: let something crash before".into());
            }
            Who::All => fit.len(),
        };
        if count > fit.len() {
            let state = if wants_down { "down" } else { "up" };
            return Err(format!("it needs {count} nodes, but {} are {state} then", fit.len()));
        }
        let mut drawn = fit;
        if count < drawn.len() {
            self.rng.shuffle(&mut drawn);
            drawn.truncate(count);
            drawn.sort_unstable();
        }
        Ok(drawn)
    }

    fn zone(&self, name: &str) -> Result<Vec<usize>, String> {
        let Some(zones) = self.setting.zones else {
            return Err(format!(
                "there is no zone {name:?}: zones come from --latency zones:FILE; nodes are \
                 written 3 (drawn), 10%, n7 or n1,n2"
            ));
        };
        zones.members(name).ok_or_else(|| {
            format!("there is no zone {name:?}; there are {}", crate::text::list(zones.names()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan_of(text: &str, nodes: usize) -> Result<Vec<(u64, Fault)>, String> {
        let setting = Setting {
            nodes,
            seed: 5,
            zones: None,
            base: [0.01, 0.0, 0.0],
            duration: Duration::from_secs(60),
        };
        let plan = text.parse::<Script>().unwrap().plan(&setting);
        let plan = plan.map_err(|error| error.to_string())?;
        Ok(plan.steps.into_iter().map(|(at, fault)| (at.as_secs(), fault)).collect())
    }

    fn plan(text: &str) -> Vec<(u64, Fault)> {
        plan_of(text, 10).unwrap()
    }

    #[test]
    fn a_number_is_drawn_from_those_that_are_up_and_a_restart_from_those_that_are_down() {
        let steps = plan("crash:6@1s; crash:4@2s; restart:n0@3s; restart@4s");
        let crashed: std::collections::BTreeSet<usize> = steps
            .iter()
            .filter_map(|(_, fault)| match fault {
                Fault::Crash(node) => Some(*node),
                _ => None,
            })
            .collect();
        assert_eq!(crashed.len(), 10, "nobody crashes twice");
        assert_eq!(steps[10], (3, Fault::Boot(0)));
        assert_eq!(steps[11..].len(), 9);
        assert_eq!(plan("crash:3@1s"), plan("crash:3@1s"));
        for (text, says) in [
            ("crash:11@1s", "it needs 11 nodes, but 10 are up then"),
            ("crash:2@1s; restart:3@2s", "it needs 3 nodes, but 2 are down then"),
            ("restart@2s", "nobody is down then"),
            ("crash:n10@1s", "there is no n10: the 10 nodes are n0 to n9"),
            ("crash:1@61s", "behind the end"),
            ("pause:1@50s..70s", "behind the end"),
            ("partition:fra@1s..2s", "there is no zone \"fra\""),
        ] {
            let error = plan_of(text, 10).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn who_is_replaced_leaves_a_folder_and_can_be_forgotten() {
        let restore = Fault::Restore { node: 1, from: 1, before: 0, fresh: true };
        let forget = Fault::Forget { by: 0, node: 2, force: true };
        let back = Duration::from_millis(300);
        assert_eq!(
            plan(
                "replace:n1@1s; restore-as-new:n1@2s; depart:n2@3s; force-forget:1@4s; \
                 power-cut:n3,300ms@5s..6s; pass:n4@7s"
            ),
            [
                (1, Fault::Leave(1)),
                (1, Fault::CopyDisk(1)),
                (1, Fault::LoseDisk(1)),
                (1, Fault::Boot(1)),
                (2, restore),
                (2, Fault::Boot(1)),
                (3, Fault::Depart(2)),
                (4, forget),
                (5, Fault::PowerCut { node: 3, back }),
                (6, Fault::Boot(3)),
                (7, Fault::Pass { by: 4, waive: false }),
            ]
        );
    }

    #[test]
    fn a_window_ends_what_it_began() {
        assert_eq!(
            plan("crash:n1@1s..2s; pause:n2@3s..4s; clock:n3,-5ms@5s..6s"),
            [
                (1, Fault::Crash(1)),
                (2, Fault::Boot(1)),
                (3, Fault::Pause(2)),
                (4, Fault::Resume(2)),
                (5, Fault::ClockJump { node: 3, ms: -5 }),
                (6, Fault::ClockJump { node: 3, ms: 5 }),
            ]
        );
    }

    #[test]
    fn what_overlaps_goes_on_when_the_other_ends() {
        let steps = plan_of("partition:n0@1s..3s; cut:n1@2s..4s", 3).unwrap();
        let cut = Fault::Cut { from: vec![1], to: vec![0, 2] };
        assert_eq!(
            steps,
            [
                (1, Fault::Partition { one: vec![0], other: vec![1, 2] }),
                (2, cut.clone()),
                (3, Fault::Heal),
                (3, cut),
                (4, Fault::Heal),
            ]
        );
        let loss = |share| Fault::Loss(share);
        assert_eq!(
            plan("loss:20%@1s..4s; loss:50%@2s..3s"),
            [(1, loss(0.2)), (2, loss(0.5)), (3, loss(0.2)), (4, loss(0.01))]
        );
        let slow = |ms| Fault::Slow { node: 4, extra: Duration::from_millis(ms) };
        assert_eq!(
            plan("slow:n4,50ms@1s..3s; slow:n4@2s..4s"),
            [(1, slow(50)), (2, slow(100)), (3, slow(100)), (4, slow(0))]
        );
    }

    #[test]
    fn hardships_end_and_what_overlaps_goes_on() {
        let disk = |does| Fault::Disk { node: 4, does };
        assert_eq!(
            plan("hang-disk:n4@1s..3s; fail-disk:n4@2s..4s"),
            [
                (1, disk(Does::Hangs)),
                (2, disk(Does::Fails)),
                (3, disk(Does::Fails)),
                (4, disk(Does::Works)),
            ]
        );
        let room = |bytes| Fault::Squeeze { node: 4, bytes };
        assert_eq!(plan("squeeze:n4,9000@1s..2s"), [(1, room(9000)), (2, room(0))]);
        let steps = plan("strangers:50@1s..2s");
        assert_eq!(steps.len(), 2 * Forge::ALL.len());
        assert_eq!(steps[0], (1, Fault::Strangers { forge: Forge::Noise, per_second: 50 }));
        assert_eq!(steps[7], (2, Fault::Strangers { forge: Forge::Change, per_second: 0 }));
    }

    #[test]
    fn a_division_always_has_two_sides() {
        for (text, size) in [("partition:40%", 4), ("partition:100%", 9), ("partition:1%", 1)] {
            let steps = plan(&format!("{text}@1s..2s"));
            let Fault::Partition { one, other } = &steps[0].1 else { panic!("{steps:?}") };
            assert_eq!((one.len(), other.len()), (size, 10 - size), "{text}");
        }
    }
}
