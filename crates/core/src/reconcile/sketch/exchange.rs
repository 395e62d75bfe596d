//! A comparison by sketches from a replica's point of view: messages in, messages out.

use super::message::{Greeting, Head, Headed, MAX_WANTS, Wants};
use super::{
    Answer, Ask, Batch, Difference, Limits, Reply, Session, Step, Unknown, answer, open, serve,
};
use crate::data::sketch::table::CELL_BYTES;
use crate::data::sketch::{ItemId, MAX_CELLS};
use crate::data::{Cut, Digest, Entry};
use crate::output::Via;
use crate::reconcile::{Desk, Flow};
use crate::wire::kind;
use std::sync::Arc;

/// An ask for more cells than this goes over the stream, and so do cells that no datagram takes:
/// who asks by stream gets more at once.
const MANY_CELLS: usize = 2048;
/// Cells that are sent whatever room is left, so that each ask leads on.
const LEAST_CELLS: usize = 64;
/// Cells that are asked for at once: as many as take the bytes of one more ask and its answer with
/// their headers, about.
const STEP: usize = 10;
/// Items that are asked for in one comparison; the rest is found in the next one (guess: what is
/// sent in one turn would be no more).
const MAX_WANTED: usize = 4 * MAX_WANTS;

/// How a comparison stands at the end that began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// More is to come, or what came is of no use.
    Open,
    /// So many items differ, and what can be done about it is on its way.
    Known(usize),
    /// Sketches do not lead to an answer.
    Unknown(Unknown),
}

/// What came of an opening at the end that answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// Both hold the same.
    Equal,
    /// So many items differ, and what can be done about it is on its way.
    Known(usize),
    /// The other end has the first cells.
    Replied,
    /// There are no sketches for that.
    Unserved,
}

/// A comparison that this end began.
#[derive(Clone, Debug)]
pub struct Exchange {
    head: Head,
    /// What this end held when it began.
    digest: Digest,
    session: Option<Session>,
}

impl Exchange {
    /// Begins a comparison: sends an opening, with cells if about `expected` differences are likely.
    /// `None` if there are no sketches for that.
    pub fn begin(
        desk: &mut Desk<'_>,
        flow: Flow,
        cut: Cut,
        roster: Digest,
        expected: usize,
    ) -> Option<Self> {
        let view = desk.map.view(desk.map.version(), cut)?;
        let digest = desk.map.digest_at(cut)?;
        let opening = open(digest, &view, expected);
        let head = Head { flow, space: desk.space, cut };
        send(desk, Via::Datagram, kind::SKETCH, head, &Greeting { roster, opening }.encode());
        desk.stats.sketch_sessions += 1;
        Some(Self { head, digest, session: None })
    }

    /// Takes the first cells in.
    pub fn on_reply(&mut self, desk: &mut Desk<'_>, reply: &Headed<Reply>) -> Stand {
        if self.session.is_some() || !self.is_of(&reply.head) {
            return Stand::Open;
        }
        let Some(view) = desk.map.view(desk.map.version(), self.head.cut) else {
            return self.unknown(desk, Unknown::Moved);
        };
        let limits = Limits { cells: MAX_CELLS, step: STEP };
        let map = desk.map;
        let find = |item| map.find(item).map(|(_, hash)| hash);
        let (session, step) = Session::begin(reply.body.clone(), &view, limits, &find);
        self.session = Some(session);
        self.take(desk, step)
    }

    /// Takes more cells in.
    pub fn on_batch(&mut self, desk: &mut Desk<'_>, batch: &Headed<Batch>) -> Stand {
        if !self.is_of(&batch.head) || self.session.is_none() {
            return Stand::Open;
        }
        let Some(view) = desk.map.view(desk.map.version(), self.head.cut) else {
            return self.unknown(desk, Unknown::Moved);
        };
        let map = desk.map;
        let find = |item| map.find(item).map(|(_, hash)| hash);
        let session = self.session.as_mut();
        let step = session.map_or(Step::Wait, |it| it.on_batch(&batch.body, &view, &find));
        self.take(desk, step)
    }

    /// Asks once more for what has not come; false if nothing is missing.
    pub fn again(&self, desk: &mut Desk<'_>) -> bool {
        let ask = self.session.as_ref().and_then(Session::again);
        ask.map(|ask| self.ask(desk, ask)).is_some()
    }

    /// True if cells are on their way.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.session.as_ref().is_some_and(Session::waits)
    }

    fn is_of(&self, head: &Head) -> bool {
        (head.space, head.cut) == (self.head.space, self.head.cut)
    }

    fn take(&self, desk: &mut Desk<'_>, step: Step) -> Stand {
        match step {
            Step::Known(difference) => {
                settle(desk, &difference, self.head.flow);
                Stand::Known(difference.len())
            }
            Step::Ask(ask) => {
                self.ask(desk, ask);
                Stand::Open
            }
            Step::Wait => Stand::Open,
            // Nothing differs any more: what did has come by another way since this end began.
            Step::Unknown(Unknown::Collision)
                if desk.map.digest_at(self.head.cut) != Some(self.digest) =>
            {
                Stand::Known(0)
            }
            Step::Unknown(why) => self.unknown(desk, why),
        }
    }

    fn ask(&self, desk: &mut Desk<'_>, ask: Ask) {
        let many = ask.to.saturating_sub(ask.from).max(ask.from) > MANY_CELLS;
        let via = if many { Via::Stream } else { Via::Datagram };
        send(desk, via, kind::SKETCH_ASK, self.head, &ask.encode());
        desk.stats.sketch_asks += 1;
    }

    fn unknown(&self, desk: &mut Desk<'_>, why: Unknown) -> Stand {
        *match why {
            Unknown::TooMany => &mut desk.stats.sketch_too_many,
            Unknown::Moved => &mut desk.stats.sketch_moved,
            Unknown::Stuck => &mut desk.stats.sketch_stuck,
            Unknown::Collision => &mut desk.stats.sketch_collision,
        } += 1;
        Stand::Unknown(why)
    }
}

/// Answers an opening.
pub fn on_opening(desk: &mut Desk<'_>, greeting: &Headed<Greeting>) -> Answered {
    let head = greeting.head.flip();
    let (map, version) = (desk.map, desk.map.version());
    let (Some(digest), Some(view)) = (map.digest_at(head.cut), map.view(version, head.cut)) else {
        desk.stats.sketch_unserved += 1;
        return Answered::Unserved;
    };
    let find = |item| map.find(item).map(|(_, hash)| hash);
    match answer(&greeting.body.opening, digest, &view, version, &find) {
        Answer::Equal => {
            desk.stats.sketch_equal += 1;
            Answered::Equal
        }
        Answer::Known(difference) => {
            settle(desk, &difference, head.flow);
            Answered::Known(difference.len())
        }
        Answer::Reply(reply) => {
            send(desk, Via::Datagram, kind::SKETCH_REPLY, head, &reply.encode());
            Answered::Replied
        }
    }
}

/// Sends the cells that are asked for, up to what may be sent at once.
pub fn on_ask(desk: &mut Desk<'_>, ask: &Headed<Ask>) {
    let head = ask.head.flip();
    let most = (desk.budget() / CELL_BYTES).max(LEAST_CELLS);
    let map = desk.map;
    let view = map.view(ask.body.version, head.cut);
    let batches = serve(ask.body, view.as_ref(), most);
    let cells: usize = batches.iter().map(|batch| batch.cells.len()).sum();
    // Batches of one answer stay in order.
    let large = cells * CELL_BYTES + CELL_BYTES > desk.room();
    let via = if large { Via::Stream } else { Via::Datagram };
    for batch in &batches {
        send(desk, via, kind::SKETCH_BATCH, head, &batch.encode());
    }
}

/// Sends the entries that are asked for, up to a piece. What is not held any more is passed over:
/// it has been replaced.
pub fn on_wants(desk: &mut Desk<'_>, wants: &Wants) {
    let mut entries = Vec::new();
    let mut left = desk.budget();
    for item in &wants.items {
        if left == 0 {
            desk.stats.repair_shed += 1;
            break;
        }
        desk.map.find_short(*item, &mut |entry| {
            left = left.saturating_sub(cost(entry));
            entries.push(Arc::clone(entry));
        });
    }
    desk.send_entries(&entries);
}

/// Now that it is known what differs: asks for what this end lacks and sends what the other lacks,
/// as far as entries may move that way and up to what may be sent in one turn.
fn settle(desk: &mut Desk<'_>, difference: &Difference, flow: Flow) {
    desk.stats.sketch_known += 1;
    desk.stats.sketch_differences += difference.len() as u64;
    if flow.yours {
        let wanted: Vec<u32> =
            difference.theirs.iter().take(MAX_WANTED).map(|item| item.short()).collect();
        let room = (desk.room() / 4).clamp(1, MAX_WANTS);
        let via = if wanted.len() > room { Via::Stream } else { Via::Datagram };
        for items in wanted.chunks(room) {
            let wants = Wants { space: desk.space, items: items.to_vec() };
            desk.push_via(via, kind::WANTS, &[&wants.encode()]);
        }
    }
    if flow.mine {
        send_items(desk, &difference.mine);
    }
}

fn send_items(desk: &mut Desk<'_>, items: &[ItemId]) {
    let mut entries = Vec::new();
    let mut left = desk.budget();
    for item in items {
        if left == 0 {
            desk.send_entries(&entries);
            entries.clear();
            left = desk.budget();
            if left == 0 {
                desk.stats.repair_shed += 1;
                return;
            }
        }
        if let Some((entry, _)) = desk.map.find(*item) {
            left = left.saturating_sub(cost(entry));
            entries.push(Arc::clone(entry));
        }
    }
    desk.send_entries(&entries);
}

/// What an entry takes in a message, about.
fn cost(entry: &Entry) -> usize {
    entry.size() + 24
}

fn send(desk: &mut Desk<'_>, via: Via, kind: u8, head: Head, body: &[u8]) {
    let head = head.encode();
    desk.stats.sketch_bytes += (head.len() + body.len()) as u64;
    desk.push_via(via, kind, &[&head, body]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::codec::Reader;
    use crate::base::rng::Rng;
    use crate::data::sketch::Version;
    use crate::reconcile::Message;
    use crate::reconcile::tests::{
        BOTH, Letter, Model, PULL, PUSH, Pair, completes, map, survives, two_models, write,
    };
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_exchange_brings_everything_where_it_may_go(models in two_models()) {
            for flow in [PUSH, PULL, BOTH] {
                completes(models.clone(), flow, Pair::begin_sketch);
            }
        }

        #[test]
        fn loss_and_repetition_do_no_harm(
            models in two_models(),
            faults in (0.0..0.7, 0.0..0.3, any::<u64>()),
        ) {
            for flow in [PUSH, PULL, BOTH] {
                survives(models.clone(), flow, faults, Pair::begin_sketch);
            }
        }
    }

    fn numbers(count: u16) -> Model {
        (0..count).map(|key| (key, 1)).collect()
    }

    /// Delivers everything; answers the kinds of the messages in order.
    fn kinds(pair: &mut Pair) -> Vec<u8> {
        let mut kinds = Vec::new();
        while let Some(letter) = pair.letters.pop_front() {
            kinds.push(letter.kind);
            pair.deliver(&letter);
        }
        kinds
    }

    #[test]
    fn a_single_difference_takes_two_or_three_messages() {
        use kind::{ENTRIES, SKETCH, WANTS};
        let (fewer, more) = (numbers(20_000), numbers(20_001));
        for (models, flow, expected) in [
            ([&fewer, &fewer], BOTH, &[SKETCH][..]),
            ([&fewer, &more], BOTH, &[SKETCH, ENTRIES]),
            ([&more, &fewer], BOTH, &[SKETCH, WANTS, ENTRIES]),
            ([&fewer, &more], PUSH, &[SKETCH]),
            ([&more, &fewer], PULL, &[SKETCH]),
            ([&more, &fewer], PUSH, &[SKETCH, WANTS, ENTRIES]),
            ([&fewer, &more], PULL, &[SKETCH, ENTRIES]),
        ] {
            let mut pair = Pair::new(models.map(|model| map(model.clone())), 1024);
            pair.begin_sketch(flow);
            assert_eq!(kinds(&mut pair), expected);
        }
    }

    #[test]
    fn a_large_difference_comes_in_pieces_and_is_found_all_the_same() {
        let (fewer, mut newer) = (numbers(20_000), numbers(20_000));
        newer.iter_mut().filter(|(key, _)| **key % 8 == 0).for_each(|(_, time)| *time = 2);
        let mut pair = Pair::new([map(fewer), map(newer.clone())], 16 * 1024);
        pair.begin_sketch(BOTH);
        let kinds = kinds(&mut pair);
        let count = |kind| kinds.iter().filter(|other| **other == kind).count();
        assert!(count(kind::SKETCH_ASK) >= 2 && count(kind::SKETCH_BATCH) >= 2, "{kinds:?}");
        assert_eq!((pair.stats.sketch_known, pair.stats.sketch_differences), (1, 5000));
        // Entries are held to the budget of a turn; the rest comes with the next ones.
        for _ in 0..50 {
            pair.begin_sketch(BOTH);
            pair.run(0.0, 0.0, &mut Rng::new(0));
        }
        assert_eq!(pair.held(0), newer);
    }

    #[test]
    fn an_ask_is_answered_with_no_more_than_a_piece() {
        let mut pair = Pair::new([map([]), map(numbers(60_000))], 16 * 1024);
        let head = Head { flow: BOTH, space: crate::data::Space::Data, cut: Cut::NONE };
        let (version, to) = (pair.maps[1].version(), MAX_CELLS);
        let body = Ask { version, from: 0, to, fine: None };
        for _ in 0..3 {
            pair.at(1, |desk| on_ask(desk, &Headed { head, body }));
            let bytes: usize = pair.letters.drain(..).map(|letter| letter.body.len()).sum();
            assert!((15_000..17_000).contains(&bytes), "{bytes}");
        }
        let body = Ask { version: Version(version.0.wrapping_add(1)), ..body };
        pair.at(1, |desk| on_ask(desk, &Headed { head, body }));
        assert_eq!(pair.letters.pop_front().unwrap().body.len(), 3 + 3, "no such state");
    }

    #[test]
    fn what_was_replaced_is_not_sent_and_does_no_harm() {
        let mut pair = Pair::new([map(numbers(100)), map(numbers(100))], 1024);
        let wall = 1 << 40;
        pair.maps.iter_mut().for_each(|map| map.advance(wall));
        // The first end has a write that is left out, of a key whose old entry the second lacks.
        pair.maps[0].apply(write(500, 3));
        pair.maps[0].apply(write(500, wall << 16));
        let cut = Cut::around(wall, 300);
        let (old, new) =
            (pair.maps[0].item(&write(500, 3)), pair.maps[0].item(&write(500, wall << 16)));
        assert!(pair.maps[0].find(old).is_none() && pair.maps[0].find(new).is_some());
        let mut begun = None;
        pair.at(0, |desk| begun = Exchange::begin(desk, BOTH, cut, Digest::default(), 0));
        assert!(begun.is_some());
        let Letter { kind, body, .. } = pair.letters.pop_front().unwrap();
        let Ok(Some(Message::Sketch(greeting))) = Message::decode(kind, Reader::new(&body)) else {
            panic!("no opening");
        };
        pair.at(1, |desk| assert_eq!(on_opening(desk, &greeting), Answered::Known(1)));
        assert_eq!(
            kinds(&mut pair),
            [kind::WANTS],
            "it is asked for, and there is nothing to send"
        );
    }
}
