//! The key ring, as the loop keeps it: what peers say of it, and what an operator wants of it.

use super::state::{Driver, Turn};
use crate::report::state_name;
use crate::seal::fresh::{self, Stale};
use crate::seal::{Action, Door, Holder, Keeper, Keyring, KeyringError, Note, drawn};
use rumormill_core::data::Space;
use rumormill_core::member::notes::is_note;
use rumormill_core::member::{Member, Record};
use rumormill_core::output::Applied;
use rumormill_core::{Node, Now, Output};
use std::time::Duration;

impl Driver {
    /// Begins sessions anew that may go on elsewhere, or have lasted long.
    pub(super) fn look_at_sessions(&mut self) {
        if self.door.ring().is_none() {
            return;
        }
        let (mono, wall) =
            (self.started.elapsed(), Duration::from_millis(self.snapshot.clock_ms()));
        match self.turn.fresh.look(mono, wall, fresh::boot_id) {
            Stale::Nothing => {}
            Stale::Datagrams => self.door.begin_anew(),
            Stale::Everything(why) => {
                tracing::warn!(
                    "{why}: this machine may be a copy of itself, so sealing begins anew"
                );
                self.door.begin_anew();
                self.streams.end_sealed();
            }
        }
    }

    /// Takes in what this turn has brought of the key ring.
    pub(super) fn learn_notes(&mut self) {
        let Some(keeper) = &mut self.keeper else { return };
        let mut learnt = false;
        for output in &self.turn.out {
            if let Output::Applied(Applied { space: Space::Roster, entry, .. }) = output
                && is_note(entry)
            {
                keeper.learn(entry);
                learnt = true;
            }
        }
        if learnt {
            self.keep_ring();
            let now = self.now();
            self.node.flush(now, &mut self.turn.out);
        }
    }

    /// Brings the ring in step with what is known of it, and says what this node holds.
    pub(super) fn keep_ring(&mut self) {
        let now = self.now();
        let Self { keeper, door, node, streams, turn, .. } = self;
        let Some(keeper) = keeper else { return };
        while let Some(note) = keeper.settle(door) {
            write(keeper, node, turn, &note, now);
        }
        door.ring().into_iter().for_each(|ring| streams.retain(ring));
    }

    /// Carries out what an operator wants of the ring.
    pub(super) fn keyring(&mut self, action: Action) -> Result<Keyring, KeyringError> {
        let now = self.now();
        let holders = self.holders();
        let keeper = self.keeper.as_mut().ok_or(KeyringError::Off)?;
        let ring = |door: &Door| door.ring().map(|ring| ring.ring.clone()).ok_or(KeyringError::Off);
        let action = drawn(action);
        for note in keeper.act(&action, &ring(&self.door)?, &holders)? {
            write(keeper, &mut self.node, &mut self.turn, &note, now);
        }
        self.keep_ring();
        let keeper = self.keeper.as_ref().ok_or(KeyringError::Off)?;
        let mut list = keeper.list(&ring(&self.door)?, &holders);
        if let Action::Add(Some(key)) = action {
            list.added = Some(key.id().to_string());
        }
        Ok(list)
    }

    fn holders(&self) -> Vec<Holder> {
        let holder = |member: Member<'_>| {
            let record = Record::from_entry(member.entry).ok()?;
            let (state, present) = (state_name(record.state), record.state.is_present());
            Some(Holder { id: record.id, name: record.name, state, present })
        };
        self.node.members().filter_map(holder).collect()
    }
}

/// Writes a note, and takes in what it says.
fn write(keeper: &mut Keeper, node: &mut Node, turn: &mut Turn, note: &Note, now: Now) {
    let from = turn.out.len();
    node.write_note(&note.0, &note.1, now, &mut turn.out);
    for output in turn.out.iter().skip(from) {
        if let Output::Applied(applied) = output {
            keeper.learn(&applied.entry);
        }
    }
}
