//! What is to happen, in the order of time; what is due at the same time happens in the order in
//! which it was put in.
//!
//! A wheel with a place for every microsecond of the near future, and a heap for what is later:
//! nearly everything, packets on their way above all, goes in and out without being compared with
//! anything else.

use rumormill_core::Instant;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Microseconds on the wheel, a power of two: more than packets and most timers take.
const WHEEL: usize = 1 << 15;
/// Places that one word of a set stands for.
const WORD: usize = u64::BITS as usize;
/// The end of a list.
const END: u32 = u32::MAX;

#[derive(Debug)]
pub(crate) struct Queue<E> {
    /// No event is due before. The wheel begins here.
    now: u64,
    /// First and last event of each place on the wheel.
    wheel: Vec<(u32, u32)>,
    /// Which places have events, and which words of that set are not empty.
    taken: Vec<u64>,
    words: Vec<u64>,
    /// The events on the wheel, each with the next one of its place; free ones are a list too.
    slots: Vec<(Option<E>, u32)>,
    free: u32,
    on_wheel: usize,
    later: BinaryHeap<Reverse<Later<E>>>,
    next_number: u64,
}

#[derive(Debug)]
struct Later<E> {
    at: u64,
    number: u64,
    event: E,
}

impl<E> Queue<E> {
    pub(crate) fn new() -> Self {
        Self {
            now: 0,
            wheel: vec![(END, END); WHEEL],
            taken: vec![0; WHEEL / WORD],
            words: vec![0; WHEEL / WORD / WORD],
            slots: Vec::new(),
            free: END,
            on_wheel: 0,
            later: BinaryHeap::new(),
            next_number: 0,
        }
    }

    /// Puts an event in; one that should have been before the last one that came out is due at
    /// once.
    pub(crate) fn push(&mut self, at: Instant, event: E) {
        let (at, number) = (at.0.max(self.now), self.next_number);
        self.next_number += 1;
        if at - self.now < WHEEL as u64 {
            self.put(at, event);
        } else {
            self.later.push(Reverse(Later { at, number, event }));
        }
    }

    /// When the next event is due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        match self.on_wheel {
            0 => self.later.peek().map(|later| Instant(later.0.at)),
            _ => Some(Instant(self.first_at())),
        }
    }

    /// Events that have been put in so far.
    pub(crate) fn pushed(&self) -> u64 {
        self.next_number
    }

    /// Events that wait.
    pub(crate) fn len(&self) -> usize {
        self.on_wheel + self.later.len()
    }

    /// The next event, if it is due by a time.
    pub(crate) fn pop_until(&mut self, end: Instant) -> Option<(Instant, E)> {
        let Instant(at) = self.next_at()?;
        if at > end.0 {
            return None;
        }
        if at > self.now {
            self.turn(at);
        }
        let place = at as usize % WHEEL;
        let (first, last) = self.wheel[place];
        let slot = &mut self.slots[first as usize];
        let (event, next) = (slot.0.take()?, slot.1);
        slot.1 = std::mem::replace(&mut self.free, first);
        self.on_wheel -= 1;
        self.wheel[place] = if next == END { (END, END) } else { (next, last) };
        if next == END {
            self.taken[place / WORD] &= !(1 << (place % WORD));
            if self.taken[place / WORD] == 0 {
                self.words[place / WORD / WORD] &= !(1 << (place / WORD % WORD));
            }
        }
        Some((Instant(at), event))
    }

    /// Moves the wheel on. What comes in reach goes on it at once, before anything that is put in
    /// later for the same time.
    fn turn(&mut self, now: u64) {
        self.now = now;
        while self.later.peek().is_some_and(|later| later.0.at - now < WHEEL as u64) {
            if let Some(Reverse(Later { at, event, .. })) = self.later.pop() {
                self.put(at, event);
            }
        }
    }

    /// Puts an event on the wheel, behind those of the same time.
    fn put(&mut self, at: u64, event: E) {
        let slot = self.free;
        let slot = if slot == END {
            self.slots.push((Some(event), END));
            (self.slots.len() - 1) as u32
        } else {
            self.free = std::mem::replace(&mut self.slots[slot as usize], (Some(event), END)).1;
            slot
        };
        let place = at as usize % WHEEL;
        let (first, last) = self.wheel[place];
        if first == END {
            self.wheel[place] = (slot, slot);
            self.taken[place / WORD] |= 1 << (place % WORD);
            self.words[place / WORD / WORD] |= 1 << (place / WORD % WORD);
        } else {
            self.slots[last as usize].1 = slot;
            self.wheel[place].1 = slot;
        }
        self.on_wheel += 1;
    }

    /// When the first event on the wheel is due; there is one.
    fn first_at(&self) -> u64 {
        let start = self.now as usize % WHEEL;
        let place = next_bit(&self.taken, &self.words, start)
            .or_else(|| next_bit(&self.taken, &self.words, 0))
            .unwrap_or(start);
        self.now + (place.wrapping_sub(start) % WHEEL) as u64
    }
}

/// The first member of a set from a place on; `words` says which of its words are not empty.
fn next_bit(set: &[u64], words: &[u64], from: usize) -> Option<usize> {
    let word = from / WORD;
    let here = set[word] & (u64::MAX << (from % WORD));
    if here != 0 {
        return Some(word * WORD + here.trailing_zeros() as usize);
    }
    let word = word + 1;
    let mut group = word / WORD;
    let mut left = words.get(group)? & (u64::MAX << (word % WORD));
    while left == 0 {
        group += 1;
        left = *words.get(group)?;
    }
    let word = group * WORD + left.trailing_zeros() as usize;
    Some(word * WORD + set[word].trailing_zeros() as usize)
}

impl<E> Ord for Later<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<E> PartialOrd for Later<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Later<E> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<E> Eq for Later<E> {}

#[cfg(test)]
mod tests {
    use super::*;

    impl<E> Queue<E> {
        fn pop(&mut self) -> Option<(Instant, E)> {
            self.pop_until(Instant(u64::MAX))
        }
    }
    use rumormill_core::base::rng::Rng;

    #[test]
    fn events_come_out_by_time_and_ties_in_order_of_entry() {
        let mut queue = Queue::new();
        let mut rng = Rng::new(3);
        for number in 0..1000 {
            queue.push(Instant(rng.below(20)), number);
        }
        let mut all = Vec::new();
        while let Some(next) = queue.pop() {
            all.push(next);
        }
        assert_eq!(all.len(), 1000);
        assert!(all.is_sorted(), "pairs of (time, order of entry)");
        assert_eq!(queue.next_at(), None);
    }

    /// Against a sorted list, with gaps of all sizes between now and then.
    #[test]
    fn what_is_put_in_meanwhile_takes_its_place() {
        let mut rng = Rng::new(4);
        let (mut queue, mut model) = (Queue::new(), Vec::new());
        let (mut now, mut number) = (Instant(0), 0);
        for _ in 0..20_000 {
            for _ in 0..rng.below(3) {
                let reach = [1, 5, 1000, WHEEL as u64, 1 << 20, 1 << 40][rng.index(6)];
                let at = Instant(now.0 + rng.below(reach + 1));
                queue.push(at, number);
                model.push((at, number));
                number += 1;
            }
            model.sort_unstable();
            assert_eq!(queue.next_at(), model.first().map(|(at, _)| *at));
            assert_eq!(queue.len(), model.len());
            if !model.is_empty() {
                let next = model.remove(0);
                assert_eq!(queue.pop(), Some(next));
                now = next.0;
            }
        }
        assert_eq!(queue.pushed(), number);
    }

    #[test]
    fn what_is_late_is_due_at_once() {
        let mut queue = Queue::new();
        queue.push(Instant(100_000), 1);
        assert_eq!(queue.pop_until(Instant(99_999)), None);
        queue.pop();
        queue.push(Instant(7), 2);
        queue.push(Instant(100_001), 3);
        assert_eq!(queue.pop(), Some((Instant(100_000), 2)));
        assert_eq!(queue.pop(), Some((Instant(100_001), 3)));
    }
}
