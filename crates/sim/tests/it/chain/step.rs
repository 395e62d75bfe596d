//! What can happen: the steps of the model, each of which leads from one state to another.

use super::case::{Case, Kind};
use super::state::{Broken, FORGOTTEN, LEFT, MAX, Node, PRESENT, Set, WRITES, World, Write};
use super::state::{PASSES, each, has};

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A user writes, or deletes, at a node.
    Write(u8),
    Delete(u8),
    /// A node sends what it holds to another.
    Send(u8, u8),
    /// Two nodes find that they hold the same.
    Compare(u8, u8),
    /// What a node holds is on its disk.
    Sync(u8),
    Crash(u8),
    PowerCut(u8),
    /// A node leaves, and gives its vote to another one, if that is another.
    Leave(u8, u8),
    /// A node starts: for the first time, or again with its disk.
    Start(u8),
    /// These are cut off from the others.
    Split(Set),
    Heal,
    /// A node has waited for another for long enough.
    Forget(u8, u8),
    /// An operator says at a node that another is gone for good.
    Force(u8, u8),
    /// A node begins a pass, and its token goes round once.
    Begin(u8),
    /// The token makes another member hold everything.
    Accept(u8),
    /// A node, and all that it reaches, hear which pass is complete.
    Hear(u8),
    /// A node is brought back to the latest pass by another.
    BringBack(u8, u8),
    /// An operator copies a disk, and puts the copy in its place later.
    Backup(u8),
    Restore(u8),
}

impl World {
    /// All that can happen next.
    pub fn steps(&self, case: &Case) -> Vec<(Step, World)> {
        let mut found = Vec::new();
        let mut offer = |step| {
            if let Some(next) = self.after(step, case) {
                found.push((step, next));
            }
        };
        let rest = |kind: Kind| self.budget[kind as usize] > 0;
        for one in 0..MAX as u8 {
            let it = &self.nodes[usize::from(one)];
            if !it.up {
                [Step::Start, Step::Restore].iter().for_each(|step| offer(step(one)));
                continue;
            }
            [Step::Write, Step::Delete, Step::Sync].iter().for_each(|step| offer(step(one)));
            [Step::Crash, Step::PowerCut].iter().for_each(|step| offer(step(one)));
            [Step::Begin, Step::Hear, Step::Backup].iter().for_each(|step| offer(step(one)));
            let near = self.reached_by(one.into());
            for other in 0..MAX as u8 {
                if !has(near, other.into()) {
                    [Step::Forget, Step::Force].iter().for_each(|step| offer(step(one, other)));
                    continue;
                }
                if rest(Kind::Leave) {
                    offer(Step::Leave(one, other));
                }
                if it.held != 0 {
                    [Step::Send, Step::Compare].iter().for_each(|step| offer(step(one, other)));
                }
                if it.is_behind() {
                    offer(Step::BringBack(one, other));
                }
            }
        }
        (1..=self.pass_count).for_each(|pass| offer(Step::Accept(pass)));
        case.splits.iter().for_each(|side| offer(Step::Split(*side)));
        offer(Step::Heal);
        found
    }

    /// What a step leads to, if it can be made.
    pub fn after(&self, step: Step, case: &Case) -> Option<World> {
        if !self.may_be_spent(step) {
            return None;
        }
        let mut next = *self;
        let done = match step {
            Step::Write(node) => next.user_writes(node.into(), false, case),
            Step::Delete(node) => next.user_writes(node.into(), true, case),
            Step::Send(from, to) => next.send(from.into(), to.into(), case),
            Step::Compare(node, peer) => next.compare(node.into(), peer.into(), case),
            Step::Sync(node) => next.sync(node.into()),
            Step::Crash(node) => next.stop(node.into(), Kind::Crash, case),
            Step::PowerCut(node) => next.stop(node.into(), Kind::PowerCut, case),
            Step::Leave(node, to) => next.leave(node.into(), to.into(), case),
            Step::Start(node) => next.start(node.into(), case),
            Step::Split(side) => {
                self.side == 0 && next.spend(Kind::Split) && {
                    next.side = side;
                    true
                }
            }
            Step::Heal => std::mem::take(&mut next.side) != 0,
            Step::Forget(node, other) => next.forget(node.into(), other.into(), case),
            Step::Force(node, other) => next.force(node.into(), other.into()),
            Step::Begin(node) => next.begin(node.into(), case),
            Step::Accept(pass) => next.accept(pass, case),
            Step::Hear(node) => next.hear(node.into(), case),
            Step::BringBack(node, giver) => next.bring_back(node.into(), giver.into(), case),
            Step::Backup(node) => next.copy_disk(node.into()),
            Step::Restore(node) => next.restore(node.into()),
        };
        next.share_roster();
        (done && self.broken.is_none()).then_some(next)
    }

    /// False if there is nothing left to spend on a step.
    fn may_be_spent(&self, step: Step) -> bool {
        let kind = match step {
            Step::Write(_) => Kind::Write,
            Step::Delete(_) => Kind::Delete,
            Step::Crash(_) => Kind::Crash,
            Step::PowerCut(_) => Kind::PowerCut,
            Step::Leave(..) => Kind::Leave,
            Step::Start(_) => Kind::Start,
            Step::Split(_) => Kind::Split,
            Step::Force(..) => Kind::Force,
            Step::Begin(_) => Kind::Pass,
            Step::Backup(_) => Kind::Backup,
            Step::Restore(_) => Kind::Restore,
            _ => return true,
        };
        self.budget[kind as usize] > 0
    }

    pub fn spend(&mut self, kind: Kind) -> bool {
        let left = &mut self.budget[kind as usize];
        let any = *left > 0;
        *left = left.saturating_sub(1);
        any
    }

    pub fn can_reach(&self, one: usize, other: usize) -> bool {
        one != other && self.nodes[one].up && has(self.reached_by(one), other)
    }

    /// A write with this stamp, if there is room for one.
    pub fn add(&mut self, write: Write) -> Option<u8> {
        let number = usize::from(self.write_count) + 1;
        *self.writes.get_mut(number)? = write;
        self.write_count += 1;
        (number < WRITES).then_some(number as u8)
    }

    fn user_writes(&mut self, node: usize, deletes: bool, case: &Case) -> bool {
        let it = self.nodes[node];
        let kind = if deletes { Kind::Delete } else { Kind::Write };
        let shown = it.held != 0 && !self.write(it.held).deletes;
        if !it.up || deletes && !shown || !has(case.writers, node) || !self.spend(kind) {
            return false;
        }
        self.clock += 1;
        let (stamp, origin) = (self.clock << 4, self.write_count + 1);
        let (anew, excused) = (false, false);
        let writer = node as u8;
        let since = stamp;
        let write = Write { stamp, since, writer, deletes, origin, past: it.knows, anew, excused };
        let Some(number) = self.add(write) else { return false };
        self.hold(node, number, !case.everysec);
        self.nodes[node].seen_by = 1 << node;
        true
    }

    /// A node is given a write, by a hop of this pass or otherwise; false if it does not take it.
    pub fn take(&mut self, node: usize, write: u8, hop: u8, case: &Case) -> bool {
        let it = self.nodes[node];
        let since = self.since(write);
        if write == 0 || !self.is_newer(write, it.held) || since <= self.horizon(it.link) {
            return false;
        }
        let it = &mut self.nodes[node];
        for pass in 1..PASSES as u8 {
            if pass == hop || since > self.passes[usize::from(pass)].horizon {
                continue;
            }
            // From outside: the pass does not cover this node any more.
            it.clean &= !(1 << pass);
            if !case.rules.open {
                it.open &= !(1 << pass);
            }
            if it.lent == pass {
                it.lent = 0;
            }
        }
        self.check_return(node, write);
        self.hold(node, write, !case.everysec);
        true
    }

    /// What was deleted is not taken by who knew that all had the deletion.
    pub fn check_return(&mut self, node: usize, write: u8) {
        let Write { stamp, deletes, anew, origin, .. } = *self.write(write);
        let gone = (1..=self.write_count).filter(|n| self.nodes[node].collected >> n & 1 == 1);
        let back = |gone: u8| match anew {
            true => self.write(gone).past >> origin & 1 == 1,
            false => self.stamp(gone) > stamp,
        };
        if write != 0 && !deletes && gone.into_iter().any(back) {
            self.break_off(Broken::Resurrected);
        }
    }

    pub fn break_off(&mut self, broken: Broken) {
        // After an operator has forced a pass nothing is promised of what was deleted.
        let forced = self.passes.iter().any(|pass| pass.forced != 0);
        let promised = !forced || !matches!(broken, Broken::Forked | Broken::Resurrected);
        if promised && self.only.is_none_or(|only| only == broken) {
            self.broken = self.broken.or(Some(broken));
        }
    }

    pub fn send(&mut self, from: usize, to: usize, case: &Case) -> bool {
        let gives = self.nodes[from];
        let behind = gives.is_behind() && self.since(gives.held) <= self.horizon(gives.heard);
        // Who is behind does not know what may be news.
        if !self.can_reach(from, to) || case.rules.strays && behind {
            return false;
        }
        self.show(from);
        self.take(to, gives.held, 0, case)
    }

    /// Others may see what this node holds.
    pub fn show(&mut self, node: usize) {
        let held = self.nodes[node].held;
        if held != 0 && usize::from(self.write(held).writer) == node {
            self.nodes[node].sent |= 1 << held;
        }
    }

    fn compare(&mut self, node: usize, peer: usize, case: &Case) -> bool {
        let held = self.nodes[node].held;
        let synced = self.nodes[peer].synced == held;
        let own = held != 0 && usize::from(self.write(held).writer) == node;
        if !case.confirms || !self.can_reach(node, peer) || !own || !synced {
            return false;
        }
        let it = &mut self.nodes[node];
        if has(it.seen_by, peer) || self.nodes[peer].held != held {
            return false;
        }
        let base = match self.nodes[node].link {
            0 => self.known(node),
            link => self.pass(link).order,
        };
        let it = &mut self.nodes[node];
        let before = it.seen_by;
        it.seen_by |= (1 << peer | 1 << node) & base;
        if 2 * it.seen_by.count_ones() > base.count_ones() {
            it.confirmed |= 1 << held;
        }
        it.sent |= 1 << held;
        before != it.seen_by
    }

    fn sync(&mut self, node: usize) -> bool {
        let it = &mut self.nodes[node];
        let before = *it;
        it.sync();
        it.up && *it != before
    }

    fn stop(&mut self, node: usize, kind: Kind, case: &Case) -> bool {
        if !self.nodes[node].up || !has(case.mortals, node) || !self.spend(kind) {
            return false;
        }
        self.nodes[node].crash();
        if kind == Kind::Crash {
            // A process that ends loses nothing that it has handed to its system.
            self.nodes[node].sync();
            return true;
        }
        let it = &mut self.nodes[node];
        (it.held, it.top) = (it.synced, it.synced_top);
        // What it alone had is nobody's to keep.
        for lost in 1..=self.write_count {
            let newer = |other: &Node| {
                self.stamp(other.held) >= self.stamp(lost) || other.strays >> lost & 1 == 1
            };
            let own = usize::from(self.write(lost).writer) == node;
            let gone = own && self.since(lost) > self.nodes[node].synced_top;
            self.writes[usize::from(lost)].excused |= gone && !self.nodes.iter().any(newer);
        }
        true
    }

    fn leave(&mut self, node: usize, to: usize, case: &Case) -> bool {
        let (it, takes) = (self.nodes[node], self.nodes[to]);
        if !it.up || !has(case.leavers, node) || !self.spend(Kind::Leave) {
            return false;
        }
        if node != to {
            if !case.rules.handover || !self.can_reach(node, to) || it.is_behind() {
                return false;
            }
            let stay = self.reached_by(node) & !(1 << node);
            if stay.trailing_zeros() as usize != to || it.link != takes.link || takes.is_behind() {
                return false;
            }
            self.hand_over(node, to, case);
        }
        let it = &mut self.nodes[node];
        if case.rules.handover {
            it.kept = it.confirmed;
        }
        it.crash();
        it.sync();
        self.mark(node, node, LEFT);
        for other in each(self.reached_by(node)) {
            self.nodes[other].view[node] = self.nodes[node].view[node];
        }
        true
    }

    /// All that a node holds and its votes go to another, which has both on its disk.
    fn hand_over(&mut self, node: usize, to: usize, case: &Case) {
        self.show(node);
        self.take(to, self.nodes[node].held, 0, case);
        let it = &mut self.nodes[node];
        let given = it.open | 1 << it.link;
        let (open, speaks, speaks_open) = (it.open, it.speaks, it.speaks_open);
        let own = given & !it.gave;
        it.gave |= given;
        (it.speaks, it.speaks_open) = Default::default();
        let takes = &mut self.nodes[to];
        for voter in 0..MAX {
            takes.speaks[voter] |= speaks[voter];
            takes.speaks_open[voter] |= speaks_open[voter];
        }
        takes.speaks[node] |= own;
        takes.speaks_open[node] |= open;
        takes.sync();
    }

    fn start(&mut self, node: usize, case: &Case) -> bool {
        let it = &self.nodes[node];
        if it.up || !has(case.starters, node) || !self.spend(Kind::Start) {
            return false;
        }
        self.start_up(node);
        true
    }

    pub fn start_up(&mut self, node: usize) {
        let clock = self.clock;
        let it = &mut self.nodes[node];
        it.fresh = 0;
        (it.up, it.view[node]) = (true, (it.view[node] & !3) + 4 + PRESENT);
        if std::mem::replace(&mut it.born, true) {
            let (from, to) = &mut it.gaps[node];
            *from = if *to == 0 { it.top } else { it.top.min(*from) };
            *to = (clock << 4) + 15;
            it.unsure = true;
        }
        self.clock += 1;
    }

    fn forget(&mut self, node: usize, other: usize, case: &Case) -> bool {
        let lowest = self.reached_by(node).trailing_zeros() as usize == node;
        if !self.nodes[node].up || !lowest || !has(self.away(node), other) {
            return false;
        }
        let may = case.rules.may_forget(self, node);
        self.mark(node, other, FORGOTTEN);
        may
    }

    fn force(&mut self, node: usize, other: usize) -> bool {
        let gone = !has(self.reached_by(node), other) && self.status(node, other) != 0;
        let it = &self.nodes[node];
        if !it.up || !gone || has(it.waived, other) || !self.spend(Kind::Force) {
            return false;
        }
        self.waive(node, other);
        true
    }

    pub fn waive(&mut self, node: usize, other: usize) {
        let link = self.nodes[node].link;
        for near in each(self.reached_by(node)) {
            if self.nodes[near].link == link {
                self.nodes[near].waived |= 1 << other;
            }
        }
        if self.status(node, other) == PRESENT {
            self.mark(node, other, FORGOTTEN);
        }
    }

    fn copy_disk(&mut self, node: usize) -> bool {
        let it = self.nodes[node];
        if !it.up || !self.spend(Kind::Backup) {
            return false;
        }
        let mut copy = it;
        copy.crash();
        (copy.held, copy.top) = (copy.synced, copy.synced_top);
        self.backup = Some((node as u8, copy));
        true
    }

    fn restore(&mut self, node: usize) -> bool {
        let Some((whose, copy)) = self.backup else { return false };
        if usize::from(whose) != node || self.nodes[node].up || !self.spend(Kind::Restore) {
            return false;
        }
        self.nodes[node] = copy;
        (self.backup, self.restored) = (None, true);
        true
    }
}
