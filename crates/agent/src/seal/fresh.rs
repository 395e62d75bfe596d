//! When sessions must not go on: a machine may have been set back to a copy of itself.
//!
//! A virtual machine that is resumed from a snapshot has its memory of then, and with it the salt and
//! the counter of a session: the same nonces would seal other datagrams. It cannot know that, but what
//! it can see is its wall clock, which leaps once it is set, against a monotonic clock that goes on
//! as if nothing had been, and another boot id where its process was moved to another machine.

use std::time::Duration;

/// By how much the two clocks go apart between two looks before that is a jump (guess: more than any
/// slewing, and less than anybody takes to resume a machine).
const JUMP: Duration = Duration::from_secs(1);
/// How long a session lasts at most: so long what was drawn once is believed to be known nowhere else.
const SESSION: Duration = Duration::from_secs(600);
/// How often the boot id is read.
const LOOK: Duration = Duration::from_secs(10);
/// Where it is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What must begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stale {
    /// Nothing.
    Nothing,
    /// The session of datagrams is old.
    Datagrams,
    /// This may be a copy: streams end as well.
    Everything(&'static str),
}

/// Watches for that.
#[derive(Debug, Default)]
pub(crate) struct Fresh {
    /// Monotonic and wall clock at the last look.
    looked: Option<(Duration, Duration)>,
    boot_id: Option<String>,
    boot_looked: Option<Duration>,
    /// When the session of datagrams has begun.
    begun: Duration,
}

impl Fresh {
    /// Looks at both clocks, since points of no matter, and now and then at the boot id.
    pub(crate) fn look(
        &mut self,
        mono: Duration,
        wall: Duration,
        boot_id: impl FnOnce() -> Option<String>,
    ) -> Stale {
        let before = self.looked.replace((mono, wall));
        let jumped = before.is_some_and(|(mono_before, wall_before)| {
            let passed = mono.saturating_sub(mono_before);
            wall.abs_diff(wall_before.saturating_add(passed)) > JUMP
        });
        let mut moved = false;
        if self.boot_looked.is_none_or(|at| mono.saturating_sub(at) >= LOOK) {
            self.boot_looked = Some(mono);
            let now = boot_id();
            moved = self.boot_id.is_some() && now.is_some() && now != self.boot_id;
            self.boot_id = now.or(self.boot_id.take());
        }
        let old = mono.saturating_sub(self.begun) >= SESSION;
        if jumped || moved || old {
            self.begun = mono;
        }
        match (jumped, moved) {
            (_, true) => Stale::Everything("the boot id is another one"),
            (true, false) => Stale::Everything("the wall clock has jumped"),
            (false, false) if old => Stale::Datagrams,
            (false, false) => Stale::Nothing,
        }
    }
}

/// The boot id, where the system has one.
pub(crate) fn boot_id() -> Option<String> {
    std::fs::read_to_string(BOOT_ID).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_clock_that_leaps_ends_everything() {
        for leap in [3600, 2] {
            let mut fresh = Fresh::default();
            let mut look = |mono, wall| fresh.look(secs(mono), secs(wall), || None);
            assert_eq!(look(1, 1000), Stale::Nothing);
            assert_eq!(look(5, 1004), Stale::Nothing);
            assert_eq!(look(6, 1006), Stale::Nothing, "slewing");
            let stale = Stale::Everything("the wall clock has jumped");
            assert_eq!(look(7, 1007 + leap), stale);
            assert_eq!(look(8, 1008 + leap), Stale::Nothing, "once");
            assert_eq!(look(9, 1000), stale, "back as well");
        }
    }

    #[test]
    fn another_boot_id_ends_everything_and_none_says_nothing() {
        let mut fresh = Fresh::default();
        let mut look =
            |mono, id: Option<&str>| fresh.look(secs(mono), secs(mono), || id.map(str::to_owned));
        assert_eq!(look(0, Some("a")), Stale::Nothing);
        assert_eq!(look(10, Some("a")), Stale::Nothing);
        assert_eq!(look(12, Some("b")), Stale::Nothing, "it is read every ten seconds");
        assert_eq!(look(20, None), Stale::Nothing);
        assert_eq!(look(30, Some("b")), Stale::Everything("the boot id is another one"));
        assert_eq!(look(40, Some("b")), Stale::Nothing);
    }

    #[test]
    fn a_session_lasts_ten_minutes() {
        let mut fresh = Fresh::default();
        let stale: Vec<u64> = (0..3000)
            .filter(|at| fresh.look(secs(*at), secs(*at), || None) == Stale::Datagrams)
            .collect();
        assert_eq!(stale, [600, 1200, 1800, 2400]);
    }
}
