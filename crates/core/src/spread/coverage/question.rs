//! One question: whom it was put to, what they have said, and whom to ask next.

use super::{MAX_NAMED, MAX_PARTS, Want, freshen};
use crate::base::id::NodeId;
use crate::base::time::Instant;
use crate::member::{Env, Table};
use crate::output::{Class, Covered, Via};
use crate::wire::kind;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

/// The bit that says whether a member holds everything up to a time.
pub(super) const UPTO: u64 = 1 << 63;
/// Members that are asked in one turn, and the rest until the next: a large cluster is not asked in
/// one burst (guess).
const BATCH: usize = 256;
pub(super) const PACE: Duration = Duration::from_millis(1);
/// Pause after a no, and after a silence, which may be a long way; doubled with every try (guess).
pub(super) const AFTER_NO: Duration = Duration::from_millis(10);
pub(super) const AFTER_SILENCE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Question {
    pub(super) want: Want,
    pub(super) until: Instant,
    pub(super) next: Instant,
    /// The bodies of the messages that put it.
    pub(super) parts: Vec<(u64, Vec<u8>)>,
    /// All own writes up to this time belong to it, for which nobody is asked before `cut_from`.
    pub(super) upto: Option<u64>,
    pub(super) cut_from: Instant,
    /// True if this node holds everything itself.
    pub(super) own: bool,
    pub(super) asked: BTreeMap<NodeId, Asked>,
    /// How many of those hold everything, some of them gone perhaps.
    pub(super) holders: usize,
    /// How many of them have said nothing.
    pub(super) silent: usize,
    /// How many members are asked, where not all are.
    pub(super) reach: usize,
    /// Where a batch of members was full.
    pub(super) from: Option<NodeId>,
}

/// What a member has been asked, and has said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// A bit for every part that it is not known to hold.
    pub(super) lacks: u64,
    pub(super) tries: u32,
    pub(super) due: Instant,
    pub(super) answered: bool,
}

impl Question {
    pub(super) fn due(&self) -> Instant {
        self.next.min(self.until)
    }

    /// A member says whether it holds a part.
    pub(super) fn heard(&mut self, sender: NodeId, part: u64, held: bool, now: Instant) {
        let Some(asked) = self.asked.get_mut(&sender) else { return };
        if asked.lacks == 0 {
            return;
        }
        if held {
            asked.lacks &= !part;
            self.holders += usize::from(asked.lacks == 0);
        } else {
            asked.due = now.after(pause(AFTER_NO, asked.tries));
        }
        let due = asked.due;
        self.silent -= usize::from(!std::mem::replace(&mut asked.answered, true));
        // The turn ends with a look at it, if it may be done or is due earlier now.
        self.next = match self.may_be_done(self.asked.len() + 1) {
            true => now,
            false => self.next.min(due),
        };
    }

    fn held(&self) -> usize {
        self.holders + usize::from(self.own)
    }

    /// True unless it is sure that it is not done yet.
    fn may_be_done(&self, of: usize) -> bool {
        match self.want.needed(of) {
            Some(needed) => self.held() >= needed,
            None => self.silent == 0,
        }
    }

    /// Counts only who is still there.
    pub(super) fn settle(&mut self, table: &Table) {
        self.asked.retain(|id, _| table.peer(*id).is_some());
        self.holders = self.asked.values().filter(|asked| asked.lacks == 0).count();
        self.silent = self.asked.values().filter(|asked| !asked.answered).count();
    }

    pub(super) fn is_done(&self, table: &Table) -> bool {
        let peers = table.peer_count();
        match self.want {
            Want::Survey => self.asked.len() >= peers && self.may_be_done(peers + 1),
            _ => self.may_be_done(peers + 1),
        }
    }

    pub(super) fn outcome(&self, token: u64, table: &Table) -> Covered {
        let lacks = |id: &NodeId| self.asked.get(id).is_none_or(|asked| asked.lacks > 0);
        let without = table.peers().map(|peer| peer.id).filter(lacks).take(MAX_NAMED).collect();
        let (held, of, done) = (self.held(), table.peer_count() + 1, self.is_done(table));
        Covered { token, held, of, done, without }
    }

    /// Chooses whom to ask, more with every round, and asks who is due.
    pub(super) fn put(&mut self, env: &mut Env<'_>) {
        let peers = env.table.peer_count();
        let all = match self.want {
            Want::All | Want::Share(_) | Want::Survey => true,
            Want::Members(_) => self.reach > peers / 2,
        };
        let parts = (1_u64 << self.parts.len().min(MAX_PARTS)) - 1;
        let lacks = parts | self.upto.map_or(0, |_| UPTO);
        let new = Asked { lacks, tries: 0, due: env.now, answered: false };
        if all {
            for peer in env.table.peers() {
                self.asked.entry(peer.id).or_insert(new);
            }
        } else {
            while self.asked.len() < self.reach
                && let Some(peer) = env.table.random(env.rng)
            {
                self.asked.entry(peer.id).or_insert(new);
            }
            self.reach += self.reach / 2;
        }
        self.silent = self.asked.values().filter(|asked| !asked.answered).count();
        let full = self.send(env);
        let open = self.asked.values().filter(|asked| asked.lacks > 0);
        let next = open.map(|asked| asked.due).min();
        // Members may have come or gone meanwhile.
        let look = env.now.after(LONGEST);
        self.next = match full {
            true => env.now.after(PACE),
            false => next.map_or(look, |next| next.min(look)),
        };
    }

    /// Asks a batch of those that are due; true if there are more.
    fn send(&mut self, env: &mut Env<'_>) -> bool {
        let mut count = 0;
        let from = self.from.take().map_or(Bound::Unbounded, Bound::Included);
        for (id, asked) in self.asked.range_mut((from, Bound::Unbounded)) {
            if asked.lacks == 0 || asked.due > env.now {
                continue;
            }
            if count >= BATCH {
                self.from = Some(*id);
                return true;
            }
            let Some(peer) = env.table.peer(*id) else { continue };
            count += 1;
            for (part, (_, body)) in self.parts.iter().enumerate() {
                if asked.lacks >> part & 1 == 1 {
                    env.stats.coverage_asked += 1;
                    let kind = kind::COVERAGE_ASK;
                    env.outbox.push(peer.gossip, Class::Updates, Via::Datagram, kind, &[body]);
                }
            }
            asked.tries += 1;
            asked.due = env.now.after(pause(AFTER_SILENCE, asked.tries));
            if asked.lacks & UPTO != 0 {
                match self.cut_from <= env.now {
                    true => freshen(peer.gossip, env.outbox),
                    false => asked.due = asked.due.min(self.cut_from),
                }
            }
        }
        // Those before the place where this began may be due again.
        from != Bound::Unbounded
    }
}

fn pause(first: Duration, tries: u32) -> Duration {
    (first * (1 << tries.saturating_sub(1).min(10))).min(LONGEST)
}
