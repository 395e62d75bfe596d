//! One budget for all bytes that have come by streams and wait to be understood: frames of which a
//! part is here, and whole ones that the driver has not taken yet.
//!
//! Memory is taken as bytes arrive, not as they are announced. Where there is no room, a frame that
//! is not whole yet makes some: its stream ends. It is the one that began first of those of the
//! address that holds most, strangers' before those of who has proved to have a key. So who sends
//! slowly in many streams ends its own, and a frame that comes at once gets through.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Strangers get so many quarters of it.
const STRANGERS: usize = 3;
/// The least that a frame takes at once.
const STEP: usize = 64 * 1024;

/// The budget.
#[derive(Debug)]
pub(crate) struct Intake {
    limit: usize,
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    strangers: usize,
    next: u64,
    frames: BTreeMap<u64, Frame>,
    by: HashMap<IpAddr, usize>,
    ended: u64,
}

#[derive(Debug)]
struct Frame {
    from: IpAddr,
    proven: bool,
    bytes: usize,
    stage: Stage,
    end: Arc<Notify>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It still arrives, and may have to make room.
    Open,
    /// It was told to, and has not gone yet.
    Told,
    /// It is whole: the driver takes it next.
    Whole,
}

impl Intake {
    /// A budget of so many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default(), freed: Notify::new() }
    }

    /// Bytes that wait now, and frames that had to make room.
    pub(crate) fn read(&self) -> (u64, u64) {
        let state = self.state();
        (state.used as u64, state.ended)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A frame begins to arrive from an address, by a stream that is sealed or not.
    pub(super) fn begin(self: &Arc<Self>, from: IpAddr, proven: bool) -> Room {
        let end = Arc::new(Notify::new());
        let mut state = self.state();
        let ticket = state.next;
        state.next += 1;
        let end_of = Arc::clone(&end);
        let frame = Frame { from, proven, bytes: 0, stage: Stage::Open, end: end_of };
        state.frames.insert(ticket, frame);
        Room { intake: Arc::clone(self), ticket, end }
    }

    /// Takes so many bytes more for a frame if there is room; else lets another make some, or
    /// returns an error if it is this one's turn.
    fn take(&self, ticket: u64, more: usize) -> io::Result<bool> {
        let mut state = self.state();
        let Some(proven) = state.frames.get(&ticket).map(|frame| frame.proven) else {
            return Err(crowded());
        };
        let strangers = self.limit / 4 * STRANGERS;
        let narrow = !proven && state.strangers + more > strangers;
        if state.used + more <= self.limit && !narrow {
            state.add(ticket, more);
            return Ok(true);
        }
        // Who was told already is about to go.
        if state.makes_room(more, self.limit, if proven { None } else { Some(strangers) }) {
            return Ok(false);
        }
        match state.victim(proven) {
            Some(victim) if victim != ticket => state.end(victim),
            Some(_) => {
                state.ended += 1;
                return Err(crowded());
            }
            None => {}
        }
        Ok(false)
    }
}

impl State {
    fn add(&mut self, ticket: u64, more: usize) {
        let Some(frame) = self.frames.get_mut(&ticket) else { return };
        frame.bytes += more;
        self.used += more;
        self.strangers += if frame.proven { 0 } else { more };
        *self.by.entry(frame.from).or_default() += more;
    }

    fn drop_frame(&mut self, ticket: u64) {
        let Some(frame) = self.frames.remove(&ticket) else { return };
        self.used -= frame.bytes;
        self.strangers -= if frame.proven { 0 } else { frame.bytes };
        if let Some(bytes) = self.by.get_mut(&frame.from) {
            *bytes -= frame.bytes;
            if *bytes == 0 {
                self.by.remove(&frame.from);
            }
        }
    }

    /// True if what was told to go leaves room for so many bytes.
    fn makes_room(&self, more: usize, limit: usize, strangers: Option<usize>) -> bool {
        let going = |proven_too: bool| -> usize {
            let told = self.frames.values().filter(|frame| frame.stage == Stage::Told);
            told.filter(|frame| proven_too || !frame.proven).map(|frame| frame.bytes).sum()
        };
        let all = self.used - going(true) + more <= limit;
        all && strangers.is_none_or(|most| self.strangers - going(false) + more <= most)
    }

    /// The frame that makes room: a stranger's if there is one, or if only those may.
    fn victim(&self, proven: bool) -> Option<u64> {
        self.oldest(false).or_else(|| self.oldest(true).filter(|_| proven))
    }

    /// The frame that began first of the address that holds most in frames that are not whole.
    fn oldest(&self, proven: bool) -> Option<u64> {
        let open =
            |frame: &Frame| frame.proven == proven && frame.bytes > 0 && frame.stage == Stage::Open;
        let frames = || self.frames.iter().filter(|(_, frame)| open(frame));
        let held = |from: &IpAddr| self.by.get(from).copied().unwrap_or_default();
        let most = frames().map(|(_, frame)| frame.from).max_by_key(|from| (held(from), *from))?;
        frames().find(|(_, frame)| frame.from == most).map(|(ticket, _)| *ticket)
    }

    fn end(&mut self, ticket: u64) {
        let Some(frame) = self.frames.get_mut(&ticket) else { return };
        frame.stage = Stage::Told;
        frame.end.notify_one();
        self.ended += 1;
    }
}

fn crowded() -> io::Error {
    io::Error::other("too many bytes of unfinished frames wait: this one made room")
}

/// Room that a frame takes, until this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    intake: Arc<Intake>,
    ticket: u64,
    end: Arc<Notify>,
}

impl Room {
    /// Bytes to take next for a frame of so many, of which so many are here.
    pub(super) fn step(here: usize, len: usize) -> usize {
        here.max(STEP).min(len - here)
    }

    /// Waits until there is room for so many bytes more.
    pub(super) async fn take(&self, more: usize) -> io::Result<()> {
        loop {
            let freed = self.intake.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if self.intake.take(self.ticket, more)? {
                return Ok(());
            }
            tokio::select! {
                () = freed => {}
                () = self.ended() => return Err(crowded()),
            }
        }
    }

    /// The frame is whole.
    pub(super) fn whole(&self) {
        if let Some(frame) = self.intake.state().frames.get_mut(&self.ticket) {
            frame.stage = Stage::Whole;
        }
    }

    /// Waits until this frame has to make room.
    pub(super) async fn ended(&self) {
        self.end.notified().await;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.intake.state().drop_frame(self.ticket);
        self.intake.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1000;

    fn at(host: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, host])
    }

    /// What of a frame's wish is known now.
    fn wish(room: &Room, more: usize) -> Option<bool> {
        room.intake.take(room.ticket, more).ok()
    }

    #[test]
    fn the_oldest_of_who_holds_most_makes_room() {
        let intake = Arc::new(Intake::new(LIMIT));
        let held: Vec<Room> = [1, 1, 2].map(|host| intake.begin(at(host), false)).into();
        assert!(held.iter().all(|room| wish(room, 200) == Some(true)));
        let new = intake.begin(at(3), false);
        assert_eq!(wish(&new, 200), Some(false), "strangers have three quarters");
        assert_eq!((wish(&new, 200), intake.read()), (Some(false), (600, 1)), "one is enough");
        assert_eq!(intake.state().frames[&0].stage, Stage::Told);
        drop(held.into_iter().next());
        assert_eq!((wish(&new, 200), intake.read()), (Some(true), (200, 1)));
    }

    #[test]
    fn who_has_a_key_goes_before_strangers_and_may_have_all() {
        let intake = Arc::new(Intake::new(LIMIT));
        let stranger = intake.begin(at(1), false);
        assert_eq!(wish(&stranger, 700), Some(true));
        let member = intake.begin(at(2), true);
        assert_eq!(wish(&member, 400), Some(false));
        assert_eq!(intake.state().frames[&0].stage, Stage::Told);
        drop(stranger);
        assert_eq!(wish(&member, 900), Some(true));
        let stranger = intake.begin(at(1), false);
        assert_eq!(wish(&stranger, 200), Some(false), "none makes room for it");
        assert_eq!(wish(&member, 200), None, "and nobody but itself for this one");
        assert_eq!(intake.read(), (900, 2));
    }

    #[test]
    fn what_is_whole_stays_until_it_is_taken() {
        let intake = Arc::new(Intake::new(LIMIT));
        let whole = intake.begin(at(1), false);
        assert_eq!(wish(&whole, 700), Some(true));
        whole.whole();
        let new = intake.begin(at(1), false);
        assert_eq!((wish(&new, 100), intake.read()), (Some(false), (700, 0)));
        drop(whole);
        assert_eq!((wish(&new, 100), intake.read()), (Some(true), (100, 0)));
        drop(new);
        assert!(intake.state().by.is_empty() && intake.read() == (0, 0));
    }

    #[tokio::test]
    async fn who_waits_is_served_when_there_is_room() {
        let intake = Arc::new(Intake::new(LIMIT));
        let old = intake.begin(at(1), false);
        old.take(700).await.unwrap();
        let new = intake.begin(at(2), false);
        let (served, ()) = tokio::join!(new.take(300), async move {
            old.ended().await;
            drop(old);
        });
        assert!(served.is_ok() && intake.read() == (300, 1));
    }

    #[test]
    fn memory_grows_with_what_arrives() {
        let len = 8 << 20;
        let (mut here, mut steps) = (0, 0);
        while here < len {
            let step = Room::step(here, len);
            assert!(step <= here.max(STEP));
            (here, steps) = (here + step, steps + 1);
        }
        assert_eq!((here, steps), (len, 8));
        assert_eq!(Room::step(0, 10), 10);
    }
}
