//! The complex epidemic (SIR) among nodes that can all call each other, fast: as
//! [`super::simple`], with all that a contact touches of 64 nodes in one cache line.
//!
//! It does what [`super::gossip`] does for one partner a cycle, without losses, limits and memory
//! of partners; a test holds the two against each other.

use super::course::State;
use super::model::{Contact, Method, Model, Stop, Watch};
use super::outcome::{Cycle, Outcome};
use super::simple::{self, Simple, below};
use rumormill_core::base::rng::Rng;

/// 64 nodes.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Group {
    /// Knew at the start of the cycle.
    know: u64,
    /// Infective at the start of the cycle.
    hot: u64,
    /// Hear in this cycle, whether for the first time or not.
    new: u64,
    /// Gave to one that lacked the news.
    useful: u64,
    /// Met one that knew.
    useless: u64,
    /// Lose interest at the end of the cycle.
    bored: u64,
}

/// Bytes of a trial.
pub(super) fn bytes(nodes: usize) -> u64 {
    nodes.div_ceil(64) as u64 * size_of::<Group>() as u64 + nodes as u64
}

/// True if this epidemic can be run here.
pub(super) fn fits(model: &Model) -> bool {
    let counts = model.stop != Stop::Counter || model.k <= u32::from(u8::MAX);
    counts && model.stop != Stop::None && !model.minimization
}

/// Runs one trial.
pub(super) fn run(model: &Model, rng: Rng, watch: &Watch) -> Outcome {
    match (model.stop == Stop::Coin, model.feedback) {
        (true, true) => trial::<true, true>(model, rng, watch),
        (true, false) => trial::<true, false>(model, rng, watch),
        (false, true) => trial::<false, true>(model, rng, watch),
        (false, false) => trial::<false, false>(model, rng, watch),
    }
}

fn trial<const COIN: bool, const FEEDBACK: bool>(
    model: &Model,
    rng: Rng,
    watch: &Watch,
) -> Outcome {
    let mut epidemic = Complex::<COIN, FEEDBACK>::new(model, rng);
    let mut outcome = Outcome::new(epidemic.state());
    while epidemic.hot > 0 && !outcome.must_end(model, watch) {
        let mut cycle = epidemic.call(model.contact);
        cycle.arrivals = epidemic.end_cycle(model.contact);
        outcome.push(epidemic.state(), cycle);
    }
    if model.method == Method::Combined && epidemic.hot == 0 {
        let words = epidemic.groups.iter().map(|group| group.know);
        let mut rest = Simple::from_words(model.contact, epidemic.nodes, words);
        simple::spread(model, &mut rest, &mut epidemic.rng, &mut outcome, watch);
    }
    outcome
}

/// The epidemic in progress.
struct Complex<const COIN: bool, const FEEDBACK: bool> {
    groups: Vec<Group>,
    /// Only without a coin.
    counters: Vec<u8>,
    nodes: u32,
    k: u8,
    /// A toss up to this says that interest is lost.
    toss: u64,
    know: u64,
    hot: u64,
    rng: Rng,
}

impl<const COIN: bool, const FEEDBACK: bool> Complex<COIN, FEEDBACK> {
    fn new(model: &Model, rng: Rng) -> Self {
        let (nodes, start) = (model.nodes as u32, model.start as u32);
        let group = |word: u32| {
            let first = below(start, word);
            Group { know: first, hot: first, ..Group::default() }
        };
        Self {
            groups: (0..nodes.div_ceil(64)).map(group).collect(),
            counters: if COIN { Vec::new() } else { vec![0; model.nodes] },
            nodes,
            k: model.k.min(u32::from(u8::MAX)) as u8,
            toss: u64::MAX / u64::from(model.k),
            know: u64::from(start),
            hot: u64::from(start),
            rng,
        }
    }

    fn state(&self) -> State {
        State {
            susceptible: u64::from(self.nodes) - self.know,
            infective: self.hot,
            removed: self.know - self.hot,
        }
    }

    /// A partner, and a coin toss from the same random number: what the multiplication that draws
    /// the partner leaves over is uniform too.
    #[inline(always)]
    fn draw(&mut self, caller: u32) -> (u32, u64) {
        let product = u128::from(self.rng.bits()) * u128::from(self.nodes - 1);
        let drawn = (product >> 64) as u32;
        let toss = u64::from(product as u64 <= self.toss);
        (drawn + u32::from(drawn >= caller), toss)
    }

    fn call(&mut self, contact: Contact) -> Cycle {
        let mut cycle = Cycle::default();
        if self.nodes < 2 {
            // Nobody to tell.
            self.groups[0].bored = 1;
            return cycle;
        }
        for word in 0..self.groups.len() {
            let (valid, hot) = (below(self.nodes, word as u32), self.groups[word].hot);
            match contact {
                Contact::Push => cycle.updates += self.give::<false>(word, hot),
                Contact::Pull => {
                    cycle.updates += self.ask(word, valid);
                    cycle.requests += u64::from(valid.count_ones());
                }
                Contact::PushPull => {
                    cycle.updates += self.give::<true>(word, hot);
                    cycle.updates += self.ask(word, valid & !hot);
                    cycle.requests += u64::from((valid & !hot).count_ones());
                }
            }
        }
        cycle
    }

    /// The callers in a word give; answers how many updates they sent. `BOTH`: the partner says
    /// how it stands, and the contact counts for it as well.
    #[inline(always)]
    fn give<const BOTH: bool>(&mut self, word: usize, mut callers: u64) -> u64 {
        let sent = u64::from(callers.count_ones());
        let base = word as u32 * 64;
        let (mut useful, mut useless, mut bored) = (0, 0, 0);
        while callers != 0 {
            let bit = callers.trailing_zeros();
            callers &= callers - 1;
            let (partner, toss) = self.draw(base + bit);
            let at = partner % 64;
            let group = &mut self.groups[partner as usize / 64];
            let known = group.know >> at & 1;
            group.new |= 1 << at;
            if COIN {
                bored |= (toss & if FEEDBACK { known } else { 1 }) << bit;
            } else if FEEDBACK && !BOTH {
                let counter = &mut self.counters[(base + bit) as usize];
                *counter = (*counter + 1) * known as u8;
                bored |= u64::from(*counter >= self.k) << bit;
            }
            if BOTH {
                let hot = group.hot >> at & 1;
                if COIN {
                    if hot == 1 {
                        group.bored |= u64::from(self.rng.bits() <= self.toss) << at;
                    }
                } else if FEEDBACK {
                    useful |= (1 - known) << bit;
                    useless |= known << bit;
                    group.useless |= hot << at;
                }
            }
        }
        let group = &mut self.groups[word];
        group.useful |= useful;
        group.useless |= useless;
        group.bored |= bored;
        sent
    }

    /// The callers in a word ask; answers how many updates were sent to them.
    #[inline(always)]
    fn ask(&mut self, word: usize, mut callers: u64) -> u64 {
        let base = word as u32 * 64;
        let know = self.groups[word].know;
        let mut heard = 0_u64;
        while callers != 0 {
            let bit = callers.trailing_zeros();
            callers &= callers - 1;
            let (partner, toss) = self.draw(base + bit);
            let at = partner % 64;
            let group = &mut self.groups[partner as usize / 64];
            let hot = group.hot >> at & 1;
            let known = know >> bit & 1;
            heard |= hot << bit;
            if COIN {
                group.bored |= (hot & toss & if FEEDBACK { known } else { 1 }) << at;
            } else if FEEDBACK {
                group.useful |= (hot & !known) << at;
                group.useless |= (hot & known) << at;
            }
        }
        self.groups[word].new |= heard;
        u64::from(heard.count_ones())
    }

    /// What was heard becomes known, and interest is lost; answers the first arrivals.
    fn end_cycle(&mut self, contact: Contact) -> u64 {
        let (mut arrivals, mut hot) = (0, 0);
        for (word, group) in self.groups.iter_mut().enumerate() {
            if group.hot | group.new == 0 {
                continue;
            }
            let new = group.new & !group.know;
            let mut bored = group.bored;
            if !COIN && (!FEEDBACK || contact != Contact::Push) {
                let counters = &mut self.counters[word * 64..];
                let useful = group.hot & group.useful;
                let counted =
                    if FEEDBACK { group.hot & group.useless & !useful } else { group.hot };
                bits(useful, |bit| counters[bit] = 0);
                bits(counted, |bit| {
                    counters[bit] += 1;
                    bored |= u64::from(counters[bit] >= self.k) << bit;
                });
            }
            let now = group.hot & !bored | new;
            *group = Group { know: group.know | new, hot: now, ..Group::default() };
            arrivals += u64::from(new.count_ones());
            hot += u64::from(now.count_ones());
        }
        self.know += arrivals;
        self.hot = hot;
        arrivals
    }
}

/// Calls `visit` with the number of each bit that is set.
#[inline(always)]
fn bits(mut word: u64, mut visit: impl FnMut(usize)) {
    while word != 0 {
        visit(word.trailing_zeros() as usize);
        word &= word - 1;
    }
}
