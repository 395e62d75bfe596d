#![allow(clippy::disallowed_types, clippy::disallowed_methods)]
use rumormill_core::base::codec::{Reader, Write};
use rumormill_core::base::hash::Keyed;
use rumormill_core::base::id::NodeId;
use rumormill_core::base::rng::Rng;
use rumormill_core::data::sketch::{ItemId, Sketches};
use rumormill_core::data::{Applied, Cut, Entry, Map, Stamp};
use rumormill_core::reconcile::sketch::*;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Replica {
    map: Map,
    sketches: Sketches,
}
impl Replica {
    fn new() -> Self {
        Self { map: Map::new(Keyed::for_cluster("bench")), sketches: Sketches::default() }
    }
    fn id(&self, e: &Entry) -> ItemId {
        ItemId::new(self.map.hash(e.key()), self.map.item_hash(e))
    }
    fn write(&mut self, e: &Arc<Entry>) -> [Option<ItemId>; 2] {
        let new = self.id(e);
        match self.map.apply(Arc::clone(e)) {
            Applied::Stale => [None, None],
            Applied::New(old) => {
                self.sketches.insert(new, 0);
                let old = old.map(|o| self.id(&o));
                if let Some(old) = old {
                    self.sketches.remove(old, 0);
                }
                if self.sketches.is_crowded() {
                    let mut ids = vec![];
                    self.map.walk_from(0, &mut |h, e| {
                        ids.push(ItemId::new(h, self.map.item_hash(e)));
                        ControlFlow::Continue(())
                    });
                    self.sketches.grow(ids.into_iter());
                }
                [Some(new), old]
            }
        }
    }
    fn find(&self, id: ItemId) -> Option<u128> {
        self.map.find(id).map(|(_, hash)| hash)
    }
}
fn entry(key: u64, time: u64) -> Arc<Entry> {
    let mut k = [0u8; 16];
    k[..8].copy_from_slice(&key.to_be_bytes());
    Arc::new(Entry::new(&k, &time.to_be_bytes(), Stamp { time, node: NodeId(1) }, None))
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let n: u64 = args[1].parse().unwrap();
    let start = Instant::now();
    let mut sides = [Replica::new(), Replica::new()];
    for k in 0..n {
        let e = entry(k, 1);
        for s in &mut sides {
            s.write(&e);
        }
    }
    println!("n={n} built in {:?}", start.elapsed());
    // upkeep
    let ids: Vec<[ItemId; 2]> = {
        let mut r = Rng::new(9);
        (0..200_000).map(|_| [ItemId(r.bits()), ItemId(r.bits())]).collect()
    };
    let mut copy = sides[0].sketches.clone();
    copy.forget_before(1);
    let t = Instant::now();
    for (i, [a, b]) in ids.iter().enumerate() {
        copy.insert(*a, 1000 + i as u64);
        copy.remove(*b, 1000 + i as u64);
        if i % 1000 == 0 {
            copy.forget_before(i as u64);
        }
    }
    println!("upkeep per overwrite {:?}", t.elapsed() / ids.len() as u32);
    let (mut next, mut time) = (n, 2);
    let mut rng = Rng::new(7);
    for d in args[2].split(',').map(|x| x.parse::<u64>().unwrap()) {
        let trials = match d {
            0..=10 => 2000,
            11..=100 => 500,
            101..=1000 => 200,
            1001..=10_000 => 30,
            _ => 5,
        };
        let (mut bytes, mut msgs, mut cpu, mut rtt, mut bad, mut unknown, mut tries) =
            (vec![], 0, vec![], 0, 0, 0, vec![]);
        for _ in 0..trials {
            let mut truth = [vec![], vec![]];
            let mut writes = vec![];
            let mut used = std::collections::BTreeSet::new();
            let mut left = d;
            while left > 0 {
                let side = rng.index(2);
                let e = if left >= 2 {
                    left -= 2;
                    entry(rng.below(n), time)
                } else {
                    left -= 1;
                    next += 1;
                    entry(next, time)
                };
                time += 1;
                if !used.insert(e.key().to_vec()) {
                    left += 2;
                    continue;
                }
                let [new, old] = sides[side].write(&e);
                truth[side].extend(new);
                truth[1 - side].extend(old);
                writes.push((side, e));
            }
            let (mut b, mut m, mut c, mut t) = (0, 0, Duration::ZERO, 0);
            let [a, z] = &sides;
            let (find_a, find_z) = (|id| a.find(id), |id| z.find(id));
            let limits = Limits { cells: 1 << 18 };
            let start = Instant::now();
            let va = a.sketches.view(a.sketches.version(), Cut::NONE).unwrap();
            let o = open(a.map.digest(), &va, 0).encode();
            b += o.len();
            m += 1;
            let o = Opening::decode(Reader::new(&o)).unwrap();
            let version = z.sketches.version();
            let vz = z.sketches.view(version, Cut::NONE).unwrap();
            let ans = answer(&o, z.map.digest(), &vz, version, &find_z);
            let result = match ans {
                Answer::Equal => Some(Difference::default()),
                Answer::Known(d) => Some(Difference { mine: d.theirs, theirs: d.mine }),
                Answer::Reply(r) => {
                    let r = r.encode();
                    b += r.len();
                    m += 1;
                    t += 1;
                    let (mut s, mut step) = Session::begin(
                        Reply::decode(Reader::new(&r)).unwrap(),
                        &va,
                        limits,
                        &find_a,
                    );
                    loop {
                        match step {
                            Step::Known(d) => break Some(d),
                            Step::Ask(ask) => {
                                let q = ask.encode();
                                b += q.len();
                                m += 1;
                                t += 1;
                                let vz = z.sketches.view(ask.version, Cut::NONE);
                                step = Step::Wait;
                                for batch in
                                    serve(Ask::decode(Reader::new(&q)).unwrap(), vz.as_ref())
                                {
                                    let q = batch.encode();
                                    b += q.len();
                                    m += 1;
                                    step = s.on_batch(
                                        &Batch::decode(Reader::new(&q)).unwrap(),
                                        &va,
                                        &find_a,
                                    );
                                }
                            }
                            Step::Wait => panic!("wait"),
                            Step::Unknown(why) => {
                                if unknown == 0 {
                                    println!("unknown {why:?} at {} cells", s.cells());
                                }
                                break None;
                            }
                        }
                    }
                }
            };
            c += start.elapsed();
            if t == 0 {
                t = 1
            }
            match result {
                Some(mut found) => {
                    found.mine.sort();
                    found.theirs.sort();
                    let mut truth = truth.clone();
                    truth[0].sort();
                    truth[1].sort();
                    if found.mine != truth[0] || found.theirs != truth[1] {
                        bad += 1;
                    }
                }
                None => unknown += 1,
            }
            bytes.push(b);
            msgs += m;
            cpu.push(c);
            rtt += t;
            tries.push(t);
            for (side, e) in writes {
                sides[1 - side].write(&e);
            }
            for s in &mut sides {
                s.sketches.forget_before(time);
            }
            assert_eq!(sides[0].map.digest(), sides[1].map.digest());
        }
        bytes.sort();
        cpu.sort();
        tries.sort();
        let k = trials;
        println!(
            "n={n} d={d}: bytes {:.0} p99 {} ({:.2} x floor) messages {:.2} rtt {:.2} p99 {} cpu {:?} bad {bad} unknown {unknown}",
            bytes.iter().sum::<usize>() as f64 / k as f64,
            bytes[k * 99 / 100],
            bytes.iter().sum::<usize>() as f64 / k as f64 / 8.0 / d as f64,
            msgs as f64 / k as f64,
            rtt as f64 / k as f64,
            tries[k * 99 / 100],
            cpu[k / 2]
        );
    }
    let _ = Vec::<u8>::new().put(&[]);
}
