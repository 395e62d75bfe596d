//! Packets on their way, in slots that are used again, so that the queue moves small numbers.

use rumormill_core::output::{Class, Via};

/// A datagram or frame on its way.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) via: Via,
    pub(crate) class: Class,
    /// The stream that it belongs to, if it is a frame.
    pub(crate) stream: u32,
    /// True once it has waited for the receiver's link.
    pub(crate) queued: bool,
    /// True if it is sealed.
    pub(crate) sealed: bool,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug, Default)]
pub(crate) struct Packets {
    slots: Vec<Option<Packet>>,
    free: Vec<u32>,
}

impl Packets {
    pub(crate) fn insert(&mut self, packet: Packet) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(packet);
            return slot;
        }
        self.slots.push(Some(packet));
        (self.slots.len() - 1) as u32
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Packet> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Packet> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    pub(crate) fn take(&mut self, slot: u32) -> Option<Packet> {
        let packet = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        Some(packet)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_used_again() {
        let packet = |from| Packet {
            from,
            to: 0,
            via: Via::Datagram,
            class: Class::Repair,
            stream: 0,
            queued: false,
            sealed: false,
            bytes: Vec::new(),
        };
        let mut packets = Packets::default();
        let (first, second) = (packets.insert(packet(1)), packets.insert(packet(2)));
        assert_eq!(packets.take(first).unwrap().from, 1);
        assert!(packets.take(first).is_none());
        assert_eq!(packets.insert(packet(3)), first);
        assert_eq!(packets.get(second).unwrap().from, 2);
        assert_eq!(packets.len(), 2);
    }
}
