//! The ways of packets: from a node's output through the network into another node's input.

use crate::checkers::bounded;
use crate::event::Event;
use crate::host::{address, index_of};
use crate::packet::Packet;
use crate::stream::Sent;
use crate::trace::{Kind, Line};
use crate::world::World;
use rumormill_core::base::time::micros;
use rumormill_core::output::{Send, Via};
use rumormill_core::{Input, Instant};

impl World {
    /// Takes a packet from a node.
    pub(crate) fn send(&mut self, from: usize, send: Send) {
        let host = &mut self.hosts[from];
        if host.choked {
            host.held_bytes += send.bytes.len();
            if host.held_bytes <= self.options.socket_buffer {
                host.held_back.push(send);
            } else {
                self.meter.socket_full += 1;
            }
            return;
        }
        let Send { to, via, class, bytes } = send;
        self.hosts[from].traffic.count_sent(class, via, bytes.len());
        let packets = self.hosts[from].count_sent(self.now);
        let bounds = [
            bounded::sent(self.config_at(from), via, bytes.len()),
            bounded::sent_in_a_second(packets, self.options.max_sent),
        ];
        for what in bounds.into_iter().filter_map(Result::err) {
            self.violated(Some(from), "bounded", what);
        }
        // An address at which there never was anyone: the network drops it.
        let Some(to) = index_of(to).filter(|&to| to < self.hosts.len()) else {
            return self.record(from, Kind::Lost, u64::MAX);
        };
        if self.options.zones.as_ref().is_some_and(|zones| zones.parts(from, to)) {
            self.hosts[from].traffic.count_across(class, bytes.len());
        }
        let kind = if via == Via::Datagram { Kind::SendDatagram } else { Kind::SendFrame };
        let line = Line { at: self.now, node: from, kind, about: to as u64, bytes: &bytes };
        self.trace.record(&line, true);
        let sealed = self.hosts[from].lock.seals();
        let (from, to) = (from as u32, to as u32);
        let packet = Packet { from, to, via, class, stream: 0, queued: false, sealed, bytes };
        self.strangers.overhear(&packet);
        match via {
            Via::Datagram => self.send_datagram(packet),
            Via::Stream => self.send_frame(packet),
        }
    }

    fn send_datagram(&mut self, packet: Packet) {
        let (from, to, len) = (packet.from as usize, packet.to as usize, packet.bytes.len());
        let [first, second] = self.network.datagram(from, to, len, self.now);
        let Some(first) = first else {
            return self.record(packet.from as usize, Kind::Lost, packet.to.into());
        };
        if let Some(second) = second {
            let copy = Packet { bytes: packet.bytes.clone(), ..packet };
            self.dispatch(copy, Instant(self.now.0 + second));
        }
        self.dispatch(packet, Instant(self.now.0 + first));
    }

    fn send_frame(&mut self, packet: Packet) {
        let (from, to) = (packet.from as usize, packet.to as usize);
        let mut delay = self.network.hop(from, to);
        delay += self.network.uplinks.frame(from, packet.bytes.len(), self.now);
        if self.streams.open(from, to, self.now) {
            delay += self.network.hop(from, to) + self.network.hop(to, from);
        }
        let at = Instant(self.now.0 + delay);
        let room = self.hosts[from].room.unwrap_or(usize::MAX);
        let limit = self.options.stream_buffer.min(room);
        let admitted = self.hosts[to].lock.admits(packet.sealed);
        let reachable =
            admitted && self.network.connects(from, to) && self.hosts[to].node.is_some();
        match self.streams.send(from, to, packet.bytes.len(), at, limit) {
            Sent::Arrives { at, stream } if reachable => {
                self.dispatch(Packet { stream, ..packet }, at);
            }
            Sent::Lost => self.record(from, Kind::Lost, to as u64),
            Sent::Full | Sent::Arrives { .. } => {
                self.record(from, Kind::Lost, to as u64);
                self.break_stream(from, to);
            }
        }
    }

    fn dispatch(&mut self, packet: Packet, at: Instant) {
        let from = packet.from as usize;
        let slot = self.packets.insert(packet);
        self.queue.push(at, Event::Packet(slot));
        if let Err(what) = bounded::in_flight(self.packets.len(), self.options.max_in_flight) {
            self.violated(Some(from), "bounded", what);
        }
    }

    /// Loses everything on a stream; its sender hears of it after a while.
    pub(crate) fn break_stream(&mut self, from: usize, to: usize) {
        if let Some(id) = self.streams.break_off(from, to) {
            // A dead process resets its connections; through a cut nothing is heard.
            let delay = match self.network.connects(from, to) {
                true => self.network.hop(to, from),
                false => micros(self.options.stream_timeout),
            };
            let (from, to) = (from as u32, to as u32);
            let at = Instant(self.now.0.saturating_add(delay));
            self.queue.push(at, Event::StreamLost { from, to, id });
        }
    }

    /// A packet has come to the end of its way.
    pub(crate) fn arrive(&mut self, slot: u32) {
        let Some(packet) = self.packets.get(slot) else { return };
        let (from, to, len) = (packet.from as usize, packet.to as usize, packet.bytes.len());
        let (via, stream) = (packet.via, packet.stream);
        if self.network.downlinks.bounded() && !packet.queued {
            return self.queue_up(slot, to, via, len);
        }
        let through = match via {
            Via::Datagram => self.network.passes(from, to),
            Via::Stream => self.network.connects(from, to),
        };
        if !through && via == Via::Stream && self.streams.is_open(from, to, stream) {
            self.break_stream(from, to);
        }
        let host = &mut self.hosts[to];
        if through && (host.paused || host.choked) {
            let datagram = via == Via::Datagram;
            let room = host.room.unwrap_or(usize::MAX).min(self.options.socket_buffer);
            if !datagram || host.backlog_bytes + len <= room {
                host.backlog_bytes += if datagram { len } else { 0 };
                host.backlog.push_back(Event::Packet(slot));
                return;
            }
            self.meter.socket_full += 1;
        } else if through {
            return self.deliver(slot);
        }
        self.packets.take(slot);
        self.record(from, Kind::Lost, to as u64);
    }

    /// Lets a packet wait for the receiver's link, or drops it there.
    fn queue_up(&mut self, slot: u32, to: usize, via: Via, len: usize) {
        let links = &mut self.network.downlinks;
        let takes = match via {
            Via::Datagram => links.datagram(to, len, self.now),
            Via::Stream => Some(links.frame(to, len, self.now)),
        };
        match (takes, self.packets.get_mut(slot)) {
            (Some(takes), Some(packet)) => {
                packet.queued = true;
                self.queue.push(Instant(self.now.0.saturating_add(takes)), Event::Packet(slot));
            }
            (_, Some(packet)) => {
                let from = packet.from as usize;
                self.packets.take(slot);
                self.record(from, Kind::Lost, to as u64);
            }
            (_, None) => {}
        }
    }

    /// Hands a packet to the process on its host, if there is one.
    pub(crate) fn deliver(&mut self, slot: u32) {
        let Some(Packet { from, to, via, class, stream, sealed, bytes, .. }) =
            self.packets.take(slot)
        else {
            return;
        };
        let (from, to) = (from as usize, to as usize);
        let open = via == Via::Datagram || self.streams.is_open(from, to, stream);
        let host = &mut self.hosts[to];
        if !open || host.running().is_none() || !host.lock.admits(sealed) {
            return self.record(from, Kind::Lost, to as u64);
        }
        host.traffic.count_received(class, via, bytes.len());
        let kind = if via == Via::Datagram { Kind::Datagram } else { Kind::Frame };
        let line = Line { at: self.now, node: to, kind, about: from as u64, bytes: &bytes };
        self.trace.record(&line, false);
        let from_addr = address(from);
        match via {
            Via::Datagram => {
                self.input_as(to, Input::Datagram { from: from_addr, bytes: &bytes }, sealed);
            }
            Via::Stream => {
                self.streams.arrived(from, to, bytes.len());
                self.input_as(to, Input::Frame { from: from_addr, bytes: &bytes }, sealed);
            }
        }
    }

    /// Tells a sender that its stream is lost.
    pub(crate) fn lose_stream(&mut self, from: u32, to: u32, id: u32) {
        let host = &mut self.hosts[from as usize];
        if host.paused {
            return host.backlog.push_back(Event::StreamLost { from, to, id });
        }
        let (from, to) = (from as usize, to as usize);
        if self.streams.close(from, to, id) && host.node.is_some() {
            self.record(from, Kind::StreamLost, to as u64);
            self.input(from, Input::StreamLost { to: address(to) });
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::latency::Latency;
    use crate::options::{Options, Start};
    use crate::world::WriteError;
    use rumormill_core::Output;
    use rumormill_core::output::Class;
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    type Seen = Rc<RefCell<Vec<(u64, usize, Kind)>>>;

    /// Three strangers, each hop a millisecond, and the list of what happens to them.
    pub(crate) fn world() -> (World, Seen) {
        let (latency, start) = (Latency::Fixed(MS), Start::Strangers);
        let mut world = World::new(Options { nodes: 3, latency, start, ..Options::default() });
        let seen = Rc::new(RefCell::new(Vec::new()));
        let lines = Rc::clone(&seen);
        world.on_trace(move |line| lines.borrow_mut().push((line.at.0, line.node, line.kind)));
        (world, seen)
    }

    /// Lets a node send a packet of this length.
    pub(crate) fn send(world: &mut World, from: usize, to: usize, via: Via, len: usize) {
        let bytes = vec![0; len];
        let send = Send { to: address(to), via, class: Class::Updates, bytes };
        world.carry_out(from, &mut vec![Output::Send(send)]);
    }

    /// When something of a kind happened.
    pub(crate) fn times(seen: &Seen, kind: Kind) -> Vec<u64> {
        seen.borrow().iter().filter(|line| line.2 == kind).map(|line| line.0).collect()
    }

    #[test]
    fn a_datagram_arrives_a_hop_later_and_is_counted_at_both_ends() {
        let (mut world, seen) = world();
        send(&mut world, 0, 1, Via::Datagram, 40);
        world.run_for(MS * 5).unwrap();
        assert_eq!(times(&seen, Kind::Datagram), [1000]);
        assert_eq!(world.traffic(0).sent(Class::Updates).bytes, 40);
        assert_eq!(world.traffic(1).received_via(Class::Updates, Via::Datagram).messages, 1);
        assert_eq!(world.in_flight(), 0);
        assert_eq!(world.now(), MS * 5);
    }

    #[test]
    fn packets_are_lost_in_a_cut_and_at_a_dead_node() {
        let (mut world, seen) = world();
        world.cut(&[0], &[1]);
        send(&mut world, 0, 1, Via::Datagram, 40);
        send(&mut world, 1, 0, Via::Datagram, 40);
        world.crash(2);
        send(&mut world, 0, 2, Via::Datagram, 40);
        world.run_for(MS * 5).unwrap();
        assert_eq!(times(&seen, Kind::Lost), [0, 1000]);
        assert_eq!(times(&seen, Kind::Datagram), [1000]);
    }

    #[test]
    fn a_stream_costs_a_handshake_once() {
        let (mut world, seen) = world();
        send(&mut world, 0, 1, Via::Stream, 100_000);
        world.run_for(MS * 5).unwrap();
        send(&mut world, 0, 1, Via::Stream, 100_000);
        world.run_for(MS * 5).unwrap();
        assert_eq!(times(&seen, Kind::Frame), [3000, 6000]);
    }

    #[test]
    fn a_sender_learns_that_its_stream_is_lost() {
        let (mut world, seen) = world();
        world.crash(1);
        send(&mut world, 0, 1, Via::Stream, 10);
        send(&mut world, 0, 1, Via::Stream, 10);
        world.run_for(MS * 5).unwrap();
        assert_eq!(times(&seen, Kind::StreamLost), [1000], "once, when the reset comes back");
        world.boot(1);
        send(&mut world, 0, 1, Via::Stream, 10);
        world.run_for(MS * 5).unwrap();
        assert_eq!(times(&seen, Kind::Frame).len(), 1, "the next frame opens a new stream");
    }

    #[test]
    fn frames_on_their_way_are_lost_when_the_peer_dies_or_is_cut_off() {
        let (mut world, seen) = world();
        send(&mut world, 0, 1, Via::Stream, 10);
        send(&mut world, 2, 1, Via::Stream, 10);
        world.run_for(MS).unwrap();
        world.cut(&[1], &[2]);
        world.restart(1);
        world.run_for(Duration::from_secs(1)).unwrap();
        assert_eq!(times(&seen, Kind::Frame), [0_u64; 0]);
        let timeout = 1000 + micros(world.options.stream_timeout);
        let lost = times(&seen, Kind::StreamLost);
        assert_eq!(lost[..2], [2000, timeout]);
        // Who has lost a stream looks whether another can be had, a few times.
        assert!(lost.len() < 8 && lost[2..].iter().all(|at| *at > timeout), "{lost:?}");
        assert_eq!(world.in_flight(), 0);
    }

    #[test]
    fn an_overfull_stream_breaks() {
        let (mut world, seen) = world();
        world.options.stream_buffer = 100;
        send(&mut world, 0, 1, Via::Stream, 60);
        send(&mut world, 0, 1, Via::Stream, 60);
        world.run_for(MS * 5).unwrap();
        assert_eq!(times(&seen, Kind::Frame), [0_u64; 0]);
        assert_eq!(times(&seen, Kind::StreamLost).len(), 1);
    }

    #[test]
    fn a_paused_node_finds_what_its_socket_could_hold() {
        let (mut world, seen) = world();
        world.options.socket_buffer = 100;
        world.pause(1);
        for _ in 0..3 {
            send(&mut world, 0, 1, Via::Datagram, 40);
        }
        send(&mut world, 0, 1, Via::Stream, 400);
        assert_eq!(world.write(1, "k", "v"), Err(WriteError::NotRunning));
        world.run_for(MS * 5).unwrap();
        assert_eq!(world.live().count(), 2);
        world.resume(1);
        assert_eq!(times(&seen, Kind::Datagram), [5000, 5000]);
        assert_eq!(times(&seen, Kind::Frame), [5000]);
        assert_eq!(times(&seen, Kind::Lost), [1000]);
    }
}
