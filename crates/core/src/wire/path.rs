//! What is known of the way to each peer: the largest datagram that arrives.
//!
//! Networks with tunnels carry less than the settings say and tell nobody: what is larger vanishes.
//! Every path of IPv6 carries [`SAFE`] bytes. When more is first sent to a member, and now and then
//! after that, it is sent pings as well, a small one and one filled up to the largest datagram. While
//! the small one is answered and the large one is not, what is larger than [`SAFE`] takes the stream,
//! and fuller datagrams of several sizes find out how much the path does carry. The pings are those
//! of membership, so builds of before answer them.
//!
//! Nothing of this is sent while no large datagram is. What is found is remembered for each address.

mod check;

use crate::base::hash::Map;
use crate::base::time::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// Bytes of a packet that every path carries as a datagram: the 1,280 of IPv6 (RFC 8200, section 5)
/// less its header, that of UDP and the seal.
pub const SAFE: usize = 1180;
/// Numbers of pings from here on are of this machine. Those of probes count up from 1.
const NUMBERS: u64 = 1 << 40;
/// How long the first answer is waited for; each further one that much longer, up to three times
/// (guess: a round trip of a continent; an answer that comes later counts as well).
const WAIT: Duration = Duration::from_millis(100);
/// Large pings that are not answered while small ones are, until the path counts as narrow. With a
/// tenth of all datagrams lost that is so by chance in one of 700 cases.
const LARGE_TRIES: u32 = 4;
/// Tries after which a check ends without a finding.
const TRIES: u32 = 8;
/// Times that each of the sizes between is tried.
const RUNG_TRIES: u32 = 2;
/// Sizes that are tried between the safe one and the largest.
const RUNGS: usize = 7;
/// A path that is used for large datagrams is looked at again after this long.
const WIDE_AGAIN: Duration = Duration::from_secs(60);
/// When there is a reason to doubt it, after this long at the earliest.
const DOUBT_AGAIN: Duration = Duration::from_secs(1);
/// A narrow one after this long, and each time twice as long, up to the second.
const NARROW_AGAIN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));
/// Addresses of which something is remembered. What goes to others is kept to the safe size.
const MAX_PATHS: usize = 1 << 15;

/// A ping that is to be sent at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Where to.
    pub to: SocketAddr,
    /// The number of the ping.
    pub number: u64,
    /// Bytes of the packet; 0 if it is as small as it can be.
    pub size: usize,
}

/// What a ping is to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Small,
    Sized(usize),
}

/// What is known of the way to one address.
#[derive(Debug, Default)]
struct Path {
    /// The largest datagram that is known to arrive, where that is less than the settings say.
    size: Option<usize>,
    check: Option<Check>,
    /// When the check goes on.
    due: Option<Instant>,
    /// When it was last begun.
    sized: Option<Instant>,
    /// How long it counts.
    pause: Duration,
    /// The pings of the latest check.
    numbers: Vec<u64>,
}

/// A question to the path that is under way.
#[derive(Debug, Default)]
struct Check {
    tries: u32,
    /// A small ping was answered.
    small: bool,
    /// A ping of the largest size was; `None` if that is known already.
    large: Option<bool>,
    /// How often the sizes between are still tried.
    rungs: u32,
}

impl Check {
    fn is_over(&self) -> bool {
        self.small && self.large != Some(false) && self.rungs == 0
    }
}

/// The machine.
#[derive(Debug)]
pub struct Paths {
    /// The largest datagram that the settings allow.
    most: usize,
    paths: Map<SocketAddr, Path>,
    timers: BTreeSet<(Instant, SocketAddr)>,
    asked: BTreeMap<u64, (SocketAddr, Asked)>,
    /// Those of which there is something to tell.
    troubled: BTreeSet<SocketAddr>,
    changes: u64,
    count: u64,
    /// Pings sent, and times that a path was found to be narrow.
    probes: u64,
    narrowed: u64,
}

impl Default for Paths {
    /// One that takes every path as it is.
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl Paths {
    /// Nothing is known; datagrams have at most so many bytes.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            paths: Map::default(),
            timers: BTreeSet::new(),
            asked: BTreeMap::new(),
            troubled: BTreeSet::new(),
            changes: 0,
            count: 0,
            probes: 0,
            narrowed: 0,
        }
    }

    /// The largest packet that goes to an address as a datagram, bytes.
    #[must_use]
    pub fn size(&self, to: SocketAddr) -> usize {
        self.paths.get(&to).and_then(|path| path.size).unwrap_or(self.most)
    }

    /// True if packets of so many bytes may be too large for a path.
    #[must_use]
    pub fn minds(&self, bytes: usize) -> bool {
        bytes > SAFE && (SAFE + 1..usize::MAX).contains(&self.most)
    }

    /// Paths that carry less than the settings say: the address and bytes of a packet.
    pub fn narrow(&self) -> impl Iterator<Item = (SocketAddr, usize)> {
        self.troubled.iter().filter_map(|to| Some((*to, self.paths.get(to)?.size?)))
    }

    /// How often what is told of paths has changed.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Pings sent, and times that a path was found to be narrow.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.probes, self.narrowed)
    }

    /// More than the safe size is to be sent to a member: looks whether the path carries it, if it
    /// is time. Answers how large a datagram may be.
    pub fn large(&mut self, to: SocketAddr, now: Instant) -> usize {
        let Some(path) = self.paths.get(&to) else {
            if self.paths.len() >= MAX_PATHS {
                self.paths.retain(|_, path| path.size.is_some() || path.check.is_some());
            }
            if self.paths.len() >= MAX_PATHS {
                return SAFE;
            }
            self.paths.insert(to, Path::default());
            self.begin(to, now);
            return self.most;
        };
        if path.check.is_none() && path.sized.is_none_or(|at| at.after(path.pause) <= now) {
            self.begin(to, now);
        }
        self.size(to)
    }

    /// True if something is remembered of an address.
    #[must_use]
    pub fn knows(&self, to: SocketAddr) -> bool {
        self.paths.contains_key(&to)
    }

    /// A datagram was not answered: if large ones go that way, looks whether they arrive.
    pub fn doubt(&mut self, to: SocketAddr, now: Instant) {
        let Some(path) = self.paths.get(&to) else { return };
        let open = path.size.is_none() && path.check.is_none();
        if open && path.sized.is_none_or(|at| at.after(DOUBT_AGAIN) <= now) {
            self.begin(to, now);
        }
    }

    /// The system does not send datagrams of so many bytes to an address.
    pub fn too_large(&mut self, to: SocketAddr, bytes: usize, now: Instant) {
        let minds = self.minds(bytes);
        let Some(path) = self.paths.get_mut(&to).filter(|_| minds) else { return };
        if path.size.is_none_or(|size| size >= bytes) {
            if path.check.is_none() {
                self.begin(to, now);
            }
            self.is_narrow(to);
        }
    }

    /// What was known of an address does not count any more: somebody else is there, or nobody.
    pub fn forget(&mut self, to: SocketAddr) {
        if let Some(path) = self.paths.remove(&to) {
            self.changes += u64::from(self.troubled.remove(&to));
            path.due.map(|due| self.timers.remove(&(due, to)));
            for number in path.numbers {
                self.asked.remove(&number);
            }
        }
    }

    /// A ping was answered, by whichever way: true if it was one of this machine.
    pub fn answered(&mut self, number: u64) -> bool {
        let Some((to, asked)) = self.asked.remove(&number) else { return number >= NUMBERS };
        let most = self.most;
        let Some(path) = self.paths.get_mut(&to) else { return true };
        path.numbers.retain(|other| *other != number);
        if let Some(check) = &mut path.check {
            check.small = true;
        }
        let before = path.size;
        match asked {
            Asked::Small => {}
            Asked::Sized(bytes) if bytes >= most => {
                path.size = None;
                path.pause = WIDE_AGAIN;
                if let Some(check) = &mut path.check {
                    (check.large, check.rungs) = (Some(true), 0);
                }
            }
            Asked::Sized(bytes) => path.size = path.size.map(|size| size.max(bytes)),
        }
        let changed = path.size != before;
        if path.check.as_ref().is_some_and(Check::is_over) {
            path.check = None;
            self.wake(to, None);
        }
        if changed {
            self.tell(to);
        }
        true
    }

    /// When a check goes on.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// Goes on with the checks that are due, and answers which pings are to be sent.
    pub fn poll(&mut self, now: Instant) -> Vec<Probe> {
        let mut probes = Vec::new();
        while let Some(&(due, to)) = self.timers.first()
            && due <= now
        {
            self.step(to, now, &mut probes);
        }
        self.probes += probes.len() as u64;
        probes
    }

    fn begin(&mut self, to: SocketAddr, now: Instant) {
        let Some(path) = self.paths.get_mut(&to) else { return };
        path.check = Some(Check { large: Some(false), ..Check::default() });
        path.sized = Some(now);
        path.pause = match path.size {
            None => WIDE_AGAIN,
            Some(_) => (path.pause * 2).clamp(NARROW_AGAIN.0, NARROW_AGAIN.1),
        };
        for number in std::mem::take(&mut path.numbers) {
            self.asked.remove(&number);
        }
        self.wake(to, Some(now));
    }

    /// Sets when the check of a path goes on.
    fn wake(&mut self, to: SocketAddr, due: Option<Instant>) {
        let Some(path) = self.paths.get_mut(&to) else { return };
        path.due.map(|before| self.timers.remove(&(before, to)));
        path.due = due;
        due.map(|due| self.timers.insert((due, to)));
    }

    /// What the settings allow does not arrive: other sizes are tried.
    fn is_narrow(&mut self, to: SocketAddr) {
        let Some(path) = self.paths.get_mut(&to) else { return };
        if path.size.is_none() {
            self.narrowed += 1;
            path.pause = NARROW_AGAIN.0;
        }
        path.size = Some(SAFE);
        if let Some(check) = &mut path.check {
            (check.large, check.rungs) = (None, RUNG_TRIES);
        }
        self.tell(to);
    }

    /// Something has changed of a path.
    fn tell(&mut self, to: SocketAddr) {
        self.changes += 1;
        match self.paths.get(&to).is_some_and(|path| path.size.is_some()) {
            true => self.troubled.insert(to),
            false => self.troubled.remove(&to),
        };
    }

    fn step(&mut self, to: SocketAddr, now: Instant, probes: &mut Vec<Probe>) {
        let found = |check: &Check| check.small && check.tries >= LARGE_TRIES;
        let check = self.paths.get(&to).and_then(|path| path.check.as_ref());
        if check.is_some_and(|check| check.large == Some(false) && found(check)) {
            self.is_narrow(to);
        }
        let most = self.most;
        let Some(path) = self.paths.get_mut(&to) else { return };
        let Some(check) = path
            .check
            .as_mut()
            .filter(|check| !check.is_over() && (check.tries < TRIES || check.rungs > 0))
        else {
            path.check = None;
            return self.wake(to, None);
        };
        check.tries += 1;
        let mut asks = Vec::new();
        if !check.small {
            asks.push(Asked::Small);
        }
        if check.large == Some(false) {
            asks.push(Asked::Sized(most));
        }
        if check.rungs > 0 {
            check.rungs -= 1;
            asks.extend(rungs(most).into_iter().map(Asked::Sized));
        }
        for asked in asks {
            self.count += 1;
            let number = NUMBERS + self.count;
            path.numbers.push(number);
            self.asked.insert(number, (to, asked));
            let size = if let Asked::Sized(size) = asked { size } else { 0 };
            probes.push(Probe { to, number, size });
        }
        let due = now.after(WAIT * check.tries.min(3));
        self.wake(to, Some(due));
    }
}

/// Sizes between the safe one and the largest, each greater than the one before by about the same
/// factor.
fn rungs(most: usize) -> [usize; RUNGS] {
    let mean = |one: usize, other: usize| one.saturating_mul(other).isqrt();
    let middle = mean(SAFE, most);
    let [low, high] = [mean(SAFE, middle), mean(middle, most)];
    [mean(SAFE, low), low, mean(low, middle), middle, mean(middle, high), high, mean(high, most)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::micros;

    const MOST: usize = 1400;

    fn peer() -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 9], 9))
    }

    fn at(ms: u64) -> Instant {
        Instant(ms * 1000)
    }

    /// Lets time pass; packets of so many bytes get through, answers come a millisecond later.
    /// Answers what was sent, in bytes.
    fn run(
        paths: &mut Paths,
        from: u64,
        until: u64,
        carries: impl Fn(usize) -> bool,
    ) -> Vec<usize> {
        let mut sent = Vec::new();
        let mut answers: Vec<u64> = Vec::new();
        for ms in from..until {
            answers.drain(..).for_each(|number| assert!(paths.answered(number)));
            for probe in paths.poll(at(ms)) {
                assert_eq!(probe.to, peer());
                sent.push(probe.size);
                if carries(probe.size) {
                    answers.push(probe.number);
                }
            }
            paths.check();
        }
        sent
    }

    #[test]
    fn a_wide_path_costs_one_large_ping_a_minute_while_it_is_used() {
        let mut paths = Paths::new(MOST);
        assert_eq!((paths.size(peer()), paths.deadline()), (MOST, None));
        for ms in (0..59_000).step_by(1000) {
            assert_eq!(paths.large(peer(), at(ms)), MOST);
            let sent = run(&mut paths, ms, ms + 1000, |_| true);
            assert_eq!(sent, if ms == 0 { vec![0, MOST] } else { vec![] });
        }
        assert_eq!(paths.deadline(), None, "an idle path is left alone");
        paths.large(peer(), at(60_000));
        assert_eq!(run(&mut paths, 60_000, 61_000, |_| true), [0, MOST]);
        assert_eq!((paths.narrow().count(), paths.counts()), (0, (4, 0)));
    }

    #[test]
    fn a_narrow_path_is_found_within_a_second_and_its_size_too() {
        for carries in [SAFE, 1235, 1280, 1399] {
            let mut paths = Paths::new(MOST);
            paths.large(peer(), at(0));
            run(&mut paths, 0, 1000, |size| size <= carries);
            let size = paths.size(peer());
            let rungs = rungs(MOST);
            let best = rungs.into_iter().filter(|size| *size <= carries).max().unwrap_or(SAFE);
            assert_eq!(size, best, "of a path that carries {carries}");
            assert!(rungs.is_sorted() && rungs[0] > SAFE && rungs[RUNGS - 1] < MOST);
            run(&mut paths, 1000, 3000, |size| size <= carries);
            assert_eq!((paths.counts().1, paths.deadline()), (1, None));
        }
    }

    #[test]
    fn a_path_that_widens_is_noticed_and_one_that_narrows_at_the_first_doubt() {
        let mut paths = Paths::new(MOST);
        paths.large(peer(), at(0));
        run(&mut paths, 0, 2000, |size| size <= 1300);
        assert!((1250..1300).contains(&paths.large(peer(), at(9000))));
        assert_eq!(paths.deadline(), None, "not looked at again so soon");
        paths.large(peer(), at(10_000));
        run(&mut paths, 10_000, 11_000, |_| true);
        assert_eq!((paths.size(peer()), paths.narrow().count()), (MOST, 0));
        paths.doubt(peer(), at(10_900));
        assert_eq!(paths.deadline(), None, "it has just been found to be wide");
        paths.doubt(peer(), at(12_000));
        run(&mut paths, 12_000, 13_000, |size| size <= SAFE);
        assert_eq!(paths.size(peer()), SAFE);
    }

    #[test]
    fn narrow_paths_are_tried_again_less_and_less_often() {
        let mut paths = Paths::new(MOST);
        let mut begun = Vec::new();
        for second in 0..3600 {
            paths.large(peer(), at(second * 1000));
            let sent = run(&mut paths, second * 1000, (second + 1) * 1000, |size| size <= SAFE);
            if sent.first() == Some(&0) {
                begun.push(second);
            }
        }
        assert_eq!(begun, [0, 10, 30, 70, 150, 310, 630, 1230, 1830, 2430, 3030]);
    }

    #[test]
    fn silence_is_no_finding_and_a_late_answer_is_one() {
        let mut paths = Paths::new(MOST);
        paths.large(peer(), at(0));
        let sent = run(&mut paths, 0, 5000, |_| false);
        assert_eq!((sent.len(), paths.size(peer())), (16, MOST));
        assert_eq!(paths.deadline(), None);
        paths.too_large(peer(), 1300, at(6000));
        let probes = paths.poll(at(6000));
        assert_eq!((probes.len(), paths.size(peer())), (RUNGS + 1, SAFE));
        run(&mut paths, 6000, 9000, |_| false);
        assert!(paths.answered(probes[2].number));
        assert_eq!(paths.size(peer()), probes[2].size);
        assert!(paths.answered(probes[2].number) && !paths.answered(7));
        paths.forget(peer());
        assert_eq!((paths.size(peer()), paths.asked.len()), (MOST, 0));
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut paths = Paths::new(MOST);
        for number in 0..MAX_PATHS as u64 + 10 {
            let to = SocketAddr::from((
                number.to_be_bytes()[4..]
                    .try_into()
                    .map(|ip: [u8; 4]| std::net::Ipv4Addr::from(ip))
                    .unwrap(),
                1,
            ));
            let size = paths.large(to, at(0));
            assert_eq!(size, if paths.knows(to) { MOST } else { SAFE });
        }
        assert_eq!(paths.paths.len(), MAX_PATHS);
        assert!(micros(WIDE_AGAIN) > micros(DOUBT_AGAIN));
    }
}
