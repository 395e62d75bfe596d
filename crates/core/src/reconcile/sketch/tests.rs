//! Two sets, the messages between them, and whatever may happen to those.

use super::*;
use crate::base::codec::Reader;
use crate::base::rng::Rng;
use crate::data::sketch::{Cells, Coarse, MAX_CELLS, Sketches, Version, View};
use crate::data::{Cut, Digest};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const LIMITS: Limits = Limits { cells: MAX_CELLS, step: 1 };

/// A set of items with their hashes.
#[derive(Clone, Default)]
struct Side {
    held: BTreeMap<ItemId, u128>,
    digest: Digest,
    sketches: Sketches,
    /// Cells in answer to one ask.
    most: usize,
}

impl Side {
    fn of(hashes: impl IntoIterator<Item = u128>) -> Self {
        let mut side = Self { most: MAX_CELLS, ..Self::default() };
        side.sketches.advance(1);
        hashes.into_iter().for_each(|hash| side.toggle(hash));
        side
    }

    /// Puts an item in, or takes it out.
    fn toggle(&mut self, hash: u128) {
        let item = ItemId::new((hash >> 64) as u64, hash);
        if self.held.remove(&item).is_some() {
            self.digest.remove(hash);
            self.sketches.remove(item, 0);
        } else {
            self.held.insert(item, hash);
            self.digest.add(hash);
            self.sketches.insert(item, 0);
        }
        if self.sketches.is_crowded() {
            self.sketches.grow(self.held.keys().copied());
        }
    }

    fn view(&self) -> View<'_> {
        self.sketches.view(self.sketches.version(), Cut::NONE).unwrap()
    }

    fn find(&self, item: ItemId) -> Option<u128> {
        self.held.get(&item).copied()
    }

    fn items(&self) -> BTreeSet<ItemId> {
        self.held.keys().copied().collect()
    }

    fn opening(&self, expected: usize) -> Opening {
        let body = open(self.digest, &self.view(), expected).encode();
        Opening::decode(Reader::new(&body)).unwrap()
    }

    fn answer(&self, opening: &Opening) -> Answer {
        let version = self.sketches.version();
        answer(opening, self.digest, &self.view(), version, &|item| self.find(item))
    }

    fn serve(&self, ask: Ask) -> Vec<Batch> {
        let ask = Ask::decode(Reader::new(&ask.encode())).unwrap();
        let view = self.sketches.view(ask.version, Cut::NONE);
        let again = |batch: Batch| Batch::decode(Reader::new(&batch.encode())).unwrap();
        serve(ask, view.as_ref(), self.most).into_iter().map(again).collect()
    }

    fn begin(&self, reply: &Reply) -> (Session, Step) {
        let reply = Reply::decode(Reader::new(&reply.encode())).unwrap();
        Session::begin(reply, &self.view(), LIMITS, &|item| self.find(item))
    }

    fn take(&self, session: &mut Session, batch: &Batch) -> Step {
        session.on_batch(batch, &self.view(), &|item| self.find(item))
    }
}

fn right(found: &Difference, mine: &BTreeSet<ItemId>, theirs: &BTreeSet<ItemId>) -> bool {
    found.mine.iter().copied().collect::<BTreeSet<_>>() == mine - theirs
        && found.theirs.iter().copied().collect::<BTreeSet<_>>() == theirs - mine
        && found.len() == (mine ^ theirs).len()
}

/// Compares without faults. Answers what the first end learns or the second one does, turned
/// round, and how many messages it took.
fn compare(first: &Side, second: &Side, expected: usize) -> (Result<Difference, Unknown>, usize) {
    let mut messages = 2;
    let reply = match second.answer(&first.opening(expected)) {
        Answer::Equal => return (Ok(Difference::default()), 1),
        Answer::Known(Difference { mine, theirs }) => {
            return (Ok(Difference { mine: theirs, theirs: mine }), 1);
        }
        Answer::Reply(reply) => reply,
    };
    let (mut session, mut step) = first.begin(&reply);
    loop {
        match step {
            Step::Known(found) => return (Ok(found), messages),
            Step::Unknown(why) => return (Err(why), messages),
            Step::Wait => panic!("nothing is on its way"),
            Step::Ask(ask) => {
                messages += 1;
                step = Step::Wait;
                for batch in second.serve(ask) {
                    messages += 1;
                    step = first.take(&mut session, &batch);
                }
            }
        }
    }
}

fn hashes(seed: u64, count: usize) -> Vec<u128> {
    let mut rng = Rng::new(seed);
    (0..count).map(|_| u128::from(rng.bits()) << 64 | u128::from(rng.bits())).collect()
}

/// Two sets that share some items.
fn two(seed: u64, common: usize, one: usize, other: usize) -> [Side; 2] {
    let all = hashes(seed, common + one + other);
    let (common, rest) = all.split_at(common);
    let (one, other) = rest.split_at(one);
    [one, other].map(|own| Side::of(common.iter().chain(own).copied()))
}

proptest! {
    #[test]
    fn the_difference_is_found_exactly_or_not_at_all(
        seed: u64,
        common in 0_usize..800,
        (one, other) in prop_oneof![(0_usize..4, 0_usize..4), (0_usize..150, 0_usize..150)],
        expected in 0_usize..20,
    ) {
        let [first, second] = two(seed, common, one, other);
        match compare(&first, &second, expected).0 {
            Ok(found) => prop_assert!(right(&found, &first.items(), &second.items())),
            Err(why) => {
                prop_assert!(matches!(why, Unknown::TooMany | Unknown::Moved));
                prop_assert!(2 * (one + other) > common, "{} of {}", one + other, common);
            }
        }
    }

    #[test]
    fn loss_repetition_disorder_and_writes_never_make_a_wrong_answer(
        seed: u64,
        common in 0_usize..400,
        (one, other) in (0_usize..40, 0_usize..40),
        lost in 0.0..0.5,
        busy in 0.0..0.6,
    ) {
        let [mut first, mut second] = two(seed, common, one, other);
        let mut rng = Rng::new(seed);
        let mut fresh = hashes(seed ^ 1, 2000).into_iter();
        // What the second end held at each version.
        let mut then: BTreeMap<u16, BTreeSet<ItemId>> = BTreeMap::new();
        let reply = match second.answer(&first.opening(0)) {
            Answer::Reply(reply) => reply,
            Answer::Equal => {
                prop_assert_eq!(first.items(), second.items());
                return Ok(());
            }
            Answer::Known(found) => {
                prop_assert!(right(&found, &second.items(), &first.items()));
                return Ok(());
            }
        };
        then.insert(reply.version.0, second.items());
        let (mut session, mut step) = first.begin(&reply);
        let mut wire: Vec<Batch> = Vec::new();
        for _ in 0..400 {
            match step {
                // The set is compared as it is when the answer is found.
                Step::Known(found) => {
                    prop_assert!(right(&found, &first.items(), &then[&reply.version.0]));
                    return Ok(());
                }
                Step::Unknown(_) => return Ok(()),
                Step::Ask(ask) => wire.extend(second.serve(ask)),
                Step::Wait => {}
            }
            for side in [&mut first, &mut second] {
                while rng.chance(busy) {
                    match side.held.values().nth(rng.index(side.held.len())).copied() {
                        Some(held) if rng.chance(0.5) => side.toggle(held),
                        _ => side.toggle(fresh.next().unwrap_or(7)),
                    }
                }
            }
            if wire.is_empty() {
                wire.extend(second.serve(session.again().unwrap()));
            }
            let batch = match rng.chance(0.3) {
                true => wire[rng.index(wire.len())].clone(),
                false => wire.swap_remove(rng.index(wire.len())),
            };
            step = match rng.chance(lost) {
                true => Step::Wait,
                false => first.take(&mut session, &batch),
            };
        }
        prop_assert!(false, "the session does not end");
    }

    #[test]
    fn a_liar_is_bounded(seed: u64, held in 0_usize..300, honest in 0_usize..3) {
        lie(seed, held, honest)?;
    }
}

fn lie(seed: u64, held: usize, honest: usize) -> Result<(), TestCaseError> {
    let mut rng = Rng::new(seed);
    let side = Side::of(hashes(seed, held));
    let mut lies = |len: usize| {
        let bytes: Vec<u8> = (0..9 * len).map(|_| rng.bits() as u8).collect();
        Cells::decode(&mut Reader::new(&bytes), len).unwrap()
    };
    let reply = Reply { version: Version(1), strata: Coarse::default(), cells: lies(honest) };
    let (mut session, mut step) = side.begin(&reply);
    let mut rounds = 0;
    while let Step::Ask(ask) = step {
        rounds += 1;
        prop_assert!(rounds <= 16 && session.cells() <= MAX_CELLS);
        let cells = lies((ask.to - ask.from).clamp(1, 1000));
        let batch = Batch { version: Version(1), from: ask.from, last: true, paused: false, cells };
        step = side.take(&mut session, &batch);
    }
    prop_assert!(!matches!(step, Step::Known(_)), "random bytes explain nothing");
    Ok(())
}

/// A single cell of random bytes that looks like one item.
#[test]
fn one_cell_explains_nothing() {
    lie(11_347_312_378_276_600_089, 272, 1).unwrap();
}

#[test]
fn nothing_and_one_thing_take_one_message() {
    for (one, other) in [(0, 0), (1, 0), (0, 1)] {
        let [first, second] = two(5, 1000, one, other);
        let (found, messages) = compare(&first, &second, 0);
        assert!(right(&found.unwrap(), &first.items(), &second.items()));
        assert_eq!(messages, 1);
        assert_eq!(first.opening(0).encode().len(), 22);
    }
}

#[test]
fn who_expects_a_difference_is_answered_at_once() {
    let [first, second] = two(6, 1000, 7, 6);
    let (found, messages) = compare(&first, &second, 15);
    assert!(right(&found.unwrap(), &first.items(), &second.items()));
    assert_eq!(messages, 1);
}

#[test]
fn a_large_difference_takes_few_messages() {
    let [first, second] = two(7, 30_000, 3000, 2000);
    let (found, messages) = compare(&first, &second, 0);
    assert!(right(&found.unwrap(), &first.items(), &second.items()));
    assert!(messages <= 8, "{messages}");
}

#[test]
fn who_sends_little_at_once_is_asked_again() {
    let [first, mut second] = two(11, 5000, 500, 400);
    let whole = compare(&first, &second, 0);
    second.most = 100;
    let (found, messages) = compare(&first, &second, 0);
    assert!(right(&found.clone().unwrap(), &first.items(), &second.items()));
    assert_eq!(found, whole.0);
    assert!(messages > whole.1 + 10, "{messages}");
}

#[test]
fn too_large_a_difference_is_left_to_others() {
    let [first, second] = two(8, 10, 500, 10);
    assert_eq!(compare(&second, &first, 0).0, Err(Unknown::TooMany));
}

#[test]
fn two_writes_of_one_name_are_noticed() {
    let common = hashes(9, 100);
    // The same key and the same 40 bits, another hash.
    let pair = [5_u128 << 64 | 77, 5_u128 << 64 | 1 << 50 | 77];
    let [first, second] = pair.map(|own| Side::of(common.iter().copied().chain([own])));
    assert_eq!(first.items(), second.items());
    assert_eq!(compare(&first, &second, 0).0, Err(Unknown::Collision));
}

#[test]
fn a_state_that_is_forgotten_ends_the_session() {
    let [first, mut second] = two(10, 100, 30, 30);
    let Answer::Reply(reply) = second.answer(&first.opening(0)) else { panic!() };
    let (mut session, Step::Ask(ask)) = first.begin(&reply) else { panic!() };
    second.toggle(1);
    second.sketches.advance(10_000);
    let batches = second.serve(ask);
    assert_eq!(first.take(&mut session, &batches[0]), Step::Unknown(Unknown::Moved));
    assert_eq!(session.again(), None, "it is over");
}
