//! The world: nodes, and everything between and around them. Wiring only.
//!
//! The loop takes the earliest event from the queue, turns it into an input for a node, and carries
//! the node's outputs out in their order: what is persisted goes to the host's disk and to the
//! checkers, what is sent goes to the network. Then it arms the node's next wake-up.

use crate::checkers::no_lost_note::Noted;
use crate::checkers::one_chain::OneChain;
use crate::checkers::{
    Violation, bounded, faithful_replica, invariants, monotonic_reads, no_invention,
    no_resurrection, unique_stamps,
};
use crate::checks::Checks;
use crate::clock::Clocks;
use crate::disk::{Disk, Undo};
use crate::event::Event;
use crate::faults::{Does, Fault, Lock};
use crate::host::Host;
use crate::ledger::{Ledger, WriteId};
use crate::meter::Meter;
use crate::network::Network;
use crate::options::{Options, Start};
use crate::packet::Packets;
use crate::queue::Queue;
use crate::strangers::Strangers;
use crate::stream::Streams;
use crate::trace::{Kind, Line, Trace};
use crate::workload::Workload;
use rumormill_core::base::rng::Rng;
use rumormill_core::data::account;
use rumormill_core::data::{Entry, Expiry, Op, Outcome, Pool, Refused, Space, Stamp};
use rumormill_core::member::Roster;
use rumormill_core::member::{Record, State};
use rumormill_core::output::{Applied, Removed};
use rumormill_core::retain::{Horizon, kept_link};
use rumormill_core::spread::ring::Tombstones;
use rumormill_core::{Config, Identity, Input, Instant, NodeId, Now, Output};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How often [`World::run_until`] looks.
const GRAIN: Duration = Duration::from_millis(1);

/// A cluster and its surroundings.
#[derive(Debug)]
pub struct World {
    pub(crate) options: Options,
    pub(crate) now: Instant,
    pub(crate) queue: Queue<Event>,
    pub(crate) packets: Packets,
    pub(crate) hosts: Vec<Host>,
    pub(crate) clocks: Clocks,
    pub(crate) network: Network,
    pub(crate) streams: Streams,
    pub(crate) ledger: Ledger,
    pub(crate) chain: OneChain,
    pub(crate) trace: Trace,
    pub(crate) meter: Meter,
    pub(crate) faults: Vec<Fault>,
    pub(crate) load: Option<Workload>,
    pub(crate) loads: u32,
    /// Draws ids and the nodes' seeds.
    pub(crate) rng: Rng,
    /// What the nodes of a prefilled world know of each other when they boot first.
    pub(crate) roster: Option<Roster>,
    /// Members of which an operator has said that they are gone for good.
    pub(crate) waived: Vec<NodeId>,
    /// Members that run from an old copy of their disks, or did.
    pub(crate) set_back: Vec<NodeId>,
    /// Whom the links listed that stood on disks in whose place old copies of them were put.
    pub(crate) overwritten: Vec<Arc<[NodeId]>>,
    /// Members that have handed their vote over.
    pub(crate) handed_over: Vec<NodeId>,
    /// Equal entries of all nodes are one.
    pub(crate) pool: Arc<Pool>,
    load_rng: Rng,
    /// What users have written in this turn.
    pub(crate) written: Vec<Stamp>,
    /// True if nothing waits for disks that do not work: see [`World::wait_for_no_disk`].
    pub(crate) impatient: bool,
    /// Who sends from outside, and what.
    pub(crate) strangers: Strangers,
    /// Notes about the key ring that were written and that no lost disk excuses: where, key, stamp.
    pub(crate) noted: Vec<Noted>,
    violation: Option<Violation>,
    /// Kept between inputs for its room.
    outputs: Vec<Output>,
}

/// Where an entry that a node persists comes from.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// One of its users wrote it.
    User,
    /// It has written anew what it came back with.
    Anew,
    /// A peer.
    Peer,
}

/// Why there is no write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The node is down, stands still, or died before it could acknowledge.
    NotRunning,
    /// There was nothing to do: a delete of what is not there.
    Nothing,
    /// The node refused.
    Refused(Refused),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning => f.write_str("the node is down or stands still"),
            Self::Nothing => f.write_str("there was nothing to do"),
            Self::Refused(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for WriteError {}

impl World {
    /// A world at time zero, with all nodes booted.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let mut rng = Rng::new(options.seed);
        let clocks = Clocks::new(options.nodes, options.clock_skew, &mut rng.fork());
        let mut world = Self {
            now: Instant(0),
            queue: Queue::new(),
            packets: Packets::default(),
            hosts: Vec::with_capacity(options.nodes),
            clocks,
            network: Network::new(options.nodes, options.conditions(), rng.fork())
                .with(options.zones.clone(), options.bandwidth),
            streams: Streams::default(),
            ledger: Ledger::new(options.nodes),
            trace: Trace::new(options.seed),
            chain: OneChain::default(),
            meter: Meter::default(),
            faults: Vec::new(),
            load: None,
            loads: 0,
            roster: None,
            waived: Vec::new(),
            set_back: Vec::new(),
            overwritten: Vec::new(),
            handed_over: Vec::new(),
            pool: Arc::default(),
            load_rng: rng.fork(),
            rng,
            written: Vec::new(),
            impatient: false,
            strangers: Strangers::new(options.seed),
            noted: Vec::new(),
            violation: None,
            outputs: Vec::new(),
            options,
        };
        world.hosts = (0..world.options.nodes)
            .map(|index| {
                let id = NodeId(world.rng.bits());
                let host = Host::new(index, id, world.options.tags(index), Disk::default());
                let lock = if world.options.sealed { Lock::Require } else { Lock::Open };
                Host { lock, ..host }
            })
            .collect();
        if world.options.start == Start::Prefilled {
            world.prefill();
        }
        let present = world.options.present();
        for host in world.hosts.iter_mut().skip(present) {
            // Nothing of a prefilled world stands on their disks.
            host.boots = 1;
        }
        for node in 0..present {
            world.start(node);
        }
        if let Start::Join { seeds } = world.options.start {
            for node in 0..present {
                world.join(node, &(0..seeds).collect::<Vec<_>>());
            }
        }
        world
    }

    /// Puts everyone's record on everyone's disk, each as the node itself will put it.
    fn prefill(&mut self) {
        let record = |(node, host): (usize, &Host)| {
            let Identity { id, name, gossip, tags, .. } = host.identity.clone();
            // What a node takes for its first incarnation when it boots at time zero.
            let incarnation = self.clocks.wall_ms(node, self.now);
            let record = Record::new(id, incarnation, State::Alive, name, gossip);
            Record { tags, ..record }.speaking(self.options.versions(node))
        };
        let present = self.options.present();
        let hosts = self.hosts.iter().take(present).enumerate();
        let mut records: Vec<Record> = hosts.map(record).collect();
        records.sort_by_key(|record| record.id);
        let base: Arc<[Arc<Entry>]> =
            records.iter().map(|record| Arc::new(record.to_entry())).collect();
        for host in self.hosts.iter_mut().take(present) {
            host.disk = Disk::with_roster(Arc::clone(&base));
        }
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// The first property that does not hold.
    pub fn run_for(&mut self, duration: Duration) -> Result<(), Violation> {
        self.run_to(self.now.after(duration))
    }

    /// Lets time pass until a condition holds; it is looked at every millisecond in which something
    /// happened. Answers how long it took.
    ///
    /// # Errors
    /// The first property that does not hold, or that the condition does not hold at the limit.
    pub fn run_until(
        &mut self,
        mut condition: impl FnMut(&Self) -> bool,
        limit: Duration,
    ) -> Result<Duration, Violation> {
        let start = self.now;
        let end = start.after(limit);
        while !condition(self) {
            if self.now >= end {
                let what = format!("what was waited for has not come within {limit:?}");
                return Err(self.violation(None, "time limit", what));
            }
            let next = self.queue.next_at().unwrap_or(end);
            self.run_to(self.now.after(GRAIN).max(next).min(end))?;
        }
        Ok(self.now.since(start))
    }

    fn run_to(&mut self, end: Instant) -> Result<(), Violation> {
        while self.violation.is_none()
            && let Some((at, event)) = self.queue.pop_until(end)
        {
            self.now = at;
            self.step(event);
        }
        if let Some(violation) = &self.violation {
            return Err(violation.clone());
        }
        self.now = end;
        Ok(())
    }

    fn step(&mut self, event: Event) {
        match event {
            Event::Wake(node) => self.wake(node as usize),
            Event::Packet(slot) => self.arrive(slot),
            Event::StreamLost { from, to, id } => self.lose_stream(from, to, id),
            Event::Depart(node) => self.look_at_departure(node as usize),
            Event::Fault(index) => {
                let fault = self.faults[index as usize].clone();
                self.inflict(&fault);
            }
            Event::Write { load } => self.write_some(load),
            Event::Strange { forge, begun } => self.send_strange(forge, begun),
        }
    }

    fn wake(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        host.wakes.pop();
        // The deadline may have moved since the wake-up was put in.
        if host.due.is_none_or(|due| due > self.now) {
            self.wake_when_due(node);
        } else if host.running().is_some() {
            if let Err(what) = bounded::ticked(host.count_tick(self.now)) {
                self.violated(Some(node), "bounded", what);
            }
            self.record(node, Kind::Tick, 0);
            self.input(node, Input::Tick);
        }
    }

    /// Gives a running node an input and carries out what it wants.
    pub(crate) fn input(&mut self, node: usize, input: Input<'_>) {
        self.input_as(node, input, false);
    }

    /// The same; `sealed` if it is a packet that came sealed.
    pub(crate) fn input_as(&mut self, node: usize, input: Input<'_>, sealed: bool) {
        let now = self.now_at(node);
        let mut outputs = std::mem::take(&mut self.outputs);
        if let Some(machine) = &mut self.hosts[node].node {
            match sealed {
                true => machine.handle_sealed(input, now, &mut outputs),
                false => machine.handle(input, now, &mut outputs),
            }
            machine.flush(now, &mut outputs);
        }
        self.carry_out(node, &mut outputs);
        self.outputs = outputs;
        self.arm(node);
        self.check_turn(node);
    }

    pub(crate) fn now_at(&self, node: usize) -> Now {
        let mono = self.hosts[node].mono(self.now);
        Now { mono, wall_ms: self.clocks.wall_ms(node, self.now) }
    }

    /// Ends a turn of a node: it is woken when it wants to be.
    pub(crate) fn arm(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        host.due = host.deadline();
        self.wake_when_due(node);
    }

    /// Puts a wake-up for the node's deadline into the queue, unless an earlier one is there.
    fn wake_when_due(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        let Some(due) = host.due else { return };
        let at = due.max(self.now);
        if host.wakes.last().is_none_or(|&next| at < next) {
            host.wakes.push(at);
            self.queue.push(at, Event::Wake(node as u32));
        }
    }

    pub(crate) fn carry_out(&mut self, node: usize, outputs: &mut Vec<Output>) {
        if self.hosts[node].store.does() != Does::Works && !self.impatient {
            self.hold_for_disk(node, outputs);
        }
        for output in outputs.drain(..) {
            match &mut self.hosts[node].outputs_left {
                Some(0) => {
                    self.crash(node);
                    break;
                }
                Some(left) => *left -= 1,
                None => {}
            }
            match output {
                Output::Applied(applied) => self.persist(node, applied),
                Output::Removed(removed) => self.remove(node, &removed),
                Output::Keep { bytes, wait } => self.keep(node, bytes, wait),
                Output::Stray(entry) => self.put_aside(node, &entry, true),
                Output::StrayGone(entry) => self.put_aside(node, &entry, false),
                Output::Covered(covered) => self.hosts[node].covered.push(covered),
                Output::Send(send) => self.send(node, send),
            }
        }
    }

    /// Keeps the packets of a turn that wait for a disk that does not work.
    fn hold_for_disk(&mut self, node: usize, outputs: &mut Vec<Output>) {
        let size = |output: &Output| match output {
            Output::Applied(Applied { entry, .. }) | Output::Stray(entry) => entry.size(),
            _ => 0,
        };
        let changes = |output: &&Output| !matches!(output, Output::Send(_) | Output::Covered(_));
        let waits = |output: &Output| matches!(output, Output::Keep { wait: true, .. });
        let store = &mut self.hosts[node].store;
        if outputs.iter().any(|output| changes(&output)) {
            let bytes = outputs.iter().filter(changes).map(size).sum();
            store.submit(bytes, outputs.iter().any(waits));
        }
        // What follows in the turn waits for the disk, whatever it is.
        let mut barred = false;
        let all = std::mem::take(outputs).into_iter();
        outputs.extend(all.filter_map(|output| {
            barred |= waits(&output);
            match output {
                Output::Send(packet) => store.pass(packet, barred).map(Output::Send),
                output => Some(output),
            }
        }));
        self.look_at_backlog(node);
    }

    /// A node whose disk is too far behind takes no more data in.
    pub(crate) fn look_at_backlog(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        let room = host.room.unwrap_or(self.options.disk_backlog).min(self.options.disk_backlog);
        let behind = host.store.backlog() > room;
        if let Some(machine) = &mut host.node {
            machine.set_behind(behind);
        }
    }

    /// The settings that a node runs with.
    pub(crate) fn config_at(&self, node: usize) -> &Config {
        let other = self.options.other.as_ref().filter(|_| self.hosts[node].other);
        other.unwrap_or(&self.options.config)
    }

    /// What a node's users have written in a turn: all that it has persisted as its own until now.
    pub(crate) fn note_written(&mut self, outputs: &[Output]) {
        self.written.extend(outputs.iter().filter_map(|output| match output {
            Output::Applied(applied) if applied.from.is_none() && applied.space == Space::Data => {
                Some(applied.entry.stamp())
            }
            _ => None,
        }));
    }

    fn persist(&mut self, node: usize, applied: Applied) {
        let Applied { space, entry, from, previous } = applied;
        let own = from.is_none();
        let anew = own && space == Space::Data && !self.written.contains(&entry.stamp());
        let kind = match space {
            Space::Data if anew => Kind::Anew,
            Space::Data => Kind::Data,
            Space::Roster => Kind::Roster,
        };
        let about = entry.stamp().time;
        let line = Line { at: self.now, node, kind, about, bytes: entry.key() };
        self.trace.record_entry(&line, &entry, own);
        if space == Space::Roster {
            self.note_member(node, &entry, own);
            self.note_pass(node, &entry);
            self.hosts[node].disk.append(Arc::clone(&entry));
            self.hosts[node].journal.note(self.now, Undo::Roster { entry, previous });
            return;
        }
        self.note_change(node, entry.key());
        let source = match (own, anew) {
            (_, true) => Source::Anew,
            (true, _) => Source::User,
            (false, _) => Source::Peer,
        };
        if let Err((property, what)) = self.account(node, &entry, source) {
            self.violated(Some(node), property, what);
        }
    }

    /// Keeps bytes on a node's disk.
    fn keep(&mut self, node: usize, bytes: Vec<u8>, wait: bool) {
        self.ledger.cover(node, kept_link(&bytes).map(|link| link.horizon));
        let host = &mut self.hosts[node];
        let before = std::mem::replace(&mut host.kept, bytes);
        match wait {
            true => host.journal.sync(),
            false => host.journal.note(self.now, Undo::Kept(before)),
        }
    }

    /// Puts an entry among what is kept aside on a node's disk, or takes it off.
    fn put_aside(&mut self, node: usize, entry: &Arc<Entry>, stays: bool) {
        let (kind, about) = (if stays { Kind::Stray } else { Kind::StrayGone }, entry.stamp().time);
        let line = Line { at: self.now, node, kind, about, bytes: entry.key() };
        self.trace.record_entry(&line, entry, false);
        let is_it = |held: &Arc<Entry>| held.stamp() == entry.stamp();
        if !stays && !self.ledger.aside_at(node).get(entry.key()).is_some_and(is_it) {
            return;
        }
        if self.ledger.find_entry(entry).is_none() {
            self.violated(Some(node), "no invention", format!("keeps {entry:?} aside"));
        }
        let before = self.ledger.put_aside(node, entry.key(), stays.then(|| Arc::clone(entry)));
        let key = entry.key().into();
        self.hosts[node].journal.note(self.now, Undo::Stray { key, before });
    }

    /// Takes an entry off a node's disk.
    fn remove(&mut self, node: usize, removed: &Removed) {
        let entry = &removed.entry;
        self.note_change(node, entry.key());
        let (kind, about) = (Kind::Drop, entry.stamp().time);
        self.trace.record(&Line { at: self.now, node, kind, about, bytes: entry.key() }, false);
        let dormant = self.options.config.ring.tombstones == Tombstones::Dormant;
        if !self.options.config.ring.tombstones.is_fenced() {
            self.ledger.ages();
        }
        let write = self.ledger.find_entry(entry);
        if let Some(write) = write {
            let slot = self.ledger.slot(node, write);
            self.hosts[node].journal.note(self.now, Undo::Data(slot));
        }
        match write {
            Some(write) if dormant => self.ledger.lapse(node, write, removed.collected),
            Some(write) => self.ledger.release(node, write, removed.collected),
            None => {
                self.violated(Some(node), "no invention", format!("lets go {entry:?}"));
            }
        }
    }

    /// Enters what a node now holds into the ledger, and checks it.
    fn account(
        &mut self,
        node: usize,
        entry: &Arc<Entry>,
        source: Source,
    ) -> Result<(), (&'static str, String)> {
        let ledger = &mut self.ledger;
        let invented = |what| ("no invention", what);
        let revived = |what| ("no resurrection", what);
        let write = match source {
            Source::User => {
                unique_stamps::acknowledged(ledger, entry)
                    .map_err(|what| ("unique stamps", what))?;
                ledger.acknowledge(node, entry, self.now)
            }
            Source::Anew => {
                let write = ledger.write_anew(node, entry, self.now).map_err(invented)?;
                no_resurrection::written_anew(ledger, write).map_err(revived)?;
                write
            }
            Source::Peer => no_invention::applied(ledger, entry).map_err(invented)?,
        };
        ledger.offer(write);
        let tombstones = self.options.config.ring.tombstones;
        no_resurrection::applied(ledger, node, write, tombstones.is_fenced()).map_err(revived)?;
        monotonic_reads::applied(ledger, node, write).map_err(|what| ("monotonic reads", what))?;
        let slot = ledger.slot(node, write);
        ledger.hold(node, write, self.now);
        self.hosts[node].journal.note(self.now, Undo::Data(slot));
        Ok(())
    }

    /// Writes a value at a node.
    ///
    /// # Errors
    /// If the node does not run or refuses.
    pub fn write(
        &mut self,
        node: usize,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<WriteId, WriteError> {
        let (key, value) = (key.as_ref().into(), value.as_ref().into());
        self.operate(node, Op::Put { key, value, expiry: Expiry::Never })
    }

    /// Deletes a key at a node.
    ///
    /// # Errors
    /// If the node does not run, or does not hold the key.
    pub fn delete(&mut self, node: usize, key: impl AsRef<[u8]>) -> Result<WriteId, WriteError> {
        self.operate(node, Op::Delete { key: key.as_ref().into() })
    }

    /// Carries out any operation at a node.
    ///
    /// # Errors
    /// If the node does not run, has nothing to do, or refuses.
    pub fn operate(&mut self, node: usize, op: Op) -> Result<WriteId, WriteError> {
        self.operate_all(node, [op]).pop().unwrap_or(Err(WriteError::Nothing))
    }

    /// Carries out operations at a node in one turn, as an agent does with what has piled up.
    pub fn operate_all(
        &mut self,
        node: usize,
        ops: impl IntoIterator<Item = Op>,
    ) -> Vec<Result<WriteId, WriteError>> {
        let now = self.now_at(node);
        let host = &mut self.hosts[node];
        // Who hands over takes nothing more.
        let takes = !host.paused && host.departing.is_none();
        let Some(machine) = host.node.as_mut().filter(|_| takes) else {
            return ops.into_iter().map(|_| Err(WriteError::NotRunning)).collect();
        };
        let mut outputs = std::mem::take(&mut self.outputs);
        let outcomes: Vec<_> =
            ops.into_iter().map(|op| machine.write(op, now, &mut outputs)).collect();
        self.note_written(&outputs);
        if let Some(machine) = &mut self.hosts[node].node {
            machine.flush(now, &mut outputs);
        }
        self.carry_out(node, &mut outputs);
        self.written.clear();
        self.outputs = outputs;
        self.arm(node);
        self.check_turn(node);
        outcomes.into_iter().map(|outcome| self.acknowledged(node, outcome)).collect()
    }

    /// The write that an outcome stands for. It is acknowledged if it was persisted; a process that
    /// says so without having persisted it must have died since.
    fn acknowledged(
        &mut self,
        node: usize,
        outcome: Result<Outcome, Refused>,
    ) -> Result<WriteId, WriteError> {
        let written = outcome.map_err(WriteError::Refused)?.written.ok_or(WriteError::Nothing)?;
        let write = self.ledger.find(written.stamp());
        if write.is_none() && self.hosts[node].node.is_some() {
            let what = format!("says that {written:?} is written, but has not persisted it");
            self.violated(Some(node), "no lost write", what);
        }
        write.ok_or(WriteError::NotRunning)
    }

    fn write_some(&mut self, load: u32) {
        let Some(workload) = self.load.filter(|_| load == self.loads) else { return };
        let node = self.load_rng.index(self.hosts.len());
        let op = workload.op(&mut self.load_rng);
        // Nodes that do not run take no writes, and many deletes find nothing: both are as meant.
        let _ = self.operate(node, op);
        let pause = workload.pause(&mut self.load_rng);
        self.queue.push(Instant(self.now.0 + pause), Event::Write { load });
    }

    /// Something has changed in the part of a node's map that a key belongs to.
    fn note_change(&mut self, node: usize, key: &[u8]) {
        let host = &mut self.hosts[node];
        if let Some(machine) = host.node.as_ref().filter(|_| self.options.check != Checks::Off) {
            host.looks.change(account::part_of(machine.data().hash(key)));
        }
    }

    /// Looks whether a node, and what is around it, is sound at the end of a turn.
    fn check_turn(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        let entries = host.running().map_or(0, |machine| machine.data().digest().count);
        let Some(depth) = host.looks.next(self.options.check, entries) else { return };
        let (now, host) = (self.now_at(node), &self.hosts[node]);
        let Some(machine) = host.running() else { return };
        let mut sound = invariants::turned(machine, now, depth).and_then(|()| {
            let sound = host.check(&self.packets, self.now);
            sound.map_err(|what| ("check of the world", what))
        });
        // A process that is to die midway has not written down all that it knows.
        if depth.is_whole() && sound.is_ok() && host.outputs_left.is_none() {
            let faithful = faithful_replica::settled(&self.ledger, node, machine);
            sound = faithful.map_err(|what| ("faithful replica", what));
        }
        if let Err((property, what)) = sound {
            self.violated(Some(node), property, what);
        }
    }

    /// Notes an event without bytes.
    pub(crate) fn record(&mut self, node: usize, kind: Kind, about: u64) {
        self.trace.record(&Line { at: self.now, node, kind, about, bytes: &[] }, false);
    }

    pub(crate) fn violation(
        &self,
        node: Option<usize>,
        property: &'static str,
        what: String,
    ) -> Violation {
        let at = Duration::from_micros(self.now.0);
        Violation { seed: self.options.seed, at, node, property, what }
    }

    /// A node has heard which pass is the latest complete one.
    fn note_pass(&mut self, node: usize, entry: &Entry) {
        let ring = &self.options.config.ring;
        let proves = ring.fence && ring.tombstones.is_fenced() && self.ledger.promises_deletions;
        let Some(horizon) = Horizon::of(entry).filter(|_| proves) else { return };
        match self.chain.complete(node, horizon) {
            Ok(true) => {}
            // Those that lost their disks and know of nobody are a cluster of their own: see "What it
            // assumes" in docs/chain.md.
            Ok(false) => self.ledger.promises_deletions = false,
            Err(what) => self.violated(Some(node), "one chain", what),
        }
    }

    /// Notes that a property does not hold: the run ends with the first.
    pub(crate) fn violated(&mut self, node: Option<usize>, property: &'static str, what: String) {
        // A member that means harm may say anything: then it is only judged whether nodes are sound.
        let counts = property == "bounded" || property.starts_with("check of");
        if self.violation.is_none() && (counts || !self.strangers.betrayed) {
            self.violation = Some(self.violation(node, property, what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transit::tests::{send, times, world};
    use rumormill_core::output::Via;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_was_acknowledged_survives_a_crash_and_not_a_lost_disk() {
        let (mut world, _) = world();
        let id = world.id(0);
        let first = world.write(0, "a", "1").unwrap();
        world.write(0, "b", "2").unwrap();
        world.delete(0, "b").unwrap();
        assert_eq!(world.delete(0, "b"), Err(WriteError::Nothing));
        world.restart(0);
        assert_eq!(world.read(0, "a"), Some(&b"1"[..]));
        assert_eq!(world.read(0, "b"), None);
        assert_eq!(world.id(0), id);
        let second = world.write(0, "a", "2").unwrap();
        let stamp = |write| world.ledger().get(write).entry.stamp();
        assert!(stamp(first) < stamp(second));
        world.lose_disk(0);
        world.boot(0);
        assert_eq!(world.read(0, "a"), None);
        assert_ne!(world.id(0), id);
    }

    #[test]
    fn a_crash_midway_takes_back_what_was_not_persisted() {
        let (mut world, seen) = world();
        world.write(0, "a", "1").unwrap();
        world.crash_midway(0, 0);
        assert_eq!(world.write(0, "a", "2"), Err(WriteError::NotRunning));
        assert!(world.node(0).is_none());
        world.boot(0);
        assert_eq!(world.read(0, "a"), Some(&b"1"[..]));
        assert_eq!(times(&seen, Kind::Data).len(), 1);
    }

    #[test]
    fn an_entry_that_nobody_wrote_ends_the_run() {
        let (mut world, _) = world();
        let stamp = rumormill_core::data::Stamp { time: 1, node: NodeId(1) };
        let entry = Arc::new(Entry::new(b"k", b"v", stamp, None));
        let from = Some(NodeId(1));
        let applied = Applied { space: Space::Data, entry, previous: None, from };
        world.carry_out(2, &mut vec![Output::Applied(applied)]);
        let violation = world.run_for(MS).unwrap_err();
        assert_eq!((violation.node, violation.property), (Some(2), "no invention"));
        assert!(violation.to_string().starts_with("seed 0, at 0.000000 s, n2: no invention: "));
    }

    #[test]
    fn too_large_a_datagram_ends_the_run() {
        let (mut world, _) = world();
        send(&mut world, 0, 1, Via::Datagram, 1401);
        assert_eq!(world.run_for(MS).unwrap_err().property, "bounded");
    }

    #[test]
    fn waiting_ends_at_the_condition_or_at_the_limit() {
        let (mut world, _) = world();
        send(&mut world, 0, 1, Via::Datagram, 10);
        let took = world.run_until(|world| world.in_flight() == 0, MS * 10).unwrap();
        assert_eq!(took, MS);
        let late = world.run_until(|_| false, MS * 10).unwrap_err();
        assert_eq!((late.property, late.at), ("time limit", MS * 11));
    }
}
