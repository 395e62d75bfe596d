//! The upkeep of what a map keeps beside its entries: sums by time, sketches, the second account.

use super::Map;
use super::trie::Change;
use crate::data::account;
use crate::data::digest::{Digest, Range};
use crate::data::sketch::ItemId;
use std::ops::ControlFlow;
use std::sync::Arc;

/// What came of comparing what is kept with what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The part to go on with.
    pub next: u8,
    /// Where an entry is not the one that was written, if anywhere.
    pub content: Option<Range>,
    /// Where the digest is not that of the entries, if anywhere.
    pub digest: Option<Range>,
}

impl Map {
    /// Compares what is kept of the next parts, from `part` on, with what is really held there, for
    /// about `most` entries. The second account is put right at once; after
    /// [`Verified::digest`] call [`Map::rebuild`].
    pub fn verify(&mut self, part: u8, most: u64) -> Verified {
        let mut verified = Verified { next: part, content: None, digest: None };
        let (mut left, small) = (most, self.digest().count <= most);
        if small || part == 0 {
            let kept = self.digest();
            let really = match small {
                true => self.count_up(Range::ALL),
                false => (0..=u8::MAX)
                    .map(account::range_of)
                    .map(|range| self.digest_of(range))
                    .fold(Digest::default(), |sum, part| Digest {
                        count: sum.count.wrapping_add(part.count),
                        sum: sum.sum.wrapping_add(part.sum),
                    }),
            };
            verified.digest = (kept != really).then_some(Range::ALL);
        }
        for _ in 0..account::PARTS {
            let (part, range) = (verified.next, account::range_of(verified.next));
            let (mut held, mut really) = (Vec::new(), Digest::default());
            self.walk(range, &mut |_, entry| {
                really.add(self.item_hash(entry));
                held.push(Arc::clone(entry));
                ControlFlow::Continue(())
            });
            if self.digest_of(range) != really {
                verified.digest.get_or_insert(range);
            }
            if let Some(account) = &mut self.account
                && !Arc::make_mut(account).verify(part, held.iter().map(AsRef::as_ref))
            {
                verified.content.get_or_insert(range);
            }
            verified.next = part.wrapping_add(1);
            left = left.saturating_sub(held.len() as u64);
            if left == 0 {
                break;
            }
        }
        verified
    }

    /// The digest of a range, made of the entries in it.
    fn count_up(&self, range: Range) -> Digest {
        let mut digest = Digest::default();
        self.walk(range, &mut |_, entry| {
            digest.add(self.item_hash(entry));
            ControlFlow::Continue(())
        });
        digest
    }

    /// Makes everything that is kept beside the entries anew from the entries.
    pub fn rebuild(&mut self) {
        let mut fresh = Self::new(self.keyed);
        let mut items = Vec::new();
        self.walk(Range::ALL, &mut |hash, entry| {
            items.push(ItemId::new(hash, self.item_hash(entry)));
            let _ = fresh.apply(Arc::clone(entry));
            ControlFlow::Continue(())
        });
        (self.root, self.tombstones, self.bytes) = (fresh.root, fresh.tombstones, fresh.bytes);
        if let Some(sketches) = &mut self.sketches {
            Arc::make_mut(sketches).refill(&items);
        }
        if let Some(account) = self.account.take() {
            let mut account = Arc::unwrap_or_clone(account);
            for part in 0..=u8::MAX {
                let mut held = Vec::new();
                self.walk(account::range_of(part), &mut |_, entry| {
                    held.push(Arc::clone(entry));
                    ControlFlow::Continue(())
                });
                account.verify(part, held.iter().map(AsRef::as_ref));
            }
            self.account = Some(Arc::new(account));
        }
    }

    /// Keeps the account of a write by its own stamp, also of what it replaces: so whoever leaves it
    /// out has the old entry, like a replica that the write has not reached.
    pub(super) fn note(&mut self, change: &Change, wall_ms: u64) {
        self.recent.add(wall_ms, change.added);
        if let Some(removed) = change.removed {
            self.recent.remove(wall_ms, removed);
        }
        if let Some(sketches) = &mut self.sketches {
            let sketches = Arc::make_mut(sketches);
            sketches.insert(ItemId::new(change.hash, change.added), wall_ms);
            if let Some(removed) = change.removed {
                sketches.remove(ItemId::new(change.hash, removed), wall_ms);
            }
        }
    }

    /// Lets the sketches grow with the map.
    pub(super) fn make_room(&mut self) {
        if !self.sketches.as_ref().is_some_and(|sketches| sketches.is_crowded()) {
            return;
        }
        let mut items = Vec::new();
        self.walk(Range::ALL, &mut |hash, entry| {
            items.push(ItemId::new(hash, self.item_hash(entry)));
            ControlFlow::Continue(())
        });
        if let Some(sketches) = &mut self.sketches {
            Arc::make_mut(sketches).grow(items.into_iter());
        }
    }
}
