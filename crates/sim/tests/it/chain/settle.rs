//! What becomes of a state if nothing bad happens any more: whether passes go on, and what everybody
//! shows in the end.

use super::case::Case;
use super::state::{Broken, FORGOTTEN, MAX, PASSES, Set, World, each, has};

impl World {
    /// Heals everything, lets all come back (or only those stay who run), and makes two passes.
    /// Returns what does not hold then.
    pub fn settle(&self, case: &Case, all: bool) -> Option<Broken> {
        let mut world = *self;
        world.side = 0;
        world.budget = [u8::MAX; super::case::KINDS];
        let down = |node: &usize| self.nodes[*node].born && !self.nodes[*node].up;
        (0..MAX).filter(|node| all && down(node)).for_each(|node| world.start_up(node));
        let stay = self.nodes.iter().all(|node| node.up || !node.born);
        if world.up().count() == 0 || !all && stay {
            return None;
        }
        world.share_roster();
        // Who was set back has lost what it promised, and an operator has to help.
        let may_force = !all || self.restored || self.passes.iter().any(|pass| pass.forced != 0);
        for _ in 0..2 {
            world.calm(case);
            if !world.make_pass(case) {
                if let Some(broken) = world.broken {
                    return Some(broken);
                }
                if !may_force {
                    return Some(Broken::Stuck);
                }
                world.give_up_on_others();
                world.calm(case);
                if !world.make_pass(case) {
                    return Some(Broken::Stuck);
                }
            }
        }
        world.calm(case);
        world.broken.or_else(|| if all { world.end() } else { None })
    }

    /// Everybody tells everybody everything.
    fn calm(&mut self, case: &Case) {
        let lowest = self.up().next().unwrap_or_default();
        each(self.away(lowest)).for_each(|gone| self.mark(lowest, gone, FORGOTTEN));
        self.share_roster();
        let up: Vec<usize> = self.up().collect();
        self.hear(lowest, case);
        loop {
            let mut any = false;
            for (one, other) in up.iter().flat_map(|one| up.iter().map(move |other| (*one, *other)))
            {
                let newer = self.is_newer(self.nodes[one].held, self.nodes[other].held);
                any |= self.bring_back(one, other, case) || newer && self.send(one, other, case);
            }
            if !any {
                break;
            }
        }
    }

    fn make_pass(&mut self, case: &Case) -> bool {
        assert!(usize::from(self.pass_count) + 2 < PASSES, "room for passes");
        let lowest = self.up().next().unwrap_or_default();
        if !self.begin(lowest, case) {
            return false;
        }
        while self.accept(self.pass_count, case) {}
        self.broken.is_none() && self.pass(self.pass_count).complete
    }

    /// An operator says that those who are not here are gone for good, and with them passes that
    /// nobody here is covered by.
    fn give_up_on_others(&mut self) {
        let up: Set = self.up().fold(0, |set, node| set | 1 << node);
        let links = each(up).map(|node| self.nodes[node].link);
        let best = links.max_by_key(|link| self.rank(*link)).unwrap_or_default();
        for node in each(up) {
            self.nodes[node].heard = best;
            self.nodes[node].lent = 0;
            // And with them votes that somebody who is here had given them.
            let gave = each(up).filter(|n| self.nodes[*n].gave != 0);
            let gone = (0..MAX).filter(|n| !has(up, *n)).chain(gave);
            let gone = gone.fold(0, |set: Set, gone| set | 1 << gone);
            self.nodes[node].waived |= gone;
        }
    }

    fn end(&self) -> Option<Broken> {
        let up: Vec<usize> = self.up().collect();
        let held = self.nodes[*up.first()?].held;
        if up.iter().any(|node| self.nodes[*node].held != held) {
            return Some(Broken::Differ);
        }
        let user = |n: &u8| !self.write(*n).anew && !self.write(*n).excused;
        let last = (1..=self.write_count).filter(user).max()?;
        let (last, shown) = (self.write(last), self.write(held));
        let aside = self.nodes.iter().fold(0, |all, node| all | node.strays);
        // By origin: what was written anew may have gone aside as well.
        let aside = (1..=self.write_count).filter(|n| aside >> n & 1 == 1);
        let forced = self.passes.iter().any(|pass| pass.forced != 0);
        if aside.into_iter().any(|n| self.write(n).origin == last.origin) {
            return None;
        }
        let back = held != 0 && !shown.deletes;
        if last.deletes {
            // What nobody had seen when it was deleted may be written anew.
            let meant = back && (last.past >> shown.origin & 1 == 1 || !shown.anew);
            return (meant && !forced).then_some(Broken::Resurrected);
        }
        (!back || shown.origin != last.origin).then_some(Broken::Lost)
    }
}
