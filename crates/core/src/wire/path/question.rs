//! How a question to a path goes on: pings, tries, what follows from the answers, and when it is
//! asked again.

use super::state::{Asked, Check, Stream};
use super::{MAX_NUMBERS, NUMBERS, Paths, Probe, SAFE, WIDE_AGAIN};
use crate::base::time::Instant;
use crate::output::Via;
use std::net::SocketAddr;
use std::time::Duration;

/// How long the first answer is waited for; each further one that much longer, up to three times
/// (guess: a round trip of a continent; an answer that comes later counts as well).
const WAIT: Duration = Duration::from_millis(100);
/// Large pings that are not answered while small ones are, until the path counts as narrow. With a
/// tenth of all datagrams lost that is so by chance in one of 700 cases.
const LARGE_TRIES: u32 = 4;
/// Small pings that are not answered until one goes by stream, and until datagrams count as lost
/// if that one was answered.
const SMALL_TRIES: (u32, u32) = (2, 3);
/// Tries after which a check ends without a finding.
pub(super) const TRIES: u32 = 8;
/// Times that each of the sizes between is tried.
const RUNG_TRIES: u32 = 2;
/// Sizes that are tried between the safe one and the largest.
pub(super) const RUNGS: usize = 7;
/// A narrow one after this long, and each time twice as long, up to the second.
const NARROW_AGAIN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));
/// A way that is closed is tried again after this long, and each time twice as long.
const CLOSED_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

impl Paths {
    pub(super) fn ask_large(&mut self, to: SocketAddr, now: Instant) {
        let Some(path) = self.paths.get_mut(&to) else { return };
        path.sized = Some(now);
        path.pause = match path.size {
            None => WIDE_AGAIN,
            Some(_) => (path.pause * 2).clamp(NARROW_AGAIN.0, NARROW_AGAIN.1),
        };
        match &mut path.check {
            Some(check) => (check.large, check.tries) = (Some(false), 0),
            None => self.begin(to, Check { large: Some(false), ..Check::default() }, now),
        }
    }

    pub(super) fn begin(&mut self, to: SocketAddr, check: Check, now: Instant) {
        let Some(path) = self.paths.get_mut(&to) else { return };
        path.check = Some(check);
        self.wake(to, Some(now));
    }

    /// Sets when the check of a path goes on.
    pub(super) fn wake(&mut self, to: SocketAddr, due: Option<Instant>) {
        let Some(path) = self.paths.get_mut(&to) else { return };
        path.due.map(|before| self.timers.remove(&(before, to)));
        path.due = due;
        due.map(|due| self.timers.insert((due, to)));
    }

    /// A check is over. A way that is closed is looked at again by itself.
    pub(super) fn end(&mut self, to: SocketAddr, now: Instant) {
        let Some(path) = self.paths.get_mut(&to) else { return };
        if path.check.take().is_none_or(|check| !check.proves) {
            path.checked = Some(now);
        }
        let due = match path.is_closed() {
            true if path.retry.is_some() => path.retry,
            true => {
                path.again = (path.again * 2).clamp(CLOSED_AGAIN.0, CLOSED_AGAIN.1);
                Some(now.after(path.again))
            }
            false => {
                path.again = Duration::ZERO;
                None
            }
        };
        path.retry = due;
        self.wake(to, due);
    }

    /// What the settings allow does not arrive: other sizes are tried.
    pub(super) fn is_narrow(&mut self, to: SocketAddr) {
        let Some(path) = self.paths.get_mut(&to) else { return };
        if path.size.is_none() {
            self.counts.narrowed += 1;
            path.pause = NARROW_AGAIN.0;
        }
        path.size = Some(SAFE);
        if let Some(check) = &mut path.check {
            (check.large, check.rungs) = (None, RUNG_TRIES);
        }
        self.tell(to);
    }

    /// Draws what follows from the answers so far.
    fn judge(&mut self, to: SocketAddr, now: Instant) {
        let Some(path) = self.paths.get_mut(&to) else { return };
        let Some(check) = &mut path.check else { return };
        let turned = match &mut check.stream {
            Some(stream) if !check.small && stream.answered => {
                let closed = check.tries >= SMALL_TRIES.1;
                if closed {
                    // What is larger does not arrive either, and nothing more is to be asked.
                    (check.small, check.large, check.rungs) = (true, None, 0);
                    self.counts.no_datagrams += u64::from(!path.no_datagrams);
                }
                closed && !std::mem::replace(&mut path.no_datagrams, true)
            }
            Some(stream) if check.small && !stream.answered && stream.ends <= now => {
                // Only if somebody has answered since.
                let closed = std::mem::replace(&mut stream.late, true);
                match closed {
                    true => check.stream = None,
                    false => (check.small, check.proves, check.tries) = (false, false, 0),
                }
                if closed {
                    self.counts.no_streams += u64::from(!path.no_streams);
                }
                closed && !std::mem::replace(&mut path.no_streams, true)
            }
            None if !check.small && check.tries >= SMALL_TRIES.0 => {
                check.stream = Some(Stream::new(now, path.unproven));
                false
            }
            _ => false,
        };
        // Only if somebody has answered since: what was answered at first may have been old.
        let narrow = check.again && check.large == Some(false) && check.tries >= LARGE_TRIES;
        if turned {
            self.turn(to);
            self.tell(to);
        }
        if narrow {
            self.is_narrow(to);
        }
    }

    pub(super) fn step(&mut self, to: SocketAddr, now: Instant, probes: &mut Vec<Probe>) {
        self.judge(to, now);
        let most = self.most;
        let Some(path) = self.paths.get_mut(&to) else { return };
        let Some(check) = &mut path.check else {
            // A way was closed: is it still?
            path.retry = None;
            let stream = path.no_streams.then(|| Stream::new(now, 0));
            let check = Check { stream, ..Check::default() };
            return self.begin(to, check, now);
        };
        let waits = |stream: &Stream| !stream.answered && (check.small || now < stream.ends);
        let waits = check.stream.as_ref().is_some_and(waits);
        if check.is_over() || check.tries >= TRIES && check.rungs == 0 && !waits {
            if !check.small && path.is_closed() {
                // By neither way: whatever is tried next may be the one that opens first.
                (path.no_datagrams, path.no_streams, path.deaf) = (false, false, false);
                self.tell(to);
            }
            return self.end(to, now);
        }
        check.tries += 1;
        let mut asks = Vec::new();
        if !check.small {
            asks.push(Asked::Small);
        }
        // Large ones to who does not answer at all would crowd out what this node has to say: it may
        // be itself that is not heard.
        if check.small && check.large == Some(false) {
            asks.extend((check.tries > 1).then_some(Asked::Small));
            asks.push(Asked::Sized(most));
        }
        if let Some(stream) = check.stream.as_mut().filter(|stream| stream.unsent) {
            stream.unsent = false;
            path.since = 0;
            asks.push(Asked::Stream);
        }
        if check.rungs > 0 {
            check.rungs -= 1;
            asks.extend(rungs(most).into_iter().map(Asked::Sized));
        }
        let next = now.after(WAIT * check.tries.min(3));
        let quiet = asks.is_empty();
        let ends = check.stream.as_ref().map(|stream| stream.ends).filter(|_| quiet);
        probes.extend(asks.into_iter().map(|asked| self.probe(to, asked)));
        self.wake(to, Some(ends.map_or(next, |ends| ends.max(next))));
    }

    pub(super) fn probe(&mut self, to: SocketAddr, asked: Asked) -> Probe {
        self.count += 1;
        let number = NUMBERS + self.count;
        if let Some(path) = self.paths.get_mut(&to) {
            if path.numbers.len() >= MAX_NUMBERS {
                self.asked.remove(&path.numbers.remove(0));
            }
            path.numbers.push(number);
            self.asked.insert(number, (to, asked));
        }
        let (via, size) = match asked {
            Asked::Small => (Via::Datagram, 0),
            Asked::Sized(size) => (Via::Datagram, size),
            Asked::Stream => (Via::Stream, 0),
        };
        Probe { to, via, number, size }
    }
}

/// Sizes between the safe one and the largest, each greater than the one before by about the same
/// factor.
pub(super) fn rungs(most: usize) -> [usize; RUNGS] {
    let mean = |one: usize, other: usize| one.saturating_mul(other).isqrt();
    let middle = mean(SAFE, most);
    let [low, high] = [mean(SAFE, middle), mean(middle, most)];
    [mean(SAFE, low), low, mean(low, middle), middle, mean(middle, high), high, mean(high, most)]
}
