//! The loop that drives the core: the one place that touches it.
//!
//! Each turn takes in what has come (commands, datagrams, frames, the clock), closes with one
//! flush of the node, and carries out what it asks for: show to readers, make durable, send.

mod commands;
mod departure;
mod durable;
mod keys;
mod ledger;
mod publish;
mod ring;
mod stall;
mod state;
mod strays;
mod turn;
mod waits;
mod watchman;

pub(crate) use state::{Driver, Durable, Turn};

use crate::clock::wall_ms;
use crate::command::Command;
use crate::net::stream::StreamEvent;
use crate::snapshot::End;
use crate::store::StoreEvent;
use rumormill_core::{Input, Node, Now};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// What a turn takes from each source at most, so that none starves another.
const COMMANDS: usize = 256;
const BATCHES: usize = 4;
const FRAMES: usize = 8;
enum Woken {
    Command(Option<Command>),
    Datagrams,
    Stream(StreamEvent),
    Store(StoreEvent),
    Clock,
}

impl Driver {
    /// Runs until a handle says stop, or the last handle is gone.
    pub(crate) async fn run(mut self) {
        let _end = End(Arc::clone(&self.snapshot));
        self.keep_ring();
        self.finish_turn();
        while self.turn.stop.as_ref().is_none_or(|stop| stop.at > tokio::time::Instant::now()) {
            let woken = self.wait().await;
            self.look_at_sessions();
            match woken {
                Woken::Command(Some(command)) => {
                    self.command(command);
                    // Writers that are ready to run put theirs into the same batch.
                    tokio::task::yield_now().await;
                    for _ in 1..COMMANDS {
                        let Ok(command) = self.inbox.try_recv() else { break };
                        self.command(command);
                    }
                }
                Woken::Command(None) => self.stop_now(),
                Woken::Datagrams => {}
                Woken::Stream(event) => {
                    self.stream_event(event);
                    for _ in 1..FRAMES {
                        let Some(event) = self.streams.try_next() else { break };
                        self.stream_event(event);
                    }
                }
                Woken::Store(event) => self.store_event(event),
                Woken::Clock => self.view.expire(wall_ms()),
            }
            // Whatever woke the loop, datagrams may have come: the cheapest place to look.
            self.receive();
            self.depart();
            self.finish_turn();
        }
        self.close().await;
    }

    async fn wait(&mut self) -> Woken {
        let deadline = self.deadline();
        // What is refused need not wait.
        let takes_commands = self.turn.stall.is_stuck() || !self.is_behind();
        let Self { inbox, udp, streams, durable, .. } = self;
        let store = async {
            match durable {
                Some(durable) => match durable.events.recv().await {
                    Some(event) => event,
                    None => std::future::pending().await,
                },
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = inbox.recv(), if takes_commands => Woken::Command(command),
            _ = udp.readable() => Woken::Datagrams,
            event = streams.next() => Woken::Stream(event),
            event = store => Woken::Store(event),
            () = tokio::time::sleep_until(deadline) => Woken::Clock,
        }
    }

    /// When the node, an expiry or the end wants a turn.
    fn deadline(&self) -> tokio::time::Instant {
        let node = [self.node.deadline(), self.turn.waits.deadline()].into_iter().flatten().min();
        let node = node.map(|at| self.started + Duration::from_micros(at.0));
        let expiry = self.view.next_expiry().map(|at| {
            std::time::Instant::now()
                + Duration::from_millis(at.saturating_sub(wall_ms()).saturating_add(1))
        });
        let stop = self.turn.stop.as_ref().map(|stop| stop.at.into_std());
        let departure = self.departure_deadline();
        let store = self.stall_deadline();
        let never = std::time::Instant::now() + Duration::from_secs(3600);
        [node, expiry, stop, departure, store]
            .into_iter()
            .flatten()
            .fold(never, std::cmp::Ord::min)
            .into()
    }

    fn receive(&mut self) {
        let now = self.now();
        let Self { udp, node, door, counters, turn, .. } = self;
        for _ in 0..BATCHES {
            let received = udp.receive(|from, bytes| {
                counters.received(bytes.len());
                let Some(passed) = door.open(from, bytes) else { return };
                take_in(
                    node,
                    Input::Datagram { from, bytes: passed.bytes },
                    passed.sealed,
                    now,
                    turn,
                );
            });
            if received == 0 {
                break;
            }
        }
    }

    fn stream_event(&mut self, event: StreamEvent) {
        let now = self.now();
        match event {
            StreamEvent::Frame { from, bytes, sealed, room: _room } => {
                let input = Input::Frame { from, bytes: &bytes };
                take_in(&mut self.node, input, sealed, now, &mut self.turn);
            }
            StreamEvent::Accepted { from, link, key } => {
                // The key may have been removed meanwhile.
                let holds = |id| self.door.ring().is_some_and(|ring| ring.get(id).is_some());
                if key.is_none_or(holds) {
                    self.streams.keep(from, link);
                    key.into_iter().for_each(|key| self.door.heard(from, key));
                }
            }
            StreamEvent::Closed { to, number, lost } => {
                self.streams.forget(to, number);
                if lost {
                    self.node.handle(Input::StreamLost { to }, now, &mut self.turn.out);
                }
            }
        }
    }

    /// Gives the port back and makes everything durable, then tells whoever asked for the stop.
    async fn close(self) {
        let Self { durable, mut turn, inbox, udp, streams, keeper, snapshot, .. } = self;
        // Commands that come now are answered by the closed channel.
        drop(inbox);
        // Whoever waits for the end may want the port at once.
        drop(udp);
        streams.close().await;
        if let Some(keeper) = keeper {
            keeper.close().await;
        }
        let failure = match durable {
            Some(Durable { writer, .. }) => {
                let closed = tokio::task::spawn_blocking(|| writer.close()).await;
                closed.unwrap_or_else(|error| Err(error.to_string())).err()
            }
            None => None,
        };
        if let Some(error) = &failure {
            tracing::error!(%error, "the store could not be closed well");
        }
        turn.ledger.settle(u64::MAX, failure.as_deref(), |_| ());
        let told = snapshot.leaving.lock().unwrap_or_else(PoisonError::into_inner).clone();
        turn.departing.into_iter().for_each(|departing| departing.over(told.clone()));
    }
}

fn take_in(node: &mut Node, input: Input<'_>, sealed: bool, now: Now, turn: &mut Turn) {
    match sealed {
        true => node.handle_sealed(input, now, &mut turn.out),
        false => node.handle(input, now, &mut turn.out),
    }
}
