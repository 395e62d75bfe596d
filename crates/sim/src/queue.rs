//! What is to happen, in the order of time; what is due at the same time happens in the order in
//! which it was put in, so that ties never depend on the heap.

use rumormill_core::Instant;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

#[derive(Debug)]
pub(crate) struct Queue<E> {
    heap: BinaryHeap<Item<E>>,
    next_number: u64,
}

#[derive(Debug)]
struct Item<E> {
    at: Instant,
    number: u64,
    event: E,
}

impl<E> Queue<E> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), next_number: 0 }
    }

    pub(crate) fn push(&mut self, at: Instant, event: E) {
        self.heap.push(Item { at, number: self.next_number, event });
        self.next_number += 1;
    }

    /// When the next event is due.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|item| item.at)
    }

    /// Events that have been put in so far.
    pub(crate) fn pushed(&self) -> u64 {
        self.next_number
    }

    /// Events that wait.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(crate) fn pop(&mut self) -> Option<(Instant, E)> {
        self.heap.pop().map(|item| (item.at, item.event))
    }
}

impl<E> Ord for Item<E> {
    /// Reversed: the standard heap gives out its largest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl<E> PartialOrd for Item<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Item<E> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl<E> Eq for Item<E> {}

#[cfg(test)]
mod tests {
    use super::*;
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
}
