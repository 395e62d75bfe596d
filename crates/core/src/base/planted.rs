//! Faults that can be planted in nodes, to show that their checks find them: see
//! [`crate::Node::CHECKS`]. In a release build there are none, and no way to plant one.

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The digests of the trie keep what was replaced.
    Digest,
    /// A tombstone that is overwritten is still counted.
    Tombstones,
    /// An item that goes stays in the cells of the smallest table.
    Cells,
    /// Writes that come late are in no sum of their epoch.
    Epoch,
    /// The second account is not told of what is collected.
    Account,
    /// The table is not told that a member was held dead.
    Table,
    /// A suspicion has no timer.
    Suspicion,
    /// Nobody is woken for a probe for another that is not answered.
    Relay,
    /// A part of the tree rumor holds the sender.
    Scope,
    /// A rumor is told once more than its rule says.
    Hot,
    /// The bytes of confirmed mail still count.
    Mail,
    /// Exchanges that have gone quiet are never closed.
    Session,
    /// Who is visited by a pass may go on writing below its horizon.
    Floor,
    /// The disk is not told how far stamps may go.
    Reserved,
    /// What was sent for repair in one turn counts in the next as well.
    Room,
    /// What leaves is not paid for.
    Budget,
    /// Passes need no majority of the one before.
    Majority,
    /// Passes that may be complete are not counted.
    Open,
    /// The first pass takes those that it finds.
    Founding,
    /// Who may have been set back decides.
    Doubt,
    /// What nobody can place is written anew.
    Strays,
    /// Nobody says what it may have lost.
    Gaps,
    /// Who is brought back does not learn what others know of earlier passes.
    Inherit,
    /// Who hears that another pass is complete stays in the one under way.
    News,
}

/// Faults of the rule by which passes form one chain: no check sees them, the checkers of the whole
/// cluster do. docs/simulator.md has which random plan finds each, and which are not found yet.
pub const CHAIN: [(Fault, &str); 8] = [
    (Fault::Majority, "passes need no majority of the one before"),
    (Fault::Open, "passes that may be complete are not counted"),
    (Fault::Founding, "the first pass takes those that it finds"),
    (Fault::Doubt, "who may have been set back decides"),
    (Fault::Strays, "what nobody can place is written anew"),
    (Fault::Gaps, "nobody says what it may have lost"),
    (Fault::Inherit, "who is brought back does not learn of earlier passes"),
    (Fault::News, "who hears of another pass stays in its own"),
];

impl Fault {
    /// All of them, each with the file that it is planted in and what it does there.
    pub const ALL: [(Self, &'static str, &'static str); 16] = [
        (Self::Digest, "data/map/trie", "digests keep what was replaced"),
        (Self::Tombstones, "data/map", "a tombstone that is overwritten is still counted"),
        (Self::Cells, "data/sketch", "an item that goes stays in one table"),
        (Self::Epoch, "data/recent", "what comes late is in no sum of its epoch"),
        (Self::Account, "data/map", "the audit is not told of what is collected"),
        (Self::Table, "member/table", "the table is not told of a death"),
        (Self::Suspicion, "member/suspicion", "a suspicion has no timer"),
        (Self::Relay, "member/probe", "probes for others have no deadline"),
        (Self::Scope, "spread/tree/scope", "a part holds the sender"),
        (Self::Hot, "spread/rumor", "a rumor is told once more than its rule says"),
        (Self::Mail, "spread/mail", "the bytes of confirmed mail still count"),
        (Self::Session, "spread/sessions", "quiet exchanges are never closed"),
        (
            Self::Floor,
            "retain/standing/visits",
            "who is visited by a pass may write below its horizon",
        ),
        (Self::Reserved, "retain/standing", "the disk is not told how far stamps may go"),
        (Self::Room, "wire/outbox", "the room for repair is never given back"),
        (Self::Budget, "wire/budget", "what leaves is not paid for"),
    ];
}

#[cfg(debug_assertions)]
mod switch {
    use super::Fault;
    use std::cell::Cell;

    thread_local! {
        static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    /// Plants a fault in all nodes that run on this thread, in place of the one before; none takes
    /// it out.
    pub fn plant(fault: Option<Fault>) {
        PLANTED.set(fault);
    }

    /// True if this fault is planted.
    pub(crate) fn has(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }
}

#[cfg(not(debug_assertions))]
mod switch {
    /// False: this is a release build.
    pub(crate) const fn has(_: super::Fault) -> bool {
        false
    }
}

pub(crate) use switch::has;
#[cfg(debug_assertions)]
pub use switch::plant;
