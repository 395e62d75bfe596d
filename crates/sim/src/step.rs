//! One line of a trace as text: when, where, what, and about which key, stamp or member.
//!
//! The form is stable: programs may read it. A line is `SECONDS NODE WHAT FIELD=VALUE ...`, with
//! fields in the order of [`Step`] and only those that there are. A value has no blanks (bytes of
//! keys that do not print are escaped as `\x20`), but for `note`, which is last and takes the rest
//! of the line.

use crate::trace::{Kind, Line, Persisted};
use crate::world::World;
use rumormill_core::NodeId;
use rumormill_core::base::hash::Map;
use rumormill_core::member::{Record, State};
use serde::Serialize;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A user's write at this node was persisted.
    Write,
    /// An entry from a peer was persisted: from now on this node holds it.
    Hold,
    /// An entry was dropped: it was superseded, and everyone knows it.
    Drop,
    /// The node now believes this of a member.
    Member,
    /// The process started.
    Boot,
    /// It was told to join.
    Join,
    /// Its tags were changed.
    Tags,
    /// It was told to leave.
    Leave,
    /// It crashed or stopped.
    Down,
    /// Its disk was lost.
    DiskLost,
    /// An old copy of its disk was put in place of it.
    Backup,
    /// It wrote anew what it had come back with and nobody else held.
    Anew,
    /// It keeps an entry aside.
    Stray,
    /// It no longer does.
    StrayGone,
    /// A power cut took back what its disk had got last.
    PowerCut,
    /// It was told to hand over and leave.
    Depart,
    /// It was told to forget a member.
    Forget,
    /// It was told to begin a pass of ring repair.
    Pass,
    /// It stands still.
    Pause,
    /// It goes on.
    Resume,
    /// The network changed.
    Network,
    /// Its wall clock jumped.
    Clock,
    /// Its disk works, hangs or fails from now on.
    Disk,
    /// It learned that a stream is lost.
    StreamLost,
    /// It sent a datagram.
    Send,
    /// It sent a frame over a stream.
    SendFrame,
    /// What it sent was lost.
    Lost,
    /// A datagram came in.
    Receive,
    /// A frame came in.
    ReceiveFrame,
    /// A packet came in that strangers made up.
    Strange,
    /// Its deadline came.
    Tick,
}

impl What {
    /// All, with their names.
    pub const ALL: [(Self, &'static str); 31] = [
        (Self::Write, "write"),
        (Self::Hold, "hold"),
        (Self::Drop, "drop"),
        (Self::Member, "member"),
        (Self::Boot, "boot"),
        (Self::Join, "join"),
        (Self::Tags, "tags"),
        (Self::Leave, "leave"),
        (Self::Down, "down"),
        (Self::DiskLost, "disk-lost"),
        (Self::Backup, "backup"),
        (Self::Anew, "anew"),
        (Self::Stray, "stray"),
        (Self::StrayGone, "stray-gone"),
        (Self::PowerCut, "power-cut"),
        (Self::Depart, "depart"),
        (Self::Forget, "forget"),
        (Self::Pass, "pass"),
        (Self::Pause, "pause"),
        (Self::Resume, "resume"),
        (Self::Network, "network"),
        (Self::Clock, "clock"),
        (Self::Disk, "disk"),
        (Self::StreamLost, "stream-lost"),
        (Self::Send, "send"),
        (Self::SendFrame, "send-frame"),
        (Self::Lost, "lost"),
        (Self::Receive, "receive"),
        (Self::ReceiveFrame, "receive-frame"),
        (Self::Strange, "strange"),
        (Self::Tick, "tick"),
    ];

    /// True if it changes what a node or the network is, rather than being traffic or time.
    #[must_use]
    pub fn is_change(self) -> bool {
        self < Self::StreamLost
    }

    /// The name in a trace.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(what, _)| *what == self).map_or("", |(_, name)| name)
    }

    /// The one with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(what, _)| *what)
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// When, microseconds since the start of the world.
    #[serde(rename = "us")]
    pub at: u64,
    /// The node that it happened to; none if it is the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<usize>,
    /// What.
    pub what: What,
    /// The other end: whom it was sent to, or whom it was heard from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<usize>,
    /// The key, escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The stamp: wall milliseconds, counter and writer, as in `1700000000010.0@n3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamp: Option<String>,
    /// The member, as `n3` or by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// What is believed of the member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Bytes of a packet, or of key and value. None for a deleted key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// A number: boots before, seeds to join by, packets waiting, milliseconds of a clock's jump,
    /// changes that a power cut took back or that waited for a disk, what a disk does (0 works, 1 hangs,
    /// 2 fails), or microseconds by which the node became slower.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<i64>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Step {
    /// A step without any field.
    #[must_use]
    pub fn new(at: u64, node: Option<usize>, what: What) -> Self {
        Self {
            at,
            node,
            what,
            peer: None,
            key: None,
            stamp: None,
            member: None,
            state: None,
            size: None,
            count: None,
            note: None,
        }
    }

    /// True if the step says that a key was deleted.
    #[must_use]
    pub fn is_delete(&self) -> bool {
        matches!(self.what, What::Write | What::Hold) && self.size.is_none()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} ", self.at / 1_000_000, self.at % 1_000_000)?;
        match self.node {
            Some(node) => write!(f, "n{node}")?,
            None => f.write_str("-")?,
        }
        write!(f, " {}", self.what.name())?;
        if let Some(peer) = self.peer {
            write!(f, " peer=n{peer}")?;
        }
        if let Some(key) = &self.key {
            write!(f, " key={key}")?;
        }
        if let Some(stamp) = &self.stamp {
            write!(f, " stamp={stamp}")?;
        }
        if let Some(member) = &self.member {
            write!(f, " member={member}")?;
        }
        if let Some(state) = self.state {
            write!(f, " state={}", state_name(state))?;
        }
        if let Some(size) = self.size {
            write!(f, " size={size}")?;
        }
        if let Some(count) = self.count {
            write!(f, " count={count}")?;
        }
        if let Some(note) = &self.note {
            write!(f, " note={note}")?;
        }
        Ok(())
    }
}

/// What is wrong with a line of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}; a line is like \"0.010500 n1 hold peer=n0 key=a stamp=1700000000010.0@n0 size=9\"")]
pub struct StepError(String);

impl FromStr for Step {
    type Err = StepError;

    fn from_str(line: &str) -> Result<Self, StepError> {
        let bad = |what: &str| StepError(what.to_owned());
        let (head, note) = match line.split_once(" note=") {
            Some((head, note)) => (head, Some(note.to_owned())),
            None => (line, None),
        };
        let mut words = head.split(' ').filter(|word| !word.is_empty());
        let at = words.next().and_then(time).ok_or_else(|| bad("no time in seconds"))?;
        let node = match words.next() {
            Some("-") => None,
            Some(word) => Some(node(word).ok_or_else(|| bad("no node like n3"))?),
            None => return Err(bad("the line ends after the time")),
        };
        let what = words.next().and_then(What::from_name);
        let mut step = Self::new(at, node, what.ok_or_else(|| bad("no known kind of event"))?);
        for word in words {
            let (field, value) = word.split_once('=').ok_or_else(|| bad("a field without ="))?;
            let wrong = || StepError(format!("{field}={value} cannot be read"));
            match field {
                "peer" => step.peer = Some(self::node(value).ok_or_else(wrong)?),
                "key" => step.key = Some(value.to_owned()),
                "stamp" => step.stamp = Some(value.to_owned()),
                "member" => step.member = Some(value.to_owned()),
                "state" => step.state = Some(state(value).ok_or_else(wrong)?),
                "size" => step.size = Some(value.parse().map_err(|_| wrong())?),
                "count" => step.count = Some(value.parse().map_err(|_| wrong())?),
                // A later version may say more.
                _ => {}
            }
        }
        step.note = note;
        Ok(step)
    }
}

fn time(word: &str) -> Option<u64> {
    let (seconds, micros) = word.split_once('.')?;
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if micros.len() != 6 || !digits(micros) || !digits(seconds) {
        return None;
    }
    let seconds: u64 = seconds.parse().ok()?;
    seconds.checked_mul(1_000_000)?.checked_add(micros.parse().ok()?)
}

fn node(word: &str) -> Option<usize> {
    word.strip_prefix('n')?.parse().ok()
}

const STATES: [(State, &str); 5] = [
    (State::Alive, "alive"),
    (State::Suspect, "suspect"),
    (State::Dead, "dead"),
    (State::Left, "left"),
    (State::Forgotten, "forgotten"),
];

fn state(name: &str) -> Option<State> {
    STATES.iter().find(|(_, known)| *known == name).map(|(state, _)| *state)
}

fn state_name(state: State) -> &'static str {
    STATES.iter().find(|(known, _)| *known == state).map_or("", |(_, name)| name)
}

/// A key as it stands in a trace.
#[must_use]
pub fn escape(key: &[u8]) -> String {
    key.escape_ascii().to_string().replace(' ', "\\x20")
}

/// Gives every step of a world from now on to a listener, in place of the listener before.
pub fn watch(world: &mut World, mut listener: impl FnMut(Step) + 'static) {
    let mut watcher = Watcher::new(world);
    world.on_entries(move |line, persisted| listener(watcher.step(line, persisted)));
}

/// Turns lines into steps. It remembers what the lines do not say: who has which id, and whose
/// packet a node is working on.
#[derive(Debug)]
struct Watcher {
    nodes: Map<NodeId, usize>,
    source: Option<(usize, usize)>,
}

impl Watcher {
    fn new(world: &World) -> Self {
        let nodes = (0..world.nodes()).map(|node| (world.id(node), node)).collect();
        Self { nodes, source: None }
    }

    fn name(&self, id: NodeId) -> String {
        match self.nodes.get(&id) {
            Some(node) => format!("n{node}"),
            None => id.to_string(),
        }
    }

    fn step(&mut self, line: &Line<'_>, persisted: Option<Persisted<'_>>) -> Step {
        let mut step = Step::new(line.at.0, Some(line.node), what(line.kind));
        let peer = usize::try_from(line.about).ok();
        let size = Some(line.bytes.len() as u64);
        match line.kind {
            Kind::SendDatagram | Kind::SendFrame => (step.peer, step.size) = (peer, size),
            Kind::Datagram | Kind::Frame => {
                (step.peer, step.size) = (peer, size);
                self.source = peer.map(|peer| (line.node, peer));
            }
            // Whatever was sent to an address at which there never was anyone has no peer.
            Kind::Lost => step.peer = peer.filter(|_| line.about != u64::MAX),
            Kind::StreamLost => step.peer = peer,
            Kind::Data | Kind::Roster | Kind::Anew | Kind::Stray | Kind::StrayGone => {
                if let Some(persisted) = persisted {
                    self.persisted(line, persisted, &mut step);
                }
            }
            Kind::Forget => step.member = Some(self.name(NodeId(line.about))),
            Kind::Boot | Kind::Join | Kind::Resume | Kind::Clock | Kind::PowerCut | Kind::Disk => {
                step.count = Some(line.about as i64)
            }
            Kind::Strange => {
                step.size = size;
                // What follows comes from nobody.
                self.source = None;
            }
            // A node that became slower says by how much, all other changes are in words.
            Kind::Network if line.bytes.is_empty() => step.count = Some(line.about as i64),
            Kind::Network => {
                step.node = None;
                step.note = Some(String::from_utf8_lossy(line.bytes).into_owned());
            }
            Kind::Drop => {
                step.key = Some(escape(line.bytes));
                let (ms, counter) = (line.about >> 16, line.about & 0xffff);
                step.stamp = Some(format!("{ms}.{counter}"));
            }
            Kind::Tick
            | Kind::Tags
            | Kind::Leave
            | Kind::Depart
            | Kind::Pass
            | Kind::Down
            | Kind::DiskLost
            | Kind::Backup
            | Kind::Pause => {}
        }
        step
    }

    fn persisted(&mut self, line: &Line<'_>, persisted: Persisted<'_>, step: &mut Step) {
        let Persisted { entry, own } = persisted;
        if !own && matches!(line.kind, Kind::Data | Kind::Roster) {
            let source = self.source.filter(|(node, _)| *node == line.node);
            step.peer = source.map(|(_, peer)| peer);
        }
        let stamp = entry.stamp();
        if line.kind == Kind::Roster {
            if let Ok(record) = Record::from_entry(entry) {
                // What a node says of itself tells whose id it is.
                if own && record.name == format!("n{}", line.node) {
                    self.nodes.insert(record.id, line.node);
                }
                step.member = Some(self.name(record.id));
                step.state = Some(record.state);
                step.stamp = Some(record.incarnation.to_string());
            }
            return;
        }
        if own && line.kind == Kind::Data {
            step.what = What::Write;
            self.nodes.insert(stamp.node, line.node);
        }
        let (ms, counter) = (stamp.wall_ms(), stamp.time & 0xffff);
        step.key = Some(escape(entry.key()));
        step.stamp = Some(format!("{ms}.{counter}@{}", self.name(stamp.node)));
        step.size = (!entry.is_tombstone()).then_some(entry.size() as u64);
    }
}

fn what(kind: Kind) -> What {
    match kind {
        Kind::SendDatagram => What::Send,
        Kind::SendFrame => What::SendFrame,
        Kind::Lost => What::Lost,
        Kind::Datagram => What::Receive,
        Kind::Frame => What::ReceiveFrame,
        Kind::StreamLost => What::StreamLost,
        Kind::Tick => What::Tick,
        Kind::Data => What::Hold,
        Kind::Roster => What::Member,
        Kind::Boot => What::Boot,
        Kind::Join => What::Join,
        Kind::Tags => What::Tags,
        Kind::Leave => What::Leave,
        Kind::Down => What::Down,
        Kind::DiskLost => What::DiskLost,
        Kind::Pause => What::Pause,
        Kind::Resume => What::Resume,
        Kind::Network => What::Network,
        Kind::Clock => What::Clock,
        Kind::Drop => What::Drop,
        Kind::Backup => What::Backup,
        Kind::Anew => What::Anew,
        Kind::Stray => What::Stray,
        Kind::StrayGone => What::StrayGone,
        Kind::PowerCut => What::PowerCut,
        Kind::Depart => What::Depart,
        Kind::Forget => What::Forget,
        Kind::Pass => What::Pass,
        Kind::Disk => What::Disk,
        Kind::Strange => What::Strange,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Latency;
    use crate::options::{Options, Start};
    use proptest::prelude::*;
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::time::Duration;

    #[test]
    fn golden_lines() {
        let latency = Latency::Fixed(Duration::from_millis(1));
        let start = Start::Prefilled;
        let mut world = World::new(Options { nodes: 2, latency, start, ..Options::default() });
        let seen = Rc::new(RefCell::new(Vec::new()));
        let lines = Rc::clone(&seen);
        watch(&mut world, move |step| lines.borrow_mut().push(step));
        world.run_for(Duration::from_millis(10)).unwrap();
        world.write(0, "a key", "value").unwrap();
        world.run_for(Duration::from_millis(10)).unwrap();
        world.delete(1, "a key").unwrap();
        world.set_loss(1.0);
        world.jump_clock(1, -5);
        world.crash(1);
        let text: Vec<String> = seen
            .borrow()
            .iter()
            .filter(|step| step.what.is_change() || step.what == What::Lost)
            .map(ToString::to_string)
            .collect();
        let golden = [
            "0.010000 n0 write key=a\\x20key stamp=1700000000010.0@n0 size=10",
            "0.011000 n1 hold peer=n0 key=a\\x20key stamp=1700000000010.0@n0 size=10",
            "0.020000 n1 write key=a\\x20key stamp=1700000000020.0@n1",
        ];
        assert_eq!(text[..3], golden);
        assert!(text[3].starts_with("0.020000 - network note=loss [] Conditions"), "{}", text[3]);
        assert_eq!(text[4..], ["0.020000 n1 clock count=-5", "0.020000 n1 down"]);
        for step in seen.borrow().iter() {
            assert_eq!(step.to_string().parse(), Ok(step.clone()), "{step}");
        }
    }

    #[test]
    fn a_lost_disk_does_not_mix_up_who_is_who() {
        let mut world = World::new(Options { nodes: 3, ..Options::default() });
        let seen = Rc::new(RefCell::new(Vec::new()));
        let lines = Rc::clone(&seen);
        watch(&mut world, move |step| lines.borrow_mut().push(step));
        world.lose_disk(2);
        world.boot(2);
        world.run_for(Duration::from_secs(1)).unwrap();
        world.write(2, "k", "v").unwrap();
        world.run_for(Duration::from_secs(1)).unwrap();
        let held = seen.borrow().iter().filter(|step| step.what == What::Hold).count();
        assert_eq!(held, 2);
        let of_2 = |step: &&Step| step.stamp.as_deref().is_some_and(|s| s.ends_with("@n2"));
        assert_eq!(seen.borrow().iter().filter(of_2).count(), 3);
    }

    #[test]
    fn bad_lines_say_what_is_wrong() {
        for line in ["", "1 n1 tick", "1.0 n1 tick", "1.000000", "1.000000 x tick", "-1.000000 n1"]
        {
            assert!(line.parse::<Step>().is_err(), "{line}");
        }
        for line in ["1.000000 n1 sing", "1.000000 n1 hold peer=4", "1.000000 n1 hold key"] {
            let error = line.parse::<Step>().unwrap_err().to_string();
            assert!(error.contains("a line is like"), "{error}");
        }
        assert!("1.000000 n1 tick later=5".parse::<Step>().is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_a_line_only_if_it_begins_with_a_time(line: String) {
            let time = line.split_whitespace().next().is_some_and(|word| word.contains('.'));
            prop_assert!(line.parse::<Step>().is_err() || time);
        }

        #[test]
        fn what_is_read_is_written_and_read_again(
            line in "[0-9]{1,9}\\.[0-9]{6} (n[0-9]{1,4}|-) (write|hold|tick|member|send)\
                     ( (peer=n?[0-9]{1,3}|key=[a-z\\\\]{0,3}|stamp=[0-9.@n]{1,9}|member=n[0-9]|\
                     state=(alive|dead|x)|size=[0-9]{1,6}|count=-?[0-9]{1,6}|later=5)){0,4}\
                     ( note=[a-z =]{0,9})?",
        ) {
            if let Ok(step) = line.parse::<Step>() {
                prop_assert_eq!(step.to_string().parse(), Ok(step));
            }
        }
    }
}
