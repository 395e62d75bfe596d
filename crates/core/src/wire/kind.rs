//! The numbers by which messages are told apart on the wire.

/// Are you there? Body: number (varint).
pub const PING: u8 = 1;
/// Yes. Body: the ping's number, and what the sender's wall clock reads (varint, milliseconds since
/// 1970), which the first builds left out.
pub const PONG: u8 = 2;
/// Let me in. Body: the joiner's roster entry as a block.
pub const JOIN: u8 = 3;
/// Probe a member for me. See [`crate::member::probe`].
pub const PROBE_FOR_ME: u8 = 4;
/// What came of such a probe. See [`crate::member::probe`].
pub const PROBED: u8 = 5;
/// See [`crate::spread::tree`].
pub const TREE: u8 = 8;
/// See [`crate::spread::tree`].
pub const TREE_ANSWER: u8 = 9;
/// See [`crate::spread::rumor`].
pub const RUMORS: u8 = 10;
/// See [`crate::spread::rumor`].
pub const RUMORS_ANSWER: u8 = 11;
/// See [`crate::spread::mail`].
pub const MAIL: u8 = 12;
/// See [`crate::spread::mail`].
pub const MAIL_RECEIPT: u8 = 13;
/// See [`crate::spread::tree`].
pub const TREE_INSIDE: u8 = 14;
/// See [`crate::spread::tree`].
pub const TREE_ACROSS: u8 = 15;
/// See [`crate::reconcile::checksum`].
pub const DIGEST: u8 = 16;
/// See [`crate::reconcile::checksum`].
pub const SPLIT: u8 = 17;
/// See [`crate::reconcile::checksum`].
pub const ITEMS: u8 = 18;
/// See [`crate::reconcile::checksum`].
pub const WANT: u8 = 19;
/// See [`crate::reconcile`].
pub const ENTRIES: u8 = 20;
/// See [`crate::reconcile::full`].
pub const PULL: u8 = 21;
/// See [`crate::reconcile::full`].
pub const PIECE: u8 = 22;
/// See [`crate::reconcile::sketch`].
pub const SKETCH: u8 = 23;
/// See [`crate::reconcile::sketch`].
pub const SKETCH_REPLY: u8 = 24;
/// See [`crate::reconcile::sketch`].
pub const SKETCH_ASK: u8 = 25;
/// See [`crate::reconcile::sketch`].
pub const SKETCH_BATCH: u8 = 26;
/// See [`crate::reconcile::sketch`].
pub const WANTS: u8 = 27;
/// See [`crate::reconcile::audit`].
pub const CHECK: u8 = 28;
/// See [`crate::reconcile::audit`].
pub const CHECKED: u8 = 29;
// 40 was the token of passes that do not form a chain.
/// See [`crate::spread::ring`].
pub const RING_ANSWER: u8 = 41;
/// See [`crate::spread::ring`].
pub const RING_CHECK: u8 = 42;
/// See [`crate::spread::ring`].
pub const RING_DIFFER: u8 = 43;
/// See [`crate::spread::ring`].
pub const RING_ITEMS: u8 = 44;
/// See [`crate::spread::ring`].
pub const RING_WANT: u8 = 45;
/// See [`crate::spread::ring`].
pub const RING_ENTRIES: u8 = 46;
/// See [`crate::spread::ring`].
pub const RING_PROGRESS: u8 = 47;
/// See [`crate::spread::ring`].
pub const RESYNC: u8 = 48;
/// See [`crate::spread::ring`].
pub const RING_LINK: u8 = 49;
/// See [`crate::spread::ring`].
pub const VOTE: u8 = 50;
/// See [`crate::spread::ring`].
pub const VOTE_TAKEN: u8 = 51;
/// See [`crate::spread::coverage`].
pub const COVERAGE_ASK: u8 = 52;
/// See [`crate::spread::coverage`].
pub const COVERAGE_ANSWER: u8 = 53;
/// Open an exchange with me, so that I know how fresh I am. No body.
pub const FRESHEN: u8 = 54;
/// See [`crate::spread::ring::roster`].
pub const RING_ROSTER: u8 = 55;
/// Nothing: makes a datagram as long as one that is to be tried. Body: zeroes. See
/// [`crate::wire::path`].
pub const PADDING: u8 = 60;
/// What you are to repeat, so that I know that you receive where you say. See
/// [`crate::wire::proof`].
pub const COOKIE: u8 = 70;
/// What a cookie said. See [`crate::wire::proof`].
pub const VOUCHED: u8 = 71;

/// True for the messages of ring repair.
#[must_use]
pub fn is_ring(kind: u8) -> bool {
    (RING_ANSWER..=VOTE_TAKEN).contains(&kind)
}

/// True for those of them that follow what the other end has said last, and mean nothing otherwise.
#[must_use]
pub fn is_step(kind: u8) -> bool {
    (RING_CHECK..=RING_ENTRIES).contains(&kind)
}

/// True for those that belong to a walk under way: the other end waits for them, and they are not said
/// again by themselves.
#[must_use]
pub fn is_walk(kind: u8) -> bool {
    (RING_ANSWER..=RING_ENTRIES).contains(&kind)
}

/// A part of a frame. See [`crate::wire::pieces`].
pub const FRAGMENT: u8 = 62;
/// Which parts have come. See [`crate::wire::pieces`].
pub const FRAGMENTS_SEEN: u8 = 63;

/// True for the messages of exchanges of anti-entropy.
#[must_use]
pub fn is_exchange(kind: u8) -> bool {
    (DIGEST..=WANTS).contains(&kind)
}

/// True for messages that are answered with repair.
#[must_use]
pub fn is_request(kind: u8) -> bool {
    matches!(
        kind,
        JOIN | DIGEST
            | SPLIT
            | ITEMS
            | WANT
            | PULL
            | PIECE
            | SKETCH
            | SKETCH_REPLY
            | SKETCH_ASK
            | SKETCH_BATCH
            | WANTS
            | FRESHEN
            | CHECK
            | CHECKED
            | RING_ROSTER
    )
}
