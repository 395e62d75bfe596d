//! What a node keeps on its disk of passes, and shares with nobody.

use super::{MAX_ORDER, MAX_PENDING, Pending, Standing};
use crate::base::codec::{DecodeError, Reader, Write as _};
use crate::base::id::NodeId;
use crate::data::Clock;
use crate::output::Output;
use crate::retain::{Confirmed, Pass};

/// What of it is certain after a restart.
struct Kept {
    confirmed: u64,
    floor: u64,
    covered: Option<Pass>,
    pending: Vec<Pending>,
    former: Vec<(NodeId, u64)>,
}

impl Kept {
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut from = Reader::new(bytes);
        if from.u8()? != 1 {
            return Err(DecodeError::Invalid("version of what is known of passes"));
        }
        let (confirmed, floor) = (from.varint()?, from.varint()?);
        let covered = match from.u8()? {
            0 => None,
            _ => Some(Pass::decode(&mut from)?),
        };
        let count = from.bounded("passes", MAX_PENDING)?;
        let pending = (0..count)
            .map(|_| {
                let pass = Pass::decode(&mut from)?;
                let strays = Vec::new();
                Ok(Pending { reached: Some(pass.hops()), pass, done: true, strays })
            })
            .collect::<Result<_, DecodeError>>()?;
        let count = from.bounded("former members", MAX_ORDER)?;
        let former = (0..count)
            .map(|_| Ok((NodeId(from.u64()?), from.u64()?)))
            .collect::<Result<_, DecodeError>>()?;
        Ok(Self { confirmed, floor, covered, pending, former })
    }
}

impl Standing {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![1];
        bytes.put_varint(self.confirmed.upto());
        bytes.put_varint(self.floor);
        // Before its last visit a node cannot say what it holds after a restart.
        let done: Vec<&Pass> =
            self.pending.iter().filter(|p| p.done).map(|pending| &pending.pass).collect();
        bytes.put(&[u8::from(self.covered.is_some())]);
        self.covered.iter().for_each(|pass| pass.encode(&mut bytes));
        bytes.put_varint(done.len() as u64);
        done.iter().for_each(|pass| pass.encode(&mut bytes));
        bytes.put_varint(self.former.len() as u64);
        for (id, time) in &self.former {
            bytes.put(&id.0.to_le_bytes());
            bytes.put(&time.to_le_bytes());
        }
        bytes
    }

    /// Takes back what was handed out to be kept. What cannot be read is as if it had not been
    /// kept, which costs a comparison.
    pub fn restore(&mut self, bytes: &[u8], clock: &mut Clock) {
        let Ok(kept) = Kept::decode(bytes) else { return };
        clock.raise(kept.floor.max(kept.confirmed));
        let Kept { confirmed, floor, covered, pending, former } = kept;
        let before = Self { horizon: self.horizon, ..Self::new(self.policy) };
        let confirmed = Confirmed::restored(confirmed);
        *self = Self { confirmed, floor, covered, pending, former, ..before };
    }

    /// Hands out what is to be kept, if it has changed.
    pub fn keep(&mut self, out: &mut Vec<Output>) {
        if self.changed || self.confirmed.is_to_be_kept() {
            self.changed = false;
            self.confirmed.keep();
            out.push(Output::Keep { bytes: self.encode(), wait: false });
        }
    }
}

/// Up to where a node is covered by what it has kept on disk with [`Output::Keep`]; zero if it is
/// not, or the bytes are none of it.
#[must_use]
pub fn kept_horizon(bytes: &[u8]) -> u64 {
    let covered = Kept::decode(bytes).ok().and_then(|kept| kept.covered);
    covered.map_or(0, |pass| pass.horizon)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retain::Tombstones;
    use crate::retain::tests::{Ground, H, pass, policy};
    use proptest::prelude::*;

    fn standing() -> Standing {
        Standing::new(policy(Tombstones::Horizon))
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
                before.reached(&pass, 1);
            }
        }
        before.check(&ground.replica);
        let bytes = kept(&mut before).unwrap();
        assert_eq!(kept(&mut before), None, "nothing new");
        assert_eq!(kept_horizon(&bytes), H + 5);
        let (mut ground, mut after) = (Ground::new(1, 3), standing());
        after.restore(&bytes, &mut ground.replica.clock);
        assert_eq!(after.covered(), before.covered());
        assert_eq!(after.former(), [(NodeId(3), H)]);
        let pending: Vec<u64> = after.pending.iter().map(|p| p.pass.id).collect();
        assert_eq!(pending, [3], "before its last visit it cannot say what it holds");
        assert_eq!(after.confirmed(), H + 5);
        let last = ground.replica.clock.last();
        assert!(last >= H + 40, "no stamps below a horizon that came by");
        after.check(&ground.replica);
    }

    proptest! {
        #[test]
        fn any_kept_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let (mut ground, mut standing) = (Ground::new(1, 1), standing());
            standing.restore(&bytes, &mut ground.replica.clock);
            prop_assert!(!standing.is_behind());
            let horizon = standing.covered().map_or(0, |pass| pass.horizon);
            prop_assert_eq!(kept_horizon(&bytes), horizon);
        }
    }
}
