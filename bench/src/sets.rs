//! The replicas that every method is given, and the writes that make them differ.

use rumormill_core::base::rng::Rng;
use std::collections::BTreeSet;

/// A write of a key, in place of an older one if there is one.
#[derive(Clone, Copy, Debug)]
pub struct Write {
    /// The key.
    pub key: u64,
    /// The number of the write: larger is later.
    pub new: u64,
    /// The number of the write that it replaces.
    pub old: Option<u64>,
}

impl Write {
    /// The key as bytes.
    pub fn key_text(&self) -> String {
        format!("key:{:012}", self.key)
    }
}

/// What a comparison cost.
#[derive(Debug, Default)]
pub struct Cost {
    /// Of all messages.
    pub bytes: usize,
    /// Both ways.
    pub messages: usize,
    /// Of both ends.
    pub cpu_us: f64,
    /// What had to be done before, because something had been written.
    pub prepare_us: f64,
    /// Differences that were not found, and such that were and are none.
    pub left_different: u64,
}

impl Cost {
    /// Counts a message.
    pub fn sent(&mut self, body: Vec<u8>) -> Vec<u8> {
        self.messages += 1;
        self.bytes += body.len();
        body
    }
}

/// A way to find what differs between two replicas.
pub trait Method {
    /// A replica takes a write in.
    fn write(&mut self, side: usize, write: &Write);
    /// The differences that a write makes if only one end has it, by names of the method's own.
    fn names(&self, write: &Write) -> Vec<u64>;
    /// Compares; answers the cost and the names of what differs.
    fn compare(&mut self) -> (Cost, Vec<u64>);
    /// Nanoseconds that an overwrite takes of one end, if its structure can take one.
    fn upkeep_ns(&mut self, writes: &mut Writes) -> Option<f64>;
}

/// Draws writes. One seed draws the same for every method.
pub struct Writes {
    /// The number of the last write of each key.
    last: Vec<u64>,
    written: u64,
    rng: Rng,
}

impl Writes {
    /// Writes to so many keys.
    pub fn new(entries: u64, seed: u64) -> Self {
        Self { last: vec![0; entries as usize], written: 0, rng: Rng::new(seed) }
    }

    /// The first write of a key.
    pub fn first(&mut self, key: u64) -> Write {
        self.written += 1;
        if let Some(last) = self.last.get_mut(key as usize) {
            *last = self.written;
        }
        Write { key, new: self.written, old: None }
    }

    /// An overwrite of a key that is held.
    pub fn next(&mut self, key: u64) -> Write {
        self.written += 1;
        let old = self.last.get_mut(key as usize).map(|last| std::mem::replace(last, self.written));
        Write { key, new: self.written, old }
    }

    /// An overwrite of some key.
    pub fn any(&mut self) -> Write {
        let key = self.rng.below(self.last.len() as u64);
        self.next(key)
    }

    /// Writes that make so many items differ, each with the end that it comes to.
    pub fn draw(&mut self, differences: u64) -> Vec<(usize, Write)> {
        let (mut drawn, mut used, mut left) = (Vec::new(), BTreeSet::new(), differences);
        while left > 0 {
            let write = if left == 1 {
                self.last.push(0);
                self.first(self.last.len() as u64 - 1)
            } else {
                let key = self.rng.below(self.last.len() as u64);
                if !used.insert(key) {
                    continue;
                }
                self.next(key)
            };
            left = left.saturating_sub(2);
            drawn.push((self.rng.index(2), write));
        }
        drawn
    }
}

/// CPU time of this thread: what others do on the machine does not count.
pub fn cpu_us() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3
}
