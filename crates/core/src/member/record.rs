//! A member as an entry of the roster.
//!
//! The roster is a replicated map like the users' data. Its key is the member's id, its value the
//! encoded [`Record`], and the time of its stamp orders what can be said of a member as SWIM does
//! (Das, Gupta, Motivala 2002, section 4.2): first by incarnation, which only the member itself
//! raises, then by the rank of the state; a suspicion ranks higher the more have confirmed it.
//! Records with equal stamps say the same of the member; only who found it silent may differ.

use super::suspicion::MAX_CONFIRMATIONS;
use super::tags::Tags;
use crate::base::codec::{DecodeError, Reader, Write};
use crate::base::id::NodeId;
use crate::data::{Entry, Fields, Stamp};
use crate::wire::Versions;
use serde::Serialize;
use std::net::{IpAddr, SocketAddr};

/// Longest member name, bytes.
pub const MAX_NAME: usize = 64;

/// The largest incarnation. It leaves room in the stamp, and is what a wall clock in milliseconds
/// reaches in the year 10,889; a larger one could not be refuted.
pub const MAX_INCARNATION: u64 = 1 << 48;

/// Most witnesses that a record names: the first, those who confirmed, and who declared it dead.
pub const MAX_WITNESSES: usize = 2 + MAX_CONFIRMATIONS as usize;

/// The field that says which versions of packets a member speaks; without it just the first.
const SPEAKS: u64 = 1;
/// The field, empty, that says that the member may be an old copy of its disk; without it it is not.
const DOUBT: u64 = 2;
/// The field, empty, that says that nothing of the member outlives it; without it it has a folder.
const EPHEMERAL: u64 = 3;

/// Bits of the stamp's time that hold the rank.
const RANK_BITS: u32 = 3;
/// The rank of a member that is held dead: above that of every suspicion.
const DEAD: u64 = 2 + MAX_CONFIRMATIONS as u64;
/// The rank of a member that said goodbye.
const LEFT: u64 = DEAD + 1;
/// The rank of a member that nobody waits for any more.
const FORGOTTEN: u64 = LEFT + 1;

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
    /// Was away for so long that nobody waits for it any more, or an operator said so.
    Forgotten,
}

impl State {
    /// The state that the stamp of a roster entry says.
    #[must_use]
    pub fn of(stamp: Stamp) -> Self {
        belief(stamp).0
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
    /// What its operator says of it.
    pub tags: Tags,
    /// Of a suspect: how many others have confirmed its silence, at most [`MAX_CONFIRMATIONS`].
    pub confirmations: u8,
    /// Who found it silent, the first first; the last of a dead member's declared it dead.
    pub witnesses: Vec<NodeId>,
    /// What else it says of itself: [`Fields`], those that this build does not know among them. Who
    /// says something new of the member hands them on as they are.
    pub fields: Box<[u8]>,
}

impl Record {
    /// A record that says nothing but this.
    #[must_use]
    pub fn new(
        id: NodeId,
        incarnation: u64,
        state: State,
        name: impl Into<String>,
        gossip: SocketAddr,
    ) -> Self {
        Self {
            id,
            incarnation,
            state,
            name: name.into(),
            gossip,
            redis: None,
            http: None,
            tags: Tags::default(),
            confirmations: 0,
            witnesses: Vec::new(),
            fields: Box::default(),
        }
    }

    /// The same of a member that speaks these versions.
    #[must_use]
    pub fn speaking(mut self, speaks: Versions) -> Self {
        let bytes = speaks.to_bytes();
        let said = (speaks != Versions::FIRST).then_some(&bytes[..]);
        self.fields = Fields::checked(&self.fields).with(SPEAKS, said).into();
        self
    }

    /// The versions of packets that the member speaks.
    #[must_use]
    pub fn speaks(&self) -> Versions {
        let said = Fields::checked(&self.fields).get(SPEAKS);
        said.and_then(|said| Versions::decode(&mut Reader::new(said)).ok())
            .unwrap_or(Versions::FIRST)
    }

    /// The same of a member that may be an old copy of its disk, or is none.
    #[must_use]
    pub fn doubting(mut self, doubt: bool) -> Self {
        let said = doubt.then_some(&[][..]);
        self.fields = Fields::checked(&self.fields).with(DOUBT, said).into();
        self
    }

    /// True if the member may be an old copy of its disk: what it holds proves nothing.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        Fields::checked(&self.fields).get(DOUBT).is_some()
    }

    /// The same of a member that comes back with nothing, or of one that does not.
    #[must_use]
    pub fn passing(mut self, ephemeral: bool) -> Self {
        let said = ephemeral.then_some(&[][..]);
        self.fields = Fields::checked(&self.fields).with(EPHEMERAL, said).into();
        self
    }

    /// True if nothing of the member outlives it: once dead it never comes back with old data.
    #[must_use]
    pub fn is_ephemeral(&self) -> bool {
        Fields::checked(&self.fields).get(EPHEMERAL).is_some()
    }

    /// The record as an entry of the roster.
    #[must_use]
    pub fn to_entry(&self) -> Entry {
        let mut value = Vec::with_capacity(96);
        value.put(&[1]);
        value.put_bytes(self.name.as_bytes());
        encode_addr(Some(self.gossip), &mut value);
        encode_addr(self.redis, &mut value);
        encode_addr(self.http, &mut value);
        self.tags.encode(&mut value);
        let witnesses = self.witnesses.get(..MAX_WITNESSES).unwrap_or(&self.witnesses);
        value.put_varint(witnesses.len() as u64);
        witnesses.iter().for_each(|id| value.put(&id.0.to_le_bytes()));
        value.put(&self.fields);
        Entry::new(&self.id.0.to_be_bytes(), &value, self.stamp(), None)
    }

    /// The stamp by which this record competes.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        let rank = match self.state {
            State::Alive => 0,
            State::Suspect => 1 + u64::from(self.confirmations.min(MAX_CONFIRMATIONS)),
            State::Dead => DEAD,
            State::Left => LEFT,
            State::Forgotten => FORGOTTEN,
        };
        Stamp { time: self.incarnation << RANK_BITS | rank, node: self.id }
    }

    /// State and confirmations by the rank in a stamp.
    fn believed(time: u64) -> Result<(State, u8), DecodeError> {
        match time & ((1 << RANK_BITS) - 1) {
            0 => Ok((State::Alive, 0)),
            DEAD => Ok((State::Dead, 0)),
            LEFT => Ok((State::Left, 0)),
            FORGOTTEN => Ok((State::Forgotten, 0)),
            rank if rank < DEAD => Ok((State::Suspect, rank as u8 - 1)),
            _ => Err(DecodeError::Invalid("member state")),
        }
    }

    /// The record in an entry of the roster.
    ///
    /// # Errors
    /// If key or value are none that [`Record::to_entry`] writes.
    pub fn from_entry(entry: &Entry) -> Result<Self, DecodeError> {
        let key =
            <[u8; 8]>::try_from(entry.key()).map_err(|_| DecodeError::Invalid("member id"))?;
        let id = NodeId(u64::from_be_bytes(key));
        // What a later version has to say beyond the record stands in the record's own fields.
        let plain = entry.expires_at().is_none() && entry.is_simple();
        if entry.stamp().node != id || !plain {
            return Err(DecodeError::Invalid("member stamp"));
        }
        if entry.stamp().time >> RANK_BITS > MAX_INCARNATION {
            return Err(DecodeError::Invalid("member incarnation"));
        }
        let mut value = Reader::new(entry.value().ok_or(DecodeError::Invalid("member record"))?);
        if value.u8()? == 0 {
            return Err(DecodeError::Invalid("member record version"));
        }
        let name = std::str::from_utf8(value.bytes("member name", MAX_NAME)?)
            .map_err(|_| DecodeError::Invalid("member name"))?
            .to_owned();
        if name.contains(char::is_control) {
            return Err(DecodeError::Invalid("member name"));
        }
        let gossip = decode_addr(&mut value)?.ok_or(DecodeError::Invalid("member address"))?;
        let redis = decode_addr(&mut value)?;
        let http = decode_addr(&mut value)?;
        let tags = Tags::decode(&mut value)?;
        let mut witnesses = Vec::new();
        let count = value.varint()?;
        if count > MAX_WITNESSES as u64 {
            return Err(DecodeError::Invalid("number of witnesses"));
        }
        for _ in 0..count {
            witnesses.push(NodeId(value.u64()?));
        }
        let fields = Fields::new(value.take(value.remaining())?)?.bytes().into();
        let time = entry.stamp().time;
        let (state, confirmations) = Self::believed(time)?;
        let incarnation = time >> RANK_BITS;
        Ok(Self {
            id,
            incarnation,
            state,
            name,
            gossip,
            redis,
            http,
            tags,
            confirmations,
            witnesses,
            fields,
        })
    }
}

/// State and confirmations that the stamp of a roster entry says.
pub(super) fn belief(stamp: Stamp) -> (State, u8) {
    // Only entries that hold a record are in a roster, so it says something.
    Record::believed(stamp.time).unwrap_or((State::Left, 0))
}

/// The incarnation that the stamp of a roster entry says.
pub(super) fn incarnation(stamp: Stamp) -> u64 {
    stamp.time >> RANK_BITS
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
        Record::new(NodeId(id), incarnation, state, name, gossip)
    }

    #[test]
    fn records_survive_the_trip() {
        let mut sent = record(7, 12, State::Suspect);
        sent.redis = Some("[2001:db8::1]:6379".parse().unwrap());
        sent.http = Some("10.1.2.3:80".parse().unwrap());
        sent.tags = Tags::new([("zone", "eu"), ("role", "db")]).unwrap();
        sent.confirmations = 2;
        sent.witnesses = vec![NodeId(1), NodeId(u64::MAX)];
        assert_eq!(gossip(&sent.to_entry()), Some(sent.gossip));
        assert_eq!(Record::from_entry(&sent.to_entry()), Ok(sent));
    }

    #[test]
    fn incarnation_goes_before_rank() {
        let stamp = |incarnation, state| record(1, incarnation, state).stamp();
        assert!(stamp(1, State::Alive) < stamp(1, State::Suspect));
        let confirmed = Record { confirmations: 3, ..record(1, 1, State::Suspect) }.stamp();
        assert!(stamp(1, State::Suspect) < confirmed);
        assert!(confirmed < stamp(1, State::Dead));
        assert!(stamp(1, State::Dead) < stamp(1, State::Left));
        assert!(stamp(1, State::Left) < stamp(1, State::Forgotten));
        assert!(stamp(1, State::Forgotten) < stamp(2, State::Alive));
    }

    #[test]
    fn an_incarnation_that_could_not_be_refuted_is_refused() {
        let read =
            |incarnation| Record::from_entry(&record(1, incarnation, State::Dead).to_entry());
        assert!(read(MAX_INCARNATION).is_ok());
        for incarnation in [MAX_INCARNATION + 1, u64::MAX >> 3] {
            assert_eq!(read(incarnation), Err(DecodeError::Invalid("member incarnation")));
        }
    }

    #[test]
    fn golden_bytes() {
        let mut known = record(7, 1, State::Alive);
        known.name = "n".into();
        let golden = [1, 1, b'n', 4, 127, 0, 0, 1, 0xef, 3, 0, 0, 0, 0];
        assert_eq!(known.to_entry().value(), Some(&golden[..]));
        // Versions 1 to 2, and a field that this build does not know.
        let later = Record { fields: [9, 2, b'a', b'b'].into(), ..known.clone() };
        let later = later.speaking(Versions::new(1, 2).unwrap());
        let golden = [&golden[..], &[1, 2, 1, 2, 9, 2, b'a', b'b']].concat();
        assert_eq!(later.to_entry().value(), Some(&golden[..]));
        assert_eq!(Record::from_entry(&later.to_entry()), Ok(later.clone()));
        assert_eq!(
            (later.speaks(), known.speaks()),
            (Versions::new(1, 2).unwrap(), Versions::FIRST)
        );
        let first = later.speaking(Versions::FIRST);
        assert_eq!(*first.fields, [9, 2, b'a', b'b']);
        let passing = first.clone().passing(true);
        assert!(!first.is_ephemeral() && passing.is_ephemeral() && !passing.is_in_doubt());
        assert_eq!(Record::from_entry(&passing.to_entry()), Ok(passing.clone()));
        assert_eq!(passing.passing(false), first);
        let doubting = first.doubting(true);
        assert_eq!(*doubting.fields, [2, 0, 9, 2, b'a', b'b']);
        assert!(doubting.is_in_doubt() && !doubting.doubting(false).is_in_doubt());
    }

    #[test]
    fn what_is_no_field_behind_a_record_is_refused() {
        let sent = record(7, 1, State::Alive);
        let read = |more: &[u8]| {
            let entry = sent.to_entry();
            let value = [entry.value().unwrap(), more].concat();
            Record::from_entry(&Entry::new(entry.key(), &value, entry.stamp(), None))
        };
        assert!(read(&[]).is_ok() && read(&[9, 0]).is_ok());
        assert!(read(&[9]).is_err() && read(&[9, 0, 9, 0]).is_err());
        let mut many = vec![9, 0xfd, 7];
        many.resize(1024, 0);
        assert!(read(&many).is_ok());
        many.push(0);
        assert!(read(&many).is_err());
        let other = sent.to_entry().extended(crate::data::Kind(1), Fields::NONE);
        assert!(Record::from_entry(&other).is_err(), "no record");
    }

    proptest! {
        #[test]
        fn a_damaged_record_is_refused_or_reads_as_what_it_says(
            (id, incarnation) in (any::<u64>(), 0..=MAX_INCARNATION),
            rank in 0_u64..1 << RANK_BITS,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        ) {
            let sound = record(id, 0, State::Alive).to_entry();
            let mut value = sound.value().unwrap().to_vec();
            for (at, byte) in changes {
                let at = at.index(value.len());
                value[at] = byte;
            }
            let stamp = Stamp { time: incarnation << RANK_BITS | rank, node: NodeId(id) };
            let entry = Entry::new(sound.key(), &value, stamp, None);
            if let Ok(record) = Record::from_entry(&entry) {
                prop_assert_eq!(record.stamp(), stamp);
                prop_assert_eq!(gossip(&entry), Some(record.gossip));
                prop_assert_eq!(Record::from_entry(&record.to_entry()), Ok(record));
            }
        }

        #[test]
        fn any_entry_is_a_record_of_its_own_stamp_or_none(
            entry in crate::data::block::tests::any_entry(),
        ) {
            if let Ok(record) = Record::from_entry(&entry) {
                prop_assert_eq!(record.stamp(), entry.stamp());
            }
        }
    }
}
