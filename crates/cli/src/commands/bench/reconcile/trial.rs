//! Two replicas that are made to differ, and one comparison of them through encoded messages.

use rumormill_core::NodeId;
use rumormill_core::base::codec::{DecodeError, Reader};
use rumormill_core::base::hash::Keyed;
use rumormill_core::base::rng::Rng;
use rumormill_core::data::sketch::{ItemId, MAX_CELLS, Sketches, View};
use rumormill_core::data::{Cut, Entry, Map, Merged, Stamp};
use rumormill_core::reconcile::sketch::{
    Answer, Ask, Batch, Difference, Limits, Opening, Reply, Session, Step, answer, open, serve,
};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

const LIMITS: Limits = Limits { cells: MAX_CELLS, step: 1 };
/// Overwrites in the measurement of upkeep.
const OVERWRITES: u64 = 200_000;

/// What a comparison cost.
#[derive(Debug, Default)]
pub struct Cost {
    pub bytes: usize,
    pub messages: usize,
    pub round_trips: usize,
    pub cpu_us: f64,
    pub handed_over: bool,
    pub left_different: u64,
}

struct Replica {
    map: Map,
    sketches: Sketches,
}

impl Replica {
    fn new() -> Self {
        let map = Map::new(Keyed::for_cluster("bench"));
        Self { map, sketches: Sketches::default() }
    }

    /// The items that come and go with a write.
    fn write(&mut self, entry: &Arc<Entry>) -> [Option<ItemId>; 2] {
        let (item, wall) = (self.map.item(entry), entry.stamp().wall_ms());
        let Merged::New(old) = self.map.apply(Arc::clone(entry)) else { return [None, None] };
        let old = old.map(|old| self.map.item(&old));
        self.sketches.insert(item, wall);
        if let Some(old) = old {
            self.sketches.remove(old, wall);
        }
        if self.sketches.is_crowded() {
            let mut items = Vec::new();
            self.map.walk_from(0, &mut |_, entry| {
                items.push(self.map.item(entry));
                ControlFlow::Continue(())
            });
            self.sketches.grow(items.into_iter());
        }
        [Some(item), old]
    }

    fn find(&self, item: ItemId) -> Option<u128> {
        self.map.find(item).map(|(_, hash)| hash)
    }

    fn view(&self) -> View<'_> {
        let view = self.sketches.view(self.sketches.version(), Cut::NONE);
        view.expect("the present can always be had")
    }
}

/// Two replicas.
pub struct Pair {
    replicas: [Replica; 2],
    entries: u64,
    written: u64,
    rng: Rng,
}

impl Pair {
    /// Two equal replicas of so many entries.
    pub fn new(entries: u64, seed: u64) -> Self {
        let replicas = [Replica::new(), Replica::new()];
        let mut pair = Self { replicas, entries, written: 0, rng: Rng::new(seed) };
        for key in 0..entries {
            let entry = pair.entry(key);
            for replica in &mut pair.replicas {
                replica.write(&entry);
            }
        }
        pair
    }

    /// A new write of a key.
    fn entry(&mut self, key: u64) -> Arc<Entry> {
        self.written += 1;
        let stamp = Stamp { time: self.written << 16, node: NodeId(1) };
        Arc::new(Entry::new(format!("key:{key:012}").as_bytes(), b"value", stamp, None))
    }

    /// Nanoseconds that sketches take of an overwrite.
    pub fn upkeep_ns(&mut self) -> f64 {
        let mut sketches = self.replicas[0].sketches.clone();
        let items: Vec<[ItemId; 2]> =
            (0..OVERWRITES).map(|_| [ItemId(self.rng.bits()), ItemId(self.rng.bits())]).collect();
        let start = cpu_us();
        for (wall, [new, old]) in (0_u64..).zip(&items) {
            sketches.insert(*new, wall);
            sketches.remove(*old, wall);
            if wall % 1000 == 0 {
                sketches.advance(1 + wall);
            }
        }
        (cpu_us() - start) * 1000.0 / items.len() as f64
    }

    /// Makes the replicas differ in so many items, compares, and makes them equal again.
    pub fn trial(&mut self, differences: u64) -> Cost {
        let (mut writes, mut used) = (Vec::new(), BTreeSet::new());
        let mut truth = [Vec::new(), Vec::new()];
        let mut left = differences;
        while left > 0 {
            // An overwritten key is two differences; a new one makes up an odd number.
            let key = match left {
                1 => {
                    self.entries += 1;
                    self.entries
                }
                _ => self.rng.below(self.entries),
            };
            if !used.insert(key) {
                continue;
            }
            left = left.saturating_sub(2);
            let entry = self.entry(key);
            let side = self.rng.index(2);
            let [new, old] = self.replicas[side].write(&entry);
            truth[side].extend(new);
            truth[1 - side].extend(old);
            writes.push((side, entry));
        }
        let [first, second] = &self.replicas;
        let mut cost = Cost::default();
        let start = cpu_us();
        let found = compare(first, second, &mut cost);
        cost.cpu_us = cpu_us() - start;
        cost.round_trips = cost.round_trips.max(1);
        let found = found.expect("what is encoded can be read");
        cost.handed_over = found.is_none();
        let found = found.unwrap_or_default();
        for (found, truth) in [found.mine, found.theirs].into_iter().zip(truth) {
            let (found, truth): (BTreeSet<_>, BTreeSet<_>) =
                (found.into_iter().collect(), truth.into_iter().collect());
            cost.left_different += found.symmetric_difference(&truth).count() as u64;
        }
        for (side, entry) in writes {
            self.replicas[1 - side].write(&entry);
        }
        cost
    }
}

/// What differs, seen from the first replica, which begins.
fn compare(
    first: &Replica,
    second: &Replica,
    cost: &mut Cost,
) -> Result<Option<Difference>, DecodeError> {
    let view = first.view();
    let opening = sent(open(first.map.digest(), &view, 0).encode(), cost);
    let opening = Opening::decode(Reader::new(&opening))?;
    let (digest, version) = (second.map.digest(), second.sketches.version());
    let find = |item| second.find(item);
    let reply = match answer(&opening, digest, &second.view(), version, &find) {
        Answer::Equal => return Ok(Some(Difference::default())),
        Answer::Known(Difference { mine, theirs }) => {
            return Ok(Some(Difference { mine: theirs, theirs: mine }));
        }
        Answer::Reply(reply) => sent(reply.encode(), cost),
    };
    cost.round_trips += 1;
    let find = |item| first.find(item);
    let reply = Reply::decode(Reader::new(&reply))?;
    let (mut session, mut step) = Session::begin(reply, &view, LIMITS, &find);
    loop {
        match step {
            Step::Known(found) => return Ok(Some(found)),
            Step::Ask(ask) => {
                cost.round_trips += 1;
                let ask = Ask::decode(Reader::new(&sent(ask.encode(), cost)))?;
                let then = second.sketches.view(ask.version, Cut::NONE);
                step = Step::Wait;
                for batch in serve(ask, then.as_ref(), MAX_CELLS) {
                    let batch = Batch::decode(Reader::new(&sent(batch.encode(), cost)))?;
                    step = session.on_batch(&batch, &view, &find);
                }
            }
            Step::Wait | Step::Unknown(_) => return Ok(None),
        }
    }
}

fn sent(body: Vec<u8>, cost: &mut Cost) -> Vec<u8> {
    cost.messages += 1;
    cost.bytes += body.len();
    body
}

/// CPU time of this thread: what others do on the machine does not count.
#[cfg(unix)]
fn cpu_us() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3
}

/// Where that cannot be had: the time that passes.
#[cfg(not(unix))]
fn cpu_us() -> f64 {
    static START: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed().as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_found_and_nothing_else() {
        let mut pair = Pair::new(2000, 1);
        for differences in [0, 1, 2, 3, 10, 101, 1000] {
            let cost = pair.trial(differences);
            assert_eq!((cost.left_different, cost.handed_over), (0, false), "{differences}");
            assert!(cost.bytes as u64 <= 24 + 24 * differences + 200);
        }
        assert_eq!(pair.trial(0).bytes, 22, "equal again");
    }
}
