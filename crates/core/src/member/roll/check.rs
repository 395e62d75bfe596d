//! What holds of the roll: every count and every set of bits is that of the members in it.

use super::{Chunk, Roll, addr_of, below, bit, ones};
use crate::base::check::Depth;
use crate::member::record::{Record, State};
use crate::member::zone::Zone;
use std::collections::BTreeMap;

impl Roll {
    /// Checks what must hold.
    pub(in crate::member) fn check(&self, depth: Depth) {
        let chunks = self.chunks.len();
        let known = [self.firsts.len(), self.before.len()];
        assert_eq!(known, [chunks; 2], "what is known of chunks, of which there are {chunks}");
        let (mut before, mut len) = (0, 0);
        let mut zones: BTreeMap<Zone, usize> = BTreeMap::new();
        for (place, chunk) in self.chunks.iter().enumerate() {
            let first = chunk.ids.first();
            assert_eq!(self.firsts.get(place), first, "the first id of chunk {place}");
            assert_eq!(self.before.get(place), Some(&before), "present before chunk {place}");
            let last = place.checked_sub(1).and_then(|at| self.chunks.get(at)?.ids.last());
            assert!(last < first, "chunk {place} begins at {first:?}, after {last:?}");
            before += ones(chunk.present);
            len += chunk.ids.len();
            if depth.picks(place, chunks) {
                chunk.check(depth);
            }
            let mut none = chunk.present;
            for (zone, bits) in &chunk.zones {
                none &= !bits;
                *zones.entry(*zone).or_default() += ones(chunk.present & bits);
            }
            *zones.entry(Zone::NONE).or_default() += ones(none);
        }
        assert_eq!((self.present, self.len), (before, len), "members present, and members");
        zones.retain(|_, count| *count > 0);
        let counted: Vec<(Zone, usize)> = zones.into_iter().collect();
        assert_eq!(self.zones, counted, "zones, as they are counted and as they are");
    }
}

impl Chunk {
    fn check(&self, depth: Depth) {
        let len = self.ids.len();
        assert!((1..=super::CHUNK).contains(&len), "a chunk of {len} members");
        let lens = [self.held.len(), self.addrs.len()];
        assert_eq!(lens, [len; 2], "entries and addresses of {len} members");
        assert!(self.ids.is_sorted_by(|one, next| one < next), "ids out of order in a chunk");
        let beyond = (self.present | self.alive) & !below(len);
        assert_eq!(beyond, 0, "bits of members that there are not");
        assert_eq!(self.alive & !self.present, 0, "members that are alive and not present");
        let mut zoned = 0;
        for (zone, bits) in &self.zones {
            let sound = *zone != Zone::NONE && *bits != 0 && bits & !below(len) == 0;
            assert!(sound && zoned & bits == 0, "the members {bits:x} of {zone:?}");
            zoned |= bits;
        }
        for (place, (id, held)) in self.ids.iter().zip(&self.held).enumerate() {
            let state = State::of(held.entry.stamp());
            let bits = (bit(self.present, place), bit(self.alive, place));
            let right = (state.is_present(), state == State::Alive);
            assert_eq!(bits, right, "{id} as present and alive, where it is {state:?}");
            if !depth.picks(place, len) {
                continue;
            }
            let record = Record::from_entry(&held.entry).ok();
            let said = record.as_ref().map(|record| (record.id, Zone::of(record.tags.zone())));
            assert_eq!(said, Some((*id, self.zone(place))), "what the record says, and is kept");
            let addr = self.addrs.get(place).copied();
            assert_eq!(addr, Some(addr_of(&held.entry)), "the short address of {id}");
        }
    }
}
