//! The crate `merkle-search-tree`: page ranges of a search tree whose shape follows its keys.
//!
//! It has no messages of its own, so they are made as plain and short as can be: one root hash
//! (16 bytes); where it differs, all page ranges of the other end (8 bytes for each of the two
//! keys, 16 for the hash); then the ranges that differ and what the first end holds in them (8
//! bytes for a key, 8 for its write). The second end then knows what differs.

use crate::sets::{Cost, Method, Write, Writes, cpu_us};
use merkle_search_tree::MerkleSearchTree;
use merkle_search_tree::diff::{PageRange, diff};
use merkle_search_tree::digest::PageDigest;
use std::collections::{BTreeMap, BTreeSet};

/// Writes between two root hashes in the measurement of upkeep.
const BATCH: usize = 1000;

type Key = [u8; 8];

/// A tree, and the map that it belongs to: the tree holds hashes only.
struct Replica {
    tree: MerkleSearchTree<Key, u64>,
    held: BTreeMap<Key, u64>,
}

/// Two replicas.
pub struct Trees {
    replicas: [Replica; 2],
}

/// The key of a write in 8 bytes that look drawn.
fn key(write: &Write) -> Key {
    let bits = (write.key ^ write.key >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ bits >> 31).to_be_bytes()
}

impl Trees {
    /// Two empty replicas.
    pub fn new() -> Self {
        let replica = || Replica { tree: MerkleSearchTree::default(), held: BTreeMap::new() };
        Self { replicas: [replica(), replica()] }
    }
}

impl Method for Trees {
    fn write(&mut self, side: usize, write: &Write) {
        let replica = &mut self.replicas[side];
        replica.tree.upsert(key(write), &write.new);
        replica.held.insert(key(write), write.new);
    }

    fn names(&self, write: &Write) -> Vec<u64> {
        vec![u64::from_be_bytes(key(write))]
    }

    fn compare(&mut self) -> (Cost, Vec<u64>) {
        let mut cost = Cost::default();
        let start = cpu_us();
        for replica in &mut self.replicas {
            replica.tree.root_hash();
        }
        cost.prepare_us = cpu_us() - start;
        let start = cpu_us();
        let found = compare(&self.replicas, &mut cost);
        cost.cpu_us = cpu_us() - start;
        (cost, found)
    }

    fn upkeep_ns(&mut self, writes: &mut Writes) -> Option<f64> {
        let changes: Vec<Write> = (0..20 * BATCH).map(|_| writes.any()).collect();
        let tree = &mut self.replicas[0].tree;
        tree.root_hash();
        let start = cpu_us();
        for batch in changes.chunks(BATCH) {
            batch.iter().for_each(|write| tree.upsert(key(write), &write.new));
            tree.root_hash();
        }
        let took = cpu_us() - start;
        for write in &changes {
            self.replicas[0].held.insert(key(write), write.new);
            self.write(1, write);
        }
        Some(took * 1000.0 / changes.len() as f64)
    }
}

fn compare([first, second]: &[Replica; 2], cost: &mut Cost) -> Vec<u64> {
    let root = first.tree.root_hash_cached().map(|hash| hash.as_bytes().to_vec());
    let asked = cost.sent(root.unwrap_or_default());
    if second.tree.root_hash_cached().is_some_and(|hash| hash.as_bytes()[..] == asked[..]) {
        return Vec::new();
    }
    let pages = second.tree.serialise_page_ranges().unwrap_or_default();
    let mut answer = Vec::with_capacity(32 * pages.len());
    for page in &pages {
        answer.extend(page.start());
        answer.extend(page.end());
        answer.extend(page.hash().as_bytes());
    }
    let answer = cost.sent(answer);
    let part = |page: &[u8], at: usize| -> Key {
        page.get(at..at + 8).and_then(|part| part.try_into().ok()).unwrap_or_default()
    };
    let read: Vec<([Key; 2], [u8; 16])> = answer
        .chunks_exact(32)
        .map(|page| {
            let hash = page.get(16..).and_then(|hash| hash.try_into().ok());
            ([part(page, 0), part(page, 8)], hash.unwrap_or_default())
        })
        .collect();
    let theirs = || {
        let pages = read.iter();
        pages.map(|([start, end], hash)| PageRange::new(start, end, PageDigest::new(*hash)))
    };
    let mine = || first.tree.serialise_page_ranges().unwrap_or_default();
    // What the first end lacks, and what the second does: a comparison sees one way only.
    let lacks = diff(mine(), theirs());
    let mut ranges: Vec<(Key, Key)> =
        lacks.iter().map(|range| (*range.start(), *range.end())).collect();
    let (pages, own) = (theirs().collect::<Vec<_>>(), mine());
    ranges.extend(diff(pages, own).iter().map(|range| (*range.start(), *range.end())));
    let ranges = merged(ranges);
    let mut held = Vec::new();
    for (start, end) in &ranges {
        held.extend([*start, *end].concat());
        for (key, number) in first.held.range(*start..=*end) {
            held.extend([*key, number.to_le_bytes()].concat());
        }
    }
    cost.sent(held);
    let within = |replica: &'_ Replica| -> BTreeSet<(Key, u64)> {
        let each = |(start, end): &(Key, Key)| replica.held.range(*start..=*end);
        ranges.iter().flat_map(each).map(|(key, number)| (*key, *number)).collect()
    };
    let differ = within(first);
    let differ =
        differ.symmetric_difference(&within(second)).map(|(key, _)| *key).collect::<Vec<_>>();
    differ.into_iter().map(u64::from_be_bytes).collect()
}

/// Ranges that touch, as one.
fn merged(mut ranges: Vec<(Key, Key)>) -> Vec<(Key, Key)> {
    ranges.sort_unstable();
    let mut merged: Vec<(Key, Key)> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        match merged.last_mut().filter(|(_, last)| start <= *last) {
            Some((_, last)) => *last = end.max(*last),
            None => merged.push((start, end)),
        }
    }
    merged
}
