//! The simple epidemic (SI) among nodes that can all call each other, fast: one random number and
//! one random access per contact.
//!
//! Each word of what 64 nodes knew at the start of the cycle stands beside the word of what they
//! hear in it, so that a contact touches one cache line. Callers come in the order of memory.
//! Nothing branches on what a partner knows, so that many accesses can be under way at once. With
//! pull alone only callers hear, in the order of memory, and what is accessed at random is half
//! as large.

use super::course::State;
use super::model::{Contact, Method, Model, Watch};
use super::outcome::{Cycle, Outcome};
use super::partners::other;
use rumormill_core::base::rng::Rng;

/// Nodes whose state is beyond what the caches of one core hold.
const FAR: u32 = 4_000_000;

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
    contact: Contact,
    /// Empty with pull.
    pairs: Vec<Pair>,
    /// Only with pull: as in the pairs, apart.
    old: Vec<u64>,
    new: Vec<u64>,
    nodes: u32,
    pub know: u64,
}

impl Simple {
    /// The first `start` nodes know: as all are alike, they are as good as any.
    pub fn new(contact: Contact, nodes: u32, start: u32) -> Self {
        let words = (0..nodes.div_ceil(64)).map(|word| below(start, word));
        Self::from_words(contact, nodes, words)
    }

    /// Those whose bits are set know.
    pub fn from_words(contact: Contact, nodes: u32, words: impl Iterator<Item = u64>) -> Self {
        let mut simple =
            Self { contact, pairs: Vec::new(), old: Vec::new(), new: Vec::new(), nodes, know: 0 };
        let count = nodes.div_ceil(64) as usize;
        let words = words.inspect(|word| simple.know += u64::from(word.count_ones()));
        if contact == Contact::Pull {
            simple.old.reserve_exact(count);
            simple.old.extend(words);
            simple.new = vec![0; count];
        } else {
            simple.pairs.reserve_exact(count);
            simple.pairs.extend(words.map(|old| Pair { old, new: 0 }));
        }
        simple
    }

    /// Those that know call and give.
    fn push<const FAR: bool>(&mut self, rng: &mut Rng) -> Calls {
        let (mut needed, mut partners) = (0, [0; 64]);
        for word in 0..self.pairs.len() {
            needed += self.give::<FAR>(word, self.pairs[word].old, &mut partners, rng);
        }
        Calls { contacts: self.know, given: self.know, needed }
    }

    /// Those that do not know call and ask; `all`: those that know call too, and are given what
    /// they have.
    fn pull<const FAR: bool>(&mut self, all: bool, rng: &mut Rng) -> Calls {
        let (mut calls, mut partners) = (Calls::default(), [0; 64]);
        for word in 0..self.old.len() {
            let (valid, old) = (below(self.nodes, word as u32), self.old[word]);
            let old_of = |word: usize| self.old[word];
            let heard = ask::<FAR>(self.nodes, old_of, (word, valid & !old), &mut partners, rng);
            calls.needed += u64::from(heard.count_ones());
            if all {
                let given = ask::<FAR>(self.nodes, old_of, (word, old), &mut partners, rng);
                calls.given += u64::from(given.count_ones());
            }
            self.new[word] = heard;
        }
        let lacking = u64::from(self.nodes) - self.know;
        calls.contacts = if all { u64::from(self.nodes) } else { lacking };
        calls.given += calls.needed;
        calls
    }

    /// All call: those that know give, the others ask.
    fn push_pull<const FAR: bool>(&mut self, rng: &mut Rng) -> Calls {
        let mut partners = [0; 64];
        let mut calls = Calls { contacts: u64::from(self.nodes), ..Calls::default() };
        let mut heard_by_asking = 0;
        for word in 0..self.pairs.len() {
            let (valid, old) = (below(self.nodes, word as u32), self.pairs[word].old);
            calls.needed += self.give::<FAR>(word, old, &mut partners, rng);
            let old_of = |word: usize| self.pairs[word].old;
            let heard = ask::<FAR>(self.nodes, old_of, (word, valid & !old), &mut partners, rng);
            self.pairs[word].new |= heard;
            heard_by_asking += u64::from(heard.count_ones());
        }
        calls.needed += heard_by_asking;
        calls.given = self.know + heard_by_asking;
        calls
    }

    /// The callers in a word give; answers how many gave to a node that lacked the news.
    #[inline(always)]
    fn give<const FAR: bool>(
        &mut self,
        word: usize,
        callers: u64,
        partners: &mut [u32; 64],
        rng: &mut Rng,
    ) -> u64 {
        let mut needed = 0;
        visit::<FAR>(self.nodes, (word, callers), partners, rng, |_, partner| {
            let pair = &mut self.pairs[partner as usize / 64];
            needed += !pair.old >> (partner % 64) & 1;
            pair.new |= 1 << (partner % 64);
        });
        needed
    }

    /// What was heard becomes known; answers how many heard for the first time.
    pub fn end_cycle(&mut self) -> u64 {
        let mut arrivals = 0;
        for pair in &mut self.pairs {
            arrivals += u64::from((pair.new & !pair.old).count_ones());
            pair.old |= pair.new;
            pair.new = 0;
        }
        for (old, new) in self.old.iter_mut().zip(&self.new) {
            arrivals += u64::from((new & !*old).count_ones());
            *old |= new;
        }
        self.know += arrivals;
        arrivals
    }

    /// One cycle of calls. `all`: with pull those that know call as well.
    pub fn call(&mut self, all: bool, rng: &mut Rng) -> Calls {
        match (self.contact, self.nodes > FAR) {
            (Contact::Push, false) => self.push::<false>(rng),
            (Contact::Push, true) => self.push::<true>(rng),
            (Contact::Pull, false) => self.pull::<false>(all, rng),
            (Contact::Pull, true) => self.pull::<true>(all, rng),
            (Contact::PushPull, false) => self.push_pull::<false>(rng),
            (Contact::PushPull, true) => self.push_pull::<true>(rng),
        }
    }
}

/// Draws a partner for each caller in a word and calls `visit` with the caller's bit and the
/// partner. `FAR`: all are drawn before any is visited. The visits are then so short that a
/// processor has more of them under way while it waits for memory; where the memory is near, that
/// only costs time.
#[inline(always)]
fn visit<const FAR: bool>(
    nodes: u32,
    (word, callers): (usize, u64),
    partners: &mut [u32; 64],
    rng: &mut Rng,
    mut visit: impl FnMut(u32, u32),
) {
    let base = word as u32 * 64;
    let mut left = callers;
    if !FAR {
        while left != 0 {
            let bit = left.trailing_zeros();
            left &= left - 1;
            visit(bit, other(nodes, base + bit, rng));
        }
        return;
    }
    let partners = &mut partners[..callers.count_ones() as usize];
    for partner in partners.iter_mut() {
        *partner = other(nodes, base + left.trailing_zeros(), rng);
        left &= left - 1;
    }
    left = callers;
    for partner in partners {
        visit(left.trailing_zeros(), *partner);
        left &= left - 1;
    }
}

/// The callers in a word ask; answers the bits of those whose partners knew.
#[inline(always)]
fn ask<const FAR: bool>(
    nodes: u32,
    old: impl Fn(usize) -> u64,
    callers: (usize, u64),
    partners: &mut [u32; 64],
    rng: &mut Rng,
) -> u64 {
    let mut heard = 0;
    visit::<FAR>(nodes, callers, partners, rng, |bit, partner| {
        heard |= (old(partner as usize / 64) >> (partner % 64) & 1) << bit;
    });
    heard
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
    let mut simple = Simple::new(model.contact, model.nodes as u32, model.start as u32);
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
        let calls = simple.call(rumor, rng);
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
                let mut simple = Simple::new(contact, nodes, 1);
                for _ in 0..200 {
                    simple.call(false, &mut rng);
                    simple.end_cycle();
                }
                assert_eq!(simple.know, u64::from(nodes), "{nodes} {contact:?}");
            }
        }
    }
}
