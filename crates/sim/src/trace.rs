//! The record of everything that happens: a running hash always, lines of text on request.
//!
//! Two runs of one seed must have the same hash. Payloads are hashed once, where they are sent; what
//! happens to them later is hashed by the number of the packet.

use rumormill_core::Instant;
use rumormill_core::data::Entry;
use std::fmt;

/// What happened. What [`Line::about`] is follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The node sent a datagram to the node named.
    SendDatagram,
    /// The node sent a frame to the node named.
    SendFrame,
    /// A packet to the node named was lost.
    Lost,
    /// A datagram from the node named came in.
    Datagram,
    /// A frame from the node named came in.
    Frame,
    /// The node learned that its stream to the node named is lost.
    StreamLost,
    /// The node's deadline came.
    Tick,
    /// The node persisted an entry of the users' data; about: the time in its stamp.
    Data,
    /// The node persisted an entry of the roster; about: the time in its stamp.
    Roster,
    /// The node booted; about: how often before.
    Boot,
    /// The node was told to join.
    Join,
    /// The node was told to leave.
    Leave,
    /// Its tags are changed.
    Tags,
    /// The node crashed or stopped.
    Down,
    /// Its disk was lost.
    DiskLost,
    /// The node stands still.
    Pause,
    /// The node goes on.
    Resume,
    /// The network changed.
    Network,
    /// The node's wall clock jumped; about: milliseconds.
    Clock,
    /// The node let an entry of the users' data go; about: the time in its stamp.
    Drop,
    /// An old copy of its disk was put in place of it.
    Backup,
    /// The node wrote anew what it had come back with; about: the time in its stamp.
    Anew,
    /// The node keeps an entry aside; about: the time in its stamp.
    Stray,
    /// The node no longer keeps it aside; about: the time in its stamp.
    StrayGone,
    /// A power cut took back what its disk had got last; about: how many changes.
    PowerCut,
    /// The node was told to hand over and leave.
    Depart,
    /// The node was told to forget the one named; about: its id.
    Forget,
    /// The node was told to begin a pass of ring repair.
    Pass,
    /// Its disk works (about: 0), hangs (1) or fails (2) from now on.
    Disk,
    /// A datagram (about: 0) or frame (1) that strangers made up came in.
    Strange,
}

/// One thing that happened.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// When.
    pub at: Instant,
    /// The node that it happened to.
    pub node: usize,
    /// What.
    pub kind: Kind,
    /// A number whose meaning [`Kind`] tells.
    pub about: u64,
    /// Payload or key.
    pub bytes: &'a [u8],
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at.0;
        write!(f, "{:>5}.{:06} n{:<4} ", at / 1_000_000, at % 1_000_000, self.node)?;
        let (about, len) = (self.about, self.bytes.len());
        match self.kind {
            Kind::SendDatagram => write!(f, "sends datagram to n{about}, {len} bytes"),
            Kind::SendFrame => write!(f, "sends frame to n{about}, {len} bytes"),
            Kind::Lost => write!(f, "packet to n{about} is lost"),
            Kind::Datagram => write!(f, "datagram from n{about}, {len} bytes"),
            Kind::Frame => write!(f, "frame from n{about}, {len} bytes"),
            Kind::StreamLost => write!(f, "stream to n{about} is lost"),
            Kind::Tick => f.write_str("tick"),
            Kind::Data => {
                write!(
                    f,
                    "holds {} of {}.{}",
                    self.bytes.escape_ascii(),
                    about >> 16,
                    about & 0xffff
                )
            }
            Kind::Roster => write!(f, "holds a roster record, incarnation {}", about >> 2),
            Kind::Boot => write!(f, "boots, {about} times before"),
            Kind::Join => f.write_str("is told to join"),
            Kind::Tags => f.write_str("has its tags changed"),
            Kind::Leave => f.write_str("is told to leave"),
            Kind::Down => f.write_str("is down"),
            Kind::DiskLost => f.write_str("loses its disk"),
            Kind::Pause => f.write_str("stands still"),
            Kind::Resume => f.write_str("goes on"),
            Kind::Network => f.write_str("the network changes"),
            Kind::Clock => write!(f, "wall clock jumps by {} ms", about as i64),
            Kind::Drop => {
                let key = self.bytes.escape_ascii();
                write!(f, "drops {key} of {}.{}", about >> 16, about & 0xffff)
            }
            Kind::Backup => f.write_str("gets an old copy of its disk back"),
            Kind::Anew | Kind::Stray | Kind::StrayGone => {
                let what = match self.kind {
                    Kind::Anew => "writes anew",
                    Kind::Stray => "keeps aside",
                    _ => "no longer keeps aside",
                };
                let key = self.bytes.escape_ascii();
                write!(f, "{what} {key} of {}.{}", about >> 16, about & 0xffff)
            }
            Kind::PowerCut => write!(f, "loses its last {about} changes in a power cut"),
            Kind::Depart => f.write_str("is told to hand over and leave"),
            Kind::Forget => write!(f, "is told to forget {about:016x}"),
            Kind::Pass => f.write_str("is told to begin a pass"),
            Kind::Disk => match about {
                0 => f.write_str("has a disk that works"),
                1 => f.write_str("has a disk that hangs"),
                _ => f.write_str("has a disk that fails"),
            },
            Kind::Strange => write!(f, "packet of strangers, {len} bytes"),
        }
    }
}

/// The entry that a line of [`Kind::Data`] or [`Kind::Roster`] tells of.
#[derive(Clone, Copy, Debug)]
pub struct Persisted<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// True if the node wrote it itself, false if a peer sent it.
    pub own: bool,
}

type Listener = Box<dyn FnMut(&Line<'_>, Option<Persisted<'_>>)>;

/// The running hash, and who wants the lines.
pub(crate) struct Trace {
    hash: u128,
    listener: Option<Listener>,
}

impl Trace {
    pub(crate) fn new(seed: u64) -> Self {
        Self { hash: seed.into(), listener: None }
    }

    pub(crate) fn listen(&mut self, listener: Listener) {
        self.listener = Some(listener);
    }

    pub(crate) fn hash(&self) -> u128 {
        self.hash
    }

    /// Takes in an event. The bytes go into the hash only if `hash_bytes`: those of an arrival were
    /// hashed when they were sent.
    pub(crate) fn record(&mut self, line: &Line<'_>, hash_bytes: bool) {
        self.take_in(line, hash_bytes);
        if let Some(listener) = &mut self.listener {
            listener(line, None);
        }
    }

    /// Takes in that an entry was persisted.
    pub(crate) fn record_entry(&mut self, line: &Line<'_>, entry: &Entry, own: bool) {
        self.take_in(line, true);
        if let Some(listener) = &mut self.listener {
            listener(line, Some(Persisted { entry, own }));
        }
    }

    fn take_in(&mut self, line: &Line<'_>, hash_bytes: bool) {
        let bytes = if hash_bytes { line.bytes } else { &[] };
        let (words, rest) = bytes.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let about_what = (line.node as u64) << 8 | line.kind as u64;
        let mut hash = self.hash;
        for word in [line.at.0, line.about, about_what, bytes.len() as u64] {
            hash = mix(hash, word);
        }
        for word in words.iter().chain([&last]) {
            hash = mix(hash, u64::from_le_bytes(*word));
        }
        self.hash = hash;
    }
}

/// One step of the hash: tells runs apart, and is nothing to keep out somebody who means harm.
fn mix(hash: u128, word: u64) -> u128 {
    // The multiplier of PCG's 128-bit generator (O'Neill 2014). A product carries what differs up,
    // the shift brings it down again.
    let hash = (hash ^ u128::from(word)).wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645);
    hash ^ (hash >> 64)
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({:032x})", self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(lines: &[Line<'_>]) -> u128 {
        let mut trace = Trace::new(1);
        lines.iter().for_each(|line| trace.record(line, true));
        trace.hash()
    }

    #[test]
    fn every_part_of_an_event_and_the_order_of_events_count() {
        let line = Line { at: Instant(1), node: 2, kind: Kind::Tick, about: 3, bytes: b"x" };
        let others = [
            Line { at: Instant(2), ..line },
            Line { node: 3, ..line },
            Line { kind: Kind::Join, ..line },
            Line { about: 4, ..line },
            Line { bytes: b"y", ..line },
        ];
        let hash = hash_of(&[line]);
        assert_eq!(hash, hash_of(&[line]));
        for other in others {
            assert_ne!(hash, hash_of(&[other]), "{other}");
            assert_ne!(hash_of(&[line, other]), hash_of(&[other, line]));
        }
    }

    #[test]
    fn lines_read_well() {
        let line = |kind, about| {
            Line { at: Instant(1_200_034), node: 7, kind, about, bytes: b"abc" }.to_string()
        };
        assert_eq!(line(Kind::Datagram, 3), "    1.200034 n7    datagram from n3, 3 bytes");
        assert_eq!(line(Kind::Data, 9 << 16 | 2), "    1.200034 n7    holds abc of 9.2");
    }
}
