//! Passes, from the first lap to what each member makes of the news that one is complete, and the way
//! back of those that it has not covered.

use super::case::{Case, Kind};
use super::rules::Fate;
use super::state::{Broken, MAX, PASSES, Pass, World, Write, each};

impl World {
    /// The first lap, as one step: each gives its successor what it holds, and the last one is then
    /// the first to hold everything.
    pub fn begin(&mut self, node: usize, case: &Case) -> bool {
        let it = self.nodes[node];
        let order = self.reached_by(node);
        let lowest = order.trailing_zeros() as usize == node;
        if !it.up || !lowest || self.away(node) != 0 || usize::from(self.pass_count) + 1 >= PASSES {
            return false;
        }
        let ready = |member: usize| {
            let other = &self.nodes[member];
            other.link == it.link && !other.is_behind()
        };
        if !each(order).all(ready) || !self.spend(Kind::Pass) {
            return false;
        }
        self.clock += 1;
        let Some(pass) = case.rules.admit(self, order, case.seeds) else { return false };
        self.pass_count += 1;
        let number = self.pass_count;
        self.passes[usize::from(number)] = pass;
        let (mut last, mut gives) = (0, 0);
        for member in each(order) {
            self.take(member, gives, number, case);
            self.nodes[member].lent = number;
            gives = self.nodes[member].held;
            self.show(member);
            last = member;
        }
        for other in each(order) {
            let (past, gaps) = (self.nodes[other].past, self.nodes[other].gaps);
            self.learn_of(last, past, gaps, case);
        }
        self.settle_visit(last, number, case);
        while case.whole && self.accept(number, case) {}
        if case.whole {
            self.hear(node, case);
        }
        true
    }

    fn learn_of(&mut self, node: usize, past: [u8; MAX], gaps: [(u16, u16); MAX], case: &Case) {
        for member in 0..MAX {
            let later = self.rank(past[member]) > self.rank(self.nodes[node].past[member]);
            let it = &mut self.nodes[node];
            if case.rules.inherit && later {
                it.past[member] = past[member];
            }
            let ((from, to), (own_from, own_to)) = (gaps[member], it.gaps[member]);
            if to != 0 {
                let least = if own_to == 0 { from } else { from.min(own_from) };
                it.gaps[member] = (least, to.max(own_to));
            }
        }
    }

    pub fn accept(&mut self, number: u8, case: &Case) -> bool {
        let pass = *self.pass(number);
        let first = (MAX as u32 + 2) - pass.order.leading_zeros();
        let giver = match (pass.order & !(1 << first) & pass.accepted).leading_zeros() {
            8 => first as usize,
            zeros => 7 - zeros as usize,
        };
        let rest = pass.order & !pass.accepted;
        let node = rest.trailing_zeros() as usize;
        if rest == 0 || !self.can_reach(giver, node) || self.nodes[giver].lent != number {
            return false;
        }
        if self.nodes[node].lent != number {
            return false;
        }
        self.show(giver);
        self.take(node, self.nodes[giver].held, number, case);
        let (past, gaps) = (self.nodes[giver].past, self.nodes[giver].gaps);
        self.learn_of(node, past, gaps, case);
        self.settle_visit(node, number, case);
        true
    }

    /// The last visit: on disk before the token goes on.
    fn settle_visit(&mut self, node: usize, number: u8, case: &Case) {
        let bases = self.pass(number).bases;
        let it = &mut self.nodes[node];
        if case.rules.open {
            // What is not among them can never be complete.
            it.open &= bases;
            it.speaks_open.iter_mut().for_each(|open| *open &= bases);
        }
        it.open |= 1 << number;
        it.clean |= 1 << number;
        it.fresh |= 1 << number;
        if case.rules.gaps || !case.everysec {
            it.sync();
        }
        let pass = &mut self.passes[usize::from(number)];
        pass.accepted |= 1 << node;
        if pass.accepted == pass.order {
            pass.complete = true;
            let number_of = pass.number;
            let same = |other: &&Pass| other.complete && other.number == number_of;
            if self.passes.iter().filter(same).count() > 1 {
                self.break_off(Broken::Forked);
            }
            self.learn(node, number, case);
        }
    }

    /// A node hears that a pass is complete.
    fn learn(&mut self, node: usize, number: u8, case: &Case) -> bool {
        if self.rank(number) <= self.rank(self.nodes[node].heard) {
            return false;
        }
        let rank = self.rank(number);
        let it = &mut self.nodes[node];
        it.heard = number;
        if case.rules.news && it.lent != number {
            it.lent = 0;
        }
        if it.clean & it.open & 1 << number != 0 && rank > self.rank(self.nodes[node].link) {
            self.cover(node, number, case);
            // To be brought back would not do: it may have lent itself to something later. Nor would
            // what stands on its disk.
            let it = &mut self.nodes[node];
            it.unsure &= case.rules.since_start && it.fresh & 1 << number == 0;
        }
        true
    }

    fn cover(&mut self, node: usize, number: u8, case: &Case) {
        let pass = *self.pass(number);
        let later = (1..PASSES as u8).filter(|other| self.rank(*other) > self.rank(number));
        let later = later.fold(0, |set, other| set | 1 << other);
        let before = self.pass(self.nodes[node].link).order;
        let it = &mut self.nodes[node];
        for member in each(pass.order) {
            it.past[member] = if case.rules.inherit { number } else { 0 };
        }
        if !case.rules.inherit {
            each(before & !pass.order).for_each(|member| it.past[member] = it.link);
        }
        it.link = number;
        it.open &= later;
        it.clean &= later;
        it.gave &= later | 1 << number;
        for voter in 0..MAX {
            it.speaks[voter] &= later | 1 << number;
            it.speaks_open[voter] &= later;
        }
        it.waived = 0;
        it.kept |= it.confirmed;
        self.collect(node);
    }

    fn collect(&mut self, node: usize) {
        let it = &self.nodes[node];
        let held = it.held;
        let goes = held != 0 && self.write(held).deletes;
        if goes && self.since(held) <= self.horizon(it.link) {
            let it = &mut self.nodes[node];
            it.collected |= 1 << held;
            it.held = 0;
            it.sync();
        }
    }

    pub fn hear(&mut self, node: usize, case: &Case) -> bool {
        let near = self.reached_by(node);
        if !self.nodes[node].up || near.trailing_zeros() as usize != node {
            return false;
        }
        let heard = each(near).map(|node| self.nodes[node].heard);
        let Some(latest) = heard.max_by_key(|pass| self.rank(*pass)) else { return false };
        each(near).filter(|node| self.learn(*node, latest, case)).count() > 0
    }

    pub fn bring_back(&mut self, node: usize, giver: usize, case: &Case) -> bool {
        let (it, gives) = (self.nodes[node], self.nodes[giver]);
        let tip = gives.link;
        let ready = it.is_behind() && !gives.is_behind() && tip == it.heard;
        if !self.can_reach(node, giver) || !ready {
            return false;
        }
        self.show(giver);
        let surplus = it.held != 0
            && it.held != gives.held
            && self.since(it.held) <= self.horizon(tip)
            && self.is_newer(it.held, gives.held);
        let mut anew = 0;
        if surplus {
            match case.rules.fate(self, node, giver, it.held) {
                Fate::Drop => {}
                Fate::Stray => self.nodes[node].strays |= 1 << it.held,
                Fate::Anew => anew = self.write_anew(node, it.held, case),
            }
            self.nodes[node].held = 0;
        }
        for write in [gives.held, anew] {
            self.check_return(node, write);
            if self.is_newer(write, self.nodes[node].held) {
                self.hold(node, write, !case.everysec);
            }
        }
        self.nodes[node].lent = 0;
        self.learn_of(node, gives.past, gives.gaps, case);
        self.nodes[node].heard = tip;
        self.cover(node, tip, case);
        true
    }

    /// Writes anew what nobody can have seen.
    fn write_anew(&mut self, node: usize, of: u8, case: &Case) -> u8 {
        let (old, past) = (*self.write(of), self.nodes[node].knows);
        self.clock += 1;
        let since = self.clock << 4;
        let stamp = if case.rules.order { old.stamp } else { since };
        let saw = |w: &Write| w.deletes && !w.anew && !w.excused && w.past >> old.origin & 1 == 1;
        let gone = self.nodes.iter().fold(0, |gone, it| gone | it.collected);
        let undone = (1..=self.write_count)
            .any(|n| (gone >> n & 1 == 1 || !case.rules.order) && saw(self.write(n)));
        if undone && !old.deletes {
            self.break_off(Broken::Resurrected);
        }
        let write = Write { stamp, since, writer: node as u8, anew: true, past, ..old };
        self.add(write).unwrap_or_default()
    }
}
