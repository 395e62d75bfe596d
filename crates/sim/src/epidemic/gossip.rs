//! Rumor mongering and anti-entropy with every option: nodes that call partners, cycle by cycle.
//!
//! Knowledge is judged at the start of a cycle. What is faster for the plain cases is in
//! [`super::simple`] and [`super::complex`].

use super::course::State;
use super::model::{Contact, Method, Model, Stop, Watch};
use super::outcome::{Cycle, Outcome};
use super::partners::Partners;
use super::population;
use rumormill_core::base::rng::Rng;

/// It knew at the start of the cycle.
const KNOWS: u8 = 1;
/// It was infective at the start of the cycle.
const HOT: u8 = 2;
/// It heard for the first time in this cycle.
const NEW: u8 = 4;
/// It is down.
const DOWN: u8 = 8;
/// It gave to a node that lacked the news, in this cycle.
const USEFUL: u8 = 16;
/// It met a node that knew, in this cycle.
const USELESS: u8 = 32;
/// It loses interest at the end of this cycle.
const BORED: u8 = 64;

/// Whether only what is lacking is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Infective nodes send, whether it is needed or not.
    Rumor,
    /// Everyone compares first.
    AntiEntropy,
}

/// Runs one trial.
pub(super) fn run(model: &Model, mut rng: Rng, watch: &Watch) -> Outcome {
    let mut nodes = Nodes::new(model, &mut rng);
    let mut gossip = Gossip {
        model,
        partners: Partners::new(model),
        phase: match model.method {
            Method::AntiEntropy => Phase::AntiEntropy,
            _ => Phase::Rumor,
        },
        order: Vec::new(),
        cycle: Cycle::default(),
        rng,
    };
    let mut outcome = Outcome::new(nodes.state());
    loop {
        let everyone = nodes.know >= nodes.reach;
        let over = match gossip.phase {
            Phase::AntiEntropy => everyone,
            Phase::Rumor if model.stop == Stop::None => everyone || nodes.hot == 0,
            Phase::Rumor => nodes.hot == 0,
        };
        if over && model.method == Method::Combined && gossip.phase == Phase::Rumor {
            gossip.phase = Phase::AntiEntropy;
            continue;
        }
        if over || outcome.must_end(model, watch) {
            return outcome;
        }
        let cycle = gossip.run_cycle(&mut nodes);
        outcome.push(nodes.state(), cycle);
    }
}

/// What the nodes know, and remember of whom.
struct Nodes {
    flags: Vec<u8>,
    /// Only if the rule counts.
    counters: Vec<u32>,
    /// Contacts accepted in this cycle, only if there is a limit.
    accepted: Vec<u32>,
    /// Whom the news came from, only if it may not go back.
    source: Vec<u32>,
    /// Whom the news was sent to, only if that may not be repeated.
    sent: Vec<Vec<u32>>,
    live: u64,
    know: u64,
    hot: u64,
    /// Nodes that can hear at all.
    reach: u64,
}

impl Nodes {
    fn new(model: &Model, rng: &mut Rng) -> Self {
        let per_node = |wanted: bool, value: u32| match wanted {
            true => vec![value; model.nodes],
            false => Vec::new(),
        };
        let mut flags = vec![0; model.nodes];
        population::crash(model, rng, |node| flags[node as usize] = DOWN);
        let is_up = |node: u32| flags[node as usize] != DOWN;
        let seeds = population::seeds(model, rng, is_up);
        let reach = population::reach(model, &seeds, is_up);
        for seed in &seeds {
            flags[*seed as usize] = KNOWS | HOT;
        }
        Self {
            flags,
            counters: per_node(model.stop == Stop::Counter, 0),
            accepted: per_node(model.connection_limit.is_some(), 0),
            source: per_node(model.no_return, u32::MAX),
            sent: if model.never_repeat { vec![Vec::new(); model.nodes] } else { Vec::new() },
            live: model.live() as u64,
            know: seeds.len() as u64,
            hot: seeds.len() as u64,
            reach,
        }
    }

    fn is(&self, node: u32, flag: u8) -> bool {
        self.flags[node as usize] & flag != 0
    }

    fn set(&mut self, node: u32, flag: u8) {
        self.flags[node as usize] |= flag;
    }

    fn state(&self) -> State {
        State {
            susceptible: self.live - self.know,
            infective: self.hot,
            removed: self.know - self.hot,
        }
    }

    /// True if `from` may send to `to`.
    fn may_send(&self, from: u32, to: u32) -> bool {
        self.source.get(from as usize) != Some(&to)
            && self.sent.get(from as usize).is_none_or(|sent| !sent.contains(&to))
    }
}

/// The epidemic in progress.
struct Gossip<'a> {
    model: &'a Model,
    partners: Partners<'a>,
    phase: Phase,
    /// The callers in random order, where the order matters.
    order: Vec<u32>,
    cycle: Cycle,
    rng: Rng,
}

impl Gossip<'_> {
    fn run_cycle(&mut self, nodes: &mut Nodes) -> Cycle {
        self.cycle = Cycle::default();
        if self.model.connection_limit.is_none() {
            for caller in 0..nodes.flags.len() as u32 {
                self.call(nodes, caller);
            }
        } else {
            let mut order = std::mem::take(&mut self.order);
            order.clear();
            order.extend((0..nodes.flags.len() as u32).filter(|node| self.calls(nodes, *node)));
            self.rng.shuffle(&mut order);
            order.iter().for_each(|caller| self.call(nodes, *caller));
            self.order = order;
            nodes.accepted.fill(0);
        }
        self.end_cycle(nodes);
        self.cycle
    }

    /// True if the node calls others in this cycle.
    fn calls(&self, nodes: &Nodes, node: u32) -> bool {
        let asleep = self.phase == Phase::Rumor && self.model.contact == Contact::Push;
        let flags = nodes.flags[node as usize];
        flags & DOWN == 0 && (!asleep || flags & HOT != 0)
    }

    fn call(&mut self, nodes: &mut Nodes, caller: u32) {
        if !self.calls(nodes, caller) {
            return;
        }
        self.partners.begin(caller);
        let gives = self.model.contact != Contact::Pull && nodes.is(caller, KNOWS);
        if gives {
            if let Some(source) = nodes.source.get(caller as usize).filter(|at| **at != u32::MAX) {
                self.partners.exclude(*source);
            }
            if let Some(sent) = nodes.sent.get(caller as usize) {
                sent.iter().for_each(|node| self.partners.exclude(*node));
            }
        }
        let (mut useless, mut useful) = (0, false);
        for slot in 0..self.model.fanout {
            match self.connect(nodes, caller) {
                Connection::To(partner) => {
                    let known = self.contact(nodes, caller, partner);
                    useless += u32::from(known == Some(true));
                    useful |= known == Some(false);
                }
                Connection::Refused => {}
                // Nobody is left to tell.
                Connection::Nobody if slot == 0 => nodes.set(caller, BORED),
                Connection::Nobody => break,
            }
        }
        if self.model.contact == Contact::Push && self.model.stop == Stop::Counter {
            self.count_pushes(nodes, caller, useless, useful);
        }
    }

    /// Opens a connection, at the first try or by hunting.
    fn connect(&mut self, nodes: &mut Nodes, _caller: u32) -> Connection {
        let Some(limit) = self.model.connection_limit else {
            return self.partners.next(&mut self.rng).map_or(Connection::Nobody, Connection::To);
        };
        let mut refused = false;
        for _ in 0..=self.model.hunt {
            let Some(partner) = self.partners.next(&mut self.rng) else { break };
            // A node that is down refuses nobody: the caller waits in vain.
            let accepted = &mut nodes.accepted[partner as usize];
            if *accepted < limit {
                *accepted += 1;
                return Connection::To(partner);
            }
            refused = true;
            self.cycle.refused += 1;
        }
        if refused { Connection::Refused } else { Connection::Nobody }
    }

    /// One contact. For a caller that gave: whether the partner knew already, if it says so.
    fn contact(&mut self, nodes: &mut Nodes, caller: u32, partner: u32) -> Option<bool> {
        if self.phase == Phase::AntiEntropy {
            self.compare(nodes, caller, partner);
            return None;
        }
        match self.model.contact != Contact::Pull && nodes.is(caller, HOT) {
            true => self.give(nodes, caller, partner),
            false => {
                self.ask(nodes, caller, partner);
                None
            }
        }
    }

    /// Anti-entropy: the two compare, and what one lacks the other sends.
    fn compare(&mut self, nodes: &mut Nodes, caller: u32, partner: u32) {
        self.cycle.requests += 1;
        if nodes.is(partner, DOWN) || self.rng.chance(self.model.loss) {
            return;
        }
        match (nodes.is(caller, KNOWS), nodes.is(partner, KNOWS)) {
            (true, false) if self.model.contact != Contact::Pull => {
                self.send(nodes, caller, partner);
            }
            (false, true) if self.model.contact != Contact::Push => {
                self.send(nodes, partner, caller);
            }
            _ => {}
        }
    }

    /// Rumor: an infective caller sends; with push-pull the partner says how it stands itself.
    fn give(&mut self, nodes: &mut Nodes, caller: u32, partner: u32) -> Option<bool> {
        let arrived = self.send(nodes, caller, partner);
        self.toss_if_blind(nodes, caller);
        if !arrived {
            return None;
        }
        if !nodes.is(partner, KNOWS) {
            nodes.set(caller, USEFUL);
            return Some(false);
        }
        let both = self.model.contact == Contact::PushPull && nodes.is(partner, HOT);
        if both {
            self.toss_if_blind(nodes, partner);
        }
        let (mine, theirs) = match both && self.model.minimization {
            true => {
                let [mine, theirs] = [caller, partner].map(|node| nodes.counters[node as usize]);
                (mine <= theirs, theirs <= mine)
            }
            false => (true, both),
        };
        if mine {
            self.was_useless(nodes, caller);
        }
        if theirs {
            self.was_useless(nodes, partner);
        }
        Some(true)
    }

    /// Rumor: the caller asks, and an infective partner sends.
    fn ask(&mut self, nodes: &mut Nodes, caller: u32, partner: u32) {
        self.cycle.requests += 1;
        if nodes.is(partner, DOWN) || self.rng.chance(self.model.loss) {
            return;
        }
        if !nodes.is(partner, HOT) || !nodes.may_send(partner, caller) {
            return;
        }
        let arrived = self.send(nodes, partner, caller);
        self.toss_if_blind(nodes, partner);
        match nodes.is(caller, KNOWS) {
            _ if !arrived => {}
            true => self.was_useless(nodes, partner),
            false => nodes.set(partner, USEFUL),
        }
    }

    /// Sends an update; true if it arrives. It may be the partner's first.
    fn send(&mut self, nodes: &mut Nodes, from: u32, to: u32) -> bool {
        // Only an answer of anti-entropy can get here without having been allowed.
        if !nodes.may_send(from, to) {
            return false;
        }
        self.cycle.updates += 1;
        if let Some(sent) = nodes.sent.get_mut(from as usize) {
            sent.push(to);
        }
        if nodes.is(to, DOWN) || self.rng.chance(self.model.loss) {
            return false;
        }
        if !nodes.is(to, KNOWS | NEW) {
            nodes.set(to, NEW);
            self.cycle.arrivals += 1;
            if let Some(source) = nodes.source.get_mut(to as usize) {
                *source = from;
            }
        }
        true
    }

    fn toss_if_blind(&mut self, nodes: &mut Nodes, node: u32) {
        if self.model.stop == Stop::Coin && !self.model.feedback {
            self.toss(nodes, node);
        }
    }

    fn toss(&mut self, nodes: &mut Nodes, node: u32) {
        if self.rng.below(u64::from(self.model.k)) == 0 {
            nodes.set(node, BORED);
        }
    }

    fn was_useless(&mut self, nodes: &mut Nodes, node: u32) {
        nodes.set(node, USELESS);
        if self.model.stop == Stop::Coin && self.model.feedback {
            self.toss(nodes, node);
        }
    }

    /// Push with counters and feedback: every contact of the caller counts by itself.
    fn count_pushes(&mut self, nodes: &mut Nodes, caller: u32, useless: u32, useful: bool) {
        if !self.model.feedback || self.phase != Phase::Rumor {
            return;
        }
        let counter = &mut nodes.counters[caller as usize];
        *counter = if useful { 0 } else { counter.saturating_add(useless) };
        if *counter >= self.model.k {
            nodes.set(caller, BORED);
        }
    }

    /// What was heard becomes known, and interest is lost.
    fn end_cycle(&mut self, nodes: &mut Nodes) {
        let rumor = self.phase == Phase::Rumor;
        // Those whom anti-entropy tells after a rumor do not take it up again.
        let heard = match self.model.method == Method::Combined && !rumor {
            true => KNOWS,
            false => KNOWS | HOT,
        };
        let each_cycle = rumor && self.model.stop == Stop::Counter;
        let pushes = self.model.contact == Contact::Push;
        let stays = self.model.stop == Stop::None && !self.model.never_repeat;
        for (at, flags) in nodes.flags.iter_mut().enumerate() {
            let mut now = *flags;
            if now & (NEW | HOT) == 0 {
                *flags = now & (KNOWS | DOWN);
                continue;
            }
            if now & HOT != 0 {
                if each_cycle && (!self.model.feedback || !pushes) {
                    let counter = &mut nodes.counters[at];
                    *counter = match (self.model.feedback, now & USEFUL != 0, now & USELESS != 0) {
                        (false, ..) | (true, false, true) => counter.saturating_add(1),
                        (true, true, _) => 0,
                        (true, false, false) => *counter,
                    };
                    now |= if *counter >= self.model.k { BORED } else { 0 };
                }
                if rumor && !stays && now & BORED != 0 {
                    now &= !HOT;
                    nodes.hot -= 1;
                }
            }
            if now & NEW != 0 {
                now |= heard;
                nodes.know += 1;
                nodes.hot += u64::from(heard & HOT != 0);
            }
            *flags = now & (KNOWS | HOT | DOWN);
        }
    }
}

/// What came of the wish to call somebody.
enum Connection {
    To(u32),
    /// Everyone tried has as many connections as it takes.
    Refused,
    /// There is nobody to call.
    Nobody,
}
