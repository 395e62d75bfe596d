//! The steps of a comparison by sketches, at both ends.

use super::Difference;
use super::message::{Ask, Batch, MAX_BATCH, MAX_FIRST, Opening, Reply, short};
use super::peel::{Peeled, estimate, needed, peel};
use crate::data::Digest;
use crate::data::sketch::{Cells, Coarse, Fine, ItemId, Version, View};

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
    /// Cells that are asked for at once, at least.
    pub step: usize,
}

/// Why a session ended without an answer. Comparison by ranges goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// More differences than sketches are made for.
    TooMany,
    /// The other end cannot serve such cells: it has moved on too far, or holds far fewer entries.
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
    let cells = view.cells(0, first.clamp(FIRST, MAX_FIRST));
    Answer::Reply(Box::new(Reply { version, strata: view.strata().coarse(), cells }))
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

/// The batches that an ask is answered with, of no more than `most` cells; `view` is that of the
/// ask's version, if it can be had.
#[must_use]
pub fn serve(ask: Ask, view: Option<&View<'_>>, most: usize) -> Vec<Batch> {
    let Ask { version, from, to, fine } = ask;
    let Some(view) = view else {
        let cells = Cells::default();
        return vec![Batch { version, from, last: true, paused: false, cells }];
    };
    let about = fine.map_or(0.0, |fine| likely(view.strata().difference(&fine)));
    let to = to.max(about.ceil() as usize).min(view.size());
    let end = to.min(from.saturating_add(most));
    let cells = view.cells(from, end);
    let mut batches = Vec::new();
    for at in (0..cells.len().max(1)).step_by(MAX_BATCH) {
        let part = cells.part(at, (at + MAX_BATCH).min(cells.len()));
        let next = from + at + part.len();
        let (last, paused) = (next >= to, next == end && end < to);
        batches.push(Batch { version, from: from + at, last, paused, cells: part });
    }
    batches
}

/// The asking end.
#[derive(Clone, Debug)]
pub struct Session {
    version: Version,
    strata: Coarse,
    /// The other end's cells from the first one on.
    received: Cells,
    asked: Option<Ask>,
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
        let mut session = Self { version, strata, received: cells, asked: None, asks: 0, limits };
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
        let Some(asked) = self.asked else { return Step::Wait };
        if batch.version != self.version || batch.from != self.received.len() {
            return Step::Wait;
        }
        if batch.cells.is_empty() {
            return self.end(Unknown::Moved);
        }
        if self.received.len() + batch.cells.len() > self.limits.cells {
            return self.end(Unknown::TooMany);
        }
        self.received.append(&batch.cells);
        if !batch.last {
            let rest = self.again().filter(|_| batch.paused);
            return rest.map_or(Step::Wait, Step::Ask);
        }
        if self.received.len() < asked.to {
            // The other end has no more.
            self.limits.cells = self.received.len();
        }
        self.step(view, find)
    }

    /// Asks once more for what has not come.
    #[must_use]
    pub fn again(&self) -> Option<Ask> {
        self.asked.map(|ask| Ask { from: self.received.len(), to: ask.to.max(self.cells()), ..ask })
    }

    /// True if cells are on their way.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.asked.is_some()
    }

    /// Cells that have come.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.received.len()
    }

    fn end(&mut self, why: Unknown) -> Step {
        self.asked = None;
        Step::Unknown(why)
    }

    fn step(&mut self, view: &View<'_>, find: &impl Fn(ItemId) -> Option<u128>) -> Step {
        let len = self.received.len();
        let mut cells = view.cells(0, len);
        if cells.len() < len {
            return self.end(Unknown::TooMany);
        }
        cells.subtract(&self.received);
        let peeled = peel(&cells);
        if peeled.complete {
            self.asked = None;
            return match peeled.items.is_empty() {
                true => Step::Unknown(Unknown::Collision),
                false => Step::Known(Difference::of(peeled.items, find)),
            };
        }
        let most = view.size().min(self.limits.cells);
        if len >= most {
            return self.end(Unknown::TooMany);
        }
        if self.asks >= MAX_ASKS {
            return self.end(Unknown::Stuck);
        }
        let (to, fine) = self.enough(len, &peeled, view);
        let to = if fine.is_some() { to } else { to.max(len + self.limits.step) };
        let ask = Ask { version: self.version, from: len, to: to.min(most), fine };
        self.asked = Some(ask);
        self.asks += 1;
        Step::Ask(ask)
    }

    /// How many cells will probably do, now that these have not.
    fn enough(&self, len: usize, peeled: &Peeled, view: &View<'_>) -> (usize, Option<Fine>) {
        let least = len as f64 * (1.0 + 0.06 * f64::from(self.asks)) + 3.0;
        let mut fine = None;
        let target = match estimate(len, peeled.light) {
            Some(seen) if self.asks > 0 => (1.03 + 0.6 / seen.max(1.0).sqrt()) * needed(seen),
            None if self.asks > 0 && len >= MANY => 2.0 * len as f64,
            _ => {
                let guess = view.strata().coarse().difference(&self.strata);
                if self.asks == 0 && guess > MANY as f64 {
                    fine = Some(view.strata().fine(guess));
                    0.0
                } else {
                    (if guess < 16.0 { 0.85 } else { 1.05 }) * needed(guess)
                }
            }
        };
        (target.max(least).ceil() as usize, fine)
    }
}

/// Above so many differences it is worth 25 bytes to know better how many.
const MANY: usize = 28;
/// The cells to send for a fine estimate: few differences cost little more, and many are not
/// worth sending too much for.
fn likely(differences: f64) -> f64 {
    (0.95 + 1.2 / differences.max(1.0).sqrt()) * needed(differences)
}
