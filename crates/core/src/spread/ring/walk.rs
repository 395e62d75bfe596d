//! The walk through two maps that a hop is made of: the [`Walk`] of who gives, and the [`Guest`] of
//! who is given.
//!
//! A walk compares digests of ranges, deeper where they differ, then lists the items of small
//! ranges, then sends what is wanted. One message of a walk is under way at a time, so either end
//! may forget it at any point; it is begun anew then. Lists are whole, so that the guest of a walk
//! that sieves can tell what it holds beyond them.

use super::message::{Check, Differ, ITEMS, Load, Page, RANGES, Session, Step, Token, Want};
use super::{Pass, SIEVE};
use crate::base::hash::Set;
use crate::base::id::NodeId;
use crate::data::sketch::ItemId;
use crate::data::{Entry, Map, Range, block};
use crate::retain::Census;
use crate::wire::kind;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A range with so many entries is listed and not cut further (guess: the list is as long as the
/// digests of its parts).
const LISTED: u64 = 48;

/// The giving end of a walk.
#[derive(Clone, Debug)]
pub struct Walk {
    session: Session,
    /// Ranges to compare, the next last.
    todo: Vec<Range>,
    /// Ranges to list.
    lists: Vec<Range>,
    /// The ranges of the message under way.
    asked: Vec<Range>,
    /// What is still to be sent of what was wanted, the next last.
    owed: Vec<ItemId>,
    /// Where its numbers begin, and the last of them.
    began: u32,
    number: u32,
    /// Entries sent.
    sent: u64,
}

impl Walk {
    /// A walk that begins with everything. Its messages have the numbers from one on: see
    /// [`Guest::began`].
    #[must_use]
    pub fn new(token: &Token, began: u32) -> Self {
        Self {
            session: token.session(),
            todo: vec![Range::ALL],
            lists: Vec::new(),
            asked: Vec::new(),
            owed: Vec::new(),
            began,
            number: began,
            sent: 0,
        }
    }

    /// True for the walk that a guest says it waits for. Builds of before do not say which.
    #[must_use]
    pub fn is_for(&self, began: u32) -> bool {
        began != 0 && self.began == began
    }

    /// Which one it is.
    #[must_use]
    pub fn session(&self) -> Session {
        self.session
    }

    /// Entries that it has sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    fn step<T>(&mut self, body: T) -> Step<T> {
        self.number = self.number.wrapping_add(1);
        Step { session: self.session, number: self.number, body }
    }

    /// The next message: its kind and body. Pieces of entries are of so many bytes, about.
    pub fn next(&mut self, map: &Map, piece_bytes: usize) -> (u8, Vec<u8>) {
        if !self.owed.is_empty() {
            return self.load(map, piece_bytes);
        }
        if self.todo.is_empty()
            && let Some(page) = self.page(map)
        {
            return (kind::RING_ITEMS, self.step(page).encode());
        }
        // Without any range it says that this is the end.
        let from = self.todo.len().saturating_sub(RANGES);
        self.asked = self.todo.split_off(from);
        let check: Check = self.asked.iter().map(|range| (*range, map.digest_of(*range))).collect();
        (kind::RING_CHECK, self.step(check).encode())
    }

    fn page(&mut self, map: &Map) -> Option<Page> {
        let mut page = Page::new();
        let mut count = 0;
        while count < ITEMS
            && page.len() < ITEMS
            && let Some(range) = self.lists.pop()
        {
            let mut items = Vec::new();
            map.walk(range, &mut |hash, entry| {
                // Also what is from above the horizon: it may have taken the place of something
                // below, which the next member would miss and the one after it be given by nobody.
                items.push(ItemId::new(hash, map.item_hash(entry)));
                ControlFlow::Continue(())
            });
            count += items.len();
            page.push((range, items));
        }
        (!page.is_empty()).then_some(page)
    }

    fn load(&mut self, map: &Map, piece_bytes: usize) -> (u8, Vec<u8>) {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while bytes < piece_bytes
            && entries.len() < block::MAX_ENTRIES
            && let Some(item) = self.owed.pop()
        {
            // What is no longer held has given way to something newer, which is on its way.
            if let Some((entry, _)) = map.find(item) {
                bytes += block::max_len(entry);
                entries.push(Entry::clone(entry));
            }
        }
        self.sent += entries.len() as u64;
        let last = self.owed.is_empty();
        (kind::RING_ENTRIES, self.step(Load { entries, last }).encode())
    }

    /// Takes in which ranges differ; false if the message is not the answer that is waited for.
    pub fn on_differ(&mut self, map: &Map, differ: &Step<Differ>) -> bool {
        if differ.number != self.number || differ.body.len() != self.asked.len() {
            return false;
        }
        self.number = self.number.wrapping_add(1);
        let asked = std::mem::take(&mut self.asked);
        for (range, _) in asked.into_iter().zip(&differ.body).filter(|(_, differs)| **differs) {
            let small = map.digest_of(range).count <= LISTED;
            match small || range.depth() == Range::MAX_DEPTH {
                true => self.lists.push(range),
                false => self.todo.extend((0..16).filter_map(|nibble| range.child(nibble))),
            }
        }
        true
    }

    /// Takes in what is wanted; false if the message is not the answer that is waited for.
    pub fn on_want(&mut self, want: &Step<Want>) -> bool {
        if want.number != self.number {
            return false;
        }
        self.number = self.number.wrapping_add(1);
        if self.owed.is_empty() {
            self.owed.clone_from(&want.body);
        }
        true
    }
}

/// The receiving end of a walk.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The walk.
    pub session: Session,
    /// Who gives.
    pub peer: NodeId,
    /// The pass that it belongs to.
    pub pass: Pass,
    /// See [`Token::census`].
    pub census: Arc<Census>,
    /// Where the numbers of its messages begin, drawn by the guest and never 0. What was said to a
    /// guest of before, in the same pass and at the same address, is of another walk.
    pub began: u32,
    next: u32,
    /// True if something that was to be kept aside had no room, so that this node stays behind.
    pub full: bool,
    page: Page,
    /// Items that the giver must hold, or the pass is not complete, by their key hashes: see
    /// [`Guest::strays`].
    pub compares: Vec<(u64, ItemId)>,
    /// Those of them that it does not list.
    pub strays: Vec<ItemId>,
}

impl Guest {
    /// A guest of whoever has sent a token.
    #[must_use]
    pub fn new(token: &Token, peer: NodeId, began: u32) -> Self {
        let (session, pass) = (token.session(), token.pass.clone());
        let census = Arc::clone(&token.census);
        let (compares, strays) = (Vec::new(), Vec::new());
        let (full, page, next) = (false, Page::new(), began.wrapping_add(1));
        Self { session, peer, pass, census, began, next, full, page, compares, strays }
    }

    /// True if a message of the giver is the next of this walk: one that follows what this end has
    /// said to the one before. Givers of before begin their walks at 1.
    #[must_use]
    pub fn is_next(&mut self, number: u32) -> bool {
        let first = self.next == self.began.wrapping_add(1);
        let is = number == self.next || first && number == 1;
        if is {
            // What this end says has the same number, and that it was taken in another one.
            self.next = number.wrapping_add(2);
        }
        is
    }

    /// True if what the giving end does not hold is to go.
    #[must_use]
    pub fn sieves(&self) -> bool {
        self.session.hop == SIEVE
    }

    /// Compares ranges; `None` at the end of the walk.
    #[must_use]
    pub fn on_check(&self, map: &Map, check: &Step<Check>) -> Option<Step<Differ>> {
        let differs = check.body.iter().map(|(range, digest)| map.digest_of(*range) != *digest);
        let body: Differ = differs.collect();
        let (session, number) = (check.session, check.number);
        (!body.is_empty()).then_some(Step { session, number, body })
    }

    /// What is wanted of a page.
    #[must_use]
    pub fn on_page(&mut self, map: &Map, mut page: Step<Page>) -> Step<Want> {
        if !self.compares.is_empty() {
            let listed: Set<ItemId> = page.body.iter().flat_map(|(_, all)| all).copied().collect();
            for (range, _) in &page.body {
                let within = self.compares.iter().filter(|(hash, _)| range.contains(*hash));
                let missed = within.map(|(_, item)| *item).filter(|item| !listed.contains(item));
                self.strays.extend(missed);
            }
        }
        let items = page.body.iter().flat_map(|(_, items)| items);
        let body: Want = items.filter(|item| map.find(**item).is_none()).copied().collect();
        if self.sieves() {
            page.body.iter_mut().for_each(|(_, items)| items.sort_unstable());
            page.body.sort_unstable_by_key(|(range, _)| *range);
            self.page = page.body;
        }
        Step { session: page.session, number: page.number, body }
    }

    /// True for an entry that this end holds, up to the horizon, and the other end does not.
    #[must_use]
    pub fn is_surplus(&self, map: &Map, entry: &Entry) -> bool {
        let hash = map.hash(entry.key());
        let behind = self.page.partition_point(|(range, _)| range.first() <= hash);
        let Some((range, items)) = behind.checked_sub(1).and_then(|at| self.page.get(at)) else {
            return false;
        };
        let item = ItemId::new(hash, map.item_hash(entry));
        range.contains(hash)
            && entry.age() <= self.pass.horizon
            && items.binary_search(&item).is_err()
    }

    /// Once everything wanted of a page has come: what is surplus in its ranges.
    #[must_use]
    pub fn surplus(&mut self, map: &Map) -> Vec<Arc<Entry>> {
        let mut surplus = Vec::new();
        for (range, _) in &self.page {
            map.walk(*range, &mut |_, entry| {
                if self.is_surplus(map, entry) {
                    surplus.push(Arc::clone(entry));
                }
                ControlFlow::Continue(())
            });
        }
        self.page.clear();
        surplus
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::token;
    use super::*;
    use crate::base::codec::Reader;
    use crate::data::Stamp;
    use crate::reconcile::tests::{Model, map, union};
    use proptest::prelude::*;

    /// Walks until the end; returns how many messages it took.
    fn walk(giver: &Map, taker: &mut Map, token: &Token, piece: usize) -> usize {
        let (mut walk, mut guest) = (Walk::new(token, 7), Guest::new(token, NodeId(1), 7));
        for messages in 1.. {
            let (kind, body) = walk.next(giver, piece);
            let body = Reader::new(&body);
            match kind {
                kind::RING_CHECK => {
                    let check = Step::<Check>::read(body).unwrap();
                    assert!(guest.is_next(check.number) && !guest.is_next(check.number));
                    let Some(differ) = guest.on_check(taker, &check) else { return messages };
                    let differ = Step::<Differ>::read(Reader::new(&differ.encode())).unwrap();
                    assert!(walk.on_differ(giver, &differ));
                    assert!(!walk.on_differ(giver, &differ), "a repetition is passed over");
                }
                kind::RING_ITEMS => {
                    let page = Step::<Page>::read(body).unwrap();
                    assert!(guest.is_next(page.number) && !guest.is_next(page.number));
                    let want = guest.on_page(taker, page);
                    let want = Step::<Want>::read(Reader::new(&want.encode())).unwrap();
                    if want.body.is_empty() {
                        drop_surplus(&mut guest, taker);
                    }
                    assert!(walk.on_want(&want));
                    assert!(!walk.on_want(&want), "a repetition is passed over");
                }
                _ => {
                    let load = Step::<Load>::read(body).unwrap();
                    assert!(guest.is_next(load.number) && !guest.is_next(load.number));
                    for entry in load.body.entries {
                        if let Some(held) = taker.get(entry.key()).cloned()
                            && guest.is_surplus(taker, &held)
                        {
                            taker.remove(held.key(), held.stamp());
                        }
                        let _ = taker.apply(Arc::new(entry));
                    }
                    if load.body.last {
                        drop_surplus(&mut guest, taker);
                    }
                    let (session, number) = (load.session, load.number);
                    assert!(walk.on_want(&Step { session, number, body: Want::new() }));
                }
            }
        }
        unreachable!()
    }

    fn drop_surplus(guest: &mut Guest, taker: &mut Map) {
        if guest.sieves() {
            for entry in guest.surplus(taker) {
                taker.remove(entry.key(), entry.stamp());
            }
        }
    }

    fn models() -> impl Strategy<Value = (Model, Model)> {
        let writes = prop::collection::btree_map(0_u16..3000, 1_u64..60, 0..700);
        (writes.clone(), writes.clone(), writes).prop_map(|(common, mut one, mut other)| {
            for model in [&mut one, &mut other] {
                let own: Vec<_> = model.keys().copied().collect();
                model.retain(|key, _| own.iter().take(own.len() / 8).any(|kept| kept == key));
                for (key, time) in &common {
                    model.entry(*key).or_insert(*time);
                }
            }
            (one, other)
        })
    }

    fn held(map: &Map) -> Model {
        let mut held = Model::new();
        map.walk(Range::ALL, &mut |_, entry| {
            held.insert(u16::from_be_bytes(entry.key().try_into().unwrap()), entry.stamp().time);
            ControlFlow::Continue(())
        });
        held
    }

    proptest! {
        #[test]
        fn a_hop_gives_everything(
            (one, other) in models(),
            horizon in 0_u64..70,
            piece in 1_usize..2000,
        ) {
            let (giver, mut taker) = (map(one.clone()), map(other.clone()));
            walk(&giver, &mut taker, &token(1, horizon), piece);
            prop_assert_eq!(held(&taker), union(&one, &other));
        }

        #[test]
        fn a_sieve_leaves_what_the_giver_holds(
            (one, other) in models(),
            horizon in 0_u64..70,
            piece in 1_usize..2000,
        ) {
            let (giver, mut taker) = (map(one.clone()), map(other.clone()));
            walk(&giver, &mut taker, &token(SIEVE, horizon), piece);
            // Later writes of the taker stay.
            let later: Model = other.into_iter().filter(|(_, time)| *time > horizon).collect();
            prop_assert_eq!(held(&taker), union(&one, &later));
        }
    }

    #[test]
    fn what_was_said_to_a_guest_of_before_is_not_taken() {
        let token = token(SIEVE, 9);
        let mut guest = Guest::new(&token, NodeId(1), 7);
        assert!(!guest.is_next(12), "of another walk");
        assert!(guest.is_next(8) && !guest.is_next(12), "one is left out");
        assert!(guest.is_next(10) && !guest.is_next(1));
        let mut guest = Guest::new(&token, NodeId(1), u32::MAX);
        assert!(guest.is_next(0) && guest.is_next(2));
        let mut guest = Guest::new(&token, NodeId(1), 7);
        assert!(guest.is_next(1) && guest.is_next(3), "of a giver of before");
        let walk = Walk::new(&token, 7);
        assert!(walk.is_for(7) && !walk.is_for(8) && !Walk::new(&token, 0).is_for(0));
    }

    #[test]
    fn equal_maps_take_two_messages() {
        let entries: Model = (0..2000).map(|key| (key, 5)).collect();
        let (giver, mut taker) = (map(entries.clone()), map(entries));
        assert_eq!(walk(&giver, &mut taker, &token(1, 9), 1000), 2);
        let stamp = Stamp { time: 4, node: NodeId(3) };
        let _ = taker.apply(Arc::new(Entry::new(b"xx", b"more", stamp, None)));
        let messages = walk(&giver, &mut taker, &token(SIEVE, 9), 1000);
        assert!(messages < 8 && giver.digest() == taker.digest(), "{messages}");
    }
}
