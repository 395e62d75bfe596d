//! What a node keeps on its disk of passes, and shares with nobody.

use super::votes::{put_gave, put_spoken, read_gave, read_spoken};
use super::{Isolation, MAX_OPEN, Pending, Spoken, Standing};
use crate::base::codec::{DecodeError, Reader, Write as _};
use crate::base::id::NodeId;
use crate::data::Clock;
use crate::output::Output;
use crate::retain::chain::flag;
use crate::retain::pass::{put_ids, read_ids};
use crate::retain::{Confirmed, History, Horizon, MAX_ORDER, Pass};

/// What of it is certain after a restart.
#[derive(Debug, Default)]
struct Kept {
    /// Whose it is; `None` if that was not kept yet.
    own: Option<NodeId>,
    confirmed: u64,
    floor: u64,
    beat: u64,
    covered: Option<Pass>,
    pending: Vec<Pending>,
    history: History,
    gave: Vec<(Horizon, NodeId)>,
    speaks: Vec<Spoken>,
    waived: Vec<NodeId>,
    doubt: bool,
    unsent: Option<u64>,
    reserved: u64,
}

fn accepted(pass: Pass, clean: bool) -> Pending {
    let reached = Some(pass.hops());
    Pending { pass, reached, done: true, restored: true, clean, strays: Vec::new() }
}

impl Kept {
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut from = Reader::new(bytes);
        match from.u8()? {
            1 => Self::decode_old(&mut from),
            2 => Self::decode_new(&mut from),
            _ => Err(DecodeError::Invalid("version of what is known of passes")),
        }
    }

    /// What the version before kept: its passes are of a chain whose beginning is not known.
    fn decode_old(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (confirmed, floor) = (from.varint()?, from.varint()?);
        let covered = match from.u8()? {
            0 => None,
            _ => Some(Pass::decode_old(from)?),
        };
        let count = from.bounded("passes", MAX_OPEN)?;
        let pending = (0..count)
            .map(|_| Ok(accepted(Pass::decode_old(from)?, true)))
            .collect::<Result<_, DecodeError>>()?;
        let count = from.bounded("former members", MAX_ORDER)?;
        let mut history = History::default();
        for _ in 0..count {
            history.visit(NodeId(from.u64()?), from.u64()?);
        }
        Ok(Self { confirmed, floor, covered, pending, history, ..Self::default() })
    }

    fn decode_new(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let own = Some(NodeId(from.u64()?));
        let (confirmed, floor, beat) = (from.varint()?, from.varint()?, from.varint()?);
        let covered = match flag(from)? {
            false => None,
            true => Some(Pass::decode(from)?),
        };
        let count = from.bounded("passes", MAX_OPEN + 1)?;
        let pending = (0..count)
            .map(|_| Ok(accepted(Pass::decode(from)?, flag(from)?)))
            .collect::<Result<_, DecodeError>>()?;
        let history = History::decode(from)?;
        let (gave, speaks, waived) = (read_gave(from)?, read_spoken(from)?, read_ids(from)?);
        let doubt = flag(from)?;
        let unsent = match flag(from)? {
            false => None,
            true => Some(from.varint()?),
        };
        // Builds of before did not reserve stamps.
        let reserved = if from.is_empty() { 0 } else { from.varint()? };
        let passes = Self { covered, pending, history, reserved, ..Self::default() };
        Ok(Self { own, confirmed, floor, beat, gave, speaks, waived, doubt, unsent, ..passes })
    }

    /// As it counts for a node: a copy of a folder under another id has accepted nothing and has
    /// nobody's vote, but holds what it held.
    fn of(self, own: NodeId) -> Self {
        if self.own.is_none_or(|kept| kept == own) {
            return self;
        }
        let Self { floor, beat, covered, history, .. } = self;
        Self { floor, beat, covered, history, ..Self::default() }
    }
}

impl Standing {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![2];
        bytes.put(&self.own.0.to_le_bytes());
        bytes.put_varint(self.confirmed.upto());
        bytes.put_varint(self.floor);
        bytes.put_varint(self.beat);
        bytes.put(&[u8::from(self.covered.is_some())]);
        self.covered.iter().for_each(|pass| pass.encode(&mut bytes));
        // Before its last visit a node cannot say what it holds after a restart.
        let accepted: Vec<&Pending> = self.pending.iter().filter(|p| p.done).collect();
        bytes.put_varint(accepted.len() as u64);
        for pending in accepted {
            pending.pass.encode(&mut bytes);
            bytes.put(&[u8::from(pending.clean)]);
        }
        self.history.encode(&mut bytes);
        put_gave(&self.gave, &mut bytes);
        put_spoken(&self.speaks, &mut bytes);
        put_ids(&self.waived, &mut bytes);
        let unsent = self.isolation.unsent();
        bytes.put(&[u8::from(self.doubt), u8::from(unsent.is_some())]);
        unsent.iter().for_each(|from| bytes.put_varint(*from));
        bytes.put_varint(self.reserved);
        bytes
    }

    /// Takes back what was handed out to be kept, after all entries. What cannot be read is as if it
    /// had not been kept, which costs a comparison.
    pub fn restore(&mut self, bytes: &[u8], clock: &mut Clock) {
        let Ok(kept) = Kept::decode(bytes).map(|kept| kept.of(self.own)) else { return };
        clock.raise(kept.floor.max(kept.confirmed).max(kept.beat));
        let confirmed = Confirmed::restored(kept.confirmed.max(match &kept.covered {
            Some(pass) => pass.horizon,
            None => 0,
        }));
        let Kept { floor, beat, covered, pending, history, gave, speaks, waived, .. } = kept;
        // What may be lost lies above what is there, and up to what may have been given.
        let (started_at, reserved) = (Some(clock.last()), kept.reserved);
        clock.raise(reserved);
        let own = covered.as_ref().map(Pass::to_horizon);
        let before = Self::new(self.own, self.policy);
        *self = Self {
            horizon: self.horizon.max(own),
            covered,
            pending,
            history,
            gave,
            speaks,
            waived,
            doubt: kept.doubt,
            started_at,
            isolation: Isolation::restored(kept.unsent),
            floor,
            beat,
            reserved,
            confirmed,
            ..before
        };
    }

    /// Hands out what is to be kept, if it has changed.
    pub fn keep(&mut self, out: &mut Vec<Output>) {
        if self.changed || self.confirmed.is_to_be_kept() {
            let wait = std::mem::take(&mut self.waits);
            self.changed = false;
            self.confirmed.keep();
            out.push(Output::Keep { bytes: self.encode(), wait });
        }
    }

    /// This node is about to end: what it knows is to be kept as it is now, on the disk.
    pub fn close(&mut self, clock: &Clock) {
        (self.changed, self.waits) = (true, true);
        // What was reserved and not needed is given back.
        if clock.issued() > 0 {
            self.reserved = clock.issued();
        }
    }
}

/// The pass that a node is covered by, as it has kept it on disk with [`Output::Keep`]; `None` if
/// there is none, or the bytes are none of it.
#[must_use]
pub fn kept_link(bytes: &[u8]) -> Option<Pass> {
    Kept::decode(bytes).ok().and_then(|kept| kept.covered)
}

#[cfg(test)]
mod tests {
    use super::super::RESERVED_MS;
    use super::*;
    use crate::data::Stamp;
    use crate::retain::tests::{Ground, H, NOW, pass, policy};
    use crate::retain::{Census, Tombstones};
    use proptest::prelude::*;

    fn standing() -> Standing {
        Standing::new(NodeId(1), policy(Tombstones::Horizon))
    }

    fn kept(standing: &mut Standing) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        standing.keep(&mut out);
        out.into_iter().find_map(|output| match output {
            Output::Keep { bytes, .. } => Some(bytes),
            _ => None,
        })
    }

    #[test]
    fn what_a_node_knows_of_passes_survives_a_restart_if_it_is_certain() {
        let (mut ground, mut before) = (Ground::new(1, 3), standing());
        before.cover(pass(1, H, &[1, 2, 3]), &mut ground.replica);
        before.cover(pass(2, H + 5, &[1, 2]), &mut ground.replica);
        for (id, done) in [(3, true), (4, false)] {
            let pass = pass(id, H + 10 * id, &[1, 2]);
            before.visit(&pass, &mut ground.replica.clock);
            if done {
                before.reached(&pass, 1, &Census::default());
            }
        }
        before.check(&ground.replica);
        let bytes = kept(&mut before).unwrap();
        assert_eq!(kept(&mut before), None, "nothing new");
        assert_eq!(kept_link(&bytes).map(|pass| pass.horizon), Some(H + 5));
        let (mut ground, mut after) = (Ground::new(1, 3), standing());
        after.restore(&bytes, &mut ground.replica.clock);
        assert_eq!(after.covered(), before.covered());
        assert_eq!(after.history().former(), [(NodeId(3), H)]);
        let pending: Vec<u64> = after.pending.iter().map(|p| p.pass.id).collect();
        assert_eq!(pending, [3], "before its last visit it cannot say what it holds");
        assert_eq!(after.confirmed(), H + 5);
        let last = ground.replica.clock.last();
        assert!(last >= H + 40, "no stamps below a horizon that came by");
        after.check(&ground.replica);
    }

    /// Gives a stamp; what was to be kept for it before anything went out.
    fn give(node: &mut Standing, ground: &mut Ground, wall_ms: u64) -> (Stamp, Option<Vec<u8>>) {
        let stamp = ground.replica.clock.tick(wall_ms);
        node.reserve(&ground.replica.clock, wall_ms);
        let mut out = Vec::new();
        node.keep(&mut out);
        let kept = out.into_iter().find_map(|output| match output {
            Output::Keep { bytes, wait } => wait.then_some(bytes),
            _ => None,
        });
        (stamp, kept)
    }

    /// Starts from what is on disk of passes, where nothing else is.
    fn restart(kept: &[u8]) -> (Ground, Standing) {
        let (mut ground, mut node) = (Ground::new(1, 3), standing());
        node.restore(kept, &mut ground.replica.clock);
        (ground, node)
    }

    #[test]
    fn no_stamp_is_given_twice_whatever_a_crash_takes_back() {
        let (mut ground, mut node) = (Ground::new(1, 3), standing());
        let (_, first) = give(&mut node, &mut ground, NOW.wall_ms);
        let first = first.expect("nothing was reserved before");
        assert_eq!(give(&mut node, &mut ground, NOW.wall_ms + 2900).1, None);
        let (last, second) = give(&mut node, &mut ground, NOW.wall_ms + 3100);
        assert!(second.is_some(), "less than two seconds are left");
        // A power cut takes that back, and the clock stands where the battery was empty.
        let (mut ground, mut after) = restart(&first);
        assert!(ground.replica.clock.tick(0) > last);
        after.poll(&mut ground.holding());
        assert!(after.history().is_in_gap(NodeId(1), last.time), "it may be lost");
        // Far ahead at once: nothing goes out before that is on disk.
        assert!(give(&mut after, &mut ground, NOW.wall_ms + 60_000).1.is_some());
        assert_eq!(after.reserved, (NOW.wall_ms + 65_000) << 16);
    }

    #[test]
    fn who_ends_gives_back_what_was_reserved_and_keeps_what_others_may_have() {
        let (mut ground, mut node) = (Ground::new(1, 3), standing());
        let (given, crashed) = give(&mut node, &mut ground, NOW.wall_ms);
        node.close(&ground.replica.clock);
        let (ground, _) = restart(&kept(&mut node).unwrap());
        assert_eq!(ground.replica.clock.last(), given.time);
        // After a crash this run has written nothing, and the one before may have given more than is there.
        let (ground, mut node) = restart(&crashed.unwrap());
        node.close(&ground.replica.clock);
        let (ground, _) = restart(&kept(&mut node).unwrap());
        assert_eq!(ground.replica.clock.last(), (NOW.wall_ms + RESERVED_MS) << 16);
    }

    #[test]
    fn one_crash_after_the_other_drives_no_stamp_ahead() {
        let (mut ground, mut node) = (Ground::new(1, 3), standing());
        for crash in 0..1000 {
            let wall_ms = NOW.wall_ms + crash * 25;
            let (stamp, kept) = give(&mut node, &mut ground, wall_ms);
            assert!(stamp.time >> 16 <= wall_ms + RESERVED_MS + 20, "crash {crash}");
            let Some(kept) = kept else { continue };
            (ground, node) = restart(&kept);
        }
    }

    #[test]
    fn a_copy_of_a_folder_has_no_say_in_what_its_original_accepted() {
        let (mut ground, mut before) = (Ground::new(1, 3), standing());
        before.cover(pass(1, H, &[1, 2, 3]), &mut ground.replica);
        let open = pass(3, H + 30, &[1, 2]);
        before.visit(&open, &mut ground.replica.clock);
        before.reached(&open, 2, &Census::default());
        let _ = before.give(NodeId(2));
        let bytes = kept(&mut before).unwrap();
        for (own, accepted) in [(1, 1), (9, 0)] {
            let mut ground = Ground::new(own, 3);
            let mut after = Standing::new(NodeId(own), policy(Tombstones::Horizon));
            after.restore(&bytes, &mut ground.replica.clock);
            assert_eq!((after.pending.len(), after.gave.len()), (accepted, 2 * accepted));
            assert_eq!(after.covered().map(|pass| pass.id), Some(1), "it holds what it held");
            after.check(&ground.replica);
        }
    }

    #[test]
    fn who_was_down_for_long_says_what_it_may_have_lost_and_does_not_decide() {
        for (hours, doubted) in [(0, false), (2, true)] {
            let (mut ground, mut before) = (Ground::new(1, 3), standing());
            before.trust_clock(Some(NOW.wall_ms));
            before.poll(&mut ground.holding());
            let bytes = kept(&mut before).unwrap();
            let (mut ground, mut after) = (Ground::new(1, 3), standing());
            after.restore(&bytes, &mut ground.replica.clock);
            ground.now.wall_ms += 1000 + hours * 3_600_000;
            after.poll(&mut ground.holding());
            assert_eq!(after.is_in_doubt(), doubted);
            let lost = |ms: u64| after.history().is_in_gap(NodeId(1), (NOW.wall_ms + ms) << 16);
            assert!(!lost(0) && lost(999) && !lost(1000 + hours * 3_600_000));
            let mut again = standing();
            again.restore(&kept(&mut after).unwrap(), &mut ground.replica.clock);
            assert_eq!(again.is_in_doubt(), doubted, "another start does not end that");
        }
    }

    #[test]
    fn what_the_version_before_kept_is_read() {
        let mut bytes = vec![1];
        bytes.put_varint(H + 3);
        bytes.put_varint(H + 9);
        bytes.put(&[1]);
        let old = |id: u64, horizon: u64, bytes: &mut Vec<u8>| {
            [id, horizon, 0, 0].iter().for_each(|number| bytes.put(&number.to_le_bytes()));
            bytes.put_varint(5);
            bytes.put(&7_u64.to_le_bytes());
            bytes.put_varint(2);
            [1_u64, 2].iter().for_each(|id| bytes.put(&id.to_le_bytes()));
        };
        old(77, H, &mut bytes);
        bytes.put_varint(1);
        old(78, H + 5, &mut bytes);
        bytes.put_varint(1);
        [9, H - 5].iter().for_each(|number: &u64| bytes.put(&number.to_le_bytes()));
        assert_eq!(kept_link(&bytes).map(|pass| pass.horizon), Some(H));
        let (mut ground, mut after) = (Ground::new(1, 3), standing());
        after.restore(&bytes, &mut ground.replica.clock);
        assert_eq!(
            after.covered().map(|p| (p.id, p.grounds.chain, p.grounds.number)),
            Some((77, 0, 0))
        );
        assert_eq!((after.pending(78).is_some(), after.confirmed()), (true, H + 3));
        assert_eq!(after.history().visited(NodeId(9)), H - 5);
        assert_eq!(after.isolation.unsent(), None, "everything may have gone out");
        after.check(&ground.replica);
    }

    proptest! {
        #[test]
        fn any_kept_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let (mut ground, mut standing) = (Ground::new(1, 1), standing());
            standing.restore(&bytes, &mut ground.replica.clock);
            prop_assert!(!standing.is_behind());
            prop_assert_eq!(kept_link(&bytes), standing.covered().cloned());
        }
    }
}
