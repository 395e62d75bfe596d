//! What is known of the ways to each peer: whether datagrams and streams get there, and the largest
//! datagram that does.
//!
//! Networks with tunnels carry less than the settings say and tell nobody: what is larger vanishes.
//! Every path of IPv6 carries [`SAFE`] bytes. When more is first sent to a member, and now and then
//! after that, it is sent pings as well, a small one and, once that is answered, some filled up to the
//! largest datagram. If none of these is answered, what is larger than [`SAFE`] takes the stream, and
//! fuller datagrams of several sizes find out how much the path does carry.
//!
//! Firewalls drop all of UDP or all of TCP, and tell nobody either. When a datagram was not answered
//! that should have been, or something goes by stream, pings look whether that way is open: a small
//! one, and one by stream. What is answered by one way and not by the other goes by the one that is
//! open, until the other is.
//!
//! The pings are those of membership, so builds of before answer them. Nothing of this is sent while
//! nothing large is sent and everything is answered. What is found is remembered for each address.

mod check;
mod question;
mod state;

use crate::base::hash::Map;
use crate::base::time::Instant;
use crate::output::Via;
use state::{Asked, Check, Path, Stream};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// Bytes of a packet that every path carries as a datagram: the 1,280 of IPv6 (RFC 8200, section 5)
/// less its header, that of UDP and the seal.
pub const SAFE: usize = 1180;
/// Numbers of pings from here on are of this machine. Those of probes count up from 1.
const NUMBERS: u64 = 1 << 40;
/// What goes by stream is asked to be answered after this long, and no sooner.
const PROVE_AGAIN: Duration = Duration::from_secs(1);
/// A stream that was had so lately need not be looked at without a reason.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// A path that is used for large datagrams is looked at again after this long.
const WIDE_AGAIN: Duration = Duration::from_secs(60);
/// When there is a reason to doubt it, after this long at the earliest.
const DOUBT_AGAIN: Duration = Duration::from_secs(1);
/// And after this long when the other end has a reason.
const WONDER_AGAIN: Duration = Duration::from_secs(5);
/// Addresses of which something is remembered. What goes to others is kept to the safe size.
const MAX_PATHS: usize = 1 << 15;
/// Pings of one path that are remembered.
const MAX_NUMBERS: usize = 64;

/// A ping that is to be sent at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Where to.
    pub to: SocketAddr,
    /// By which way.
    pub via: Via,
    /// The number of the ping.
    pub number: u64,
    /// Bytes of the packet; 0 if it is as small as it can be.
    pub size: usize,
}

/// By what a packet may go to an address: never by neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Datagrams arrive, as far as is known.
    pub datagrams: bool,
    /// Streams can be had.
    pub streams: bool,
}

/// What is wrong with the ways to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The address.
    pub address: SocketAddr,
    /// Datagrams of this node do not get there, and streams do.
    pub datagrams_out: bool,
    /// Datagrams do not come from there, and streams do.
    pub datagrams_in: bool,
    /// Streams to there do not open or stand still, and datagrams arrive.
    pub streams: bool,
}

/// The machine.
#[derive(Debug)]
pub struct Paths {
    /// The largest datagram that the settings allow.
    most: usize,
    resting: bool,
    paths: Map<SocketAddr, Path>,
    timers: BTreeSet<(Instant, SocketAddr)>,
    asked: BTreeMap<u64, (SocketAddr, Asked)>,
    /// Those of which there is something to tell.
    troubled: BTreeSet<SocketAddr>,
    changes: u64,
    /// Where a way was closed or opened since this was last asked for.
    turned: Vec<SocketAddr>,
    count: u64,
    counts: Counts,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pings sent.
    pub probes: u64,
    /// Times that a path was found to be narrow.
    pub narrowed: u64,
    /// Times that datagrams were found not to arrive.
    pub no_datagrams: u64,
    /// Times that streams were found not to open.
    pub no_streams: u64,
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
            resting: false,
            paths: Map::default(),
            timers: BTreeSet::new(),
            asked: BTreeMap::new(),
            troubled: BTreeSet::new(),
            changes: 0,
            turned: Vec::new(),
            count: 0,
            counts: Counts::default(),
        }
    }

    /// The largest packet that goes to an address as a datagram, bytes.
    #[must_use]
    pub fn size(&self, to: SocketAddr) -> usize {
        self.paths.get(&to).and_then(|path| path.size).unwrap_or(self.most)
    }

    /// By what packets go to an address.
    #[must_use]
    pub fn route(&self, to: SocketAddr) -> Route {
        let path = self.paths.get(&to).filter(|path| path.no_datagrams != path.no_streams);
        path.map_or(Route { datagrams: true, streams: true }, |path| Route {
            datagrams: !path.no_datagrams,
            streams: !path.no_streams,
        })
    }

    /// Nothing is looked at any more: this node has said goodbye.
    pub fn rest(&mut self) {
        self.resting = true;
        // Nobody takes these any more, and they must not keep the node awake.
        self.turned.clear();
    }

    /// True if nothing is looked at here.
    fn is_off(&self) -> bool {
        self.resting || self.most == usize::MAX
    }

    /// True if packets of so many bytes may be too large for a path.
    #[must_use]
    pub fn minds(&self, bytes: usize) -> bool {
        bytes > SAFE && self.most > SAFE && !self.is_off()
    }

    /// Paths that carry less than the settings say: the address and bytes of a packet.
    pub fn narrow(&self) -> impl Iterator<Item = (SocketAddr, usize)> {
        self.troubled.iter().filter_map(|to| Some((*to, self.paths.get(to)?.size?)))
    }

    /// Addresses that can be reached by one way only.
    pub fn troubles(&self) -> impl Iterator<Item = Trouble> {
        let closed = |to: &SocketAddr| {
            let path = self.paths.get(to).filter(|path| path.is_closed())?;
            Some(Trouble {
                address: *to,
                datagrams_out: path.no_datagrams,
                datagrams_in: path.deaf,
                streams: path.no_streams,
            })
        };
        self.troubled.iter().filter_map(closed)
    }

    /// How often what is told of paths has changed.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    fn turn(&mut self, to: SocketAddr) {
        if !self.resting {
            self.turned.push(to);
        }
    }

    /// Where a way was closed or opened since the last call.
    pub fn turned(&mut self) -> Vec<SocketAddr> {
        std::mem::take(&mut self.turned)
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// True if something is remembered of an address.
    #[must_use]
    pub fn knows(&self, to: SocketAddr) -> bool {
        self.paths.contains_key(&to)
    }

    /// More than the safe size is to be sent to a member: looks whether the path carries it, if it
    /// is time. Answers how large a datagram may be.
    pub fn large(&mut self, to: SocketAddr, now: Instant) -> usize {
        if !self.meet(to) {
            return SAFE;
        }
        let due = self.paths.get(&to).is_some_and(|path| {
            let asks = path.check.as_ref().is_some_and(|check| check.large.is_some());
            !asks && path.sized.is_none_or(|at| at.after(path.pause) <= now)
        });
        if due {
            self.ask_large(to, now);
        }
        self.size(to)
    }

    /// So many bytes are to go to a member by stream: if it is time to look whether they arrive,
    /// answers the ping that goes before them.
    pub fn by_stream(&mut self, to: SocketAddr, bytes: usize, now: Instant) -> Option<Probe> {
        if self.is_off() || !self.meet(to) {
            return None;
        }
        let path = self.paths.get_mut(&to)?;
        let before = path.unproven;
        path.unproven = path.unproven.saturating_add(bytes as u64);
        path.since = path.since.saturating_add(bytes as u64);
        let asks = path.check.as_ref().is_some_and(|check| check.stream.is_some());
        if asks || path.proved.is_some_and(|at| now < at.after(PROVE_AGAIN)) {
            return None;
        }
        path.since = bytes as u64;
        let stream = Some(Stream { unsent: false, ..Stream::new(now, before) });
        match &mut path.check {
            Some(check) => check.stream = stream,
            // Whether anybody is there is looked at if there is no answer.
            None => {
                let check = Check { small: true, proves: true, stream, ..Check::default() };
                self.begin(to, check, now);
            }
        }
        self.counts.probes += 1;
        Some(self.probe(to, Asked::Stream))
    }

    /// Looks whether a stream to a member can be had, unless that is known.
    pub fn look_at_stream(&mut self, to: SocketAddr, now: Instant) {
        if self.is_off() || !self.meet(to) {
            return;
        }
        let Some(path) = self.paths.get(&to) else { return };
        let proved = path.proved.is_some_and(|at| now < at.after(LOOK_AGAIN));
        if !proved && path.check.is_none() && !path.is_closed() {
            let stream = Some(Stream::new(now, 0));
            // Whether anybody is there is looked at if there is no answer.
            self.begin(to, Check { small: true, proves: true, stream, ..Check::default() }, now);
        }
    }

    /// A datagram to a member was not answered: looks whether they arrive, and large ones too if
    /// such go that way.
    pub fn doubt(&mut self, to: SocketAddr, now: Instant) {
        self.doubt_after(to, DOUBT_AGAIN, now);
    }

    /// A member looks whether streams get here: its datagrams may not, and those to it not either.
    pub fn wonder(&mut self, to: SocketAddr, now: Instant) {
        self.doubt_after(to, WONDER_AGAIN, now);
    }

    /// A datagram has come from an address: where a way was closed, it may be open again.
    pub fn heard(&mut self, from: SocketAddr, now: Instant) {
        if !self.troubled.contains(&from) {
            return;
        }
        let Some(path) = self.paths.get(&from) else { return };
        let closed = path.no_datagrams && path.check.is_none();
        if closed && !path.was_checked(DOUBT_AGAIN, now) {
            self.wake(from, Some(now));
        }
    }

    fn doubt_after(&mut self, to: SocketAddr, pause: Duration, now: Instant) {
        if self.is_off() || !self.meet(to) {
            return;
        }
        let Some(path) = self.paths.get(&to).filter(|path| path.check.is_none()) else { return };
        if path.was_checked(pause, now) || path.is_closed() {
            return;
        }
        match path.size.is_none() && path.sized.is_some() {
            true => self.ask_large(to, now),
            false => self.begin(to, Check::default(), now),
        }
    }

    /// A stream to a member could not be opened, or broke.
    pub fn stream_lost(&mut self, to: SocketAddr, now: Instant) {
        let Some(path) = self.paths.get_mut(&to) else { return };
        // What was on it is gone.
        (path.unproven, path.since, path.proved) = (0, 0, None);
        let quiet = path.is_closed() || path.was_checked(DOUBT_AGAIN, now);
        match &mut path.check {
            Some(Check { stream: Some(stream), .. }) => stream.unsent = true,
            Some(check) => check.stream = Some(Stream::new(now, 0)),
            None if quiet => {}
            None => {
                let stream = Some(Stream::new(now, 0));
                self.begin(to, Check { stream, ..Check::default() }, now);
            }
        }
    }

    /// The system does not send datagrams of so many bytes to an address.
    pub fn too_large(&mut self, to: SocketAddr, bytes: usize, now: Instant) {
        let minds = self.minds(bytes);
        let Some(path) = self.paths.get_mut(&to).filter(|_| minds) else { return };
        if path.size.is_none_or(|size| size >= bytes) {
            if path.check.is_none() {
                self.ask_large(to, now);
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
    pub fn answered(&mut self, number: u64, via: Via, now: Instant) -> bool {
        let Some((to, asked)) = self.asked.remove(&number) else { return number >= NUMBERS };
        let most = self.most;
        let Some(path) = self.paths.get_mut(&to) else { return true };
        path.numbers.retain(|other| *other != number);
        let before = (path.size, path.is_closed(), path.deaf);
        match asked {
            Asked::Small => {}
            Asked::Sized(bytes) if bytes >= most => {
                path.size = None;
                path.pause = WIDE_AGAIN;
                if let Some(check) = &mut path.check {
                    (check.large, check.rungs) = (check.large.and(Some(true)), 0);
                }
            }
            Asked::Sized(bytes) => path.size = path.size.map(|size| size.max(bytes)),
            Asked::Stream => {
                path.no_streams = false;
                path.proved = Some(now);
                path.unproven = path.since;
                if let Some(Check { stream: Some(stream), .. }) = &mut path.check {
                    stream.answered = true;
                }
            }
        }
        if asked != Asked::Stream {
            if std::mem::replace(&mut path.no_datagrams, false) {
                // What is left may be over as well.
                (path.again, path.retry) = (Duration::ZERO, None);
            }
            path.deaf = via == Via::Stream;
            if let Some(check) = &mut path.check {
                check.again |= check.small && number > check.since;
                if !std::mem::replace(&mut check.small, true) && check.large == Some(false) {
                    (check.tries, check.since) = (0, NUMBERS + self.count);
                    self.wake(to, Some(now));
                }
            }
        }
        let Some(path) = self.paths.get(&to) else { return true };
        let after = (path.size, path.is_closed(), path.deaf);
        let over = path.check.as_ref().is_some_and(Check::is_over);
        let idle = path.check.is_none() && !path.is_closed();
        if before.1 && !after.1 {
            self.turn(to);
        }
        if before != after {
            self.tell(to);
        }
        if over || idle {
            self.end(to, now);
        }
        true
    }

    /// When a check goes on.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let turned = (!self.turned.is_empty()).then_some(Instant(0));
        turned.or_else(|| self.timers.first().map(|(due, _)| *due))
    }

    /// Goes on with the checks that are due, and answers which pings are to be sent.
    pub fn poll(&mut self, now: Instant) -> Vec<Probe> {
        let mut probes = Vec::new();
        while let Some(&(due, to)) = self.timers.first()
            && due <= now
        {
            self.step(to, now, &mut probes);
        }
        self.counts.probes += probes.len() as u64;
        probes
    }

    /// Remembers something of an address from now on, if there is room.
    fn meet(&mut self, to: SocketAddr) -> bool {
        if self.paths.contains_key(&to) {
            return true;
        }
        if self.paths.len() >= MAX_PATHS {
            let numbers = &mut self.asked;
            self.paths.retain(|_, path| {
                let kept = path.is_troubled() || path.check.is_some();
                if !kept {
                    path.numbers.iter().for_each(|number| {
                        numbers.remove(number);
                    });
                }
                kept
            });
        }
        let room = self.paths.len() < MAX_PATHS;
        if room {
            self.paths.insert(to, Path::default());
        }
        room
    }

    /// Something has changed of a path.
    fn tell(&mut self, to: SocketAddr) {
        self.changes += 1;
        match self.paths.get(&to).is_some_and(Path::is_troubled) {
            true => self.troubled.insert(to),
            false => self.troubled.remove(&to),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::question::{RUNGS, TRIES, rungs};
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
            answers
                .drain(..)
                .for_each(|number| assert!(paths.answered(number, Via::Datagram, at(ms))));
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
        assert_eq!((paths.narrow().count(), paths.counts().probes), (0, 4));
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
            assert_eq!((paths.counts().narrowed, paths.deadline()), (1, None));
        }
    }

    /// Who stands still for long answers all small ones at once and then nothing.
    #[test]
    fn an_answer_from_before_does_not_make_a_path_narrow() {
        let mut paths = Paths::new(MOST);
        paths.large(peer(), at(0));
        let first = paths.poll(at(0))[0].number;
        assert!(paths.answered(first, Via::Datagram, at(900)));
        let sent = run(&mut paths, 900, 5000, |_| false);
        assert_eq!(sent.iter().filter(|size| **size == MOST).count(), TRIES as usize);
        assert_eq!((paths.narrow().count(), paths.deadline()), (0, None));
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
        // No large one, and the last by stream: it is not known whether anybody is there.
        assert_eq!((sent, paths.size(peer())), (vec![0; 9], MOST));
        assert_eq!(paths.deadline(), None);
        paths.too_large(peer(), 1300, at(6000));
        let probes = paths.poll(at(6000));
        assert_eq!((probes.len(), paths.size(peer())), (RUNGS + 1, SAFE));
        run(&mut paths, 6000, 9000, |_| false);
        assert!(paths.answered(probes[2].number, Via::Datagram, at(9000)));
        assert_eq!(paths.size(peer()), probes[2].size);
        assert!(
            paths.answered(probes[2].number, Via::Datagram, at(9000))
                && !paths.answered(7, Via::Datagram, at(9000))
        );
        paths.forget(peer());
        assert_eq!((paths.size(peer()), paths.asked.len()), (MOST, 0));
    }

    /// Ways that are open: datagrams there, datagrams back, streams.
    type Open = [bool; 3];

    /// Lets time pass with some ways open. The other end answers as it was asked, or by stream if
    /// it knows that its datagrams are lost.
    fn pass(paths: &mut Paths, from: u64, until: u64, [there, back, streams]: Open) -> usize {
        let mut answers: Vec<(u64, Via)> = Vec::new();
        let mut sent = 0;
        for ms in from..until {
            for (number, via) in answers.drain(..) {
                assert!(paths.answered(number, via, at(ms)));
            }
            for probe in paths.poll(at(ms)) {
                sent += 1;
                match probe.via {
                    Via::Datagram if there && back => answers.push((probe.number, Via::Datagram)),
                    Via::Datagram if there && streams => answers.push((probe.number, Via::Stream)),
                    Via::Stream if streams => answers.push((probe.number, Via::Stream)),
                    Via::Datagram | Via::Stream => {}
                }
            }
            paths.check();
        }
        sent
    }

    fn trouble(paths: &Paths) -> Option<Open> {
        let trouble = paths.troubles().next()?;
        Some([trouble.datagrams_out, trouble.datagrams_in, trouble.streams])
    }

    #[test]
    fn datagrams_that_do_not_arrive_are_found_out_and_so_is_their_return() {
        let mut paths = Paths::new(MOST);
        paths.doubt(peer(), at(0));
        assert_eq!(pass(&mut paths, 0, 2000, [true; 3]), 1, "one ping, and all is well");
        paths.doubt(peer(), at(2000));
        pass(&mut paths, 2000, 2700, [false, true, true]);
        assert_eq!(trouble(&paths), Some([true, false, false]));
        assert_eq!(paths.route(peer()), Route { datagrams: false, streams: true });
        assert_eq!((paths.turned(), paths.turned().len()), (vec![peer()], 0));
        // It is tried again, less and less often.
        let sent = pass(&mut paths, 2700, 302_700, [false, true, true]);
        assert!((100..150).contains(&sent), "{sent} pings in five minutes");
        assert_eq!(trouble(&paths), Some([true, false, false]));
        pass(&mut paths, 302_700, 340_000, [true; 3]);
        assert_eq!((trouble(&paths), paths.deadline()), (None, Some(Instant(0))));
        assert_eq!((paths.turned(), paths.deadline()), (vec![peer()], None));
        assert_eq!(paths.route(peer()), Route { datagrams: true, streams: true });
        assert_eq!(paths.counts().no_datagrams, 1);
    }

    #[test]
    fn traffic_by_stream_does_not_put_off_the_next_look_at_datagrams() {
        let mut paths = Paths::new(MOST);
        paths.doubt(peer(), at(0));
        pass(&mut paths, 0, 1000, [false, true, true]);
        for ms in (1000..31_000).step_by(100) {
            if let Some(ping) = paths.by_stream(peer(), 100, at(ms)) {
                assert!(paths.answered(ping.number, Via::Stream, at(ms)));
            }
            pass(&mut paths, ms, ms + 100, [ms > 15_000, true, true]);
        }
        assert_eq!(trouble(&paths), None);
    }

    #[test]
    fn datagrams_that_do_not_come_back_are_told_apart() {
        let mut paths = Paths::new(MOST);
        paths.doubt(peer(), at(0));
        pass(&mut paths, 0, 1000, [true, false, true]);
        assert_eq!(trouble(&paths), Some([false, true, false]));
        assert_eq!(paths.route(peer()), Route { datagrams: true, streams: true });
        pass(&mut paths, 1000, 40_000, [true; 3]);
        assert_eq!(trouble(&paths), None);
    }

    #[test]
    fn streams_that_do_not_open_or_stand_still_are_found_out() {
        for lost in [false, true] {
            let mut paths = Paths::new(MOST);
            let ping = paths.by_stream(peer(), 1000, at(0)).unwrap();
            assert_eq!((ping.via, ping.size), (Via::Stream, 0));
            assert!(paths.answered(ping.number, Via::Stream, at(1)));
            assert_eq!(pass(&mut paths, 1, 2000, [true; 3]), 0, "that was all");
            assert_eq!(paths.by_stream(peer(), 9, at(900)), None, "it was proved lately");
            // It is waited for as long as what is before it takes.
            paths.by_stream(peer(), 600_000, at(900));
            let ping = paths.by_stream(peer(), 600_000, at(2000)).unwrap();
            if lost {
                paths.stream_lost(peer(), at(2100));
            }
            pass(&mut paths, 2000, 3400, [true, true, false]);
            assert_eq!(trouble(&paths), None);
            pass(&mut paths, 3400, 8200, [true, true, false]);
            assert_eq!(trouble(&paths), Some([false, false, true]));
            assert_eq!(paths.route(peer()), Route { datagrams: true, streams: false });
            assert_eq!((paths.turned(), paths.counts().no_streams), (vec![peer()], 1));
            // What comes late counts.
            assert!(paths.answered(ping.number, Via::Stream, at(8300)));
            assert_eq!(trouble(&paths), None);
        }
    }

    #[test]
    fn streams_that_nobody_wants_are_looked_at_all_the_same() {
        let mut paths = Paths::new(MOST);
        paths.look_at_stream(peer(), at(0));
        assert_eq!(pass(&mut paths, 0, 5000, [true; 3]), 1, "one ping by stream");
        paths.look_at_stream(peer(), at(20_000));
        assert_eq!(pass(&mut paths, 20_000, 25_000, [true; 3]), 0, "it is known");
        paths.look_at_stream(peer(), at(40_000));
        pass(&mut paths, 40_000, 45_000, [true, true, false]);
        assert_eq!(trouble(&paths), Some([false, false, true]));
        paths.rest();
        paths.look_at_stream(SocketAddr::from(([10, 0, 0, 8], 9)), at(90_000));
        assert_eq!(paths.paths.len(), 1, "who has left looks at nothing");
    }

    #[test]
    fn a_peer_that_answers_by_neither_way_is_not_judged() {
        let mut paths = Paths::new(MOST);
        assert!(paths.by_stream(peer(), 9, at(0)).is_some());
        pass(&mut paths, 0, 10_000, [false; 3]);
        assert_eq!((trouble(&paths), paths.deadline()), (None, None));
        paths.doubt(peer(), at(10_000));
        let sent = pass(&mut paths, 10_000, 20_000, [false; 3]);
        assert!(sent <= 9 && paths.deadline().is_none(), "{sent}");
        paths.doubt(peer(), at(20_000));
        pass(&mut paths, 20_000, 21_000, [false, true, true]);
        assert_eq!(paths.route(peer()), Route { datagrams: false, streams: true });
        pass(&mut paths, 21_000, 60_000, [false; 3]);
        assert_eq!(paths.route(peer()), Route { datagrams: true, streams: true });
        assert_eq!((trouble(&paths), paths.turned()), (None, vec![peer()]));
        assert_eq!(paths.deadline(), None);
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
