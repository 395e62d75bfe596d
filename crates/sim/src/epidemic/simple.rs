//! The simple epidemic (SI) among nodes that can all call each other, fast: one random number and
//! one random access per contact.
//!
//! Each word of what 64 nodes knew at the start of the cycle stands beside the word of what they
//! hear in it, so that a contact touches one cache line. Callers come in the order of memory.
//! Nothing branches on what a partner knows, so that many accesses can be under way at once.

use super::course::State;
use super::model::{Contact, Method, Model, Watch};
use super::trial::{Cycle, Outcome};
use rumormill_core::base::rng::Rng;

/// 64 nodes.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(16))]
struct Pair {
    /// Knew at the start of the cycle.
    old: u64,
    /// Heard in it, whether for the first time or not.
    new: u64,
}

/// Bytes of a trial.
pub(super) fn bytes(nodes: usize) -> u64 {
    nodes.div_ceil(64) as u64 * size_of::<Pair>() as u64
}

/// What happened at the contacts of a cycle.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Calls {
    /// Contacts, each with a random partner.
    pub contacts: u64,
    /// Infective nodes at the giving end of a contact.
    pub given: u64,
    /// ... with a node that did not know.
    pub needed: u64,
}

/// Who knows the news.
#[derive(Clone, Debug)]
pub(super) struct Simple {
    pairs: Vec<Pair>,
    nodes: u32,
    pub know: u64,
}

impl Simple {
    /// The first `start` nodes know: as all are alike, they are as good as any.
    pub fn new(nodes: u32, start: u32) -> Self {
        let words = (0..nodes.div_ceil(64)).map(|word| below(start, word));
        Self::from_words(nodes, words)
    }

    /// Those whose bits are set know.
    pub fn from_words(nodes: u32, words: impl Iterator<Item = u64>) -> Self {
        let pairs: Vec<Pair> = words.map(|old| Pair { old, new: 0 }).collect();
        let know = pairs.iter().map(|pair| u64::from(pair.old.count_ones())).sum();
        Self { pairs, nodes, know }
    }

    /// Those that know call and give.
    pub fn push(&mut self, rng: &mut Rng) -> Calls {
        let mut needed = 0;
        for word in 0..self.pairs.len() {
            needed += self.give(word, self.pairs[word].old, rng);
        }
        Calls { contacts: self.know, given: self.know, needed }
    }

    /// Those that do not know call and ask; `all`: those that know call too, and are given what
    /// they have.
    pub fn pull(&mut self, all: bool, rng: &mut Rng) -> Calls {
        let mut calls = Calls::default();
        for word in 0..self.pairs.len() {
            let (valid, old) = (below(self.nodes, word as u32), self.pairs[word].old);
            let heard = self.ask(word, valid & !old, rng);
            self.pairs[word].new = heard;
            calls.needed += u64::from(heard.count_ones());
            if all {
                calls.given += u64::from(self.ask(word, old, rng).count_ones());
            }
        }
        let lacking = u64::from(self.nodes) - self.know;
        calls.contacts = if all { u64::from(self.nodes) } else { lacking };
        calls.given += calls.needed;
        calls
    }

    /// All call: those that know give, the others ask.
    pub fn push_pull(&mut self, rng: &mut Rng) -> Calls {
        let mut calls = Calls { contacts: u64::from(self.nodes), ..Calls::default() };
        let mut heard_by_asking = 0;
        for word in 0..self.pairs.len() {
            let (valid, old) = (below(self.nodes, word as u32), self.pairs[word].old);
            calls.needed += self.give(word, old, rng);
            let heard = self.ask(word, valid & !old, rng);
            self.pairs[word].new |= heard;
            heard_by_asking += u64::from(heard.count_ones());
        }
        calls.needed += heard_by_asking;
        calls.given = self.know + heard_by_asking;
        calls
    }

    /// The callers in a word give; answers how many gave to a node that lacked the news.
    #[inline(always)]
    fn give(&mut self, word: usize, mut callers: u64, rng: &mut Rng) -> u64 {
        let base = word as u32 * 64;
        let mut needed = 0;
        while callers != 0 {
            let caller = base + callers.trailing_zeros();
            callers &= callers - 1;
            let partner = super::partners::other(self.nodes, caller, rng);
            let pair = &mut self.pairs[partner as usize / 64];
            needed += !pair.old >> (partner % 64) & 1;
            pair.new |= 1 << (partner % 64);
        }
        needed
    }

    /// The callers in a word ask; answers the bits of those whose partners knew.
    #[inline(always)]
    fn ask(&self, word: usize, mut callers: u64, rng: &mut Rng) -> u64 {
        let base = word as u32 * 64;
        let mut heard = 0;
        while callers != 0 {
            let bit = callers.trailing_zeros();
            callers &= callers - 1;
            let partner = super::partners::other(self.nodes, base + bit, rng);
            heard |= (self.pairs[partner as usize / 64].old >> (partner % 64) & 1) << bit;
        }
        heard
    }

    /// What was heard becomes known; answers how many heard for the first time.
    pub fn end_cycle(&mut self) -> u64 {
        let mut arrivals = 0;
        for pair in &mut self.pairs {
            arrivals += u64::from((pair.new & !pair.old).count_ones());
            pair.old |= pair.new;
            pair.new = 0;
        }
        self.know += arrivals;
        arrivals
    }

    /// One cycle of calls.
    pub fn call(&mut self, contact: Contact, all: bool, rng: &mut Rng) -> Calls {
        match contact {
            Contact::Push => self.push(rng),
            Contact::Pull => self.pull(all, rng),
            Contact::PushPull => self.push_pull(rng),
        }
    }
}

/// Bits of the nodes below `bound` in this word.
#[inline(always)]
pub(super) fn below(bound: u32, word: u32) -> u64 {
    match bound.saturating_sub(word * 64) {
        64.. => u64::MAX,
        bits => (1 << bits) - 1,
    }
}

/// Runs one trial.
pub(super) fn run(model: &Model, mut rng: Rng, watch: &Watch) -> Outcome {
    let (nodes, start) = (model.nodes as u64, model.start as u64);
    let mut outcome =
        Outcome::new(State { susceptible: nodes - start, infective: start, removed: 0 });
    let mut simple = Simple::new(model.nodes as u32, model.start as u32);
    spread(model, &mut simple, &mut rng, &mut outcome, watch);
    outcome
}

/// Until everyone knows. As a rumor nodes send whether it is needed or not, in anti-entropy they
/// compare first. Behind a rumor those who hear do not take it up.
pub(super) fn spread(
    model: &Model,
    simple: &mut Simple,
    rng: &mut Rng,
    outcome: &mut Outcome,
    watch: &Watch,
) {
    let nodes = model.nodes as u64;
    let rumor = model.method == Method::Rumor;
    while simple.know < nodes && !outcome.must_end(model, watch) {
        let calls = simple.call(model.contact, rumor, rng);
        let requests = match (rumor, model.contact) {
            (false, _) | (true, Contact::Pull) => nodes,
            (true, Contact::Push) => 0,
            (true, Contact::PushPull) => nodes - simple.know,
        };
        let updates = if rumor { calls.given } else { calls.needed };
        let arrivals = simple.end_cycle();
        let (infective, removed) = match model.method {
            Method::Combined => (0, simple.know),
            _ => (simple.know, 0),
        };
        let state = State { susceptible: nodes - simple.know, infective, removed };
        outcome.push(state, Cycle { arrivals, updates, requests, refused: 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_end_where_the_nodes_end() {
        assert_eq!(below(64, 0), u64::MAX);
        assert_eq!(below(65, 1), 1);
        assert_eq!(below(63, 0), u64::MAX >> 1);
        assert_eq!(below(63, 1), 0);
        assert_eq!(below(u32::MAX, u32::MAX / 64), u64::MAX >> 1);
    }

    #[test]
    fn nobody_beyond_the_last_ever_knows() {
        let mut rng = Rng::new(1);
        for nodes in [2, 3, 63, 64, 65, 130] {
            for contact in [Contact::Push, Contact::Pull, Contact::PushPull] {
                let mut simple = Simple::new(nodes, 1);
                for _ in 0..200 {
                    simple.call(contact, false, &mut rng);
                    simple.end_cycle();
                }
                assert_eq!(simple.know, u64::from(nodes), "{nodes} {contact:?}");
            }
        }
    }
}
