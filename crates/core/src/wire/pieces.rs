//! What would go by stream where no stream can be had: in pieces, as datagrams.
//!
//! A frame is cut into fragments that fit the path. A few are on their way at once; the other end
//! says which have come, and what is missing after a while is sent again. One frame after the other
//! to each address. Who is silent for long is given up, and repair makes up for what was lost.
//!
//! Messages: FRAGMENT (number of the frame, fragments that it has, which one, bytes),
//! FRAGMENTS_SEEN (number, fragments from the first on that have come, and which of the 64 behind
//! those).

mod check;

use crate::base::codec::{DecodeError, Reader, Write};
use crate::base::hash::Map;
use crate::base::time::Instant;
use crate::output::Class;
use crate::wire::packet::{HEADER, MAX_FRAME};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// Fragments of a frame at most, with the least that a datagram may be set to.
const MAX_FRAGMENTS: usize = MAX_FRAME / 256;
/// Bytes of a packet that are not the fragment: header, kind, length, three numbers.
const ENVELOPE: usize = HEADER + 1 + 3 + 10 + 3 + 3;
/// Fragments on their way at first, at most, and at least (guess: a default socket buffer takes
/// more).
const WINDOW: (usize, usize, usize) = (16, 64, 4);
/// What is not seen is sent again after this long at first; later after two round trips, within
/// these bounds.
const AGAIN: Duration = Duration::from_millis(200);
const AGAIN_WITHIN: (Duration, Duration) = (Duration::from_millis(30), Duration::from_secs(1));
/// Who has seen nothing more for this long is given up, and what has come so far from somebody.
const GIVE_UP: Duration = Duration::from_secs(10);
/// Bytes that wait for one address, and for all, at most.
const WAITING: (usize, usize) = (16 << 20, 64 << 20);
/// Bytes of fragments that are kept of frames that are not whole, of one address and of all.
const TAKEN: (usize, usize) = (MAX_FRAME, 32 << 20);

/// A part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// The sender's number of the frame.
    pub number: u64,
    /// Fragments that the frame has.
    pub count: usize,
    /// Which one this is, from 0.
    pub index: usize,
    /// Its bytes.
    pub bytes: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is cut short, or no fragment that this machine would cut.
    pub fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let number = body.varint()?;
        let wrong = DecodeError::Invalid("fragment");
        let count = usize::try_from(body.varint()?).map_err(|_| wrong)?;
        let index = usize::try_from(body.varint()?).map_err(|_| wrong)?;
        let bytes = body.take(body.remaining())?;
        let sound = index < count && count <= MAX_FRAGMENTS && !bytes.is_empty();
        sound.then_some(Self { number, count, index, bytes }).ok_or(wrong)
    }

    fn head(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(16);
        head.put_varint(self.number);
        head.put_varint(self.count as u64);
        head.put_varint(self.index as u64);
        head
    }
}

/// Which fragments have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The sender's number of the frame.
    pub number: u64,
    /// All before this one.
    pub before: usize,
    /// And those of the next 64 whose bit is set, the first one's the lowest.
    pub bits: u64,
}

impl Seen {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is cut short.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let number = body.varint()?;
        let before = usize::try_from(body.varint()?).map_err(|_| DecodeError::Invalid("seen"))?;
        Ok(Self { number, before, bits: body.u64()? })
    }

    /// The body of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(24);
        body.put_varint(self.number);
        body.put_varint(self.before as u64);
        body.put(&self.bits.to_le_bytes());
        body
    }
}

/// The parts of a message that carries a fragment, ready to be packed.
#[derive(Debug)]
pub struct Parcel {
    /// Where to.
    pub to: SocketAddr,
    /// As what.
    pub class: Class,
    /// Number, count, index.
    pub head: Vec<u8>,
    /// The fragment.
    pub bytes: Vec<u8>,
}

/// A frame on its way.
#[derive(Debug)]
struct Sending {
    number: u64,
    class: Class,
    bytes: Vec<u8>,
    /// Bytes of a fragment but for the last.
    piece: usize,
    /// All before this one were seen.
    before: usize,
    /// When each from there on was last sent, if it was not seen, as far as any was.
    sent: VecDeque<Option<Instant>>,
    seen_at: Instant,
}

impl Sending {
    fn count(&self) -> usize {
        self.bytes.len().div_ceil(self.piece)
    }
}

/// What goes to one address.
#[derive(Debug)]
struct Line {
    sending: Option<Sending>,
    waiting: VecDeque<(Class, Vec<u8>)>,
    /// Bytes of all of these.
    held: usize,
    window: usize,
    /// How long an answer takes, doubled.
    again: Duration,
    due: Instant,
}

/// A frame that comes.
#[derive(Debug)]
struct Taking {
    number: u64,
    count: usize,
    fragments: BTreeMap<usize, Box<[u8]>>,
    held: usize,
    before: usize,
    sealed: bool,
    at: Instant,
    /// It is whole, and was handed on.
    done: bool,
}

/// The machine: both ends of it.
#[derive(Debug, Default)]
pub struct Pieces {
    lines: Map<SocketAddr, Line>,
    waiting: usize,
    taking: Map<SocketAddr, Taking>,
    taken: usize,
    count: u64,
    /// Whom to tell what has come.
    seen: Vec<SocketAddr>,
    counts: Counts,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Fragments sent, repeats included.
    pub sent: u64,
    /// Frames that were whole at the other end.
    pub whole: u64,
    /// Frames dropped: no room, or nobody who has seen them.
    pub dropped: u64,
}

impl Pieces {
    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Queues a frame for an address; one for which there is no room is dropped.
    pub fn put(&mut self, to: SocketAddr, class: Class, frame: Vec<u8>, now: Instant) {
        let line = self.lines.entry(to).or_insert_with(|| Line {
            sending: None,
            waiting: VecDeque::new(),
            held: 0,
            window: WINDOW.0,
            again: AGAIN,
            due: now,
        });
        let len = frame.len();
        if line.held + len > WAITING.0 || self.waiting + len > WAITING.1 {
            self.counts.dropped += 1;
        } else {
            line.held += len;
            self.waiting += len;
            line.waiting.push_back((class, frame));
            line.due = now;
        }
        if line.held == 0 {
            self.lines.remove(&to);
        }
    }

    /// When something is to be sent again.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let told = (!self.seen.is_empty()).then_some(Instant(0));
        self.lines.values().map(|line| line.due).chain(told).min()
    }

    /// What is to be sent now; `size` says how large packets to an address may be.
    pub fn poll(&mut self, now: Instant, size: impl Fn(SocketAddr) -> usize) -> Vec<Parcel> {
        let mut parcels = Vec::new();
        let due = self.lines.iter().filter(|(_, line)| line.due <= now);
        let mut due: Vec<SocketAddr> = due.map(|(to, _)| *to).collect();
        due.sort_unstable();
        for to in due {
            self.send(to, now, size(to), &mut parcels);
        }
        let counts = &mut self.counts;
        self.taking.retain(|_, taking| {
            let kept = now < taking.at.after(GIVE_UP);
            if !kept {
                self.taken -= taking.held;
            }
            kept
        });
        counts.sent += parcels.len() as u64;
        parcels
    }

    fn send(&mut self, to: SocketAddr, now: Instant, size: usize, parcels: &mut Vec<Parcel>) {
        let Some(line) = self.lines.get_mut(&to) else { return };
        if line.sending.as_ref().is_some_and(|frame| frame.seen_at.after(GIVE_UP) <= now) {
            self.counts.dropped += 1 + line.waiting.len() as u64;
            self.waiting -= line.held;
            self.lines.remove(&to);
            return;
        }
        if line.sending.is_none() {
            let Some((class, bytes)) = line.waiting.pop_front() else {
                self.lines.remove(&to);
                return;
            };
            // Not those of a run before.
            self.count = self.count.max(now.0) + 1;
            let piece = size.saturating_sub(ENVELOPE).max(256);
            line.sending = Some(Sending {
                number: self.count,
                class,
                bytes,
                piece,
                before: 0,
                sent: VecDeque::new(),
                seen_at: now,
            });
        }
        let Some(frame) = &mut line.sending else { return };
        let (count, again) = (frame.count(), line.again);
        let (mut late, mut open) = (false, 0);
        let mut places = Vec::new();
        for (place, sent) in frame.sent.iter_mut().enumerate() {
            let Some(at) = sent else { continue };
            open += 1;
            if at.after(again) <= now && open <= line.window {
                (late, *sent) = (true, Some(now));
                places.push(frame.before + place);
            }
        }
        if late {
            line.window = (line.window / 2).max(WINDOW.2);
            line.again = (again * 2).min(AGAIN_WITHIN.1);
        }
        while open < line.window
            && frame.before + frame.sent.len() < count
            && frame.sent.len() < u64::BITS as usize
        {
            places.push(frame.before + frame.sent.len());
            frame.sent.push_back(Some(now));
            open += 1;
        }
        for index in places {
            let from = index * frame.piece;
            let to_byte = (from + frame.piece).min(frame.bytes.len());
            let bytes = frame.bytes.get(from..to_byte).unwrap_or_default();
            let head = Fragment { number: frame.number, count, index, bytes }.head();
            parcels.push(Parcel { to, class: frame.class, head, bytes: bytes.to_vec() });
        }
        line.due = now.after(line.again);
    }

    /// The other end says what has come.
    pub fn seen(&mut self, from: SocketAddr, seen: Seen, now: Instant) {
        let Some(line) = self.lines.get_mut(&from) else { return };
        let Some(frame) = line.sending.as_mut().filter(|frame| frame.number == seen.number) else {
            return;
        };
        if seen.before < frame.before || seen.before > frame.before + frame.sent.len() {
            return;
        }
        let mut news = false;
        while frame.before < seen.before {
            let first = frame.sent.pop_front().flatten();
            frame.before += 1;
            if let Some(at) = first {
                news = true;
                let took = now.since(at) * 2;
                line.again = took.clamp(AGAIN_WITHIN.0, AGAIN_WITHIN.1);
                line.window = (line.window + 1).min(WINDOW.1);
            }
        }
        for (place, sent) in frame.sent.iter_mut().enumerate() {
            if seen.bits >> place & 1 == 1 && sent.take().is_some() {
                news = true;
            }
        }
        if news {
            frame.seen_at = now;
            line.due = now;
        }
        if frame.before == frame.count() {
            line.held -= frame.bytes.len();
            self.waiting -= frame.bytes.len();
            self.counts.whole += 1;
            line.sending = None;
            if line.waiting.is_empty() {
                self.lines.remove(&from);
            }
        }
    }

    /// Takes a fragment in; answers the frame once it is whole, and whether all of it came sealed.
    pub fn take(
        &mut self,
        from: SocketAddr,
        fragment: &Fragment<'_>,
        sealed: bool,
        now: Instant,
    ) -> Option<(Vec<u8>, bool)> {
        let Fragment { number, count, index, bytes } = *fragment;
        let held = self.taking.get(&from);
        if held.is_some_and(|taking| taking.number > number) {
            // Of a frame before, which is over.
            return None;
        }
        if held.is_none_or(|taking| taking.number != number || taking.count != count) {
            self.taken -= held.map_or(0, |taking| taking.held);
            let fragments = BTreeMap::new();
            let taking = Taking {
                number,
                count,
                fragments,
                held: 0,
                before: 0,
                sealed: true,
                at: now,
                done: false,
            };
            self.taking.insert(from, taking);
        }
        let taking = self.taking.get_mut(&from)?;
        if !self.seen.contains(&from) {
            self.seen.push(from);
        }
        let len = bytes.len();
        let fits = taking.held + len <= TAKEN.0 && self.taken + len <= TAKEN.1;
        if taking.done || index < taking.before || taking.fragments.contains_key(&index) || !fits {
            return None;
        }
        taking.fragments.insert(index, bytes.into());
        taking.held += len;
        self.taken += len;
        taking.at = now;
        taking.sealed &= sealed;
        while taking.fragments.contains_key(&taking.before) {
            taking.before += 1;
        }
        if taking.before < count {
            return None;
        }
        taking.done = true;
        self.taken -= std::mem::take(&mut taking.held);
        let parts: Vec<Box<[u8]>> = std::mem::take(&mut taking.fragments).into_values().collect();
        Some((parts.concat(), taking.sealed))
    }

    /// Whom to tell now what has come of a frame, and what.
    pub fn to_tell(&mut self) -> Vec<(SocketAddr, Seen)> {
        let told = std::mem::take(&mut self.seen);
        let seen = told.into_iter().filter_map(|to| {
            let taking = self.taking.get(&to)?;
            let bit = |place: usize| {
                u64::from(taking.fragments.contains_key(&(taking.before + place))) << place
            };
            let bits = (0..u64::BITS as usize).map(bit).sum();
            Some((to, Seen { number: taking.number, before: taking.before, bits }))
        });
        seen.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn peer() -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 9], 9))
    }

    fn at(ms: u64) -> Instant {
        Instant(ms * 1000)
    }

    /// Carries both ways, a millisecond each, with a share of all lost; what has arrived by the end.
    fn carry(pieces: &mut [Pieces; 2], from: u64, until: u64, loss: f64) -> Vec<Vec<u8>> {
        let mut rng = Rng::new(from + 7);
        let mut arrived = Vec::new();
        let (mut there, mut back): (Vec<Vec<u8>>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
        for ms in from..until {
            let [one, other] = pieces;
            for body in there.drain(..) {
                let fragment = Fragment::decode(Reader::new(&body)).unwrap();
                arrived.extend(other.take(peer(), &fragment, true, at(ms)).map(|(whole, _)| whole));
            }
            for body in back.drain(..) {
                one.seen(peer(), Seen::decode(Reader::new(&body)).unwrap(), at(ms));
            }
            for (_, seen) in other.to_tell() {
                back.extend((!rng.chance(loss)).then(|| seen.encode()));
            }
            other.poll(at(ms), |_| 1400);
            for parcel in one.poll(at(ms), |_| 1400) {
                let body = [parcel.head, parcel.bytes].concat();
                assert!(body.len() + HEADER + 4 <= 1400);
                there.extend((!rng.chance(loss)).then_some(body));
            }
            one.check();
            other.check();
        }
        arrived
    }

    fn frame(len: usize) -> Vec<u8> {
        (0..len).map(|place| (place % 251) as u8).collect()
    }

    #[test]
    fn frames_arrive_whole_and_in_order_whatever_is_lost() {
        for loss in [0.0, 0.1, 0.4] {
            let mut pieces = [Pieces::default(), Pieces::default()];
            let frames = [frame(600_000), frame(1), frame(1350), frame(1351), frame(70_000)];
            for frame in &frames {
                pieces[0].put(peer(), Class::Repair, frame.clone(), at(0));
            }
            let got = carry(&mut pieces, 0, if loss == 0.0 { 60 } else { 60_000 }, loss);
            assert!(got == frames, "with {loss} lost {} of 5 came", got.len());
            assert_eq!(pieces[0].counts().whole, 5);
            assert!(pieces[0].lines.is_empty() && pieces[0].deadline().is_none());
            if loss == 0.0 {
                let cut = |frame: &Vec<u8>| frame.len().div_ceil(1400 - ENVELOPE) as u64;
                assert_eq!(pieces[0].counts().sent, frames.iter().map(cut).sum::<u64>());
            }
        }
    }

    #[test]
    fn who_sees_nothing_is_given_up() {
        let mut pieces = [Pieces::default(), Pieces::default()];
        pieces[0].put(peer(), Class::Repair, frame(100_000), at(0));
        pieces[0].put(peer(), Class::Repair, frame(100_000), at(0));
        assert!(carry(&mut pieces, 0, 11_100, 1.0).is_empty());
        assert_eq!((pieces[0].counts().dropped, pieces[0].waiting), (2, 0));
        assert!(pieces[0].counts().sent < 200, "{:?}", pieces[0].counts());
        // The next finds an end that listens.
        pieces[0].put(peer(), Class::Repair, frame(2000), at(12_000));
        assert_eq!(carry(&mut pieces, 12_000, 12_100, 0.0).len(), 1);
    }

    #[test]
    fn what_waits_and_what_is_kept_have_bounds() {
        let mut pieces = Pieces::default();
        for port in 1..=40 {
            let to = SocketAddr::from(([10, 0, 0, 9], port));
            (0..3).for_each(|_| pieces.put(to, Class::Repair, vec![0; 7 << 20], at(0)));
        }
        assert!(pieces.waiting <= WAITING.1 && pieces.counts().dropped > 40);
        let bytes = [0; 1300];
        for port in 1..=10 {
            let from = SocketAddr::from(([10, 0, 0, 9], port));
            for index in 0..MAX_FRAGMENTS {
                let fragment = Fragment { number: 1, count: MAX_FRAGMENTS, index, bytes: &bytes };
                assert!(pieces.take(from, &fragment, true, at(0)).is_none());
            }
        }
        assert!(pieces.taken <= TAKEN.1);
        pieces.check();
        pieces.poll(at(11_000), |_| 1400);
        assert_eq!(pieces.taken, 0);
        for wrong in [&[1][..], &[1, 1, 1, 5], &[1, 1, 0], &[1, 0xff, 0xff, 0xff, 0x7f, 0, 9]] {
            assert!(Fragment::decode(Reader::new(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn golden_bytes() {
        let fragment = Fragment { number: 300, count: 2, index: 1, bytes: b"ab" };
        let golden = [0xac, 2, 2, 1, b'a', b'b'];
        assert_eq!([fragment.head(), b"ab".to_vec()].concat(), golden);
        assert_eq!(Fragment::decode(Reader::new(&golden)), Ok(fragment));
        let seen = Seen { number: 300, before: 5, bits: 0x0102 };
        let golden = [0xac, 2, 5, 2, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(seen.encode(), golden);
        assert_eq!(Seen::decode(Reader::new(&golden)), Ok(seen));
    }
}
