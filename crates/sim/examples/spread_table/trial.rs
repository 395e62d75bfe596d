//! One row: updates in clusters of one kind, one after the other.

use crate::meter::{Counts, Meter};
use rumormill_core::Config;
use rumormill_core::base::rng::Rng;
use rumormill_sim::{Delivery, Options, Violation, World};
use std::time::Duration;

/// Round trips are known after this long, and anti-entropy is at its idle pace.
const WARM: Duration = Duration::from_secs(4);
/// From an update on this long, repair is put to its account.
const WINDOW: Duration = Duration::from_secs(3);
/// An update that is not everywhere by then counts as lost.
const LIMIT: Duration = Duration::from_secs(120);

/// A kind of cluster.
#[derive(Clone)]
pub struct Setup {
    pub nodes: usize,
    pub loss: f64,
    pub crashed: f64,
    pub config: Config,
    pub trials: usize,
    pub seed: u64,
}

/// What came of the updates.
pub struct Row {
    /// One for each update.
    pub deliveries: Vec<Delivery>,
    /// Nodes that ran when an update was made.
    pub live: usize,
    /// Sums over all updates.
    pub counts: Counts,
    /// Bytes of digests that idle clusters would have sent meanwhile.
    pub idle_bytes: u64,
}

impl Setup {
    /// Runs it. Crashes need a new cluster for every update.
    pub fn run(&self) -> Result<Row, Violation> {
        let live = self.nodes - (self.nodes as f64 * self.crashed) as usize;
        let mut row =
            Row { deliveries: Vec::new(), live, counts: Counts::default(), idle_bytes: 0 };
        let worlds = if self.crashed > 0.0 { self.trials } else { self.trials.div_ceil(10) };
        for number in 0..worlds {
            let mut world = World::new(Options {
                seed: self.seed.wrapping_mul(1_000_003).wrapping_add(number as u64),
                nodes: self.nodes,
                config: self.config.clone(),
                ..Options::default()
            });
            let meter = Meter::attach(&mut world);
            let here = (self.trials - row.deliveries.len()).div_ceil(worlds - number);
            for update in 0..here {
                self.update(&mut world, &meter, update, &mut row)?;
            }
        }
        Ok(row)
    }

    fn update(
        &self,
        world: &mut World,
        meter: &Meter,
        update: usize,
        row: &mut Row,
    ) -> Result<(), Violation> {
        world.set_loss(0.0);
        world.run_for(WARM)?;
        let start = meter.counts();
        world.run_for(WINDOW)?;
        let before = meter.counts();
        row.idle_bytes += (before - start).digest_bytes;
        let mut rng = Rng::new(world.seed() ^ (update as u64 + 1));
        let mut order: Vec<usize> = (0..self.nodes).collect();
        rng.shuffle(&mut order);
        for &node in &order[row.live..] {
            world.crash(node);
        }
        world.set_loss(self.loss);
        let write = world
            .write(order[0], format!("key-{update:06}"), [7; 64])
            .unwrap_or_else(|error| panic!("the update was refused: {error}"));
        let begun = world.now();
        let live = row.live;
        world.run_until(|world| world.delivery(write).delivered == live - 1, LIMIT)?;
        world.run_for((begun + WINDOW).saturating_sub(world.now()))?;
        let counts = meter.counts() - before;
        row.add(world.delivery(write), &counts);
        Ok(())
    }
}

impl Row {
    fn add(&mut self, delivery: Delivery, counts: &Counts) {
        self.deliveries.push(delivery);
        let sum = &mut self.counts;
        sum.copies += counts.copies;
        sum.copy_bytes += counts.copy_bytes;
        sum.answers += counts.answers;
        sum.answer_bytes += counts.answer_bytes;
        sum.packets += counts.packets;
        sum.repair_copies += counts.repair_copies;
        sum.digest_bytes += counts.digest_bytes;
        sum.repair_bytes += counts.repair_bytes;
    }

    /// The middle and the worst of a figure, in milliseconds.
    pub fn ms(&self, figure: impl Fn(&Delivery) -> Duration) -> (f64, f64) {
        let mut all: Vec<f64> =
            self.deliveries.iter().map(|d| figure(d).as_secs_f64() * 1000.0).collect();
        all.sort_by(f64::total_cmp);
        let at = |index: usize| all.get(index).copied().unwrap_or(f64::NAN);
        (at(all.len() / 2), at(all.len().saturating_sub(1)))
    }

    /// A sum, for one update and receiver.
    pub fn each(&self, sum: u64) -> f64 {
        sum as f64 / self.deliveries.len() as f64 / (self.live - 1) as f64
    }
}
