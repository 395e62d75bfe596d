//! Rumormill's sketches, through their encoded messages.

use crate::sets::{Cost, Method, Write, Writes, cpu_us};
use rumormill_core::NodeId;
use rumormill_core::base::codec::{DecodeError, Reader};
use rumormill_core::base::hash::Keyed;
use rumormill_core::base::rng::Rng;
use rumormill_core::data::sketch::{ItemId, MAX_CELLS, Sketches};
use rumormill_core::data::{Cut, Entry, Map, Stamp};
use rumormill_core::reconcile::sketch::{
    Answer, Ask, Batch, Difference, Limits, Opening, Reply, Session, Step, answer, open, serve,
};
use std::sync::Arc;

const LIMITS: Limits = Limits { cells: MAX_CELLS, step: 1 };
/// Overwrites in the measurement of upkeep.
const OVERWRITES: u64 = 200_000;

/// Two replicas as nodes keep them.
pub struct Sketching {
    maps: [Map; 2],
}

fn entry(write: &Write, number: u64) -> Entry {
    let stamp = Stamp { time: number << 16, node: NodeId(1) };
    Entry::new(write.key_text().as_bytes(), b"value", stamp, None)
}

impl Sketching {
    /// Two empty replicas.
    pub fn new() -> Self {
        Self { maps: [(); 2].map(|()| Map::with_sketches(Keyed::for_cluster("bench"))) }
    }
}

impl Method for Sketching {
    fn write(&mut self, side: usize, write: &Write) {
        let _ = self.maps[side].apply(Arc::new(entry(write, write.new)));
    }

    fn names(&self, write: &Write) -> Vec<u64> {
        let numbers = [Some(write.new), write.old].into_iter().flatten();
        numbers.map(|number| self.maps[0].item(&entry(write, number)).0).collect()
    }

    fn compare(&mut self) -> (Cost, Vec<u64>) {
        let mut cost = Cost::default();
        let start = cpu_us();
        let found = compare(&self.maps[0], &self.maps[1], &mut cost);
        cost.cpu_us = cpu_us() - start;
        let found = found.ok().flatten().unwrap_or_default();
        (cost, found.mine.into_iter().chain(found.theirs).map(|item| item.0).collect())
    }

    fn upkeep_ns(&mut self, _: &mut Writes) -> Option<f64> {
        // The sketches alone, of the size that this map has; the map itself is kept anyway.
        let mut sketches = Sketches::default();
        let mut items = Vec::new();
        self.maps[0].walk_from(0, &mut |_, entry| {
            items.push(self.maps[0].item(entry));
            std::ops::ControlFlow::Continue(())
        });
        for item in &items {
            sketches.insert(*item, 0);
            if sketches.is_crowded() {
                sketches.grow(items.iter().copied());
            }
        }
        let mut rng = Rng::new(1);
        let changes: Vec<[ItemId; 2]> =
            (0..OVERWRITES).map(|_| [ItemId(rng.bits()), ItemId(rng.bits())]).collect();
        let start = cpu_us();
        for (wall, [new, old]) in (0_u64..).zip(&changes) {
            sketches.insert(*new, wall);
            sketches.remove(*old, wall);
            if wall % 1000 == 0 {
                sketches.advance(1 + wall);
            }
        }
        Some((cpu_us() - start) * 1000.0 / changes.len() as f64)
    }
}

/// What differs, seen from the first replica, which begins.
fn compare(first: &Map, second: &Map, cost: &mut Cost) -> Result<Option<Difference>, DecodeError> {
    let Some(view) = first.view(first.version(), Cut::NONE) else { return Ok(None) };
    let opening = cost.sent(open(first.digest(), &view, 0).encode());
    let opening = Opening::decode(Reader::new(&opening))?;
    let version = second.version();
    let Some(theirs) = second.view(version, Cut::NONE) else { return Ok(None) };
    let find = |item| second.find(item).map(|(_, hash)| hash);
    let reply = match answer(&opening, second.digest(), &theirs, version, &find) {
        Answer::Equal => return Ok(Some(Difference::default())),
        Answer::Known(found) => return Ok(Some(found)),
        Answer::Reply(reply) => cost.sent(reply.encode()),
    };
    let find = |item| first.find(item).map(|(_, hash)| hash);
    let reply = Reply::decode(Reader::new(&reply))?;
    let (mut session, mut step) = Session::begin(reply, &view, LIMITS, &find);
    loop {
        match step {
            Step::Known(found) => return Ok(Some(found)),
            Step::Ask(ask) => {
                let ask = Ask::decode(Reader::new(&cost.sent(ask.encode())))?;
                let then = second.view(ask.version, Cut::NONE);
                // However many batches it is cut in: one answer.
                let messages = cost.messages + 1;
                step = Step::Wait;
                for batch in serve(ask, then.as_ref(), MAX_CELLS) {
                    let batch = Batch::decode(Reader::new(&cost.sent(batch.encode())))?;
                    step = session.on_batch(&batch, &view, &find);
                }
                cost.messages = messages;
            }
            Step::Wait | Step::Unknown(_) => return Ok(None),
        }
    }
}
