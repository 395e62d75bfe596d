//! Ring repair: a token goes round all members, twice, and each gives its successor what the
//! successor lacks. After 2N - 2 hops every member holds everything that any of them held.
//!
//! This file has the pass itself, its messages, and the walk through two maps that a hop is made
//! of: the [`Walk`] of who gives, and the [`Guest`] of who is given. When there is a pass, and what
//! follows from it, is the business of the node.
//!
//! A walk compares digests of ranges, deeper where they differ, then lists the items of small
//! ranges, then sends what is wanted. One message of a walk is under way at a time, so either end
//! may forget it at any point; it is begun anew then. Lists are whole, so that the guest of a walk
//! that sieves can tell what it holds beyond them.

use crate::base::codec::{DecodeError, Reader, Write};
use crate::base::hash::Set;
use crate::base::id::NodeId;
use crate::base::time::text;
use crate::data::sketch::ItemId;
use crate::data::{Digest, Entry, Map, Range, block};
use crate::message::kind;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// Members of a pass, at most.
pub const MAX_ORDER: usize = 65_536;
/// The number of the hop of a walk that is not part of a pass, but brings a member back.
pub const SIEVE: u32 = u32::MAX;
/// Ranges compared in one message.
const RANGES: usize = 512;
/// A range with so many entries is listed and not cut further (guess: the list is as long as the
/// digests of its parts).
const LISTED: u64 = 48;
/// Items listed in one message, about.
const ITEMS: usize = 4096;
/// Items that a message may list or ask for.
const MAX_ITEMS: usize = 1 << 20;

/// Settings of ring repair and of what follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often a pass is made; "0s": only when somebody asks for one. One member makes it for
    /// all. Costs each node about 16 bytes per member and pass where nothing differs.
    #[serde(with = "text")]
    pub interval: Duration,
    /// A member that has been dead for so long is forgotten, if a majority is left, so that passes
    /// go on without it; "0s" never.
    #[serde(with = "text")]
    pub reap_after: Duration,
    /// How tombstones and expired entries go. All members must say the same.
    pub tombstones: Tombstones,
    /// How long they are kept where they go by their age. Source: three days, as other systems
    /// keep deletions for days.
    #[serde(with = "text")]
    pub keep_for: Duration,
    /// Members that keep each old one where they are dormant, 1 to 100 (guess: that all of them
    /// are lost at once is rare).
    pub retention: usize,
    /// How much longer those keep it.
    #[serde(with = "text")]
    pub keep_dormant: Duration,
    /// False lets in whatever is below the horizon, which brings back what was deleted: only for
    /// showing that in the simulator.
    pub fence: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60 * 60),
            reap_after: Duration::from_secs(72 * 60 * 60),
            tombstones: Tombstones::Horizon,
            keep_for: Duration::from_secs(3 * 24 * 60 * 60),
            retention: 4,
            keep_dormant: Duration::from_secs(30 * 24 * 60 * 60),
            fence: true,
        }
    }
}

/// How tombstones and expired entries go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tombstones {
    /// When a pass has proved that every member has them.
    #[default]
    Horizon,
    /// Never.
    Keep,
    /// By their age, as in other systems: who was away for longer brings the dead back.
    Timed,
    /// By their age, but for a few members per key that keep them for longer and wake them when
    /// something older turns up (Demers et al. 1987).
    Dormant,
}

impl Tombstones {
    /// True if a pass proves what may go and what cannot be news. Where they go by their age
    /// nothing is fenced.
    #[must_use]
    pub fn is_fenced(self) -> bool {
        matches!(self, Self::Horizon | Self::Keep)
    }
}

/// One pass over all members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// A random number.
    pub id: u64,
    /// Stamps up to this time are covered.
    pub horizon: u64,
    /// The pass before, and its horizon: whoever that has not covered is brought back first.
    pub after: Option<(u64, u64)>,
    /// When it began, by the wall clock of who began it.
    pub started_ms: u64,
    /// Who began it, and is told how it goes on.
    pub by: NodeId,
    /// The members in the order of their visits, at least one.
    pub order: Arc<[NodeId]>,
}

impl Pass {
    /// Hops between members: 2N - 2.
    #[must_use]
    pub fn hops(&self) -> u32 {
        (2 * self.order.len() as u32).saturating_sub(2)
    }

    /// Who is visited by a hop. Hop 0 brings the token to the first member; each later one goes
    /// from the receiver of the one before.
    #[must_use]
    pub fn receiver(&self, hop: u32) -> Option<NodeId> {
        let place = hop as usize % self.order.len().max(1);
        self.order.get(place).copied()
    }

    /// True if hop `hop` is the last visit to its receiver: from then on it holds everything.
    #[must_use]
    pub fn is_last_visit(&self, hop: u32) -> bool {
        hop as usize + 1 >= self.order.len()
    }

    /// True if a member is one of them. Looks through all.
    #[must_use]
    pub fn lists(&self, id: NodeId) -> bool {
        self.order.contains(&id)
    }

    /// Appends it.
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.put(&self.id.to_le_bytes());
        to.put(&self.horizon.to_le_bytes());
        let (horizon, pass) = self.after.unwrap_or_default();
        to.put(&horizon.to_le_bytes());
        to.put(&pass.to_le_bytes());
        to.put_varint(self.started_ms);
        to.put(&self.by.0.to_le_bytes());
        to.put_varint(self.order.len() as u64);
        self.order.iter().for_each(|id| to.put(&id.0.to_le_bytes()));
    }

    /// Reads what [`Pass::encode`] wrote.
    ///
    /// # Errors
    /// If the input is truncated, or lists nobody or more than [`MAX_ORDER`].
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (id, horizon) = (from.u64()?, from.u64()?);
        let after = Some((from.u64()?, from.u64()?)).filter(|(horizon, _)| *horizon > 0);
        let (started_ms, by) = (from.varint()?, NodeId(from.u64()?));
        let count = from.bounded("members of a pass", MAX_ORDER)?;
        let order = (0..count).map(|_| from.u64().map(NodeId)).collect::<Result<Arc<[_]>, _>>()?;
        if order.is_empty() {
            return Err(DecodeError::Invalid("pass of nobody"));
        }
        Ok(Self { id, horizon, after, started_ms, by, order })
    }
}

/// Which walk a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session {
    /// The pass.
    pub pass: u64,
    /// The hop of it, or [`SIEVE`].
    pub hop: u32,
}

impl Session {
    fn encode(self, to: &mut Vec<u8>) {
        to.put(&self.pass.to_le_bytes());
        to.put_varint(u64::from(self.hop));
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let pass = from.u64()?;
        let hop = u32::try_from(from.varint()?).map_err(|_| DecodeError::Invalid("hop"))?;
        Ok(Self { pass, hop })
    }
}

/// The token: opens a walk at its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The pass.
    pub pass: Pass,
    /// Which hop this is, or [`SIEVE`].
    pub hop: u32,
    /// What the sender holds.
    pub digest: Digest,
    /// Of a walk that sieves: members that are not of the pass and were of an earlier one, and up to
    /// where that covered what they had written.
    pub former: Arc<[(NodeId, u64)]>,
}

impl Token {
    /// The walk that it opens.
    #[must_use]
    pub fn session(&self) -> Session {
        Session { pass: self.pass.id, hop: self.hop }
    }

    /// As the body of a message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(64 + 8 * self.pass.order.len());
        self.pass.encode(&mut body);
        body.put_varint(u64::from(self.hop));
        self.digest.encode(&mut body);
        body.put_varint(self.former.len() as u64);
        for (id, time) in self.former.iter() {
            body.put(&id.0.to_le_bytes());
            body.put(&time.to_le_bytes());
        }
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`Token::encode`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let pass = Pass::decode(&mut body)?;
        let hop = u32::try_from(body.varint()?).map_err(|_| DecodeError::Invalid("hop"))?;
        if hop != SIEVE && hop > pass.hops() {
            return Err(DecodeError::Invalid("hop"));
        }
        let digest = Digest::decode(&mut body)?;
        let count = body.bounded("former members", MAX_ORDER)?;
        let former = (0..count)
            .map(|_| Ok((NodeId(body.u64()?), body.u64()?)))
            .collect::<Result<Arc<[_]>, DecodeError>>()?;
        Ok(Self { pass, hop, digest, former })
    }
}

/// What the receiver of a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds everything that the sender holds.
    Done,
    /// It holds something else: walk.
    Different,
    /// Not now.
    Later,
    /// Never: the pass is over.
    Over,
}

/// An answer to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The walk.
    pub session: Session,
    /// What.
    pub verdict: Verdict,
}

impl Answer {
    /// As the body of a message.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut body = Vec::with_capacity(16);
        self.session.encode(&mut body);
        body.put(&[match self.verdict {
            Verdict::Done => 0,
            Verdict::Different => 1,
            Verdict::Later => 2,
            Verdict::Over => 3,
        }]);
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`Answer::encode`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let session = Session::decode(&mut body)?;
        let verdict = match body.u8()? {
            0 => Verdict::Done,
            1 => Verdict::Different,
            2 => Verdict::Later,
            3 => Verdict::Over,
            _ => return Err(DecodeError::Invalid("verdict")),
        };
        Ok(Self { session, verdict })
    }
}

/// How a pass goes on, for who began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The pass, and the hop that it is about.
    pub session: Session,
    /// What of it.
    pub stage: Stage,
}

/// See [`Progress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The hop is done.
    Reached,
    /// The receiver of the hop cannot be reached, or is not ready.
    Waiting,
    /// It was the last hop.
    Complete,
    /// The pass was given up at this hop.
    Over,
}

impl Progress {
    /// As the body of a message.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut body = Vec::with_capacity(16);
        self.session.encode(&mut body);
        body.put(&[match self.stage {
            Stage::Reached => 0,
            Stage::Waiting => 1,
            Stage::Complete => 2,
            Stage::Over => 3,
        }]);
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`Progress::encode`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let session = Session::decode(&mut body)?;
        let stage = match body.u8()? {
            0 => Stage::Reached,
            1 => Stage::Waiting,
            2 => Stage::Complete,
            3 => Stage::Over,
            _ => return Err(DecodeError::Invalid("stage")),
        };
        Ok(Self { session, stage })
    }
}

/// A step of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<T> {
    /// The walk.
    pub session: Session,
    /// Which of its messages this is, or is the answer to.
    pub number: u32,
    /// What it says.
    pub body: T,
}

impl<T> Step<T> {
    fn head(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(64);
        self.session.encode(&mut body);
        body.put_varint(u64::from(self.number));
        body
    }

    fn decode(
        mut from: Reader<'_>,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<Self, DecodeError> {
        let session = Session::decode(&mut from)?;
        let number =
            u32::try_from(from.varint()?).map_err(|_| DecodeError::Invalid("number of a step"))?;
        Ok(Self { session, number, body: read(&mut from)? })
    }
}

/// Digests of ranges; of none at the end of a walk.
pub type Check = Vec<(Range, Digest)>;
/// Which of the ranges of a check differ.
pub type Differ = Vec<bool>;
/// All items in some ranges.
pub type Page = Vec<(Range, Vec<ItemId>)>;
/// Items that are wanted; none to go on.
pub type Want = Vec<ItemId>;

/// Entries that were wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// The entries.
    pub entries: Vec<Entry>,
    /// True if these are the last of what was wanted.
    pub last: bool,
}

impl Step<Check> {
    fn encode(&self) -> Vec<u8> {
        let mut body = self.head();
        body.put_varint(self.body.len() as u64);
        for (range, digest) in &self.body {
            range.encode(&mut body);
            digest.encode(&mut body);
        }
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is truncated or has too many ranges.
    pub fn read(body: Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode(body, |body| {
            let count = body.bounded("ranges", RANGES)?;
            (0..count).map(|_| Ok((Range::decode(body)?, Digest::decode(body)?))).collect()
        })
    }
}

impl Step<Differ> {
    /// As the body of a message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = self.head();
        body.put_varint(self.body.len() as u64);
        body.extend(self.body.iter().map(|differs| u8::from(*differs)));
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is truncated or has too many ranges.
    pub fn read(body: Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode(body, |body| {
            let count = body.bounded("ranges", RANGES)?;
            (0..count).map(|_| Ok(body.u8()? != 0)).collect()
        })
    }
}

fn put_items(items: &[ItemId], to: &mut Vec<u8>) {
    to.put_varint(items.len() as u64);
    items.iter().for_each(|item| to.put(&item.0.to_le_bytes()));
}

fn read_items(from: &mut Reader<'_>) -> Result<Vec<ItemId>, DecodeError> {
    // No more than the message has bytes for.
    let count = from.bounded("items", MAX_ITEMS.min(from.remaining() / 8))?;
    (0..count).map(|_| from.u64().map(ItemId)).collect()
}

impl Step<Page> {
    fn encode(&self) -> Vec<u8> {
        let mut body = self.head();
        body.put_varint(self.body.len() as u64);
        for (range, items) in &self.body {
            range.encode(&mut body);
            put_items(items, &mut body);
        }
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is truncated or has too many ranges or items.
    pub fn read(body: Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode(body, |body| {
            let count = body.bounded("ranges", ITEMS)?;
            (0..count).map(|_| Ok((Range::decode(body)?, read_items(body)?))).collect()
        })
    }
}

impl Step<Want> {
    /// As the body of a message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = self.head();
        put_items(&self.body, &mut body);
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is truncated.
    pub fn read(body: Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode(body, read_items)
    }
}

impl Step<Load> {
    fn encode(&self) -> Vec<u8> {
        let mut body = self.head();
        body.put(&[u8::from(self.body.last)]);
        let mut context = block::Context::default();
        self.body.entries.iter().for_each(|entry| context.encode(entry, &mut body));
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is truncated or holds no entries where there should be some.
    pub fn read(body: Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode(body, |body| {
            let last = body.u8()? != 0;
            Ok(Load { last, entries: block::read(body)? })
        })
    }
}

/// The giving end of a walk.
#[derive(Clone, Debug)]
pub struct Walk {
    session: Session,
    /// Ranges to compare, the next last.
    todo: Vec<Range>,
    /// Ranges to list.
    lists: Vec<Range>,
    /// The ranges of the message under way.
    asked: Vec<Range>,
    /// What is still to be sent of what was wanted, the next last.
    owed: Vec<ItemId>,
    number: u32,
    /// Entries sent.
    sent: u64,
}

impl Walk {
    /// A walk that begins with everything.
    #[must_use]
    pub fn new(token: &Token) -> Self {
        Self {
            session: token.session(),
            todo: vec![Range::ALL],
            lists: Vec::new(),
            asked: Vec::new(),
            owed: Vec::new(),
            number: 0,
            sent: 0,
        }
    }

    /// Entries that it has sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    fn step<T>(&mut self, body: T) -> Step<T> {
        self.number = self.number.wrapping_add(1);
        Step { session: self.session, number: self.number, body }
    }

    /// The next message: its kind and body. Pieces of entries are of so many bytes, about.
    pub fn next(&mut self, map: &Map, piece_bytes: usize) -> (u8, Vec<u8>) {
        if !self.owed.is_empty() {
            return self.load(map, piece_bytes);
        }
        if self.todo.is_empty()
            && let Some(page) = self.page(map)
        {
            return (kind::RING_ITEMS, self.step(page).encode());
        }
        // Without any range it says that this is the end.
        let from = self.todo.len().saturating_sub(RANGES);
        self.asked = self.todo.split_off(from);
        let check: Check = self.asked.iter().map(|range| (*range, map.digest_of(*range))).collect();
        (kind::RING_CHECK, self.step(check).encode())
    }

    fn page(&mut self, map: &Map) -> Option<Page> {
        let mut page = Page::new();
        let mut count = 0;
        while count < ITEMS
            && page.len() < ITEMS
            && let Some(range) = self.lists.pop()
        {
            let mut items = Vec::new();
            map.walk(range, &mut |hash, entry| {
                // Also what is from above the horizon: it may have taken the place of something
                // below, which the next member would miss and the one after it be given by nobody.
                items.push(ItemId::new(hash, map.item_hash(entry)));
                ControlFlow::Continue(())
            });
            count += items.len();
            page.push((range, items));
        }
        (!page.is_empty()).then_some(page)
    }

    fn load(&mut self, map: &Map, piece_bytes: usize) -> (u8, Vec<u8>) {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while bytes < piece_bytes
            && entries.len() < block::MAX_ENTRIES
            && let Some(item) = self.owed.pop()
        {
            // What is no longer held has given way to something newer, which is on its way.
            if let Some((entry, _)) = map.find(item) {
                bytes += block::max_len(entry);
                entries.push(Entry::clone(entry));
            }
        }
        self.sent += entries.len() as u64;
        let last = self.owed.is_empty();
        (kind::RING_ENTRIES, self.step(Load { entries, last }).encode())
    }

    /// Takes in which ranges differ; false if the message is not the answer that is waited for.
    pub fn on_differ(&mut self, map: &Map, differ: &Step<Differ>) -> bool {
        if differ.number != self.number || differ.body.len() != self.asked.len() {
            return false;
        }
        self.number = self.number.wrapping_add(1);
        let asked = std::mem::take(&mut self.asked);
        for (range, _) in asked.into_iter().zip(&differ.body).filter(|(_, differs)| **differs) {
            let small = map.digest_of(range).count <= LISTED;
            match small || range.depth() == Range::MAX_DEPTH {
                true => self.lists.push(range),
                false => self.todo.extend((0..16).filter_map(|nibble| range.child(nibble))),
            }
        }
        true
    }

    /// Takes in what is wanted; false if the message is not the answer that is waited for.
    pub fn on_want(&mut self, want: &Step<Want>) -> bool {
        if want.number != self.number {
            return false;
        }
        self.number = self.number.wrapping_add(1);
        if self.owed.is_empty() {
            self.owed.clone_from(&want.body);
        }
        true
    }
}

/// The receiving end of a walk.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The walk.
    pub session: Session,
    /// Who gives.
    pub peer: NodeId,
    /// The pass that it belongs to.
    pub pass: Pass,
    /// See [`Token::former`].
    former: Arc<[(NodeId, u64)]>,
    page: Page,
    /// Items that the giver must hold, or the pass is not complete, by their key hashes: see
    /// [`Guest::strays`].
    pub compares: Vec<(u64, ItemId)>,
    /// Those of them that it does not list.
    pub strays: Vec<ItemId>,
}

impl Guest {
    /// A guest of whoever has sent a token.
    #[must_use]
    pub fn new(token: &Token, peer: NodeId) -> Self {
        let (session, pass) = (token.session(), token.pass.clone());
        let former = Arc::clone(&token.former);
        let (compares, strays) = (Vec::new(), Vec::new());
        Self { session, peer, pass, former, page: Page::new(), compares, strays }
    }

    /// True if what the giving end does not hold is to go.
    #[must_use]
    pub fn sieves(&self) -> bool {
        self.session.hop == SIEVE
    }

    /// Up to where everything that a member had written is covered. Looks through all.
    #[must_use]
    pub fn known(&self, id: NodeId) -> u64 {
        if self.pass.lists(id) {
            return self.pass.horizon;
        }
        let former = self.former.iter().find(|(former, _)| *former == id);
        former.map_or(0, |(_, time)| *time)
    }

    /// Compares ranges; `None` at the end of the walk.
    #[must_use]
    pub fn on_check(&self, map: &Map, check: &Step<Check>) -> Option<Step<Differ>> {
        let differs = check.body.iter().map(|(range, digest)| map.digest_of(*range) != *digest);
        let body: Differ = differs.collect();
        let (session, number) = (check.session, check.number);
        (!body.is_empty()).then_some(Step { session, number, body })
    }

    /// What is wanted of a page.
    #[must_use]
    pub fn on_page(&mut self, map: &Map, mut page: Step<Page>) -> Step<Want> {
        if !self.compares.is_empty() {
            let listed: Set<ItemId> = page.body.iter().flat_map(|(_, all)| all).copied().collect();
            for (range, _) in &page.body {
                let within = self.compares.iter().filter(|(hash, _)| range.contains(*hash));
                let missed = within.map(|(_, item)| *item).filter(|item| !listed.contains(item));
                self.strays.extend(missed);
            }
        }
        let items = page.body.iter().flat_map(|(_, items)| items);
        let body: Want = items.filter(|item| map.find(**item).is_none()).copied().collect();
        if self.sieves() {
            page.body.iter_mut().for_each(|(_, items)| items.sort_unstable());
            page.body.sort_unstable_by_key(|(range, _)| *range);
            self.page = page.body;
        }
        Step { session: page.session, number: page.number, body }
    }

    /// True for an entry that this end holds, up to the horizon, and the other end does not.
    #[must_use]
    pub fn is_surplus(&self, map: &Map, entry: &Entry) -> bool {
        let hash = map.hash(entry.key());
        let behind = self.page.partition_point(|(range, _)| range.first() <= hash);
        let Some((range, items)) = behind.checked_sub(1).and_then(|at| self.page.get(at)) else {
            return false;
        };
        let item = ItemId::new(hash, map.item_hash(entry));
        range.contains(hash)
            && entry.stamp().time <= self.pass.horizon
            && items.binary_search(&item).is_err()
    }

    /// Once everything wanted of a page has come: what is surplus in its ranges.
    #[must_use]
    pub fn surplus(&mut self, map: &Map) -> Vec<Arc<Entry>> {
        let mut surplus = Vec::new();
        for (range, _) in &self.page {
            map.walk(*range, &mut |_, entry| {
                if self.is_surplus(map, entry) {
                    surplus.push(Arc::clone(entry));
                }
                ControlFlow::Continue(())
            });
        }
        self.page.clear();
        surplus
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Stamp;
    use crate::reconcile::tests::{Model, map, union};
    use proptest::prelude::*;

    fn pass(horizon: u64) -> Pass {
        let order = [NodeId(1), NodeId(2), NodeId(3)].into();
        Pass { id: 77, horizon, after: Some((3, 4)), started_ms: 5, by: NodeId(2), order }
    }

    fn token(hop: u32, horizon: u64) -> Token {
        Token { pass: pass(horizon), hop, digest: Digest::default(), former: Arc::new([]) }
    }

    /// Walks until the end; returns how many messages it took.
    fn walk(giver: &Map, taker: &mut Map, token: &Token, piece: usize) -> usize {
        let (mut walk, mut guest) = (Walk::new(token), Guest::new(token, NodeId(1)));
        for messages in 1.. {
            let (kind, body) = walk.next(giver, piece);
            let body = Reader::new(&body);
            match kind {
                kind::RING_CHECK => {
                    let check = Step::<Check>::read(body).unwrap();
                    let Some(differ) = guest.on_check(taker, &check) else { return messages };
                    let differ = Step::<Differ>::read(Reader::new(&differ.encode())).unwrap();
                    assert!(walk.on_differ(giver, &differ));
                    assert!(!walk.on_differ(giver, &differ), "a repetition is passed over");
                }
                kind::RING_ITEMS => {
                    let want = guest.on_page(taker, Step::<Page>::read(body).unwrap());
                    let want = Step::<Want>::read(Reader::new(&want.encode())).unwrap();
                    if want.body.is_empty() {
                        drop_surplus(&mut guest, taker);
                    }
                    assert!(walk.on_want(&want));
                    assert!(!walk.on_want(&want), "a repetition is passed over");
                }
                _ => {
                    let load = Step::<Load>::read(body).unwrap();
                    for entry in load.body.entries {
                        if let Some(held) = taker.get(entry.key()).cloned()
                            && guest.is_surplus(taker, &held)
                        {
                            taker.remove(held.key(), held.stamp());
                        }
                        let _ = taker.apply(Arc::new(entry));
                    }
                    if load.body.last {
                        drop_surplus(&mut guest, taker);
                    }
                    let (session, number) = (load.session, load.number);
                    assert!(walk.on_want(&Step { session, number, body: Want::new() }));
                }
            }
        }
        unreachable!()
    }

    fn drop_surplus(guest: &mut Guest, taker: &mut Map) {
        if guest.sieves() {
            for entry in guest.surplus(taker) {
                taker.remove(entry.key(), entry.stamp());
            }
        }
    }

    fn models() -> impl Strategy<Value = (Model, Model)> {
        let writes = prop::collection::btree_map(0_u16..3000, 1_u64..60, 0..700);
        (writes.clone(), writes.clone(), writes).prop_map(|(common, mut one, mut other)| {
            for model in [&mut one, &mut other] {
                let own: Vec<_> = model.keys().copied().collect();
                model.retain(|key, _| own.iter().take(own.len() / 8).any(|kept| kept == key));
                for (key, time) in &common {
                    model.entry(*key).or_insert(*time);
                }
            }
            (one, other)
        })
    }

    fn held(map: &Map) -> Model {
        let mut held = Model::new();
        map.walk(Range::ALL, &mut |_, entry| {
            held.insert(u16::from_be_bytes(entry.key().try_into().unwrap()), entry.stamp().time);
            ControlFlow::Continue(())
        });
        held
    }

    proptest! {
        #[test]
        fn a_hop_gives_everything(
            (one, other) in models(),
            horizon in 0_u64..70,
            piece in 1_usize..2000,
        ) {
            let (giver, mut taker) = (map(one.clone()), map(other.clone()));
            walk(&giver, &mut taker, &token(1, horizon), piece);
            prop_assert_eq!(held(&taker), union(&one, &other));
        }

        #[test]
        fn a_sieve_leaves_what_the_giver_holds(
            (one, other) in models(),
            horizon in 0_u64..70,
            piece in 1_usize..2000,
        ) {
            let (giver, mut taker) = (map(one.clone()), map(other.clone()));
            walk(&giver, &mut taker, &token(SIEVE, horizon), piece);
            // Later writes of the taker stay.
            let later: Model = other.into_iter().filter(|(_, time)| *time > horizon).collect();
            prop_assert_eq!(held(&taker), union(&one, &later));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = Token::decode(Reader::new(&bytes));
            let _ = Answer::decode(Reader::new(&bytes));
            let _ = Progress::decode(Reader::new(&bytes));
            let _ = Step::<Check>::read(Reader::new(&bytes));
            let _ = Step::<Differ>::read(Reader::new(&bytes));
            let _ = Step::<Page>::read(Reader::new(&bytes));
            let _ = Step::<Want>::read(Reader::new(&bytes));
            let _ = Step::<Load>::read(Reader::new(&bytes));
        }
    }

    #[test]
    fn messages_survive_the_trip() {
        let token = Token { digest: Digest { count: 3, sum: 9 }, ..token(4, 1 << 40) };
        assert_eq!(Token::decode(Reader::new(&token.encode())), Ok(token.clone()));
        let too_far = Token { hop: 5, ..token };
        assert!(Token::decode(Reader::new(&too_far.encode())).is_err());
        let session = Session { pass: 5, hop: SIEVE };
        for verdict in [Verdict::Done, Verdict::Different, Verdict::Later, Verdict::Over] {
            let answer = Answer { session, verdict };
            assert_eq!(Answer::decode(Reader::new(&answer.encode())), Ok(answer));
        }
        for stage in [Stage::Reached, Stage::Waiting, Stage::Complete, Stage::Over] {
            let progress = Progress { session, stage };
            assert_eq!(Progress::decode(Reader::new(&progress.encode())), Ok(progress));
        }
    }

    /// As the note on gossip has it: A to B, B to C, C to A, A to B.
    #[test]
    fn the_way_of_the_token() {
        let pass = pass(0);
        let way: Vec<u64> = (0..=pass.hops()).map(|hop| pass.receiver(hop).unwrap().0).collect();
        assert_eq!(way, [1, 2, 3, 1, 2]);
        let last: Vec<bool> = (0..=pass.hops()).map(|hop| pass.is_last_visit(hop)).collect();
        assert_eq!(last, [false, false, true, true, true]);
        let alone = Pass { order: [NodeId(9)].into(), ..pass };
        assert_eq!((alone.hops(), alone.is_last_visit(0)), (0, true));
    }

    #[test]
    fn equal_maps_take_two_messages() {
        let entries: Model = (0..2000).map(|key| (key, 5)).collect();
        let (giver, mut taker) = (map(entries.clone()), map(entries));
        assert_eq!(walk(&giver, &mut taker, &token(1, 9), 1000), 2);
        let stamp = Stamp { time: 4, node: NodeId(3) };
        let _ = taker.apply(Arc::new(Entry::new(b"xx", b"more", stamp, None)));
        let messages = walk(&giver, &mut taker, &token(SIEVE, 9), 1000);
        assert!(messages < 8 && giver.digest() == taker.digest(), "{messages}");
    }
}
