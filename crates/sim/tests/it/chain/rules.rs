//! The rules, each of which can be left out: which pass may be complete, and what becomes of what a
//! member brings back that the others do not hold.

use super::state::{Node, Pass, Set, World, Write, each, has};

/// What holds. Without any of them it is the rule that the chain takes the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// A pass needs a majority of those that the one before covered, counted as they were.
    pub majority: bool,
    /// And of all others that may be complete without anybody here knowing it.
    pub open: bool,
    /// Who hears that another pass is complete leaves the one under way.
    pub news: bool,
    /// The first pass needs everybody that anybody knows of, and those to join by.
    pub founding: bool,
    /// Who leaves gives its vote, and all that it holds, to one that stays.
    pub handover: bool,
    /// Who is brought back learns what its giver knows of earlier passes.
    pub inherit: bool,
    /// What a member was covered for is not news, whoever covers it now.
    pub placed: bool,
    /// Only what nobody else can have seen is written anew; the rest is kept aside.
    pub strays: bool,
    /// A member that has restarted says which of its writes it may have lost.
    pub gaps: bool,
    /// What is written anew keeps its place in the order of writes.
    pub order: bool,
    /// A member that may have been set back does not decide.
    pub doubt: bool,
    /// Only a pass accepted since the start ends that.
    pub since_start: bool,
}

/// The rule that the chain takes the place of.
pub const TODAY: Rules = Rules {
    majority: false,
    open: false,
    news: false,
    founding: false,
    handover: false,
    inherit: false,
    placed: false,
    strays: false,
    gaps: false,
    order: false,
    doubt: false,
    since_start: false,
};

/// The chain.
pub const CHAIN: Rules = Rules {
    majority: true,
    open: true,
    news: true,
    founding: true,
    handover: true,
    inherit: true,
    placed: true,
    strays: true,
    gaps: true,
    order: true,
    doubt: true,
    since_start: true,
};

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Something newer had taken its place.
    Drop,
    /// Nobody else has seen it: it is written again.
    Anew,
    /// It cannot be told: it waits for the operator.
    Stray,
}

impl Rules {
    /// What a pass over these members is founded on, once all have had their first visit: its bases,
    /// its number, and whether it takes what an operator has waived. `None`: it is given up.
    pub fn admit(&self, world: &World, order: Set, seeds: Set) -> Option<Pass> {
        let link = each(order).map(|node| world.nodes[node].link).max()?;
        let horizon = world.clock << 4;
        let mut pass = Pass { order, horizon, link, ..Pass::default() };
        pass.forced = world.passes[usize::from(link)].forced;
        pass.bases = 1 << link;
        if self.open {
            pass.bases |= self.may_be_complete(world, order);
        }
        let bases = (0..16).filter(|base| pass.bases >> base & 1 == 1);
        for base in bases.clone() {
            let forced = match base {
                0 => self.found(world, order, seeds)?,
                _ => self.agree(world, order, base)?,
            };
            if forced {
                pass.forced |= 1 << (world.pass_count + 1);
            }
        }
        pass.number = bases.map(|base| world.pass(base).number).max()? + 1;
        Some(pass)
    }

    /// Passes that members have had their last visit of, and that no member here can deny.
    fn may_be_complete(&self, world: &World, order: Set) -> u16 {
        let open = each(order).fold(0, |open, node| {
            let it = &world.nodes[node];
            it.speaks_open.iter().fold(open | it.open, |open, other| open | other)
        });
        // Whoever is here and has not had its last visit will refuse it from now on; who may have been
        // set back may have had it.
        let denied = |pass: u8| {
            let lists = each(world.pass(pass).order & order);
            let sure = |node: &usize| !self.doubt || !world.nodes[*node].unsure;
            lists.into_iter().filter(sure).any(|node| world.nodes[node].open >> pass & 1 == 0)
        };
        (1..16)
            .filter(|pass| open >> pass & 1 == 1 && !denied(*pass))
            .fold(0, |set, p| set | 1 << p)
    }

    /// True if a majority of a pass agrees, and only thanks to an operator.
    fn agree(&self, world: &World, order: Set, base: u8) -> Option<bool> {
        if !self.majority {
            return Some(false);
        }
        let voters = world.pass(base).order;
        let speaks = |node: usize, voter: usize| {
            let it = &world.nodes[node];
            let own = node == voter && it.gave >> base & 1 == 0;
            own || it.speaks[voter] >> base & 1 == 1
        };
        let here = each(voters).filter(|voter| each(order).any(|node| speaks(node, *voter)));
        let here = here.fold(0, |set: Set, voter| set | 1 << voter);
        let sure = each(here).filter(|voter| !self.doubt || !world.nodes[*voter].unsure);
        let (sure, all) = (sure.count() as u32, voters.count_ones());
        // Where all are here, one of them knows of every pass that any of them has lent itself to.
        if 2 * sure > all || voters & !order == 0 {
            return Some(false);
        }
        // An operator's word about any of them lets those count that are here, sure or not.
        let named = each(order).fold(0, |set: Set, node| set | world.nodes[node].waived & voters);
        (named != 0 && 2 * (here | named).count_ones() > all).then_some(true)
    }

    /// The first pass: `None` if it cannot be, or whether an operator takes it upon him.
    fn found(&self, world: &World, order: Set, seeds: Set) -> Option<bool> {
        if !self.founding {
            return Some(false);
        }
        let known = each(order).fold(seeds, |known, node| known | world.known(node));
        let spoken = each(order).fold(order, |set, node| {
            let speaks = world.nodes[node].speaks;
            (0..speaks.len()).filter(|voter| speaks[*voter] & 1 == 1).fold(set, |s, v| s | 1 << v)
        });
        if known & !spoken == 0 {
            return Some(false);
        }
        let waived = each(order).fold(spoken, |set, node| set | world.nodes[node].waived);
        (known & !waived == 0).then_some(true)
    }

    /// True if a member may be forgotten by its age.
    pub fn may_forget(&self, world: &World, node: usize) -> bool {
        if self.majority {
            // The chain does not rest on it.
            return true;
        }
        let count = match world.nodes[node].link {
            0 => world.known(node),
            link => world.pass(link).order,
        };
        let left = |id: &usize| world.status(node, *id) == super::state::LEFT;
        let of = each(count).filter(|id| !left(id)).count() as u32;
        let here = (count & world.reached_by(node)).count_ones();
        2 * here > of
    }

    /// What becomes of a write that a member brings back and its giver does not hold, below the
    /// horizon that the giver is covered by.
    pub fn fate(&self, world: &World, node: usize, giver: usize, write: u8) -> Fate {
        let (it, gives) = (&world.nodes[node], &world.nodes[giver]);
        let (pass, Write { since, writer, .. }) = (world.pass(gives.link), *world.write(write));
        let own = usize::from(writer) == node;
        let upto = |member: usize| match has(pass.order, member) {
            true => pass.horizon,
            false => world.horizon(gives.past[member]),
        };
        let confirmed = it.confirmed >> write & 1 == 1;
        if !self.strays {
            // As it was: dropped if its writer was visited, or a majority had it and was visited.
            let base = match it.link {
                0 => world.known(node),
                link => world.pass(link).order,
            };
            let visited = each(base).filter(|member| upto(*member) >= since).count() as u32;
            let covered = self.placed && self.is_placed(world, node, gives.link);
            let covered = covered && since <= world.horizon(it.link);
            let listed =
                upto(usize::from(writer)) >= since && !self.is_in_gap(gives, writer, since);
            let held =
                (confirmed || since <= world.horizon(it.link)) && 2 * visited > base.count_ones();
            return if listed || held || covered { Fate::Drop } else { Fate::Anew };
        }
        let placed = self.is_placed(world, node, gives.link);
        let same = world.pass(it.link).forced == pass.forced;
        let covered = self.placed && placed && since <= world.horizon(it.link);
        let listed = upto(usize::from(writer)) >= since && !self.is_in_gap(gives, writer, since);
        if covered || listed || own && placed && same && confirmed && it.link != 0 {
            return Fate::Drop;
        }
        // A deletion brings nothing back.
        let unseen = own && it.sent >> write & 1 == 0;
        let anew = unseen && !(self.doubt && it.unsure) || world.write(write).deletes;
        if anew { Fate::Anew } else { Fate::Stray }
    }

    fn is_in_gap(&self, knows: &Node, writer: u8, since: u16) -> bool {
        let (from, to) = knows.gaps[usize::from(writer)];
        self.gaps && from < since && since < to
    }

    /// True if the pass that covers a member is one of those before another.
    pub fn is_placed(&self, world: &World, node: usize, tip: u8) -> bool {
        let link = world.nodes[node].link;
        let (own, tip) = (world.pass(link), world.pass(tip));
        let forks = (1..16).filter(|p: &u8| tip.forced >> p & 1 == 1 && own.forced >> p & 1 == 0);
        forks.into_iter().all(|fork| own.number <= world.pass(world.pass(fork).link).number)
    }
}
