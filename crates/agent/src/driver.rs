//! The loop that drives the core: the one place that touches it.
//!
//! Each turn takes in what has come (commands, datagrams, frames, the clock), closes with one
//! flush of the node, and carries out what it asks for: show to readers, make durable, send.

mod keys;
mod ring;
mod waits;

use crate::alarm::{self, Watchman};
use crate::coverage::Ask;
use crate::error::WriteError;
use crate::handle::{Numbers, Snapshot, wall_ms};
use crate::history::{self, MemberEvents};
use crate::ledger::Ledger;
use crate::net::Counters;
use crate::net::stream::{StreamEvent, Streams};
use crate::net::udp::Udp;
use crate::repair::{self, RepairStory};
use crate::ring::{ForgetError, RepairError, RingStatus};
use crate::seal::{Action, Door, Keeper, Keyring, KeyringError};
use crate::status::{MemberCounts, MemberInfo};
use crate::store::{Change, Keys, StoreEvent, Writer};
use crate::tags::{TagChange, TagsError};
use crate::view::View;
use rumormill_core::data::{Entry, Op, Outcome, Refused, Space};
use rumormill_core::member::{Record, State, Tags};
use rumormill_core::output::{Applied, Class, Removed, Send, Via};
use rumormill_core::{Input, Instant, Node, NodeId, Now, Output};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// What a turn takes from each source at most, so that none starves another.
const COMMANDS: usize = 256;
const BATCHES: usize = 4;
const FRAMES: usize = 8;
/// Key and value bytes on their way to the store at which new commands wait.
const STORE_BACKLOG: u64 = 64 * 1024 * 1024;
/// Entries looked at for one page of a scan, live or not.
const SCAN_STEPS: usize = 10_000;
/// Bits of a key hash that a scan's cursor does without: 53 are left.
const CURSOR_SHIFT: u32 = 11;
/// After a goodbye the loop lives on for this long, to say it again to whoever did not answer.
const GOODBYE: Duration = Duration::from_millis(300);

pub(crate) type WriteReply = oneshot::Sender<Result<Vec<Result<Outcome, Refused>>, WriteError>>;

pub(crate) type RepairReply = oneshot::Sender<RepairStory>;

/// What handles ask of the loop.
pub(crate) enum Command {
    Write {
        ops: Vec<Op>,
        reply: WriteReply,
    },
    Scan {
        cursor: u64,
        count: usize,
        reply: oneshot::Sender<(u64, Vec<Arc<Entry>>)>,
    },
    Join {
        seeds: Vec<SocketAddr>,
    },
    /// Where the names to join by are found now.
    Seeds {
        seeds: Vec<SocketAddr>,
        /// Names that are found nowhere.
        lost: usize,
    },
    Keyring {
        action: Action,
        reply: oneshot::Sender<Result<Keyring, KeyringError>>,
    },
    Tags {
        change: TagChange,
        reply: oneshot::Sender<Result<Tags, TagsError>>,
    },
    Repair {
        about: Option<Vec<NodeId>>,
        calm: bool,
        limit: usize,
        reply: RepairReply,
    },
    RepairRing {
        reply: oneshot::Sender<Result<RingStatus, RepairError>>,
    },
    Forget {
        who: String,
        force: bool,
        reply: oneshot::Sender<Result<Vec<NodeId>, ForgetError>>,
    },
    MemberEvents {
        about: Option<Vec<NodeId>>,
        limit: usize,
        reply: oneshot::Sender<MemberEvents>,
    },
    Coverage(Ask),
    Stop {
        leave: bool,
        done: oneshot::Sender<()>,
    },
}

/// The durable store, if there is one.
pub(crate) struct Durable {
    pub(crate) writer: Writer,
    pub(crate) events: mpsc::UnboundedReceiver<StoreEvent>,
}

pub(crate) struct Driver {
    pub(crate) node: Node,
    pub(crate) inbox: mpsc::Receiver<Command>,
    pub(crate) udp: Udp,
    pub(crate) streams: Streams,
    /// The lock on the gossip port.
    pub(crate) door: Door,
    /// The key ring, if there is one.
    pub(crate) keeper: Option<Keeper>,
    pub(crate) durable: Option<Durable>,
    pub(crate) view: Arc<View>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) started: std::time::Instant,
    pub(crate) turn: Turn,
}

/// What the loop remembers from turn to turn.
#[derive(Default)]
pub(crate) struct Turn {
    out: Vec<Output>,
    ledger: Ledger,
    /// Writes of this turn that wait for its entries to be handed to the store.
    replies: Vec<(WriteReply, Vec<Result<Outcome, Refused>>)>,
    store_failure: Option<String>,
    /// What the node last wanted kept.
    pub(crate) kept: Option<Arc<[u8]>>,
    roster_changed: bool,
    shown: ring::Shown,
    watchman: Watchman,
    waits: waits::Waits,
    /// Addresses to join by that were given, and those of names.
    seeds_given: Vec<SocketAddr>,
    seeds_found: Vec<SocketAddr>,
    seeds_lost: usize,
    stop: Option<Stop>,
}

struct Stop {
    done: Vec<oneshot::Sender<()>>,
    at: tokio::time::Instant,
}

enum Woken {
    Command(Option<Command>),
    Datagrams,
    Stream(StreamEvent),
    Store(StoreEvent),
    Clock,
}

impl Driver {
    fn now(&self) -> Now {
        let mono = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { mono: Instant(mono), wall_ms: wall_ms() }
    }

    /// Runs until a handle says stop, or the last handle is gone.
    pub(crate) async fn run(mut self) {
        self.turn.roster_changed = true;
        self.keep_ring();
        self.finish_turn();
        while self.turn.stop.as_ref().is_none_or(|stop| stop.at > tokio::time::Instant::now()) {
            match self.wait().await {
                Woken::Command(Some(command)) => {
                    self.command(command);
                    // Writers that are ready to run put theirs into the same batch.
                    tokio::task::yield_now().await;
                    for _ in 1..COMMANDS {
                        let Ok(command) = self.inbox.try_recv() else { break };
                        self.command(command);
                    }
                }
                Woken::Command(None) => self.stop(false, None),
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
            self.finish_turn();
        }
        self.close().await;
    }

    async fn wait(&mut self) -> Woken {
        let deadline = self.deadline();
        let backlog = self.durable.as_ref().map_or(0, |durable| durable.writer.pending().bytes);
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
            command = inbox.recv(), if backlog < STORE_BACKLOG => Woken::Command(command),
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
        let never = std::time::Instant::now() + Duration::from_secs(3600);
        [node, expiry, stop].into_iter().flatten().fold(never, std::cmp::Ord::min).into()
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Write { ops, reply } => {
                if let Some(failure) = &self.turn.store_failure {
                    let _ = reply.send(Err(WriteError::Store(failure.clone())));
                    return;
                }
                let now = self.now();
                let Self { node, turn, .. } = self;
                let outcomes =
                    ops.into_iter().map(|op| node.write(op, now, &mut turn.out)).collect();
                self.turn.replies.push((reply, outcomes));
            }
            Command::Scan { cursor, count, reply } => {
                // An error means that nobody waits for the page any more.
                let _ = reply.send(self.scan(cursor, count));
            }
            Command::Join { seeds } => {
                let now = self.now();
                self.node.handle(Input::Join { seeds: &seeds }, now, &mut self.turn.out);
                self.turn.seeds_given = seeds;
                self.set_seeds();
            }
            Command::Seeds { seeds, lost } => {
                (self.turn.seeds_found, self.turn.seeds_lost) = (seeds, lost);
                self.set_seeds();
            }
            Command::Keyring { action, reply } => {
                // An error means that nobody waits for the answer any more.
                let _ = reply.send(self.keyring(action));
            }
            Command::Tags { change, reply } => {
                // An error means that nobody waits for the answer any more.
                let _ = reply.send(self.change_tags(&change));
            }
            Command::RepairRing { reply } => {
                // An error means that nobody waits for the answer any more.
                let _ = reply.send(self.repair_ring());
            }
            Command::Forget { who, force, reply } => {
                // An error means that nobody waits for the answer any more.
                let _ = reply.send(self.forget(&who, force));
            }
            Command::Repair { about, calm, limit, reply } => {
                // An error means that nobody waits for the answer any more.
                let _ = reply.send(repair::story(&self.node, about.as_deref(), calm, limit));
            }
            Command::MemberEvents { about, limit, reply } => {
                let recorder = self.node.recorder();
                let (events, more) = history::pick(recorder, about.as_deref(), limit);
                let dropped = recorder.dropped();
                let _ = reply.send(MemberEvents { events, more, dropped, ..Default::default() });
            }
            Command::Coverage(ask) => self.wait_for_others(ask),
            Command::Stop { leave, done } => self.stop(leave, Some(done)),
        }
    }

    fn set_seeds(&mut self) {
        let Turn { seeds_given, seeds_found, seeds_lost, .. } = &self.turn;
        self.node.set_seeds(&[seeds_given.as_slice(), seeds_found].concat(), *seeds_lost);
    }

    fn change_tags(&mut self, change: &TagChange) -> Result<Tags, TagsError> {
        if self.node.has_left() {
            return Err(TagsError::Closed);
        }
        let tags = change.of(&self.node.identity().tags)?;
        let now = self.now();
        self.node.set_tags(tags.clone(), now, &mut self.turn.out);
        // Whoever asked may look at the member list next.
        self.finish_turn();
        Ok(tags)
    }

    /// Cursors are the upper bits of key hashes, few enough for clients that read them as floating
    /// point numbers; so a page never parts entries that share those bits.
    fn scan(&self, cursor: u64, count: usize) -> (u64, Vec<Arc<Entry>>) {
        let now = wall_ms();
        let mut page = Vec::new();
        let (mut next, mut steps, mut last) = (0, 0, None);
        let from = cursor.min(u64::MAX >> CURSOR_SHIFT) << CURSOR_SHIFT;
        self.node.data().walk_from(from, &mut |hash, entry| {
            let place = hash >> CURSOR_SHIFT;
            let full = page.len() >= count.max(1) || steps >= SCAN_STEPS;
            if full && last != Some(place) {
                next = place;
                return ControlFlow::Break(());
            }
            (steps, last) = (steps + 1, Some(place));
            if self.node.shows(entry, now) {
                page.push(Arc::clone(entry));
            }
            ControlFlow::Continue(())
        });
        (next, page)
    }

    fn stop(&mut self, leave: bool, done: Option<oneshot::Sender<()>>) {
        let now = tokio::time::Instant::now();
        let alone = self.node.members().filter(|member| member.state.is_present()).count() < 2;
        let at = if leave && !alone { now + GOODBYE } else { now };
        if leave {
            let now = self.now();
            self.node.handle(Input::Leave, now, &mut self.turn.out);
        }
        self.turn.stop.get_or_insert(Stop { done: Vec::new(), at }).done.extend(done);
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
            StreamEvent::Frame { from, bytes, sealed } => {
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

    fn store_event(&mut self, event: StoreEvent) {
        match event {
            StoreEvent::Done { upto } => self.settle(upto, None),
            StoreEvent::Failed { upto, error } => {
                tracing::error!(%error, "the store takes no writes; reads and gossip go on");
                self.settle(upto, Some(&error));
                self.turn.store_failure = Some(error);
            }
            StoreEvent::Recovered { needs_rewrite } => {
                tracing::info!("the store takes writes again");
                self.turn.store_failure = None;
                if needs_rewrite {
                    self.rewrite();
                }
            }
        }
        let state = match &self.turn.store_failure {
            Some(failure) => failure.clone(),
            None => "ok".into(),
        };
        *self.snapshot.store.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn settle(&mut self, upto: u64, failure: Option<&str>) {
        let Self { turn, udp, streams, door, counters, .. } = self;
        turn.ledger.settle(upto, failure, |packet| send(packet, udp, streams, door, counters));
    }

    /// Hands everything in memory to the store again, and has it remove what is not there.
    fn rewrite(&mut self) {
        let Self { node, turn, durable, .. } = self;
        let Some(durable) = durable else { return };
        everything(node, |batch| durable.writer.submit(turn.ledger.submit(), batch));
        // Last: it speaks of entries that have to be there by then.
        let kept = turn.kept.iter().map(|bytes| Change::Keep(Arc::clone(bytes))).collect();
        durable.writer.submit(turn.ledger.submit(), kept);
    }

    /// Closes a turn of the node and carries out what it asks for.
    fn finish_turn(&mut self) {
        let now = self.now();
        self.watch_waits(now);
        self.node.flush(now, &mut self.turn.out);
        self.learn_notes();
        let mut batch = Vec::new();
        let mut packets = Vec::new();
        for output in self.turn.out.drain(..) {
            match output {
                Output::Send(packet) => packets.push(packet),
                Output::Covered(covered) => self.turn.waits.covered(covered),
                Output::Applied(Applied { space, entry, .. }) => {
                    match space {
                        Space::Data => {
                            let present = |id| self.node.is_present(id);
                            self.view.apply(&entry, now.wall_ms, present);
                        }
                        Space::Roster => self.turn.roster_changed = true,
                    }
                    if self.durable.is_some() {
                        batch.push(Change::Put(space, entry));
                    }
                }
                Output::Removed(Removed { entry, .. }) => {
                    self.view.remove(&entry, now.wall_ms);
                    if self.durable.is_some() {
                        batch.push(Change::Remove(entry));
                    }
                }
                Output::Keep(bytes) => {
                    if self.durable.is_some() {
                        let bytes: Arc<[u8]> = bytes.into();
                        self.turn.kept = Some(Arc::clone(&bytes));
                        batch.push(Change::Keep(bytes));
                    }
                }
            }
        }
        if let Some(durable) = &self.durable
            && !batch.is_empty()
        {
            durable.writer.submit(self.turn.ledger.submit(), batch);
        }
        self.publish();
        let Self { turn, udp, streams, door, counters, .. } = self;
        for packet in packets {
            if turn.ledger.is_settled() || packet.class == Class::Membership {
                send(packet, udp, streams, door, counters);
            } else {
                let dropped = turn.ledger.hold_packet(packet);
                (0..dropped).for_each(|_| counters.shed());
            }
        }
        for (reply, outcomes) in turn.replies.drain(..) {
            turn.ledger.hold_reply(reply, outcomes);
        }
        if turn.ledger.is_settled() {
            turn.ledger.settle(0, None, |packet| send(packet, udp, streams, door, counters));
        }
    }

    /// Lets readers see what the turn has changed.
    fn publish(&mut self) {
        let changed = std::mem::take(&mut self.turn.roster_changed);
        if changed {
            self.view.look_at_owners(|id| self.node.is_present(id), wall_ms());
        }
        let members = changed.then(|| self.list_members());
        let lock = &self.snapshot.numbers;
        let mut numbers = lock.lock().unwrap_or_else(PoisonError::into_inner);
        *numbers = Numbers {
            stats: *self.node.stats(),
            traffic: self.counters.read(),
            tombstones: self.node.data().tombstones(),
            digest: self.node.data().digest(),
            members: members.as_ref().map_or(numbers.members, |(counts, _)| *counts),
            doubt: self.node.doubt(),
            freshness: self.freshness(),
            repair: *self.node.sessions().totals(),
            filling: self.node.filling(),
        };
        drop(numbers);
        self.publish_ring(members.is_some());
        let list = members.as_ref().map(|(_, list)| list.as_ref());
        let ring = self.snapshot.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let time = alarm::Time { wall_ms: wall_ms(), uptime: self.started.elapsed() };
        let changed = self.turn.watchman.look(&self.node, &ring, list, time);
        drop(ring);
        if changed {
            let lock = &self.snapshot.alarms;
            let mut alarms = lock.lock().unwrap_or_else(PoisonError::into_inner);
            alarms.clone_from(self.turn.watchman.alarms());
        }
        if let Some((_, list)) = members {
            let lock = &self.snapshot.members;
            *lock.write().unwrap_or_else(PoisonError::into_inner) = list;
        }
    }

    fn list_members(&self) -> (MemberCounts, Arc<[MemberInfo]>) {
        let own = self.node.identity().id;
        let mut counts = MemberCounts::default();
        let list = self.node.members().filter_map(|member| {
            let record = Record::from_entry(member.entry).ok()?;
            counts.count(record.state);
            Some(MemberInfo {
                id: record.id.to_string(),
                name: record.name,
                state: name_of(record.state).into(),
                incarnation: record.incarnation,
                gossip: record.gossip,
                redis: record.redis,
                http: record.http,
                tags: record.tags,
                is_self: record.id == own,
            })
        });
        let list = list.collect();
        (counts, list)
    }

    /// Gives the port back and makes everything durable, then tells whoever asked for the stop.
    async fn close(self) {
        let Self { durable, mut turn, inbox, udp, streams, keeper, .. } = self;
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
        for done in turn.stop.map(|stop| stop.done).unwrap_or_default() {
            let _ = done.send(());
        }
    }
}

fn take_in(node: &mut Node, input: Input<'_>, sealed: bool, now: Now, turn: &mut Turn) {
    match sealed {
        true => node.handle_sealed(input, now, &mut turn.out),
        false => node.handle(input, now, &mut turn.out),
    }
}

fn send(packet: Send, udp: &Udp, streams: &mut Streams, door: &mut Door, counters: &Counters) {
    match packet.via {
        Via::Stream => streams.send(packet.to, packet.bytes, door.key_for(packet.to)),
        Via::Datagram => match door.seal(packet.to, &packet.bytes) {
            Some(bytes) if udp.send(packet.to, bytes).is_ok() => counters.sent(bytes.len()),
            _ => counters.shed(),
        },
    }
}

/// All that a node holds, in batches for the store, of which the first removes what it does not.
fn everything(node: &Node, mut each: impl FnMut(Vec<Change>)) {
    let mut keys = Keys::default();
    let maps = [node.data(), node.certificates()];
    for map in maps {
        map.walk_from(0, &mut |_, entry| {
            keys.add(entry.key());
            ControlFlow::Continue(())
        });
    }
    each(vec![Change::Retain(Arc::new(keys))]);
    let members = node.members().map(|member| Arc::clone(member.entry));
    let roster = members.chain(node.notes()).chain(node.horizon_entry());
    each(roster.map(|entry| Change::Put(Space::Roster, entry)).collect());
    for map in maps {
        let mut cursor = Some(0);
        while let Some(from) = cursor {
            let (page, next) = map.page(from, 4 << 20, 10_000);
            each(page.into_iter().map(|entry| Change::Put(Space::Data, entry)).collect());
            cursor = next;
        }
    }
}

fn name_of(state: State) -> &'static str {
    match state {
        State::Alive => "alive",
        State::Suspect => "suspect",
        State::Dead => "dead",
        State::Left => "left",
        State::Forgotten => "forgotten",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::data::Expiry;
    use rumormill_core::{Config, Identity, NodeId};

    #[test]
    fn everything_is_both_maps() {
        let now = Now { mono: Instant(0), wall_ms: 1_800_000_000_000 };
        let gossip = SocketAddr::from(([127, 0, 0, 1], 1));
        let id = NodeId(1);
        let identity = Identity::new(id, "n", gossip);
        let mut node = Node::new(Config::default(), identity, 1, now);
        for key in 0..25_000_u32 {
            let (key, value) = (key.to_be_bytes().into(), b"v".as_slice().into());
            let op = Op::Put { key, value, expiry: Expiry::Never };
            node.write(op, now, &mut Vec::new()).unwrap();
        }
        let (mut data, mut roster) = (0, 0);
        let (mut retained, mut first) = (0, true);
        everything(&node, |batch| {
            for change in &batch {
                match change {
                    Change::Put(Space::Data, _) => data += 1,
                    Change::Put(Space::Roster, _) => roster += 1,
                    _ => retained += u32::from(first),
                }
            }
            first = false;
        });
        assert_eq!((data, roster, retained), (25_000, 1, 1));
    }
}
