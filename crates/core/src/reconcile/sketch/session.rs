//! The steps of a comparison by sketches, at both ends.

use super::Difference;
use super::message::{Ask, Batch, MAX_BATCH, MAX_FIRST, Opening, Reply, short};
use super::peel::{Peeled, estimate, needed, peel};
use crate::data::Digest;
use crate::data::sketch::{Cells, ItemId, Strata, Version, View};

/// Cells in a reply when nothing is known of the difference: four differences are found at once
/// (guess: what half of all sessions of a busy cluster need).
const FIRST: usize = 8;
/// Asks after which a session is given up (guess: twice what ever occurs with honest peers).
const MAX_ASKS: u32 = 16;

/// Bounds of a session.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Cells that are asked for in all.
    pub cells: usize,
}

/// Why a session ended without an answer. Comparison by ranges goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// More differences than sketches are made for.
    TooMany,
    /// The other end has moved on too far.
    Moved,
    /// The cells do not fit together: a liar, or a peer whose cells are others.
    Stuck,
    /// Sums differ and sketches do not: two writes go by one name.
    Collision,
}

/// What the answering end makes of an opening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Both hold the same.
    Equal,
    /// It knows what differs.
    Known(Difference),
    /// It does not: send this.
    Reply(Box<Reply>),
}

/// What the asking end does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It knows what differs.
    Known(Difference),
    /// Send this.
    Ask(Ask),
    /// More is on its way, or what came is of no use.
    Wait,
    /// This way does not lead to an answer.
    Unknown(Unknown),
}

/// Opens a comparison of the set that `digest` and `view` describe. If about `expected` differences
/// are likely, the cells for them go along, up to a datagram's worth.
#[must_use]
pub fn open(digest: Digest, view: &View<'_>, expected: usize) -> Opening {
    let cells = match expected {
        0 | 1 => Cells::default(),
        _ => view.cells(0, (1.2 * needed(expected as f64)).ceil() as usize),
    };
    let cells = if cells.len() > MAX_FIRST { Cells::default() } else { cells };
    let digest = Digest { count: digest.count, sum: short(digest.sum) };
    Opening { digest, root: view.root(), cells }
}

/// Answers an opening. `find` gives the 128-bit hash of an item that this end holds; `version` is
/// that of the view.
#[must_use]
pub fn answer(
    opening: &Opening,
    digest: Digest,
    view: &View<'_>,
    version: Version,
    find: &impl Fn(ItemId) -> Option<u128>,
) -> Answer {
    let mine = Digest { count: digest.count, sum: short(digest.sum) };
    let root = view.root() ^ opening.root;
    if mine == opening.digest && root == 0 {
        return Answer::Equal;
    }
    if let Some(one) = only_one(mine, opening.digest, ItemId(root), find) {
        return Answer::Known(one);
    }
    if !opening.cells.is_empty() {
        let mut cells = opening.cells.clone();
        let own = view.cells(0, cells.len());
        cells.subtract(&own);
        let peeled = peel(&cells);
        if own.len() == cells.len() && peeled.complete && !peeled.items.is_empty() {
            return Answer::Known(Difference::of(peeled.items, find));
        }
    }
    // As many as the counts differ by, there are at least.
    let least = mine.count.abs_diff(opening.digest.count).min(MAX_FIRST as u64) as f64;
    let first = (1.1 * needed(least)).ceil() as usize;
    let cells = view.cells(0, first.max(FIRST).min(MAX_FIRST));
    Answer::Reply(Box::new(Reply { version, strata: view.strata(), cells }))
}

/// Is a single item all that differs? Then sums and counts say the same of it.
fn only_one(
    mine: Digest,
    theirs: Digest,
    item: ItemId,
    find: &impl Fn(ItemId) -> Option<u128>,
) -> Option<Difference> {
    if mine.count == theirs.count.wrapping_add(1) {
        let hash = find(item)?;
        let right = short(hash) == short(mine.sum.wrapping_sub(theirs.sum));
        return right.then(|| Difference { mine: vec![item], theirs: Vec::new() });
    }
    if mine.count.wrapping_add(1) == theirs.count {
        let hash = theirs.sum.wrapping_sub(mine.sum);
        let right = ItemId::low_bits(hash) == ItemId::low_bits(u128::from(item.0));
        let right = right && find(item).is_none();
        return right.then(|| Difference { mine: Vec::new(), theirs: vec![item] });
    }
    None
}

/// The batches that an ask is answered with; `view` is that of the ask's version, if it can be had.
#[must_use]
pub fn serve(ask: Ask, view: Option<&View<'_>>) -> Vec<Batch> {
    let Ask { version, from, to } = ask;
    let Some(view) = view else {
        return vec![Batch { version, from, last: true, cells: Cells::default() }];
    };
    let cells = view.cells(from, to);
    let mut batches = Vec::new();
    for at in (0..cells.len().max(1)).step_by(MAX_BATCH) {
        let end = (at + MAX_BATCH).min(cells.len());
        let part = cells.part(at, end);
        batches.push(Batch { version, from: from + at, last: end == cells.len(), cells: part });
    }
    batches
}

/// The asking end.
#[derive(Clone, Debug)]
pub struct Session {
    version: Version,
    strata: Strata,
    /// The other end's cells from the first one on.
    received: Cells,
    asked: usize,
    asks: u32,
    limits: Limits,
}

impl Session {
    /// Begins with the answer to an opening.
    #[must_use]
    pub fn begin(
        reply: Reply,
        view: &View<'_>,
        limits: Limits,
        find: &impl Fn(ItemId) -> Option<u128>,
    ) -> (Self, Step) {
        let Reply { version, strata, cells } = reply;
        let asked = cells.len();
        let mut session = Self { version, strata, received: cells, asked, asks: 0, limits };
        let step = session.step(view, find);
        (session, step)
    }

    /// Takes cells in. Batches that come late, twice or not in order change nothing.
    pub fn on_batch(
        &mut self,
        batch: &Batch,
        view: &View<'_>,
        find: &impl Fn(ItemId) -> Option<u128>,
    ) -> Step {
        let expected = self.received.len() < self.asked && batch.from == self.received.len();
        if batch.version != self.version || !expected {
            return Step::Wait;
        }
        if batch.cells.is_empty() {
            return Step::Unknown(Unknown::Moved);
        }
        if self.received.len() + batch.cells.len() > self.asked {
            return Step::Unknown(Unknown::Stuck);
        }
        self.received.append(&batch.cells);
        if !batch.last && self.received.len() < self.asked {
            return Step::Wait;
        }
        if self.received.len() < self.asked {
            // The other end has no more.
            self.limits.cells = self.received.len();
            self.asked = self.received.len();
        }
        self.step(view, find)
    }

    /// Asks once more for what has not come.
    #[must_use]
    pub fn again(&self) -> Ask {
        Ask { version: self.version, from: self.received.len(), to: self.asked }
    }

    /// Cells that have come.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.received.len()
    }

    fn step(&mut self, view: &View<'_>, find: &impl Fn(ItemId) -> Option<u128>) -> Step {
        let len = self.received.len();
        let mut cells = view.cells(0, len);
        if cells.len() < len {
            return Step::Unknown(Unknown::TooMany);
        }
        cells.subtract(&self.received);
        let peeled = peel(&cells);
        if peeled.complete {
            return match peeled.items.is_empty() {
                true => Step::Unknown(Unknown::Collision),
                false => Step::Known(Difference::of(peeled.items, find)),
            };
        }
        let most = view.size().min(self.limits.cells);
        if len >= most {
            return Step::Unknown(Unknown::TooMany);
        }
        if self.asks >= MAX_ASKS {
            return Step::Unknown(Unknown::Stuck);
        }
        self.asked = self.enough(len, &peeled, view).min(most);
        self.asks += 1;
        Step::Ask(self.again())
    }

    /// How many cells will probably do, now that these have not.
    fn enough(&self, len: usize, peeled: &Peeled, view: &View<'_>) -> usize {
        let seen = if self.asks == 0 { None } else { estimate(len, peeled.light) };
        let (target, least) = match seen {
            Some(seen) => (SECOND * needed(seen), 1.06 * len as f64 + 3.0),
            None if self.asks == 0 => {
                let guess = view.strata().difference(&self.strata);
                (FIRST_SHARE * needed(guess), len as f64 + 4.0)
            }
            None if len < 24 => (0.0, len as f64 + 4.0),
            None => (0.0, 2.0 * len as f64),
        };
        target.max(least).ceil() as usize
    }
}

/// Of the cells that the estimator makes seem right, those asked for at first.
const FIRST_SHARE: f64 = 0.9;
/// The same, of the better estimate from the cells.
const SECOND: f64 = 1.04;
