//! Scripts of faults as text: `crash:3@10s; restart@20s; partition:40%@30s..45s`.
//!
//! A step is a kind, who it happens to, and when: `KIND:WHO@TIME` or `KIND:WHO@FROM..TO`. A script
//! becomes a [`crate::Plan`] for a cluster of some size, with nodes drawn from a seed.

mod plan;

pub use plan::Setting;

use crate::faults::MAX_STRANGE;
use crate::text::{Time, list, percent, time};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use thiserror::Error;

/// Steps in a script, at most.
const MAX_STEPS: usize = 10_000;
/// What `power-cut` takes where nothing is said, and at most.
const POWER_CUT: Duration = Duration::from_secs(1);
/// What `slow` adds where nothing is said.
const SLOW: Duration = Duration::from_millis(100);

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// The processes die; with an end they boot again there.
    Crash,
    /// Processes that are down boot.
    Restart,
    /// The processes die and lose their disks; with an end they boot there, as new nodes.
    LoseDisk,
    /// The nodes say goodbye; with an end they boot again there.
    Leave,
    /// The nodes hand over and then say goodbye; with an end they boot again there.
    Depart,
    /// The processes die and their disks lose what came last; with an end they boot again there.
    PowerCut(Duration),
    /// The nodes leave, their folders are copied, and new ones take their names and addresses.
    Replace,
    /// The nodes' folders are copied.
    Copy,
    /// The processes die and boot from the last copy of their folders.
    Restore,
    /// The same, as new nodes.
    RestoreAsNew,
    /// Others forget the nodes.
    Forget,
    /// The same by force: an operator's word that they are gone for good.
    ForceForget,
    /// The nodes begin passes of ring repair.
    Pass,
    /// The processes stand still.
    Pause,
    /// Everything from and to the nodes takes longer by this.
    Slow(Duration),
    /// Nothing gets through between these nodes and all others.
    Partition,
    /// Larger datagrams than this many bytes from and to the nodes vanish.
    Narrow(usize),
    /// Nothing gets from these nodes to all others; the other way stays open.
    Cut,
    /// Datagrams do not get from these nodes to all others.
    CutUdp,
    /// Streams do not get through between these nodes and all others.
    CutTcp,
    /// Percent of datagrams that are lost.
    Loss(f64),
    /// Percent of datagrams that arrive twice.
    Duplicate(f64),
    /// Percent of datagrams that are held back.
    Reorder(f64),
    /// Wall clocks jump by this many milliseconds; with an end they jump back there.
    Clock(i64),
    /// Disks do not answer.
    HangDisk,
    /// Disks answer that they could not write.
    FailDisk,
    /// Machines have room for this many bytes.
    Squeeze(usize),
    /// Strangers send this many packets a second of each kind.
    Strangers(u32),
}

/// Who it happens to.
#[derive(Clone, Debug, PartialEq)]
pub enum Who {
    /// This many nodes, drawn.
    Count(usize),
    /// This percentage of all nodes, drawn.
    Percent(f64),
    /// These.
    Nodes(Vec<usize>),
    /// All of a zone.
    Zone(String),
    /// Everybody that it can happen to.
    All,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What happens.
    pub action: Action,
    /// To whom.
    pub who: Who,
    /// When it begins.
    pub from: Duration,
    /// When it ends, if it does.
    pub to: Option<Duration>,
}

/// A script.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// The steps, as they were written.
    pub steps: Vec<Step>,
}

/// What is wrong with a script.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("fault {step:?}: {message}")]
pub struct ScriptError {
    /// The step as it was written.
    pub step: String,
    /// What is wrong, and what to write.
    pub message: String,
}

impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, ScriptError> {
        let mut steps = Vec::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = |message| ScriptError { step: part.chars().take(80).collect(), message };
            if steps.len() == MAX_STEPS {
                return Err(wrong(format!("a script has at most {MAX_STEPS} steps")));
            }
            steps.push(step(part).map_err(wrong)?);
        }
        Ok(Self { steps })
    }
}

fn step(text: &str) -> Result<Step, String> {
    let (what, when) = text.split_once('@').ok_or_else(|| {
        "it does not say when: write KIND:WHO@TIME or KIND:WHO@FROM..TO, such as crash:3@10s"
            .to_owned()
    })?;
    let (kind, details) = match what.split_once(':') {
        Some((kind, details)) => (kind.trim(), Some(details.trim())),
        None => (what.trim(), None),
    };
    let (from, to) = match when.split_once("..") {
        Some((from, to)) => (time(from)?, Some(time(to)?)),
        None => (time(when)?, None),
    };
    if to.is_some_and(|to| to <= from) {
        return Err(format!(
            "it ends at {} but begins at {}",
            Time(to.unwrap_or(from)),
            Time(from)
        ));
    }
    let (action, who) = action(kind, details)?;
    action.check_window(to.is_some())?;
    Ok(Step { action, who, from, to })
}

const KINDS: [&str; 28] = [
    "crash",
    "restart",
    "lose-disk",
    "leave",
    "depart",
    "power-cut",
    "replace",
    "copy",
    "restore",
    "restore-as-new",
    "forget",
    "force-forget",
    "pass",
    "pause",
    "slow",
    "narrow",
    "partition",
    "cut",
    "cut-udp",
    "cut-tcp",
    "loss",
    "duplicate",
    "reorder",
    "clock",
    "hang-disk",
    "fail-disk",
    "squeeze",
    "strangers",
];

fn action(kind: &str, details: Option<&str>) -> Result<(Action, Who), String> {
    let much = || percent(details.ok_or_else(|| format!("how much? Write {kind}:20%@10s..20s"))?);
    let amount = details.and_then(|details| Some((details.rsplit_once(',')?, details)));
    let amount = amount.filter(|((_, last), _)| !is_node(last.trim()));
    Ok(match kind {
        "crash" => (Action::Crash, who(kind, details)?),
        "restart" if details.is_none() => (Action::Restart, Who::All),
        "restart" => (Action::Restart, who(kind, details)?),
        "lose-disk" => (Action::LoseDisk, who(kind, details)?),
        "leave" => (Action::Leave, who(kind, details)?),
        "depart" => (Action::Depart, who(kind, details)?),
        "power-cut" => match amount {
            Some(((who_text, back), _)) => {
                (Action::PowerCut(power_cut(time(back)?)?), who(kind, Some(who_text))?)
            }
            None => (Action::PowerCut(POWER_CUT), who(kind, details)?),
        },
        "replace" => (Action::Replace, who(kind, details)?),
        "copy" => (Action::Copy, who(kind, details)?),
        "restore" => (Action::Restore, who(kind, details)?),
        "restore-as-new" => (Action::RestoreAsNew, who(kind, details)?),
        "forget" => (Action::Forget, who(kind, details)?),
        "force-forget" => (Action::ForceForget, who(kind, details)?),
        "pass" => (Action::Pass, who(kind, details)?),
        "pause" => (Action::Pause, who(kind, details)?),
        "slow" => match amount {
            Some(((who_text, extra), _)) => {
                (Action::Slow(time(extra)?), who(kind, Some(who_text))?)
            }
            None => (Action::Slow(SLOW), who(kind, details)?),
        },
        "narrow" => {
            let Some(((who_text, width), _)) = amount else {
                return Err("how narrow? Write narrow:1,1252@10s..20s (bytes of a datagram)".into());
            };
            (Action::Narrow(datagram(width)?), who(kind, Some(who_text))?)
        }
        "partition" => (Action::Partition, who(kind, details)?),
        "cut" => (Action::Cut, who(kind, details)?),
        "cut-udp" => (Action::CutUdp, who(kind, details)?),
        "cut-tcp" => (Action::CutTcp, who(kind, details)?),
        "loss" => (Action::Loss(much()?), Who::All),
        "duplicate" => (Action::Duplicate(much()?), Who::All),
        "reorder" => (Action::Reorder(much()?), Who::All),
        "clock" => {
            let Some(((who_text, jump), _)) = amount else {
                return Err("by how much? Write clock:1,+500ms@10s or clock:n3,-2s@10s".into());
            };
            (Action::Clock(clock_jump(jump.trim())?), who(kind, Some(who_text))?)
        }
        "hang-disk" => (Action::HangDisk, who(kind, details)?),
        "fail-disk" => (Action::FailDisk, who(kind, details)?),
        "squeeze" => {
            let Some(((who_text, room), _)) = amount else {
                return Err("how much room? Write squeeze:1,8192@10s..20s (bytes)".into());
            };
            let bytes = room.trim().parse().ok().filter(|bytes| *bytes > 0);
            let bytes = bytes.ok_or_else(|| format!("{room:?} is no number of bytes"))?;
            (Action::Squeeze(bytes), who(kind, Some(who_text))?)
        }
        "strangers" => {
            let rate = details
                .and_then(|text| text.parse().ok())
                .filter(|rate| (1..=MAX_STRANGE).contains(rate));
            let rate =
                rate.ok_or("how many packets a second? Write strangers:50@10s..20s (1 to 100000)")?;
            (Action::Strangers(rate), Who::All)
        }
        _ => return Err(format!("there is no fault {kind:?}; there are {}", list(&KINDS))),
    })
}

fn datagram(text: &str) -> Result<usize, String> {
    let bytes = text.trim().parse().ok().filter(|bytes| (576..=65_000).contains(bytes));
    bytes.ok_or_else(|| format!("{text:?}: datagrams have 576 to 65000 bytes"))
}

fn power_cut(back: Duration) -> Result<Duration, String> {
    match back <= POWER_CUT {
        true => Ok(back),
        false => Err("a power cut takes what came in the last second at most".into()),
    }
}

fn clock_jump(text: &str) -> Result<i64, String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let jump = time(rest)?;
    let ms = i64::try_from(jump.as_millis()).unwrap_or(i64::MAX);
    if ms == 0 {
        return Err(format!("{text:?}: a clock jumps by whole milliseconds, at least one"));
    }
    Ok(sign * ms)
}

fn is_node(text: &str) -> bool {
    let number = text.strip_prefix('n').unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn who(kind: &str, text: Option<&str>) -> Result<Who, String> {
    let text = text.map(str::trim).filter(|text| !text.is_empty()).ok_or_else(|| {
        format!(
            "to whom? Write {kind}:3 (three nodes, drawn), {kind}:10% (a share), {kind}:n7 or \
             {kind}:n1,n2 (those nodes)"
        )
    })?;
    if text.ends_with('%') {
        let percent = percent(text)?;
        return if percent > 0.0 { Ok(Who::Percent(percent)) } else { Err(nobody(text)) };
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let count = text.parse().map_err(|_| format!("{text} is too many nodes"))?;
        return if count > 0 { Ok(Who::Count(count)) } else { Err(nobody(text)) };
    }
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    if parts.iter().all(|part| is_node(part)) {
        let mut nodes = Vec::new();
        for part in parts {
            let node = part.trim_start_matches('n').parse();
            nodes.push(node.map_err(|_| format!("{part} is no node: the number is too large"))?);
        }
        nodes.sort_unstable();
        nodes.dedup();
        return Ok(Who::Nodes(nodes));
    }
    let letters = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    if text.starts_with(char::is_alphabetic) && text.chars().all(letters) {
        return Ok(Who::Zone(text.to_owned()));
    }
    Err(format!(
        "{text:?} names no nodes: write 3 (three nodes, drawn), 10% (a share), n7 or n1,n2 (those \
         nodes), or the name of a zone"
    ))
}

fn nobody(text: &str) -> String {
    format!("{text} is nobody: leave the step out")
}

impl Action {
    fn check_window(self, has_end: bool) -> Result<(), String> {
        let kind = self.kind();
        match self {
            Self::Restart if has_end => {
                Err("a restart has no end: write restart@20s, or restart:n7@20s".into())
            }
            _ if self.is_moment() && has_end => {
                Err(format!("{kind} has no end: write {kind}:n7@20s"))
            }
            _ if self.is_moment() || self.stops() => Ok(()),
            Self::Restart | Self::Clock(_) => Ok(()),
            _ if !has_end => Err(format!("when does it end? Write {kind}:…@10s..20s (from, to)")),
            _ => Ok(()),
        }
    }

    /// True if the nodes are down afterwards.
    fn stops(self) -> bool {
        matches!(
            self,
            Self::Crash | Self::LoseDisk | Self::Leave | Self::Depart | Self::PowerCut(_)
        )
    }

    /// True if it ends with all cuts.
    fn divides(self) -> bool {
        matches!(self, Self::Partition | Self::Cut | Self::CutUdp | Self::CutTcp)
    }

    /// True if it happens at once.
    fn is_moment(self) -> bool {
        matches!(
            self,
            Self::Replace
                | Self::Copy
                | Self::Restore
                | Self::RestoreAsNew
                | Self::Forget
                | Self::ForceForget
                | Self::Pass
        )
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Restart => "restart",
            Self::LoseDisk => "lose-disk",
            Self::Leave => "leave",
            Self::Depart => "depart",
            Self::PowerCut(_) => "power-cut",
            Self::Replace => "replace",
            Self::Copy => "copy",
            Self::Restore => "restore",
            Self::RestoreAsNew => "restore-as-new",
            Self::Forget => "forget",
            Self::ForceForget => "force-forget",
            Self::Pass => "pass",
            Self::Pause => "pause",
            Self::Slow(_) => "slow",
            Self::Partition => "partition",
            Self::Narrow(_) => "narrow",
            Self::Cut => "cut",
            Self::CutUdp => "cut-udp",
            Self::CutTcp => "cut-tcp",
            Self::Loss(_) => "loss",
            Self::Duplicate(_) => "duplicate",
            Self::Reorder(_) => "reorder",
            Self::Clock(_) => "clock",
            Self::HangDisk => "hang-disk",
            Self::FailDisk => "fail-disk",
            Self::Squeeze(_) => "squeeze",
            Self::Strangers(_) => "strangers",
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Nodes(nodes) => {
                for (number, node) in nodes.iter().enumerate() {
                    write!(f, "{}n{node}", if number > 0 { "," } else { "" })?;
                }
                Ok(())
            }
            Self::Zone(name) => f.write_str(name),
            Self::All => Ok(()),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, who, from, to } = self;
        f.write_str(action.kind())?;
        match action {
            Action::Loss(percent) | Action::Duplicate(percent) | Action::Reorder(percent) => {
                write!(f, ":{percent}%")?;
            }
            Action::Restart if *who == Who::All => {}
            Action::Slow(time) | Action::PowerCut(time) => write!(f, ":{who},{}", Time(*time))?,
            Action::Clock(ms) => write!(f, ":{who},{ms:+}ms")?,
            Action::Narrow(bytes) | Action::Squeeze(bytes) => write!(f, ":{who},{bytes}")?,
            Action::Strangers(rate) => write!(f, ":{rate}")?,
            _ => write!(f, ":{who}")?,
        }
        write!(f, "@{}", Time(*from))?;
        to.map_or(Ok(()), |to| write!(f, "..{}", Time(to)))
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.steps.iter().enumerate() {
            write!(f, "{}{step}", if number > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
