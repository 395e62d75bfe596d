//! A member as an entry of the roster.
//!
//! The roster is a replicated map like the users' data. Its key is the member's id, its value the
//! encoded [`Record`], and the time of its stamp orders what can be said of a member as SWIM does
//! (Das, Gupta, Motivala 2002, section 4.2): first by incarnation, which only the member itself
//! raises, then by the rank of the state. Equal stamps carry equal records, so that digests agree.

use crate::base::codec::{DecodeError, Reader, Write};
use crate::base::id::NodeId;
use crate::data::{Entry, Stamp};
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};

/// Longest member name, bytes.
pub const MAX_NAME: usize = 64;

/// The largest incarnation. It leaves room in the stamp, and is what a wall clock in milliseconds
/// reaches in the year 10,889; a larger one could not be refuted.
pub const MAX_INCARNATION: u64 = 1 << 48;

/// What is believed of a member, in the order of the ranks: a later one overrules an earlier one
/// of the same incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Answers, as far as is known.
    Alive,
    /// Did not answer a probe; may still refute.
    Suspect,
    /// Did not refute in time.
    Dead,
    /// Said goodbye.
    Left,
}

impl State {
    fn rank(self) -> u64 {
        self as u64
    }

    fn from_rank(rank: u64) -> Self {
        match rank & 3 {
            0 => Self::Alive,
            1 => Self::Suspect,
            2 => Self::Dead,
            _ => Self::Left,
        }
    }

    /// The state that the stamp of a roster entry says.
    #[must_use]
    pub fn of(stamp: Stamp) -> Self {
        Self::from_rank(stamp.time)
    }

    /// True for a member that takes part: alive or suspect.
    #[must_use]
    pub fn is_present(self) -> bool {
        matches!(self, Self::Alive | Self::Suspect)
    }
}

/// What the roster says of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who.
    pub id: NodeId,
    /// Raised by the member itself alone, to refute or after a restart.
    pub incarnation: u64,
    /// What is believed of it.
    pub state: State,
    /// A name for people.
    pub name: String,
    /// Where it receives gossip.
    pub gossip: SocketAddr,
    /// Where it serves the Redis protocol, if it does.
    pub redis: Option<SocketAddr>,
    /// Where it serves HTTP, if it does.
    pub http: Option<SocketAddr>,
}

impl Record {
    /// The record as an entry of the roster.
    #[must_use]
    pub fn to_entry(&self) -> Entry {
        let mut value = Vec::with_capacity(96);
        value.put(&[1]);
        value.put_bytes(self.name.as_bytes());
        encode_addr(Some(self.gossip), &mut value);
        encode_addr(self.redis, &mut value);
        encode_addr(self.http, &mut value);
        Entry::new(&self.id.0.to_be_bytes(), &value, self.stamp(), None)
    }

    /// The stamp by which this record competes.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp { time: self.incarnation << 2 | self.state.rank(), node: self.id }
    }

    /// The record in an entry of the roster.
    ///
    /// # Errors
    /// If key or value are none that [`Record::to_entry`] writes; fields that a later version
    /// added at the end are passed over.
    pub fn from_entry(entry: &Entry) -> Result<Self, DecodeError> {
        let key =
            <[u8; 8]>::try_from(entry.key()).map_err(|_| DecodeError::Invalid("member id"))?;
        let id = NodeId(u64::from_be_bytes(key));
        if entry.stamp().node != id || entry.expires_at().is_some() {
            return Err(DecodeError::Invalid("member stamp"));
        }
        if entry.stamp().time >> 2 > MAX_INCARNATION {
            return Err(DecodeError::Invalid("member incarnation"));
        }
        let mut value = Reader::new(entry.value().ok_or(DecodeError::Invalid("member record"))?);
        if value.u8()? == 0 {
            return Err(DecodeError::Invalid("member record version"));
        }
        let name = std::str::from_utf8(value.bytes("member name", MAX_NAME)?)
            .map_err(|_| DecodeError::Invalid("member name"))?
            .to_owned();
        let gossip = decode_addr(&mut value)?.ok_or(DecodeError::Invalid("member address"))?;
        let redis = decode_addr(&mut value)?;
        let http = decode_addr(&mut value)?;
        let time = entry.stamp().time;
        Ok(Self {
            id,
            incarnation: time >> 2,
            state: State::from_rank(time),
            name,
            gossip,
            redis,
            http,
        })
    }
}

/// Where the member of a roster entry receives gossip; `None` if the entry holds no record.
pub(super) fn gossip(entry: &Entry) -> Option<SocketAddr> {
    let mut value = Reader::new(entry.value()?);
    value.u8().ok()?;
    value.bytes("member name", MAX_NAME).ok()?;
    decode_addr(&mut value).ok()?
}

fn encode_addr(addr: Option<SocketAddr>, to: &mut Vec<u8>) {
    match addr.map(|addr| (addr.ip(), addr.port())) {
        None => to.put(&[0]),
        Some((IpAddr::V4(ip), port)) => {
            to.put(&[4]);
            to.put(&ip.octets());
            to.put(&port.to_le_bytes());
        }
        Some((IpAddr::V6(ip), port)) => {
            to.put(&[6]);
            to.put(&ip.octets());
            to.put(&port.to_le_bytes());
        }
    }
}

fn decode_addr(from: &mut Reader<'_>) -> Result<Option<SocketAddr>, DecodeError> {
    let ip: IpAddr = match from.u8()? {
        0 => return Ok(None),
        4 => IpAddr::from(from.u32()?.to_le_bytes()),
        6 => IpAddr::from(from.u128()?.to_le_bytes()),
        _ => return Err(DecodeError::Invalid("address")),
    };
    Ok(Some(SocketAddr::new(ip, from.u16()?)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A record for tests of other modules.
    pub(crate) fn record(id: u64, incarnation: u64, state: State) -> Record {
        let gossip = SocketAddr::from(([127, 0, 0, 1], 1000 + (id % 50_000) as u16));
        let name = format!("n{id}");
        Record { id: NodeId(id), incarnation, state, name, gossip, redis: None, http: None }
    }

    #[test]
    fn records_survive_the_trip() {
        let mut sent = record(7, 12, State::Suspect);
        sent.redis = Some("[2001:db8::1]:6379".parse().unwrap());
        sent.http = Some("10.1.2.3:80".parse().unwrap());
        assert_eq!(gossip(&sent.to_entry()), Some(sent.gossip));
        assert_eq!(Record::from_entry(&sent.to_entry()), Ok(sent));
    }

    #[test]
    fn incarnation_goes_before_rank() {
        let stamp = |incarnation, state| record(1, incarnation, state).stamp();
        assert!(stamp(1, State::Alive) < stamp(1, State::Suspect));
        assert!(stamp(1, State::Suspect) < stamp(1, State::Dead));
        assert!(stamp(1, State::Dead) < stamp(1, State::Left));
        assert!(stamp(1, State::Left) < stamp(2, State::Alive));
    }

    #[test]
    fn an_incarnation_that_could_not_be_refuted_is_refused() {
        let read =
            |incarnation| Record::from_entry(&record(1, incarnation, State::Dead).to_entry());
        assert!(read(MAX_INCARNATION).is_ok());
        for incarnation in [MAX_INCARNATION + 1, u64::MAX >> 2] {
            assert_eq!(read(incarnation), Err(DecodeError::Invalid("member incarnation")));
        }
    }

    proptest! {
        #[test]
        fn any_entry_is_read_without_panic(entry in crate::data::block::tests::any_entry()) {
            let _ = (Record::from_entry(&entry), gossip(&entry));
        }
    }
}
