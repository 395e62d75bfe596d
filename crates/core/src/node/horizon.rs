//! The stable horizon: what a pass of ring repair proves, and what follows from it.
//!
//! Once a pass is complete, every member that it lists holds everything stamped up to its horizon.
//! So tombstones below it are dropped, and an entry from below it that is not held is refused: it
//! was superseded, and whoever still has it was not covered. Such a member compares itself with one
//! that was, drops what that one does not hold, and writes anew what it had acknowledged and nobody
//! can have seen. docs/repair.md has the argument.

use super::Node;
use crate::base::codec::{DecodeError, Reader, Write as _};
use crate::base::hash::Set;
use crate::base::id::NodeId;
use crate::base::time::Now;
use crate::data::sketch::ItemId;
use crate::data::{Cut, Entry, Fate, Space, Stamp, is_mortal};
use crate::member::State;
use crate::output::{Output, Removed, applied};
use crate::spread::ring::{Guest, MAX_ORDER, Pass, Tombstones};
use crate::wire::Origin;
use std::collections::VecDeque;
use std::sync::Arc;

/// The key of the roster's entry that says which pass is the latest complete one.
pub const KEY: &[u8] = b"horizon";
/// Entries collected in one turn, so that the others of the turn do not wait.
const COLLECTED: usize = 2000;
/// Strays of a pass; with more this node leaves it (guess: few are late by more than a horizon is
/// in the past).
const MAX_STRAYS: usize = 4096;
/// What is kept of a pass besides what it proved: nothing later than this after it began.
pub(super) const FORGOTTEN_MS: u64 = 60 * 60 * 1000;

/// The latest complete pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Horizon {
    /// Stamps up to this time are covered.
    pub time: u64,
    /// The pass.
    pub pass: u64,
}

impl Horizon {
    /// As an entry of the roster.
    pub(super) fn to_entry(self, members: usize) -> Entry {
        let mut value = vec![1];
        value.put_varint(members as u64);
        Entry::new(KEY, &value, Stamp { time: self.time, node: NodeId(self.pass) }, None)
    }

    /// What an entry of the roster says, if it is this one.
    pub(super) fn of(entry: &Entry) -> Option<Self> {
        let Stamp { time, node } = entry.stamp();
        (entry.key() == KEY).then_some(Self { time, pass: node.0 })
    }
}

/// A pass that this node was visited by and that it has heard no end of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) pass: Pass,
    /// The last hop that ended here, if one has.
    pub(super) reached: Option<u32>,
    /// True after the last visit.
    pub(super) done: bool,
    /// What was taken between the first visit and the last, from members and not by a hop: whoever
    /// gave it may have left the pass. On the last visit the giver must hold it as well.
    pub(super) strays: Vec<(u64, ItemId)>,
}

/// What a node knows of passes.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// The latest complete pass that it has heard of.
    pub(super) horizon: Option<Horizon>,
    /// The latest that it was part of, or was brought back to.
    pub(super) covered: Option<Pass>,
    pub(super) pending: Vec<Pending>,
    /// Members that were covered once and not by the latest pass, and up to where.
    pub(super) former: Vec<(NodeId, u64)>,
    /// The largest horizon of any pass that came by, be it complete or not.
    floor: u64,
    /// Own writes up to this time are known to be held by a majority.
    confirmed: u64,
    round: Round,
    collecting: VecDeque<Arc<Entry>>,
    /// True if what is kept on disk is behind.
    pub(super) changed: bool,
    /// The confirmed time on disk.
    kept: u64,
}

/// Who is known to hold everything that this node had written at some time.
#[derive(Debug, Default)]
struct Round {
    time: u64,
    /// A bit per member, by its id: two that share one count once.
    seen: Vec<u64>,
    count: usize,
}

impl Coverage {
    /// True if the latest pass has not covered this node.
    pub(super) fn is_behind(&self) -> bool {
        let covered = self.covered.as_ref().map(|pass| (pass.horizon, pass.id));
        self.horizon.is_some_and(|horizon| covered < Some((horizon.time, horizon.pass)))
    }

    /// The pending pass with this number.
    pub(super) fn pending(&mut self, pass: u64) -> Option<&mut Pending> {
        self.pending.iter_mut().find(|pending| pending.pass.id == pass)
    }

    /// A pass takes the place of the one before.
    fn succeed(&mut self, pass: Pass) {
        if let Some(before) = self.covered.take() {
            let listed: Set<NodeId> = pass.order.iter().copied().collect();
            self.former.retain(|(id, _)| !listed.contains(id));
            let dropped = before.order.iter().filter(|id| !listed.contains(*id));
            self.former.extend(dropped.map(|id| (*id, before.horizon)));
            let over = self.former.len().saturating_sub(MAX_ORDER);
            self.former.drain(..over);
        }
        self.covered = Some(pass);
    }

    pub(super) fn is_collecting(&self) -> bool {
        !self.collecting.is_empty()
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![1];
        bytes.put_varint(self.confirmed);
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
        let kept = confirmed;
        Ok(Self { confirmed, floor, covered, pending, former, kept, ..Self::default() })
    }
}

/// Up to where a node is covered by what it has kept on disk with [`Output::Keep`]; zero if it is
/// not, or the bytes are none of it.
#[must_use]
pub fn kept_horizon(bytes: &[u8]) -> u64 {
    let covered = Coverage::decode(bytes).ok().and_then(|kept| kept.covered);
    covered.map_or(0, |pass| pass.horizon)
}

/// Passes that a node keeps at once.
pub(super) const MAX_PENDING: usize = 4;

impl Node {
    /// The latest complete pass of ring repair that this node has heard of.
    #[must_use]
    pub fn horizon(&self) -> Option<Horizon> {
        self.coverage.horizon
    }

    /// The entry of the roster that says so.
    #[must_use]
    pub fn horizon_entry(&self) -> Option<Arc<Entry>> {
        self.replica.roster.get(KEY).cloned()
    }

    /// True if everything stamped up to [`Node::horizon`] is held here. If not, this node is being
    /// brought back.
    #[must_use]
    pub fn is_covered(&self) -> bool {
        !self.coverage.is_behind()
    }

    /// Own writes up to this time are known to be held by a majority of the members.
    #[must_use]
    pub fn confirmed(&self) -> u64 {
        self.coverage.confirmed
    }

    /// Gives back what the node had asked to keep with [`Output::Keep`]. Comes before all input;
    /// what cannot be read is as if it had not been kept, which costs a comparison.
    pub fn restore_kept(&mut self, bytes: &[u8]) {
        let Ok(kept) = Coverage::decode(bytes) else { return };
        let time = kept.floor.max(kept.confirmed);
        self.replica.clock.observe(Stamp { time, node: self.identity.id });
        self.coverage = Coverage { horizon: self.coverage.horizon, ..kept };
    }

    /// Hands out what is to be kept, if it has changed.
    pub(super) fn keep_coverage(&mut self, out: &mut Vec<Output>) {
        // A confirmed time that is a little behind costs nothing but a repeated write one day.
        let confirmed = self.coverage.confirmed >= self.coverage.kept.saturating_add(KEEP_EVERY);
        if self.coverage.changed || confirmed {
            self.coverage.changed = false;
            self.coverage.kept = self.coverage.confirmed;
            out.push(Output::Keep(self.coverage.encode()));
        }
    }

    /// No more stamps up to this time come from here.
    pub(super) fn raise_clock(&mut self, horizon: u64) {
        self.replica.clock.observe(Stamp { time: horizon, node: self.identity.id });
        self.coverage.floor = self.coverage.floor.max(horizon);
        self.coverage.changed = true;
    }

    /// True if what is below a horizon is kept out.
    pub(super) fn has_fence(&self) -> bool {
        self.config.ring.fence && self.config.ring.tombstones.is_fenced()
    }

    /// True for a stamp that the latest pass that covered this node has covered.
    pub(super) fn is_below_horizon(&self, stamp: Stamp) -> bool {
        let covered = self.coverage.covered.as_ref();
        self.has_fence() && covered.is_some_and(|pass| stamp.time <= pass.horizon)
    }

    /// True if an entry from a peer is from below a horizon and cannot be news.
    pub(super) fn is_fenced(&self, stamp: Stamp) -> bool {
        if !self.has_fence() {
            return false;
        }
        let covered = self.coverage.covered.as_ref();
        covered.is_some_and(|pass| stamp.time <= pass.horizon)
            || self.rounds.sieved().is_some_and(|horizon| stamp.time <= horizon)
    }

    /// An old entry that no hop of a pass under way has brought: if it may be from outside of that
    /// pass, this node takes it, and is not covered by the pass any more. That is on disk before the
    /// entry is.
    pub(super) fn note_stray(
        &mut self,
        entry: &Entry,
        from: &Origin,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        if self.coverage.pending.is_empty() || !self.has_fence() {
            return;
        }
        let hash = self.replica.data.hash(entry.key());
        let item = ItemId::new(hash, self.replica.data.item_hash(entry));
        let mut left = Vec::new();
        for pending in &mut self.coverage.pending {
            let pass = &pending.pass;
            if entry.stamp().time > pass.horizon || from.pass == Some(pass.id) {
                continue;
            }
            // After its last visit it holds all that is part of the pass.
            if pending.done || !pass.lists(from.peer) || pending.strays.len() >= MAX_STRAYS {
                left.push(pass.id);
            } else {
                pending.strays.push((hash, item));
            }
        }
        left.into_iter().for_each(|pass| self.leave_pass(pass, now, out));
    }

    /// This node is not covered by a pass under way, and does not hand its token on.
    pub(super) fn leave_pass(&mut self, pass: u64, now: Now, out: &mut Vec<Output>) {
        self.coverage.pending.retain(|pending| pending.pass.id != pass);
        self.coverage.changed = true;
        self.keep_coverage(out);
        self.drop_token(pass, now);
    }

    /// Offers a roster entry that says which pass is complete.
    pub(super) fn apply_horizon(
        &mut self,
        entry: &Arc<Entry>,
        from: &Origin,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Fate {
        let Some(horizon) = Horizon::of(entry) else { return Fate::Useless };
        // A token may have told this node of it before.
        let held = self.replica.roster.get(KEY).and_then(|held| Horizon::of(held));
        match held.map(|held| held.cmp(&horizon)) {
            Some(std::cmp::Ordering::Equal) => return Fate::Known,
            Some(std::cmp::Ordering::Greater) => return Fate::Useless,
            Some(std::cmp::Ordering::Less) | None => {}
        }
        if !self.replica.clock.admits(entry.stamp(), now.wall_ms) || entry.is_tombstone() {
            self.stats.refused_skew += 1;
            return Fate::Useless;
        }
        if let crate::data::Applied::New(replaced) = self.replica.roster.apply(Arc::clone(entry)) {
            self.entropy.stir(now.mono, &mut self.rng);
            out.push(applied(Space::Roster, entry, replaced, Some(from.peer)));
        }
        if self.coverage.horizon < Some(horizon) {
            self.learn_horizon(horizon, now);
        }
        Fate::New
    }

    pub(super) fn restore_horizon(&mut self, entry: &Arc<Entry>) {
        let _ = self.replica.roster.apply(Arc::clone(entry));
        self.coverage.horizon = self.coverage.horizon.max(Horizon::of(entry));
    }

    /// A pass is complete.
    pub(super) fn learn_horizon(&mut self, horizon: Horizon, now: Now) {
        self.coverage.horizon = Some(horizon);
        self.rounds.completed(horizon.pass, now);
        self.raise_clock(horizon.time);
        let pending = &mut self.coverage.pending;
        let own = pending.iter().position(|p| p.pass.id == horizon.pass && p.done);
        if let Some(at) = own {
            let pass = pending.remove(at).pass;
            self.cover(pass);
        } else if !self.has_fence() {
            // As other systems do: what is dropped elsewhere is dropped here.
            let order = [self.identity.id].into();
            let (id, by) = (horizon.pass, self.identity.id);
            let (horizon, after, started_ms) = (horizon.time, None, now.wall_ms);
            let pass = Pass { id, horizon, after, started_ms, by, order };
            self.cover(pass);
        }
    }

    /// This node holds everything up to the horizon of a pass that is complete.
    pub(super) fn cover(&mut self, pass: Pass) {
        self.raise_clock(pass.horizon);
        let horizon = Horizon { time: pass.horizon, pass: pass.id };
        self.coverage.horizon = self.coverage.horizon.max(Some(horizon));
        self.coverage.pending.retain(|pending| pending.pass.horizon > pass.horizon);
        self.coverage.confirmed = self.coverage.confirmed.max(pass.horizon);
        self.coverage.succeed(pass);
        self.collect();
    }

    /// Finds what may go. The same at every node: what was deleted, or had expired, at the horizon.
    fn collect(&mut self) {
        let Some(pass) = &self.coverage.covered else { return };
        if self.config.ring.tombstones != Tombstones::Horizon {
            return;
        }
        let horizon = pass.horizon;
        let gone = |entry: &Arc<Entry>| {
            let expired = entry.expires_at().is_some_and(|at| at <= horizon >> 16);
            entry.stamp().time <= horizon && (entry.is_tombstone() || expired)
        };
        self.coverage.collecting = self.replica.data.mortal().into_iter().filter(gone).collect();
    }

    /// After a restart: what was to go goes.
    pub(super) fn collect_again(&mut self) {
        if !self.coverage.is_behind() {
            self.collect();
        }
    }

    /// Lets some of it go.
    pub(super) fn collect_some(&mut self, out: &mut Vec<Output>) {
        if self.coverage.is_collecting() {
            // Whoever has let something go must know for ever that it has.
            self.keep_coverage(out);
        }
        for _ in 0..COLLECTED {
            let Some(entry) = self.coverage.collecting.pop_front() else { return };
            debug_assert!(is_mortal(&entry));
            if self.drop_entry(&entry, true, out) {
                self.stats.tombstones_collected += 1;
            }
        }
    }

    fn drop_entry(&mut self, entry: &Entry, collected: bool, out: &mut Vec<Output>) -> bool {
        let removed = self.replica.data.remove(entry.key(), entry.stamp());
        let held = removed.is_some();
        out.extend(removed.map(|entry| Output::Removed(Removed { entry, collected })));
        held
    }

    /// Lets an entry go that a covered member does not hold; what is this node's own and nobody can
    /// have seen is written anew.
    pub(super) fn drop_surplus(
        &mut self,
        entry: &Arc<Entry>,
        guest: &Guest,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let Stamp { time, node: writer } = entry.stamp();
        if !self.drop_entry(entry, false, out) {
            return;
        }
        self.stats.fence_dropped += 1;
        // Its writer may never come back: this may be the last copy.
        // But not of what is its writer's alone.
        let own = writer == self.identity.id || entry.owner().is_none();
        if own && time > guest.known(writer) && time > self.confirmed_for(guest) {
            self.stats.fence_reissued += 1;
            let stamp = self.replica.clock.tick(now.wall_ms);
            let anew = self.replica.keep(match entry.value() {
                Some(value) if entry.owner().is_some() => {
                    Entry::new(entry.key(), value, stamp, entry.expires_at()).owned()
                }
                Some(value) => Entry::new(entry.key(), value, stamp, entry.expires_at()),
                None => Entry::tombstone(entry.key(), stamp),
            });
            if let crate::data::Applied::New(replaced) = self.replica.data.apply(Arc::clone(&anew))
            {
                out.push(applied(Space::Data, &anew, replaced, None));
                self.spread(Space::Data, anew, None, now);
            }
        }
    }

    /// Up to where it is certain that a covered member held what this node holds: a majority did,
    /// and a pass has covered a majority of the same members.
    fn confirmed_for(&self, guest: &Guest) -> u64 {
        let confirmed = self.coverage.confirmed;
        let covered = |id: &NodeId| guest.known(*id) >= confirmed;
        let (count, of) = match &self.coverage.covered {
            Some(pass) => (pass.order.iter().filter(|id| covered(id)).count(), pass.order.len()),
            None => {
                let base = || self.table.members().filter(|member| member.state != State::Left);
                (base().filter(|member| covered(&member.id)).count(), base().count())
            }
        };
        if 2 * count > of { confirmed } else { 0 }
    }

    /// A peer was found to hold all that this node had written before a cut.
    pub(super) fn confirm(&mut self, peer: NodeId, cut: Cut) {
        let time = match cut.is_none() {
            true => self.replica.clock.last(),
            false => (cut.first_ms() << 16).saturating_sub(1).min(self.replica.clock.last()),
        };
        let base = match &self.coverage.covered {
            Some(pass) if !pass.lists(peer) => return,
            Some(pass) => pass.order.len(),
            None => self.table.peer_count() + 1 + self.rejoin.lost_members(),
        };
        let round = &mut self.coverage.round;
        if round.seen.is_empty() || time < round.time {
            *round = Round { time, seen: vec![0; (2 * base).div_ceil(64)], count: 0 };
        }
        let bits = round.seen.len() as u64 * 64;
        let bit = peer.0 % bits.max(1);
        if let Some(word) = round.seen.get_mut((bit / 64) as usize)
            && *word >> (bit % 64) & 1 == 0
        {
            *word |= 1 << (bit % 64);
            round.count += 1;
        }
        // With this node itself.
        if 2 * (round.count + 1) > base {
            self.coverage.confirmed = self.coverage.confirmed.max(round.time);
            *round = Round::default();
        }
    }
}

/// How far the confirmed time on disk may be behind: five seconds.
const KEEP_EVERY: u64 = 5000 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Instant;
    use crate::config::Config;
    use crate::node::Identity;
    use crate::output::Via;
    use crate::spread::ring::Token;
    use proptest::prelude::*;
    use std::net::SocketAddr;

    const NOW: Now = Now { mono: Instant(0), wall_ms: 1_800_000_000_000 };
    const H: u64 = 1_700_000_000_000 << 16;

    fn node() -> Node {
        let gossip = SocketAddr::from(([10, 0, 0, 1], 1));
        Node::new(Config::default(), Identity::new(NodeId(1), "n", gossip), 1, NOW)
    }

    fn origin(peer: u64) -> Origin {
        Origin::new(NodeId(peer), SocketAddr::from(([10, 0, 0, 9], 9)), Via::Datagram, false)
    }

    fn pass(id: u64, horizon: u64, order: &[u64]) -> Pass {
        let order = order.iter().map(|id| NodeId(*id)).collect();
        Pass { id, horizon, after: None, started_ms: NOW.wall_ms, by: NodeId(1), order }
    }

    fn entry(key: &str, time: u64, node: u64, value: Option<&str>) -> Arc<Entry> {
        let stamp = Stamp { time, node: NodeId(node) };
        Arc::new(match value {
            Some(value) => Entry::new(key.as_bytes(), value.as_bytes(), stamp, None),
            None => Entry::tombstone(key.as_bytes(), stamp),
        })
    }

    fn kept(node: &mut Node) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        node.keep_coverage(&mut out);
        out.into_iter().find_map(|output| match output {
            Output::Keep(bytes) => Some(bytes),
            _ => None,
        })
    }

    #[test]
    fn what_a_node_knows_of_passes_survives_a_restart_if_it_is_certain() {
        let mut before = node();
        before.cover(pass(1, H, &[1, 2, 3]));
        before.cover(pass(2, H + 5, &[1, 2]));
        for (id, done) in [(3, true), (4, false)] {
            let pass = pass(id, H + 10 * id, &[1, 2]);
            before.raise_clock(pass.horizon);
            let strays = Vec::new();
            before.coverage.pending.push(Pending { pass, reached: None, done, strays });
        }
        let bytes = kept(&mut before).unwrap();
        assert_eq!(kept(&mut before), None, "nothing new");
        let mut after = node();
        after.restore_kept(&bytes);
        assert_eq!(after.coverage.covered, before.coverage.covered);
        assert_eq!(after.coverage.former, [(NodeId(3), H)]);
        let pending: Vec<u64> = after.coverage.pending.iter().map(|p| p.pass.id).collect();
        assert_eq!(pending, [3], "before its last visit it cannot say what it holds");
        assert_eq!(after.confirmed(), H + 5);
        assert!(after.replica.clock.last() >= H + 40, "no stamps below a horizon that came by");
    }

    #[test]
    fn below_the_horizon_only_what_is_held_is_known() {
        let mut node = node();
        node.restore(Space::Data, entry("held", H, 2, Some("v")), NOW);
        node.restore(Space::Data, entry("gone", H, 2, None), NOW);
        node.restore(Space::Data, entry("later", H + 1, 2, None), NOW);
        node.cover(pass(1, H, &[1, 2]));
        let mut out = Vec::new();
        node.collect_some(&mut out);
        assert_eq!((node.replica.data.digest().count, node.replica.data.tombstones()), (2, 1));
        assert!(matches!(out[0], Output::Keep(_)), "what is dropped is known to be covered first");
        assert!(matches!(&out[1], Output::Removed(removed) if removed.collected));
        let mut offer =
            |entry: Arc<Entry>| node.apply(Space::Data, &entry, &origin(9), NOW, &mut Vec::new());
        assert_eq!(offer(entry("gone", H - 1, 2, Some("zombie"))), Fate::Useless);
        assert_eq!(offer(entry("held", H, 2, Some("v"))), Fate::Known);
        assert_eq!(offer(entry("gone", H + 1, 2, Some("new"))), Fate::New);
        assert_eq!(node.stats.refused_fenced, 1);
    }

    #[test]
    fn while_a_pass_is_under_way_old_entries_come_from_its_members() {
        let mut node = node();
        let mut out = Vec::new();
        let under_way = |node: &mut Node, done| {
            let pending =
                Pending { pass: pass(1, H, &[1, 2]), reached: None, done, strays: Vec::new() };
            node.coverage.pending = vec![pending];
        };
        under_way(&mut node, false);
        let old = entry("k", H, 7, Some("v"));
        node.note_stray(&old, &origin(2), NOW, &mut out);
        assert_eq!(node.coverage.pending[0].strays.len(), 1, "the giver must hold it too");
        node.note_stray(&entry("k", H + 1, 7, Some("v")), &origin(3), NOW, &mut out);
        assert!(node.coverage.pending[0].strays.len() == 1 && out.is_empty());
        // After the last visit it holds all that its members had.
        under_way(&mut node, true);
        node.note_stray(&old, &origin(2), NOW, &mut out);
        assert!(node.coverage.pending.is_empty());
        // From another it takes them as well, and then the pass does not cover it.
        under_way(&mut node, false);
        out.clear();
        let fate = node.apply(Space::Data, &old, &origin(3), NOW, &mut out);
        assert_eq!((fate, node.coverage.pending.len()), (Fate::New, 0));
        assert!(matches!(out[..], [Output::Keep(_), Output::Applied(_)]));
    }

    #[test]
    fn what_comes_while_the_last_hop_goes_on_is_not_passed_over() {
        let mut node = node();
        let pass = pass(1, H, &[2, 1]);
        let pending = Pending { pass: pass.clone(), reached: None, done: false, strays: vec![] };
        node.coverage.pending = vec![pending];
        let digest = node.replica.data.digest();
        let token = Token { pass, hop: 1, digest, former: Arc::new([]) };
        let mut guest = Guest::new(&token, NodeId(2));
        assert!(!node.has_strayed(&guest));
        let stray = entry("k", H, 7, Some("v"));
        node.apply(Space::Data, &stray, &origin(2), NOW, &mut Vec::new());
        assert!(node.has_strayed(&guest), "it was not compared");
        guest.compares.clone_from(&node.coverage.pending[0].strays);
        assert!(!node.has_strayed(&guest), "the giver holds it too");
        guest.strays = guest.compares.iter().map(|(_, item)| *item).collect();
        assert!(node.has_strayed(&guest), "the giver does not");
        node.apply(Space::Data, &entry("k", H + 1, 2, None), &origin(2), NOW, &mut Vec::new());
        assert!(!node.has_strayed(&guest), "it has given way");
    }

    #[test]
    fn a_majority_of_the_members_of_the_pass_confirms() {
        let mut node = node();
        node.cover(pass(1, H, &[1, 2, 3, 4, 5]));
        node.replica.clock.observe(Stamp { time: NOW.wall_ms << 16, node: NodeId(1) });
        let cut = |ms| Cut::around(NOW.wall_ms + ms, 0);
        node.confirm(NodeId(9), cut(0));
        node.confirm(NodeId(2), cut(0));
        node.confirm(NodeId(2), cut(500));
        assert_eq!(node.confirmed(), H, "one other, and one who does not count");
        node.confirm(NodeId(3), cut(500));
        assert!(node.confirmed() > H && node.confirmed() < NOW.wall_ms << 16);
    }

    proptest! {
        #[test]
        fn any_kept_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let mut node = node();
            node.restore_kept(&bytes);
            prop_assert!(node.is_covered());
        }
    }
}
