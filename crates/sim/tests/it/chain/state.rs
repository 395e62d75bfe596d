//! The state of the model: what each member keeps on disk and in memory, the passes, the writes of
//! one key, and who can reach whom.

/// Members, at most.
pub const MAX: usize = 5;
/// Passes, at most; the numbers 1 to `PASSES` name them, 0 is "none".
pub const PASSES: usize = 10;
/// Writes, at most; the numbers 1 to `WRITES` name them, 0 is "nothing held".
pub const WRITES: usize = 9;

/// Members, a bit each.
pub type Set = u8;
/// Passes, a bit each. Bit 0 stands for the time before the first pass.
pub type Passes = u16;
/// Writes, a bit each.
pub type Writes = u16;

/// True if a set of members has this one.
pub fn has(set: Set, member: usize) -> bool {
    set >> member & 1 == 1
}

/// The members of a set.
pub fn each(set: Set) -> impl Iterator<Item = usize> {
    (0..MAX).filter(move |member| has(set, *member))
}

/// How a member looks to another: its incarnation times four, and one of these.
pub const PRESENT: u8 = 1;
pub const LEFT: u8 = 2;
pub const FORGOTTEN: u8 = 3;

/// A write, or what was written anew in its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Write {
    /// Sixteen times when it was made; what is written anew just above a horizon has the rest.
    pub stamp: u16,
    /// Passes count it from here on: later than its stamp if it was written anew.
    pub since: u16,
    pub writer: u8,
    pub deletes: bool,
    /// What a user wrote.
    pub origin: u8,
    /// True if it was written anew in place of another.
    pub anew: bool,
    /// What users had written that its writer had seen.
    pub past: Writes,
    /// True if a power cut took it before anybody else had it.
    pub excused: bool,
}

/// A pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pass {
    pub order: Set,
    pub horizon: u16,
    /// The pass before, that all of its members are covered by.
    pub link: u8,
    /// That one, and all others of which a majority must agree since they may be complete.
    pub bases: Passes,
    pub number: u8,
    /// Passes among those before it, or itself, that an operator has forced.
    pub forced: Passes,
    /// Those who have had their last visit.
    pub accepted: Set,
    pub complete: bool,
}

/// A member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Node {
    pub up: bool,
    /// True once it has ever run.
    pub born: bool,
    pub view: [u8; MAX],

    /// What it holds of the key.
    pub held: u8,
    /// The same on its disk, if a power cut comes.
    pub synced: u8,
    /// The largest stamp that it has seen, and the same on its disk.
    pub top: u16,
    pub synced_top: u16,

    /// The latest pass that covers it.
    pub link: u8,
    /// The latest complete one that it has heard of.
    pub heard: u8,
    /// Passes that it has had its last visit of, of which it does not know what has become.
    pub open: Passes,
    /// Those of them that still cover it, should they be complete.
    pub clean: Passes,
    /// Those that it has accepted since it was started. In memory.
    pub fresh: Passes,
    /// The pass that it has lent itself to. In memory.
    pub lent: u8,

    /// The passes in which it has given its vote to another.
    pub gave: Passes,
    /// The passes in which it speaks for others, and what those had open.
    pub speaks: [Passes; MAX],
    pub speaks_open: [Passes; MAX],
    /// Whose vote an operator has waived.
    pub waived: Set,
    /// True if it may have been set back to an old copy of its disk.
    pub unsure: bool,

    /// By member: the latest pass that has visited it, as far as this one knows.
    pub past: [u8; MAX],
    /// By member: stamps between these two that it may have written and lost.
    pub gaps: [(u16, u16); MAX],
    /// Own writes that others may have seen.
    pub sent: Writes,
    /// Who is known to hold the last own write.
    pub seen_by: Set,
    /// Own writes that a majority holds; the same on disk.
    pub confirmed: Writes,
    pub kept: Writes,
    /// What waits for a word of the operator.
    pub strays: Writes,

    /// Of no effect, for the checks: what users had written that it has seen, and deletions that it
    /// has collected.
    pub knows: Writes,
    pub collected: Writes,
}

impl Node {
    /// True if the latest pass that it has heard of has not covered it.
    pub fn is_behind(&self) -> bool {
        self.heard != self.link
    }

    /// What a crash leaves.
    pub fn crash(&mut self) {
        self.up = false;
        self.lent = 0;
        self.confirmed = self.kept;
        self.seen_by = 0;
    }

    /// What is held is on disk.
    pub fn sync(&mut self) {
        (self.synced, self.synced_top) = (self.held, self.top);
    }
}

/// Everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub nodes: [Node; MAX],
    pub passes: [Pass; PASSES],
    pub pass_count: u8,
    pub writes: [Write; WRITES],
    pub write_count: u8,
    pub clock: u16,
    /// Who is on the far side of a partition.
    pub side: Set,
    /// What may still happen, by [`super::case::Kind`].
    pub budget: [u8; super::case::KINDS],
    /// An old copy of a disk, and whose it is.
    pub backup: Option<(u8, Node)>,
    pub restored: bool,
    /// The property that is asked for; all, if none.
    pub only: Option<Broken>,
    /// The property that does not hold.
    pub broken: Option<Broken>,
}

/// A property that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Broken {
    /// Two passes of one number are complete.
    Forked,
    /// A deleted key is back.
    Resurrected,
    /// An acknowledged write is gone.
    Lost,
    /// Members do not agree in the end.
    Differ,
    /// No pass can be made any more.
    Stuck,
}

impl World {
    pub fn pass(&self, pass: u8) -> &Pass {
        &self.passes[usize::from(pass)]
    }

    pub fn write(&self, write: u8) -> &Write {
        &self.writes[usize::from(write)]
    }

    pub fn stamp(&self, write: u8) -> u16 {
        if write == 0 { 0 } else { self.write(write).stamp }
    }

    pub fn since(&self, write: u8) -> u16 {
        if write == 0 { 0 } else { self.write(write).since }
    }

    /// True if a write takes the place of another.
    pub fn is_newer(&self, write: u8, than: u8) -> bool {
        let order = |write| (self.stamp(write), self.since(write));
        order(write) > order(than)
    }

    pub fn horizon(&self, pass: u8) -> u16 {
        if pass == 0 { 0 } else { self.pass(pass).horizon }
    }

    /// Which of two passes is the later: what an operator has forced comes first.
    pub fn rank(&self, pass: u8) -> (u32, u8) {
        if pass == 0 { (0, 0) } else { (self.pass(pass).forced.count_ones(), pass) }
    }

    /// Those who run and are on the same side, this one among them.
    pub fn reached_by(&self, node: usize) -> Set {
        let same = |other: &usize| has(self.side, *other) == has(self.side, node);
        let near = (0..MAX).filter(same).filter(|other| self.nodes[*other].up);
        near.fold(0, |set, other| set | 1 << other)
    }

    pub fn up(&self) -> impl Iterator<Item = usize> + '_ {
        (0..MAX).filter(|node| self.nodes[*node].up)
    }

    pub fn status(&self, node: usize, other: usize) -> u8 {
        self.nodes[node].view[other] & 3
    }

    pub fn mark(&mut self, node: usize, other: usize, status: u8) {
        let view = &mut self.nodes[node].view[other];
        *view = *view & !3 | status;
    }

    /// Members that a node knows of, whatever has become of them.
    pub fn known(&self, node: usize) -> Set {
        (0..MAX).filter(|other| self.status(node, *other) != 0).fold(0, |set, n| set | 1 << n)
    }

    /// Members that hold a pass up: neither here nor gone for good.
    pub fn away(&self, node: usize) -> Set {
        let waits = |other: &usize| self.status(node, *other) == PRESENT;
        (0..MAX).filter(waits).fold(0, |set, n| set | 1 << n) & !self.reached_by(node)
    }

    /// The roster is the same for all who reach each other, and who is there is there.
    pub fn share_roster(&mut self) {
        for far in [false, true] {
            let near = self.up().filter(|node| has(self.side, *node) == far);
            let near = near.fold(0, |set, node| set | 1 << node);
            let mut view = [0; MAX];
            for node in each(near) {
                for (all, one) in view.iter_mut().zip(self.nodes[node].view) {
                    *all = one.max(*all);
                }
            }
            for node in each(near) {
                if view[node] & 3 != PRESENT {
                    view[node] = (view[node] & !3) + 4 + PRESENT;
                }
            }
            each(near).for_each(|node| self.nodes[node].view = view);
        }
    }

    /// A node holds a write, and knows what its writer knew.
    pub fn hold(&mut self, node: usize, write: u8, always_synced: bool) {
        let Write { since, past, origin, .. } = *self.write(write);
        let it = &mut self.nodes[node];
        it.held = write;
        it.top = it.top.max(since);
        it.knows |= past | 1 << origin;
        if always_synced {
            it.sync();
        }
    }
}
