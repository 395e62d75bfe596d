//! What a test does to a world: processes, network, faults, load. Disks are in `storage.rs`.

use crate::checkers::Violation;
use crate::checkers::no_lost_note::Noted;
use crate::event::Event;
use crate::faults::{Does, Fault, Lock, Plan};
use crate::host::{Host, address};
use crate::ledger::WriteId;
use crate::options::Start;
use crate::store::Store;
use crate::trace::{Kind, Line};
use crate::workload::Workload;
use crate::world::{World, WriteError};
use rumormill_core::base::time::micros;
use rumormill_core::data::Space;
use rumormill_core::member::{State, Tags, notes};
use rumormill_core::node::Vote;
use rumormill_core::output::{Covered, Via};
use rumormill_core::spread::coverage::{About, Want};
use rumormill_core::spread::ring::{NoPass, NotForgotten};
use rumormill_core::wire::Versions;
use rumormill_core::{Config, Input, Instant, Node, NodeId, Now, Output};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long a node may take to hand over before it leaves.
const HAND_OVER: Duration = Duration::from_secs(10);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// A machine that is set back by so much more than `ring.interval` is certain to be in doubt.
const SLACK: Duration = Duration::from_secs(1);
/// Nodes whose addresses a booting node is given, where nothing else is said.
const SEEDS: usize = 3;

impl World {
    /// Kills a process. What it persisted stays; does nothing if it is down.
    pub fn crash(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        host.outputs_left = None;
        host.departing = None;
        let Some(ended) = host.node.take() else { return };
        self.meter.retire(ended.stats());
        if !ended.has_left() {
            self.meter.died(ended.identity().id, self.options.nodes, self.now);
        }
        let host = &mut self.hosts[node];
        host.paused = false;
        host.backlog_bytes = 0;
        for event in std::mem::take(&mut host.backlog) {
            if let Event::Packet(slot) = event {
                self.packets.take(slot);
            }
        }
        for sender in self.streams.drop_node(node) {
            self.break_stream(sender, node);
        }
        self.record(node, Kind::Down, 0);
        // What waited for a disk that did not work is gone with the process.
        self.hosts[node].store = Store::default();
        let undone = self.hosts[node].journal.lose();
        if !undone.is_empty() {
            self.take_back(node, undone);
        }
    }

    /// Kills a process after it has carried out this many more outputs, so between persisting and
    /// sending, or between two sends.
    pub fn crash_midway(&mut self, node: usize, outputs: u32) {
        if self.hosts[node].node.is_some() {
            self.hosts[node].outputs_left = Some(outputs);
        }
    }

    /// A node restarts with the other settings, or with the first ones again.
    pub fn set_settings(&mut self, node: usize, other: bool) {
        self.hosts[node].other = other;
        self.restart_if_up(node);
    }

    /// A node restarts with another lock on its gossip port.
    pub fn set_lock(&mut self, node: usize, lock: Lock) {
        if self.hosts[node].lock != lock {
            self.hosts[node].lock = lock;
            self.restart_if_up(node);
        }
    }

    fn restart_if_up(&mut self, node: usize) {
        if self.hosts[node].node.is_some() {
            self.restart(node);
        }
    }

    /// A node's machine has room for so many bytes, or with 0 for all that come.
    pub fn squeeze(&mut self, node: usize, bytes: usize) {
        self.hosts[node].room = (bytes > 0).then_some(bytes);
        self.look_at_backlog(node);
    }

    /// A node that seals writes a note about the key ring; does nothing otherwise.
    pub fn write_note(&mut self, node: usize, name: &str, size: usize) {
        if !self.hosts[node].lock.seals() {
            return;
        }
        let mut key = [notes::PREFIX, name.as_bytes()].concat();
        if name.ends_with('?') {
            key.extend(self.id(node).0.to_be_bytes());
        }
        let number = self.noted.len() as u64;
        let value: Vec<u8> = number.to_le_bytes().into_iter().cycle().take(size).collect();
        let mut written = None;
        self.at(node, |machine, now, out| written = machine.write_note(&key, &value, now, out));
        // A process that dies midway may not have written it down.
        if let Some(stamp) = written.filter(|_| self.hosts[node].node.is_some()) {
            self.noted.push(Noted { by: node, key, stamp });
        }
    }

    /// Begins a pass of ring repair at a node. With `waive` an operator says that nobody is missing
    /// from the first one.
    ///
    /// # Errors
    /// If it refuses; `None` if it does not run.
    pub fn begin_pass_with(&mut self, node: usize, waive: bool) -> Result<u64, Option<NoPass>> {
        self.record(node, Kind::Pass, u64::from(waive));
        let mut begun = Err(None);
        let behind = self.node(node).is_some_and(|machine| !machine.is_covered());
        self.at(node, |machine, now, out| {
            begun = machine.begin_pass(waive, now, out).map_err(Some);
        });
        if waive && begun.is_ok() {
            if behind {
                // All go on from what they hold: what the others have collected since the link of one
                // of them comes back.
                self.ledger.promises_deletions = false;
            }
            let here = self.hosts[node].node.iter().flat_map(Node::members);
            let here: Vec<NodeId> = here
                .filter(|member| member.state == State::Alive)
                .map(|member| member.id)
                .collect();
            let all = self.hosts.iter().flat_map(Host::ids);
            let missing: Vec<NodeId> = all.filter(|id| !here.contains(id)).collect();
            missing.into_iter().for_each(|id| self.waive(id));
        }
        begun
    }

    /// The same without.
    ///
    /// # Errors
    /// As there.
    pub fn begin_pass(&mut self, node: usize) -> Result<u64, Option<NoPass>> {
        self.begin_pass_with(node, false)
    }

    /// Lets a node forget another.
    ///
    /// # Errors
    /// If it refuses; `None` if it does not run.
    pub fn forget(
        &mut self,
        node: usize,
        id: NodeId,
        force: bool,
    ) -> Result<(), Option<NotForgotten>> {
        self.record(node, Kind::Forget, id.0);
        let mut done = Err(None);
        self.at(node, |machine, now, out| {
            done = machine.forget(id, force, now, out).map_err(Some);
        });
        if force && done.is_ok() {
            self.waive(id);
        }
        done
    }

    /// An operator has said that a member is gone for good and that no others go on with its vote.
    fn waive(&mut self, id: NodeId) {
        self.waived.push(id);
        let runs = self.hosts.iter().any(|host| host.identity.id == id && host.node.is_some());
        if runs || self.handed_over.contains(&id) || self.network.is_cut() {
            self.ledger.promises_deletions = false;
        }
    }

    /// Lets the first node that runs, from one on, forget the latest member at another's place that
    /// is neither here nor forgotten.
    fn forget_at(&mut self, by: usize, node: usize, force: bool) {
        let nodes = self.hosts.len();
        let around = (by..nodes).chain(0..by);
        let mut running = around.filter(|&at| at != node && self.hosts[at].running().is_some());
        let Some(by) = running.next() else { return };
        let ids: Vec<NodeId> = self.hosts[node].ids().collect();
        for id in ids.into_iter().rev() {
            if self.forget(by, id, force).is_ok() {
                return;
            }
        }
    }

    /// Makes what a node keeps aside under a key a write of its own.
    ///
    /// # Errors
    /// If it does not run, keeps nothing there, or refuses.
    pub fn put_stray_back(&mut self, node: usize, key: &[u8]) -> Result<(), WriteError> {
        let mut done = Err(WriteError::NotRunning);
        self.at(node, |machine, now, out| {
            done = match machine.put_stray_back(key, now, out) {
                Ok(true) => Ok(()),
                Ok(false) => Err(WriteError::Nothing),
                Err(refused) => Err(WriteError::Refused(refused)),
            };
        });
        done
    }

    /// Drops what a node keeps aside under a key; false if there is nothing.
    pub fn drop_stray(&mut self, node: usize, key: &[u8]) -> bool {
        let mut dropped = false;
        self.at(node, |machine, now, out| dropped = machine.drop_stray(key, now, out));
        dropped
    }

    /// Lets a node ask how many hold a write, for at most so long; `None` if it does not run or
    /// takes no question.
    pub fn ask_coverage(
        &mut self,
        node: usize,
        write: WriteId,
        want: Want,
        limit: Duration,
    ) -> Option<u64> {
        let entry = Arc::clone(&self.ledger().get(write).entry);
        let about = About { writes: vec![(entry.key().into(), entry.stamp())], upto: None };
        self.ask_about(node, &about, want, limit)
    }

    /// The same about many writes.
    pub fn ask_about(
        &mut self,
        node: usize,
        about: &About,
        want: Want,
        limit: Duration,
    ) -> Option<u64> {
        let mut token = None;
        self.at(node, |machine, now, _| {
            token = machine.ask_coverage(about, want, now.mono.after(limit), now).ok();
        });
        token
    }

    /// Lets a node ask another to compare itself with it now.
    pub fn freshen(&mut self, node: usize) {
        self.at(node, |machine, _, _| machine.freshen());
    }

    /// What came of the questions of a node since the last time.
    pub fn take_covered(&mut self, node: usize) -> Vec<Covered> {
        std::mem::take(&mut self.hosts[node].covered)
    }

    /// A turn of a node that runs.
    fn at(&mut self, node: usize, act: impl FnOnce(&mut Node, Now, &mut Vec<Output>)) {
        if self.hosts[node].running().is_none() {
            return;
        }
        let now = self.now_at(node);
        let mut outputs = Vec::new();
        if let Some(machine) = &mut self.hosts[node].node {
            act(machine, now, &mut outputs);
        }
        self.note_written(&outputs);
        if let Some(machine) = &mut self.hosts[node].node {
            machine.flush(now, &mut outputs);
        }
        self.carry_out(node, &mut outputs);
        self.written.clear();
        self.arm(node);
    }

    /// Asks a node to hand over what it has written and its vote; it leaves once it has, or once time
    /// is up.
    pub fn depart(&mut self, node: usize) {
        if self.hosts[node].running().is_none() || self.hosts[node].departing.is_some() {
            return;
        }
        self.record(node, Kind::Depart, 0);
        self.hosts[node].departing = Some(self.now.after(HAND_OVER));
        self.at(node, |machine, now, out| machine.begin_departure(true, now, out));
        self.queue.push(self.now.after(LOOK), Event::Depart(node as u32));
    }

    /// Lets a node leave that has handed over.
    pub(crate) fn look_at_departure(&mut self, node: usize) {
        let host = &self.hosts[node];
        let (Some(until), Some(machine)) = (host.departing, &host.node) else { return };
        let departure = machine.departure();
        let done = departure.is_none_or(|departure| departure.done) || self.now >= until;
        if host.paused || !done {
            return self.queue.push(self.now.after(LOOK), Event::Depart(node as u32));
        }
        if let Some(Vote::Given(_)) = departure.map(|departure| departure.vote) {
            self.handed_over.push(host.identity.id);
        }
        self.leave(node);
    }

    /// Asks a node to leave, and stops it once it has said goodbye.
    pub fn leave(&mut self, node: usize) {
        if self.hosts[node].running().is_some() {
            self.record(node, Kind::Leave, 0);
            self.input(node, Input::Leave);
            self.crash(node);
        }
    }

    /// Changes what an operator says of a node that runs.
    pub fn set_tags(&mut self, node: usize, tags: Tags) {
        if self.hosts[node].running().is_none() {
            return;
        }
        self.record(node, Kind::Tags, 0);
        self.hosts[node].identity.tags = tags.clone();
        self.at(node, |machine, now, out| machine.set_tags(tags, now, out));
    }

    /// A node pretends to speak these versions of packets from its next boot on.
    pub fn speak(&mut self, node: usize, speaks: Versions) {
        let nodes = 0..self.hosts.len();
        let all = nodes.map(|at| if at == node { speaks } else { self.options.versions(at) });
        self.options.speaks = all.collect();
    }

    /// Boots a node that is down from its disk and lets it join through a few others. Does nothing
    /// if it is up.
    pub fn boot(&mut self, node: usize) {
        if self.hosts[node].node.is_some() {
            return;
        }
        self.come_up(node);
        let given = match self.options.start {
            Start::Join { seeds } => seeds,
            Start::Prefilled | Start::Strangers => SEEDS,
        };
        // A seed that boots alone must be able to find the others again.
        let next = (node + 1) % self.hosts.len();
        let seeds: Vec<usize> = (0..given.min(self.hosts.len())).chain([next]).collect();
        self.join(node, &seeds);
    }

    /// Tells a node to join through others, and boots it before if it is down.
    pub fn boot_and_join(&mut self, node: usize, seeds: &[usize]) {
        if self.hosts[node].node.is_none() {
            self.come_up(node);
        }
        self.join(node, seeds);
    }

    fn come_up(&mut self, node: usize) {
        let id = self.id(node);
        self.returns(id);
        if self.waived.contains(&id) {
            self.ledger.promises_deletions = false;
        }
        let options = &self.options;
        let doubt = options.config.ring.interval + 2 * options.clock_skew + SLACK;
        if let Some(at) = self.hosts[node].set_back.take() {
            self.set_back.push(id);
            // It cannot know that it has forgotten something, or all that a pass covered may have.
            if self.now.since(at) <= doubt || self.covers_only_set_back() {
                self.ledger.promises_deletions = false;
                self.ledger.promises_writes = false;
            }
        }
        self.start(node);
    }

    /// Crashes a node and boots it again at once.
    pub fn restart(&mut self, node: usize) {
        self.crash(node);
        self.boot(node);
    }

    /// Starts a process and lets it read its disk.
    pub(crate) fn start(&mut self, node: usize) {
        let seed = self.rng.bits();
        let boots = self.hosts[node].boots;
        self.record(node, Kind::Boot, boots);
        let host = &mut self.hosts[node];
        host.boots += 1;
        host.started = self.now;
        let now = self.now_at(node);
        let config = Config { speaks: self.options.versions(node), ..self.config_at(node).clone() };
        let host = &mut self.hosts[node];
        let mut machine = Node::new(config, host.identity.clone(), seed, now);
        machine.set_lock(host.lock.is_keyed(), host.lock.seals());
        // On the first boot of a prefilled world this run's own record is on the disk already: it
        // is not one of an earlier run, which would have to be overruled.
        let own = host.identity.id;
        machine.share(Arc::clone(&self.pool));
        match self.roster.as_ref().filter(|_| boots == 0) {
            Some(roster) => machine.adopt(roster, now),
            None => host.disk.replay(|entry| {
                if boots > 0 || entry.stamp().node != own {
                    machine.restore(Space::Roster, Arc::clone(entry), now);
                }
            }),
        }
        for written in self.ledger.all_held_by(node) {
            machine.restore(Space::Data, Arc::clone(&written.entry), now);
        }
        for stray in self.ledger.aside_at(node).values() {
            machine.restore_stray(Arc::clone(stray));
        }
        machine.restore_kept(&self.hosts[node].kept);
        self.hosts[node].node = Some(machine);
        if boots == 0 && self.options.start == Start::Prefilled && self.roster.is_none() {
            // What is on all disks alike is read once, and shared.
            self.roster = self.hosts[node].node.as_ref().map(Node::roster);
        }
        self.arm(node);
    }

    /// Tells a node to join through others; its own index is passed over.
    pub fn join(&mut self, node: usize, seeds: &[usize]) {
        if self.hosts[node].running().is_none() {
            return;
        }
        let seeds: Vec<SocketAddr> =
            seeds.iter().filter(|&&seed| seed != node).map(|&seed| address(seed)).collect();
        self.record(node, Kind::Join, seeds.len() as u64);
        self.input(node, Input::Join { seeds: &seeds });
    }

    /// Lets a process stand still: nothing is handled, datagrams pile up to a bound.
    pub fn pause(&mut self, node: usize) {
        if self.hosts[node].running().is_some() {
            self.hosts[node].paused = true;
            self.record(node, Kind::Pause, 0);
        }
    }

    /// Lets a process's timers run on while nothing gets in or out of it: what it sends waits, up to
    /// a bound, and so does what is sent to it.
    pub fn choke(&mut self, node: usize) {
        if self.hosts[node].running().is_some() {
            self.hosts[node].choked = true;
            self.record(node, Kind::Pause, 1);
        }
    }

    /// Ends that: what has waited gets out, and then what has waited gets in.
    pub fn unchoke(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        if !std::mem::take(&mut host.choked) {
            return;
        }
        host.held_bytes = 0;
        for send in std::mem::take(&mut host.held_back) {
            self.send(node, send);
        }
        self.take_backlog(node);
    }

    /// Lets a process go on: it finds all that has come in meanwhile at once.
    pub fn resume(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        if std::mem::take(&mut host.paused) {
            self.take_backlog(node);
        }
    }

    /// Hands a process all that has waited for it.
    fn take_backlog(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        host.backlog_bytes = 0;
        let backlog = std::mem::take(&mut host.backlog);
        self.record(node, Kind::Resume, backlog.len() as u64);
        for event in backlog {
            match event {
                Event::Packet(slot) => self.deliver(slot),
                Event::StreamLost { from, to, id } => self.lose_stream(from, to, id),
                Event::Wake(_)
                | Event::Depart(_)
                | Event::Fault(_)
                | Event::Write { .. }
                | Event::Strange { .. } => {}
            }
        }
        self.arm(node);
    }

    /// Makes everything from and to a node slower.
    pub fn slow(&mut self, node: usize, extra: Duration) {
        self.network.slow(node, extra);
        self.record(node, Kind::Network, micros(extra));
    }

    /// Lets larger datagrams from and to a node vanish; with 0 bytes no more.
    pub fn narrow(&mut self, node: usize, bytes: usize) {
        self.network.narrow(node, if bytes == 0 { usize::MAX } else { bytes });
        self.record(node, Kind::Network, bytes as u64);
    }

    /// Lets nothing through between two sets of nodes.
    pub fn partition(&mut self, one: &[usize], other: &[usize]) {
        self.cut(one, other);
        self.cut(other, one);
    }

    /// Lets nothing through from one set of nodes to another.
    pub fn cut(&mut self, from: &[usize], to: &[usize]) {
        self.network.cut(from, to, None);
        if !self.waived.is_empty() {
            // On either side they may go on with the votes that were waived.
            self.ledger.promises_deletions = false;
        }
        self.record_network("cut", &[from, to]);
    }

    /// Lets no datagrams through from one set of nodes to another, or no streams between them.
    pub fn cut_way(&mut self, from: &[usize], to: &[usize], via: Via) {
        self.network.cut(from, to, Some(via));
        if !self.waived.is_empty() {
            self.ledger.promises_deletions = false;
        }
        let what = if via == Via::Datagram { "cut datagrams" } else { "cut streams" };
        self.record_network(what, &[from, to]);
    }

    /// Ends all cuts and partitions.
    pub fn heal(&mut self) {
        self.network.heal();
        self.record_network("heal", &[]);
    }

    /// Sets the share of datagrams that are lost.
    pub fn set_loss(&mut self, share: f64) {
        self.network.conditions.loss = share;
        self.record_network("loss", &[]);
    }

    /// Sets the share of datagrams that arrive twice.
    pub fn set_duplicate(&mut self, share: f64) {
        self.network.conditions.duplicate = share;
        self.record_network("duplicate", &[]);
    }

    /// Sets the share of datagrams that are held back.
    pub fn set_reorder(&mut self, share: f64) {
        self.network.conditions.reorder = share;
        self.record_network("reorder", &[]);
    }

    fn record_network(&mut self, what: &str, sets: &[&[usize]]) {
        let bytes = format!("{what} {sets:?} {:?}", self.network.conditions);
        let line =
            Line { at: self.now, node: 0, kind: Kind::Network, about: 0, bytes: bytes.as_bytes() };
        self.trace.record(&line, true);
    }

    /// Sets a node's wall clock forwards or back.
    pub fn jump_clock(&mut self, node: usize, ms: i64) {
        self.clocks.jump(node, ms);
        self.record(node, Kind::Clock, ms as u64);
    }

    /// Ends every fault: all nodes run, the network is as at the start.
    pub fn calm(&mut self) {
        self.network.conditions = self.options.conditions();
        self.heal();
        self.strangers.go();
        // A fleet of which some have a key closes the lock everywhere: who has a key and does not seal
        // believes nobody of passes, and who has none cannot read what is sealed.
        let keyed = self.hosts.iter().any(|host| host.lock.is_keyed());
        for node in 0..self.hosts.len() {
            self.set_disk(node, Does::Works);
            self.squeeze(node, 0);
            if keyed {
                self.set_lock(node, Lock::Require);
            }
            self.hosts[node].outputs_left = None;
            self.slow(node, Duration::ZERO);
            self.narrow(node, 0);
            self.resume(node);
            self.boot(node);
        }
    }

    /// Lets one fault happen now.
    pub fn inflict(&mut self, fault: &Fault) {
        match fault {
            Fault::Crash(node) => self.crash(*node),
            Fault::CrashMidway { node, outputs } => self.crash_midway(*node, *outputs),
            Fault::LoseDisk(node) => self.lose_disk(*node),
            Fault::PowerCut { node, back } => self.power_cut(*node, *back),
            Fault::CopyDisk(node) => self.keep_copy(*node),
            Fault::PutBack(node) => self.put_kept(*node, *node, 0, false),
            Fault::Restore { node, from, before, fresh } => {
                self.put_kept(*node, *from, *before, *fresh);
            }
            Fault::Leave(node) => self.leave(*node),
            Fault::Depart(node) => self.depart(*node),
            Fault::Boot(node) => self.boot(*node),
            Fault::Join { node, seeds } => self.boot_and_join(*node, seeds),
            Fault::Forget { by, node, force } => self.forget_at(*by, *node, *force),
            Fault::Pass { by, waive } => {
                // It may refuse.
                let _ = self.begin_pass_with(*by, *waive);
            }
            Fault::Pause(node) => self.pause(*node),
            Fault::Resume(node) => self.resume(*node),
            Fault::Slow { node, extra } => self.slow(*node, *extra),
            Fault::Narrow { node, bytes } => self.narrow(*node, *bytes),
            Fault::Cut { from, to } => self.cut(from, to),
            Fault::CutWay { from, to, streams: false } => self.cut_way(from, to, Via::Datagram),
            Fault::CutWay { from, to, streams: true } => self.cut_way(from, to, Via::Stream),
            Fault::Partition { one, other } => self.partition(one, other),
            Fault::Heal => self.heal(),
            Fault::Loss(share) => self.set_loss(*share),
            Fault::Duplicate(share) => self.set_duplicate(*share),
            Fault::Reorder(share) => self.set_reorder(*share),
            Fault::ClockJump { node, ms } => self.jump_clock(*node, *ms),
            Fault::Settings { node, other } => self.set_settings(*node, *other),
            Fault::Squeeze { node, bytes } => self.squeeze(*node, *bytes),
            Fault::Disk { node, does } => self.set_disk(*node, *does),
            Fault::Strangers { forge, per_second } => self.let_in(*forge, *per_second),
            Fault::Traitor { forge, per_second } => {
                self.betray();
                self.let_in(*forge, *per_second);
            }
            Fault::Lock { node, lock } => self.set_lock(*node, *lock),
            Fault::Note { node, name, size } => self.write_note(*node, name, *size),
            Fault::Calm => self.calm(),
        }
    }

    /// Runs a plan from its beginning to its end.
    ///
    /// # Errors
    /// The first property that does not hold.
    pub fn run_plan(&mut self, plan: &Plan) -> Result<(), Violation> {
        self.schedule(plan);
        self.run_for(plan.duration)
    }

    /// Lets the faults of a plan happen from now on.
    pub fn schedule(&mut self, plan: &Plan) {
        for (after, fault) in &plan.steps {
            let index = self.faults.len() as u32;
            self.faults.push(fault.clone());
            self.queue.push(self.now.after(*after), Event::Fault(index));
        }
    }

    /// Starts a load of random writes, in place of the one before.
    pub fn start_load(&mut self, load: Workload) {
        self.loads += 1;
        self.load = Some(load);
        let at = Instant(self.now.0 + 1);
        self.queue.push(at, Event::Write { load: self.loads });
    }

    /// Ends the load.
    pub fn stop_load(&mut self) {
        self.load = None;
    }
}
