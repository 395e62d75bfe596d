//! What is asked of the loop from outside, and its answers.

use super::state::{Driver, Turn};
use super::{ring, strays};
use crate::clock::wall_ms;
use crate::command::Command;
use crate::error::WriteError;
use crate::report::{ForgetError, MemberEvents, RepairError, RingStatus, pick, story};
use crate::tags::{TagChange, TagsError};
use rumormill_core::base::rng::Rng;
use rumormill_core::data::Entry;
use rumormill_core::member::Tags;
use rumormill_core::{Input, NodeId};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Entries looked at for one page of a scan, live or not.
const SCAN_STEPS: usize = 10_000;
/// Places looked at for a random entry before it is looked for among those that readers see: where
/// one in twenty is live that is needed once in 1,500 draws.
const DRAWS: usize = 144;
/// Bits of a key hash that a scan's cursor does without: 53 are left.
const CURSOR_SHIFT: u32 = 11;

impl Driver {
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Write { reply, .. } if self.departs() => {
                let _ = reply.send(Err(WriteError::Leaving));
            }
            Command::Write { ops, reply } => {
                if let Some(why) = self.refuses_writes() {
                    let _ = reply.send(Err(WriteError::Store(why)));
                    return;
                }
                let now = self.now();
                let Self { node, turn, .. } = self;
                let outcomes =
                    ops.into_iter().map(|op| node.write(op, now, &mut turn.out)).collect();
                self.turn.replies.push((reply, outcomes));
            }
            Command::Scan { cursor, count, reply } => {
                // An error means that nobody waits for the page any more.
                let _ = reply.send(self.scan(cursor, count));
            }
            Command::Draw { seed, reply } => {
                // An error means that nobody waits for the entry any more.
                let _ = reply.send(self.draw(&mut Rng::new(seed)));
            }
            Command::Join { seeds } => {
                let now = self.now();
                self.node.handle(Input::Join { seeds: &seeds }, now, &mut self.turn.out);
                self.turn.seeds_given = seeds;
                self.set_seeds();
            }
            Command::Seeds { seeds, lost } => {
                (self.turn.seeds_found, self.turn.seeds_lost) = (seeds, lost);
                self.set_seeds();
            }
            Command::Keyring { action, reply } => {
                // An error means that nobody waits for the answer any more.
                let _ = reply.send(self.keyring(action));
            }
            Command::Tags { change, reply } => {
                // An error means that nobody waits for the answer any more.
                let _ = reply.send(self.change_tags(&change));
            }
            Command::RepairRing { waive, reply } => {
                // An error means that nobody waits for the answer any more.
                let _ = reply.send(self.repair_ring(waive));
            }
            Command::Forget { who, force, reply } => {
                // An error means that nobody waits for the answer any more.
                let _ = reply.send(self.forget(&who, force));
            }
            Command::Repair { about, calm, limit, reply } => {
                // An error means that nobody waits for the answer any more.
                let _ = reply.send(story(&self.node, about.as_deref(), calm, limit));
            }
            Command::MemberEvents { about, limit, reply } => {
                let recorder = self.node.recorder();
                let (events, more) = pick(recorder, about.as_deref(), limit);
                let dropped = recorder.dropped();
                let _ = reply.send(MemberEvents { events, more, dropped, ..Default::default() });
            }
            Command::Coverage(ask) => {
                let now = self.now();
                self.turn.waits.ask(ask, &mut self.node, now);
            }
            Command::Strays { from, limit, reply } => {
                // An error means that nobody waits for the answer any more.
                let _ = reply.send(strays::list(&self.node, from, limit));
            }
            Command::SettleStrays { act, keys, reply } => self.settle_strays(act, &keys, reply),
            Command::KeyStories { key, reply } => {
                // An error means that nobody waits for the answer any more.
                let _ = reply.send(strays::stories(&self.node, &key));
            }
            Command::Depart(farewell) => self.begin_departure(farewell),
            Command::GiveUpLeaving => self.give_up_leaving(),
        }
    }

    fn set_seeds(&mut self) {
        let Turn { seeds_given, seeds_found, seeds_lost, .. } = &self.turn;
        self.node.set_seeds(&[seeds_given.as_slice(), seeds_found].concat(), *seeds_lost);
    }

    fn change_tags(&mut self, change: &TagChange) -> Result<Tags, TagsError> {
        if self.node.has_left() {
            return Err(TagsError::Closed);
        }
        let tags = change.of(&self.node.identity().tags)?;
        let now = self.now();
        self.node.set_tags(tags.clone(), now, &mut self.turn.out);
        // Whoever asked may look at the member list next.
        self.finish_turn();
        Ok(tags)
    }

    fn repair_ring(&mut self, waive: bool) -> Result<RingStatus, RepairError> {
        let now = self.now();
        ring::begin(&mut self.node, waive, now, &mut self.turn.out)?;
        // Whoever asked may look how it goes on.
        self.finish_turn();
        Ok(ring::status(&self.node))
    }

    fn forget(&mut self, who: &str, force: bool) -> Result<Vec<NodeId>, ForgetError> {
        let now = self.now();
        let forgotten = ring::forget(&mut self.node, who, force, now, &mut self.turn.out)?;
        // Whoever asked may look at the member list next.
        self.finish_turn();
        Ok(forgotten)
    }

    /// A live entry, each with the same chance; `None` if all that were drawn are hidden.
    fn draw(&self, rng: &mut Rng) -> Option<Arc<Entry>> {
        let (data, now) = (self.node.data(), wall_ms());
        let mut drawn = (0..DRAWS).filter_map(|_| data.nth(rng.below(data.digest().count)));
        drawn.find(|entry| self.node.shows(entry, now)).cloned()
    }

    /// Cursors are the upper bits of key hashes, few enough for clients that read them as floating
    /// point numbers; so a page never parts entries that share those bits.
    fn scan(&self, cursor: u64, count: usize) -> (u64, Vec<Arc<Entry>>) {
        let now = wall_ms();
        let mut page = Vec::new();
        let (mut next, mut steps, mut last) = (0, 0, None);
        let from = cursor.min(u64::MAX >> CURSOR_SHIFT) << CURSOR_SHIFT;
        self.node.data().walk_from(from, &mut |hash, entry| {
            let place = hash >> CURSOR_SHIFT;
            let full = page.len() >= count.max(1) || steps >= SCAN_STEPS;
            if full && last != Some(place) {
                next = place;
                return ControlFlow::Break(());
            }
            (steps, last) = (steps + 1, Some(place));
            if self.node.shows(entry, now) {
                page.push(Arc::clone(entry));
            }
            ControlFlow::Continue(())
        });
        (next, page)
    }
}
