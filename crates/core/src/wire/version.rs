//! Versions of packets, and which one is spoken with whom.
//!
//! A node says in its record in the roster from which version to which it speaks, and sends each
//! peer the highest that both do. To whom nothing is known of it sends its lowest, which is what a
//! build of before would understand. Who gets a packet that it does not speak answers with what it
//! does speak, in a packet that means the same in all versions.

mod check;

use crate::base::codec::{DecodeError, Reader};
use crate::base::hash::Map;
use crate::base::id::NodeId;
use crate::base::lately::Lately;
use crate::base::time::Instant;
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// The version of the packet that only says what its sender speaks.
pub const SAYING: u8 = 0;
/// The largest version: a first byte above it is that of a sealed datagram.
pub const LARGEST: u8 = 0x7f;

/// An address is told again after this long what is spoken here, and not at each packet (guess: some
/// round trips).
const TELL_AGAIN: Duration = Duration::from_millis(500);
/// Addresses that are told in that time.
const MAX_TOLD: usize = 64;
/// Addresses of which it is remembered what is spoken there.
const MAX_KNOWN: usize = 1 << 17;
/// Peers that no version is shared with, as far as they are told.
const MAX_FOREIGN: usize = 64;
/// A peer of which nothing was heard for this long is not told any more.
const FOREIGN_GONE: Duration = Duration::from_secs(60);

/// From one version to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    lowest: u8,
    highest: u8,
}

impl Versions {
    /// The first version alone: what is spoken where nothing is said.
    pub const FIRST: Self = Self { lowest: 1, highest: 1 };
    /// What this build speaks.
    pub const BUILD: Self = Self::FIRST;

    /// From `lowest` to `highest`, if there are such versions.
    #[must_use]
    pub fn new(lowest: u8, highest: u8) -> Option<Self> {
        let sound = SAYING < lowest && lowest <= highest && highest <= LARGEST;
        sound.then_some(Self { lowest, highest })
    }

    /// The lowest.
    #[must_use]
    pub fn lowest(self) -> u8 {
        self.lowest
    }

    /// The highest.
    #[must_use]
    pub fn highest(self) -> u8 {
        self.highest
    }

    /// True if a version is among them.
    #[must_use]
    pub fn has(self, version: u8) -> bool {
        (self.lowest..=self.highest).contains(&version)
    }

    /// The highest that both have.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u8> {
        let highest = self.highest.min(other.highest);
        (self.has(highest) && other.has(highest)).then_some(highest)
    }

    /// The two bytes that they take.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 2] {
        [self.lowest, self.highest]
    }

    /// Reads what [`Versions::to_bytes`] wrote; what is behind it is passed over.
    ///
    /// # Errors
    /// If there are no such versions, or the input is truncated.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::new(from.u8()?, from.u8()?).ok_or(DecodeError::Invalid("versions"))
    }
}

impl Default for Versions {
    fn default() -> Self {
        Self::BUILD
    }
}

impl fmt::Display for Versions {
    /// `version 1` or `versions 1 to 2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lowest == self.highest {
            true => write!(f, "version {}", self.lowest),
            false => write!(f, "versions {} to {}", self.lowest, self.highest),
        }
    }
}

/// A peer that no version is shared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Where it talks from.
    pub address: SocketAddr,
    /// Who it says it is.
    pub id: NodeId,
    /// What it speaks, as far as it was heard.
    pub speaks: Versions,
    /// When it was last heard.
    pub heard: Instant,
}

/// What is spoken here, and by whom else.
#[derive(Debug)]
pub struct Dialects {
    own: Versions,
    /// What is spoken at addresses, where it is known and not just the first version.
    known: Map<SocketAddr, Versions>,
    /// With whom no version is shared, the one first that was heard longest ago.
    foreign: VecDeque<Foreign>,
    told: Lately,
}

impl Default for Dialects {
    fn default() -> Self {
        Self::new(Versions::BUILD)
    }
}

impl Dialects {
    /// Nothing is known of others.
    #[must_use]
    pub fn new(own: Versions) -> Self {
        let (known, foreign) = (Map::default(), VecDeque::new());
        Self { own, known, foreign, told: Lately::new(TELL_AGAIN, MAX_TOLD) }
    }

    /// What is spoken here.
    #[must_use]
    pub fn own(&self) -> Versions {
        self.own
    }

    /// The version of packets to an address. Where none is shared, the lowest: its answer tells.
    #[must_use]
    pub fn with(&self, to: SocketAddr) -> u8 {
        if self.known.is_empty() {
            return self.own.lowest;
        }
        let theirs = self.known.get(&to).copied().unwrap_or(Versions::FIRST);
        self.own.common(theirs).unwrap_or(self.own.lowest)
    }

    /// Somebody says what is spoken at an address.
    pub fn learn(&mut self, at: SocketAddr, theirs: Versions) {
        // With one version of its own there is nothing to choose.
        if self.own.lowest == self.own.highest {
            return;
        }
        match theirs == Versions::FIRST {
            true => drop(self.known.remove(&at)),
            false if self.known.len() >= MAX_KNOWN && !self.known.contains_key(&at) => {}
            false => drop(self.known.insert(at, theirs)),
        }
    }

    /// A packet has come in a version that is spoken here.
    pub fn understood(&mut self, from: SocketAddr, version: u8) {
        self.foreign.retain(|foreign| foreign.address != from);
        let theirs = Versions { lowest: version, highest: version };
        let choice = self.own.lowest < self.own.highest && theirs != Versions::FIRST;
        if choice && !self.known.contains_key(&from) {
            self.learn(from, theirs);
        }
    }

    /// A packet has come in another version. True if its sender is to be told what is spoken here.
    pub fn not_understood(
        &mut self,
        from: SocketAddr,
        id: NodeId,
        version: u8,
        now: Instant,
    ) -> bool {
        if let Some(theirs) = Versions::new(version, version) {
            self.is_foreign(from, id, theirs, now);
        }
        self.told.may_tell(from, now)
    }

    /// A peer says what it speaks. True if a version is shared.
    pub fn said(&mut self, from: SocketAddr, id: NodeId, theirs: Versions, now: Instant) -> bool {
        self.learn(from, theirs);
        let shared = self.own.common(theirs).is_some();
        match shared {
            true => self.foreign.retain(|foreign| foreign.address != from),
            false => self.is_foreign(from, id, theirs, now),
        }
        shared
    }

    fn is_foreign(&mut self, address: SocketAddr, id: NodeId, heard: Versions, now: Instant) {
        let known = self.foreign.iter().position(|foreign| foreign.address == address);
        let known = known.and_then(|at| self.foreign.remove(at));
        // One packet tells one version; what its sender said of itself tells more.
        let speaks = match known.map(|known| known.speaks) {
            Some(said) if heard.lowest == heard.highest && said.has(heard.lowest) => said,
            _ => heard,
        };
        if self.foreign.len() >= MAX_FOREIGN {
            self.foreign.pop_front();
        }
        self.foreign.push_back(Foreign { address, id, speaks, heard: now });
    }

    /// Lets time pass: who was not heard of for long is told no more.
    pub fn advance(&mut self, now: Instant) {
        while self.foreign.front().is_some_and(|first| first.heard.after(FOREIGN_GONE) <= now) {
            self.foreign.pop_front();
        }
    }

    /// Peers that no version is shared with and that were heard of lately.
    pub fn foreign(&self) -> impl Iterator<Item = Foreign> {
        self.foreign.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn versions(lowest: u8, highest: u8) -> Versions {
        Versions::new(lowest, highest).unwrap()
    }

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    #[test]
    fn each_is_spoken_to_in_the_highest_that_both_know() {
        let mut dialects = Dialects::new(versions(2, 4));
        assert_eq!(dialects.with(at(1)), 2, "of whom nothing is known");
        for (port, lowest, highest, spoken) in
            [(1, 1, 2, 2), (2, 1, 3, 3), (3, 3, 9, 4), (4, 5, 9, 2), (5, 1, 1, 2)]
        {
            let shared =
                dialects.said(at(port), NodeId(port.into()), versions(lowest, highest), Instant(0));
            assert_eq!(dialects.with(at(port)), spoken);
            assert_eq!(shared, port < 4);
        }
        let foreign = |dialects: &Dialects| -> Vec<(u64, String)> {
            let foreign = dialects.foreign();
            foreign.map(|foreign| (foreign.id.0, foreign.speaks.to_string())).collect()
        };
        let told = [(4, "versions 5 to 9".to_owned()), (5, "version 1".to_owned())];
        assert_eq!(foreign(&dialects), told);
        // A packet says less than its sender did.
        assert!(dialects.not_understood(at(4), NodeId(4), 6, Instant(5)));
        assert!(!dialects.not_understood(at(4), NodeId(4), 6, Instant(6)), "told already");
        assert_eq!(foreign(&dialects), [told[1].clone(), told[0].clone()]);
        dialects.understood(at(5), 2);
        assert_eq!(foreign(&dialects), [told[0].clone()]);
        assert_eq!(dialects.with(at(5)), 2);
        dialects.advance(Instant(59_000_000));
        assert_eq!(foreign(&dialects).len(), 1);
        dialects.advance(Instant(61_000_000));
        assert_eq!(foreign(&dialects), []);
    }

    #[test]
    fn who_speaks_one_version_remembers_nothing() {
        let mut dialects = Dialects::default();
        assert!(dialects.said(at(1), NodeId(1), versions(1, 9), Instant(0)));
        dialects.understood(at(2), 1);
        assert!(dialects.known.is_empty());
        assert_eq!(dialects.with(at(1)), 1);
    }

    #[test]
    fn what_is_heard_of_strangers_is_bounded() {
        let mut dialects = Dialects::new(versions(1, 2));
        for port in 0..1000 {
            dialects.not_understood(at(port), NodeId(port.into()), 3, Instant(0));
            dialects.understood(at(port), 2);
            dialects.not_understood(at(port), NodeId(port.into()), 3, Instant(0));
        }
        assert_eq!((dialects.foreign.len(), dialects.with(at(7))), (MAX_FOREIGN, 2));
    }

    #[test]
    fn there_are_versions_from_1_to_127() {
        for (lowest, highest) in [(0, 1), (2, 1), (1, 0x80), (0, 0)] {
            assert_eq!(Versions::new(lowest, highest), None);
            assert!(Versions::decode(&mut Reader::new(&[lowest, highest])).is_err());
        }
        assert_eq!(Versions::decode(&mut Reader::new(&[1, 0x7f, 5])), Ok(versions(1, LARGEST)));
    }

    proptest! {
        #[test]
        fn what_two_have_in_common_both_agree_on(a in 1_u8..20, b in 0_u8..9, c in 1_u8..20, d in 0_u8..9) {
            let (one, other) = (versions(a, a + b), versions(c, c + d));
            let common = one.common(other);
            prop_assert_eq!(common, other.common(one));
            let all = (1..40).filter(|version| one.has(*version) && other.has(*version));
            prop_assert_eq!(common, all.max());
        }
    }
}
