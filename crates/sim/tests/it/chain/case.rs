//! What the model is asked: where it begins, what may happen, and which rules hold.

use super::rules::Rules;
use super::state::{Broken, MAX, Node, PASSES, PRESENT, Pass, Set, WRITES, World, Write, each};
use super::step::Step;

/// What happens a bounded number of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Write,
    Delete,
    Pass,
    Crash,
    PowerCut,
    Leave,
    Start,
    Split,
    Force,
    Backup,
    Restore,
}

/// How many of them there are.
pub const KINDS: usize = 11;

/// A question.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: &'static str,
    pub rules: Rules,
    pub start: World,
    /// Nodes at which users write, that crash, that leave, that start again or for the first time.
    pub writers: Set,
    pub mortals: Set,
    pub leavers: Set,
    pub starters: Set,
    pub splits: Vec<Set>,
    /// Those to join by.
    pub seeds: Set,
    /// True if a power cut takes back what was written last.
    pub everysec: bool,
    /// True if nodes find out who holds what they wrote.
    pub confirms: bool,
    /// True if passes go all the way at once.
    pub whole: bool,
}

impl Case {
    /// Members that know each other, before any pass.
    pub fn of(name: &'static str, rules: Rules, members: Set) -> Self {
        let mut start = World {
            nodes: [Node::default(); MAX],
            passes: [Pass::default(); PASSES],
            pass_count: 0,
            writes: [Write::default(); WRITES],
            write_count: 0,
            clock: 0,
            side: 0,
            budget: [0; KINDS],
            backup: None,
            restored: false,
            only: None,
            broken: None,
        };
        for node in each(members) {
            (start.nodes[node].up, start.nodes[node].born) = (true, true);
            start.nodes[node].view[node] = PRESENT;
        }
        start.share_roster();
        let (writers, mortals, leavers, starters) = (members, 0, 0, 0);
        let (splits, seeds, everysec, confirms) = (Vec::new(), 0, false, false);
        let whole = true;
        Self {
            name,
            rules,
            start,
            writers,
            mortals,
            leavers,
            starters,
            splits,
            seeds,
            everysec,
            confirms,
            whole,
        }
    }

    /// These steps come first.
    pub fn after(mut self, steps: &[Step]) -> Self {
        self.start.budget = [u8::MAX; KINDS];
        let masks = (self.mortals, self.leavers, self.starters, self.writers);
        (self.mortals, self.leavers, self.starters, self.writers) = (31, 31, 31, 31);
        for step in steps {
            let next = self.start.after(*step, &self);
            self.start = next.unwrap_or_else(|| panic!("{}: {step:?} cannot be", self.name));
        }
        (self.mortals, self.leavers, self.starters, self.writers) = masks;
        self.start.budget = [0; KINDS];
        self
    }

    /// A pass over all, which all hear of.
    pub fn after_a_pass(self) -> Self {
        let first = self.start.up().next().unwrap_or_default();
        self.after(&[Step::Begin(first as u8)])
    }

    /// So many of these may happen.
    pub fn with(mut self, budget: &[(Kind, u8)]) -> Self {
        for (kind, times) in budget {
            self.start.budget[*kind as usize] = *times;
        }
        self
    }

    /// Asks for this alone.
    pub fn asks(mut self, broken: Broken) -> Self {
        self.start.only = Some(broken);
        self
    }

    /// Asks for everything.
    pub fn asks_all(mut self) -> Self {
        self.start.only = None;
        self
    }

    pub fn looks_for(&self, broken: Broken) -> bool {
        self.start.only.is_none_or(|only| only == broken)
    }
}
