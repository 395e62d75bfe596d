//! Settings that will hurt, each with what to change: found by looking at them and by the runs.

use super::scenarios::{Kind, Scenario, suspicion};
use crate::args::PlanArgs;
use rumormill::Settings;
use rumormill_core::Config;
use rumormill_core::spread::Method;
use rumormill_core::spread::entropy::Compare;
use rumormill_core::spread::rumor::{Contact, Stop};
use rumormill_core::spread::tree::Acknowledge;
use rumormill_sim::Report;
use serde::Serialize;
use std::time::Duration;

/// Something that will hurt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Warning {
    /// The setting, by its name in the file; or the run in which it showed.
    pub about: String,
    /// What happens.
    pub problem: String,
    /// What to change.
    pub change: String,
}

const SEC: Duration = Duration::from_secs(1);

struct Found<'a> {
    config: &'a Config,
    nodes: f64,
    rate: f64,
    /// Bytes of an update, key and stamp included.
    update: f64,
    /// Seconds that slow hops take.
    hop: f64,
    warnings: Vec<Warning>,
}

impl Found<'_> {
    fn warn(&mut self, about: &str, problem: impl Into<String>, change: impl Into<String>) {
        let (problem, change) = (problem.into(), change.into());
        self.warnings.push(Warning { about: about.into(), problem, change });
    }
}

/// Warnings that follow from the settings alone; `hop` is what slow hops take, in seconds.
pub fn of_settings(settings: &Settings, args: &PlanArgs, hop: f64) -> Vec<Warning> {
    let mut found = Found {
        config: &settings.config,
        nodes: f64::from(args.nodes),
        rate: args.load.writes_per_second,
        update: args.load.value_size as f64 + 30.0,
        hop,
        warnings: Vec::new(),
    };
    found.repair(args);
    found.spread();
    found.members();
    found.limits(args);
    if args.config.config.is_some() && settings.data.is_none() {
        found.warn(
            "data",
            "no data folder: entries live in memory only, and are gone if all nodes stop at once",
            "name a folder with data",
        );
    }
    found.warnings
}

impl Found<'_> {
    fn repair(&mut self, args: &PlanArgs) {
        let repair = &self.config.repair;
        if repair.interval.is_zero() {
            let why = match self.config.spread.method {
                Method::DirectMail => {
                    "direct mail alone is not consistent: what a full outbox drops, what its \
                     writer takes along when it crashes, and what goes to members held dead, \
                     never arrives"
                }
                Method::None if self.config.ring.interval.is_zero() => {
                    "neither spread nor repair nor passes: no update leaves its node until \
                     somebody asks for a pass of ring repair"
                }
                Method::None => {
                    "neither spread nor repair: every update waits for the next pass of ring \
                     repair, and for as long as a member is away"
                }
                _ => "repair is off: what a lost datagram or a partition takes away never arrives",
            };
            return self.warn("repair.interval", why, "set repair.interval = \"200ms\"");
        }
        if repair.interval > 10 * SEC {
            self.warn(
                "repair.interval",
                format!("what spread loses waits {:?} and more for repair", repair.interval),
                "set repair.interval to 1s or less: equal replicas cost about 60 bytes each time",
            );
        }
        if repair.idle_interval > 60 * SEC {
            self.warn(
                "repair.idle_interval",
                format!("a quiet cluster compares every {:?} only", repair.idle_interval),
                "set repair.idle_interval to 10s or less",
            );
        }
        if self.config.spread.method != Method::None {
            if repair.settle > 5 * SEC {
                self.warn(
                    "repair.settle",
                    format!("what was lost is not looked for before {:?}", repair.settle),
                    "set repair.settle to some times the delivery time, such as 300ms",
                );
            } else if repair.settle.as_secs_f64() < 4.0 * self.hop && self.rate > 0.0 {
                self.warn(
                    "repair.settle",
                    format!(
                        "with hops up to {:.0} ms, updates on their way are taken for lost and \
                         sent twice",
                        self.hop * 1000.0
                    ),
                    format!("set repair.settle to {:.0}ms or more", self.hop * 8000.0),
                );
            }
        }
        let data = args.load.keys as f64 * self.update;
        let ships = data / repair.interval.as_secs_f64().max(0.001);
        if repair.compare == Compare::Full && ships > 50_000.0 {
            self.warn(
                "repair.compare",
                format!(
                    "every exchange ships the whole replica: up to {:.0} kB/s per node with {} \
                     keys",
                    ships / 1000.0,
                    args.load.keys
                ),
                "set repair.compare = \"checksum\"",
            );
        }
    }

    fn spread(&mut self) {
        let spread = &self.config.spread;
        let (nodes, ln) = (self.nodes, self.nodes.ln().max(1.0));
        match spread.method {
            Method::Tree => self.tree(),
            Method::Rumor => {
                let rumor = spread.rumor.clone();
                let (k, fanout) = (f64::from(rumor.k), rumor.fanout as f64);
                let steps = ln / (1.0 + fanout).ln();
                let seconds = steps * rumor.period.as_secs_f64();
                if seconds > 5.0 {
                    self.warn(
                        "spread.rumor.period",
                        format!("a rumor needs about {seconds:.0} s to reach everyone"),
                        "set spread.rumor.period to 200ms, or use spread.method = \"tree\"",
                    );
                }
                let misses = (-k * fanout).exp() * nodes;
                if rumor.contact == Contact::Blind && rumor.stop == Stop::Counter && misses > 0.5 {
                    self.warn(
                        "spread.rumor.k",
                        format!(
                            "rumors stop too early: about {misses:.0} nodes miss each (e^-(k x \
                             fanout) of all) and wait for repair"
                        ),
                        format!(
                            "make k x fanout {:.0} or more",
                            (nodes.ln() + 1.0).ceil().max(2.0)
                        ),
                    );
                }
                if fanout > 32.0 {
                    self.warn(
                        "spread.rumor.fanout",
                        format!("every node gets up to {:.0} copies of each update", k * fanout),
                        "set spread.rumor.fanout to 8 or less",
                    );
                }
                let hot = self.rate * rumor.period.as_secs_f64() * (k + steps);
                if hot > rumor.max_hot as f64 {
                    self.warn(
                        "spread.rumor.max_hot",
                        format!("about {hot:.0} rumors are hot at once: the oldest stop early"),
                        format!("set spread.rumor.max_hot to {:.0}", hot * 2.0),
                    );
                }
            }
            Method::DirectMail => {
                let outbox = spread.mail.outbox_bytes as f64;
                let seconds = outbox * nodes / (self.rate * self.update).max(1e-9);
                if seconds < 30.0 {
                    self.warn(
                        "spread.mail.outbox_bytes",
                        format!("the mail for a silent member is dropped after {seconds:.0} s"),
                        "raise spread.mail.outbox_bytes, and keep repair on",
                    );
                }
                if nodes > 64.0 {
                    self.warn(
                        "spread.method",
                        format!("with direct mail a writer sends each update {nodes:.0} times"),
                        "use spread.method = \"tree\": about one copy per node, shared by all",
                    );
                }
                if spread.mail.retransmit.as_secs_f64() < 2.5 * self.hop {
                    self.warn(
                        "spread.mail.retransmit",
                        "mail is sent again before a receipt can be back",
                        format!("set spread.mail.retransmit to {:.0}ms", self.hop * 4000.0),
                    );
                }
            }
            Method::None if !self.config.repair.interval.is_zero() => {
                let seconds = nodes.log2() * self.config.repair.interval.as_secs_f64();
                if seconds > 2.0 {
                    self.warn(
                        "spread.method",
                        format!("anti-entropy alone needs about {seconds:.0} s for an update"),
                        "use spread.method = \"tree\" above it",
                    );
                }
            }
            Method::None => {}
        }
    }

    fn tree(&mut self) {
        let tree = self.config.spread.tree.clone();
        let nodes = self.nodes;
        if tree.fanout == 1 && nodes > 4.0 {
            self.warn(
                "spread.tree.fanout",
                format!(
                    "a chain: an update passes {:.0} hops one after the other, {:.1} s, and a \
                     lost one breaks it",
                    nodes - 1.0,
                    (nodes - 1.0) * self.hop
                ),
                "set spread.tree.fanout = 8",
            );
        }
        if tree.fanout > 64 && nodes > 64.0 {
            let copies = (tree.fanout as f64).min(nodes - 1.0);
            self.warn(
                "spread.tree.fanout",
                format!(
                    "close to direct mail: a writer sends each update {copies:.0} times at once, \
                     {:.1} kB",
                    copies * self.update / 1000.0
                ),
                "set spread.tree.fanout = 8: two more hops, evenly shared",
            );
        }
        if tree.acknowledge == Acknowledge::None {
            self.warn(
                "spread.tree.acknowledge",
                format!(
                    "a lost hop loses its branch until repair, {:?} and more",
                    self.config.repair.interval + self.config.repair.settle
                ),
                "set spread.tree.acknowledge = \"all\": about 16 bytes a hop",
            );
        }
        if tree.window > Duration::from_millis(100) {
            self.warn(
                "spread.tree.window",
                format!("busy nodes gather writes for {:?} and up to 8 times that", tree.window),
                "set spread.tree.window to 1ms on a LAN, 5ms on a WAN",
            );
        }
    }

    fn members(&mut self) {
        let member = self.config.member.clone();
        if member.probe_timeout.as_secs_f64() < 2.5 * self.hop {
            self.warn(
                "member.probe_timeout",
                format!(
                    "shorter than a round trip ({:.0} ms): living members are suspected",
                    2000.0 * self.hop
                ),
                format!("set member.probe_timeout to {:.0}ms or more", self.hop * 6000.0),
            );
        }
        if member.probe_interval < 2 * member.probe_timeout {
            self.warn(
                "member.probe_interval",
                "a probe and the probes by others do not fit into it: what is slow to answer is \
                 suspected before they are done",
                format!("set member.probe_interval to {:?} or more", 3 * member.probe_timeout),
            );
        }
        let (least, most) = suspicion(self.config, self.nodes as usize);
        if least.as_secs_f64() < 10.0 * self.hop {
            self.warn(
                "member.suspicion_mult",
                format!("a suspect has {least:?} to refute, before it can have heard of it"),
                "raise member.confirmed_timeout, member.suspicion_mult or member.probe_interval",
            );
        }
        // It is probed once in an interval, and silent for two timeouts.
        let [least, most] =
            [least, most].map(|time| member.probe_interval + 2 * member.probe_timeout + time);
        if least > 180 * SEC {
            self.warn(
                "member.suspicion_mult",
                format!(
                    "a dead member is noticed after {least:?} at the earliest, {most:?} at worst"
                ),
                "lower member.probe_interval and member.suspicion_mult",
            );
        }
    }

    fn limits(&mut self, args: &PlanArgs) {
        let limits = self.config.limits.clone();
        if self.nodes > limits.max_members as f64 * 0.8 {
            self.warn(
                "limits.max_members",
                format!(
                    "a roster of {} has no room for {} nodes and those that were replaced: \
                     newcomers are refused",
                    limits.max_members, self.nodes
                ),
                format!("set limits.max_members = {:.0}", self.nodes * 2.0),
            );
        }
        self.budgets(args);
        if limits.max_clock_skew < SEC {
            self.warn(
                "limits.max_clock_skew",
                format!(
                    "writes of a clock {:?} ahead are refused, which clocks kept by NTP can be \
                     for a while",
                    limits.max_clock_skew
                ),
                "set limits.max_clock_skew = \"60s\"",
            );
        }
        if limits.max_clock_skew > 600 * SEC {
            self.warn(
                "limits.max_clock_skew",
                "one clock that is far ahead drags every stamp along",
                "set limits.max_clock_skew = \"60s\" and keep the clocks in step",
            );
        }
        if args.load.value_size as usize > limits.datagram {
            self.warn(
                "limits.datagram",
                format!(
                    "values of {} bytes do not fit a datagram of {}: every update goes over \
                     streams, whose opening costs round trips",
                    args.load.value_size, limits.datagram
                ),
                "make values smaller (put large things elsewhere, and their address here)",
            );
        }
        // Every node receives every update, and hands on as much on average.
        let needs = self.rate * self.update;
        if let Some(bandwidth) = args.network.bandwidth.map(|bytes| bytes as f64)
            && needs > bandwidth * 0.5
        {
            self.warn(
                "--bandwidth",
                format!(
                    "every node receives every update: {:.0} kB/s of {:.0} kB/s, bursts and \
                     repair come on top",
                    needs / 1000.0,
                    bandwidth / 1000.0
                ),
                "write less, smaller values, or take faster links",
            );
        }
    }
}

impl Found<'_> {
    /// Budgets below what the load will need; 0 is none.
    fn budgets(&mut self, args: &PlanArgs) {
        let limits = self.config.limits.clone();
        let kb = |bytes: f64| format!("{:.1} kB/s", bytes / 1000.0);
        // Every node hands on as much as it gets, on average; a writer sends each several times.
        let updates = self.rate * self.update;
        if limits.updates_rate > 0 && limits.updates_rate as f64 <= 2.0 * updates {
            self.warn(
                "limits.updates_rate",
                format!(
                    "every node hands on {} on average, and bursts are larger: the budget of {} \
                     drops updates, which then wait for repair",
                    kb(updates),
                    kb(limits.updates_rate as f64)
                ),
                format!("set limits.updates_rate = {:.0} or more, or 0", 8.0 * updates),
            );
        }
        // A probe and its answer, those for others, and news of members.
        let membership = 500.0 / self.config.member.probe_interval.as_secs_f64().max(0.001);
        if limits.membership_rate > 0 && limits.membership_rate as f64 <= 2.0 * membership {
            self.warn(
                "limits.membership_rate",
                format!(
                    "watching each other takes up to {}: with a budget of {} living members look \
                     dead",
                    kb(membership),
                    kb(limits.membership_rate as f64)
                ),
                format!("set limits.membership_rate = {:.0} or more, or 0", 20.0 * membership),
            );
        }
        let fill = args.load.keys as f64 * self.update / limits.repair_rate.max(1) as f64;
        if limits.repair_rate > 0 && fill > 600.0 {
            self.warn(
                "limits.repair_rate",
                format!(
                    "a fresh node waits {:.0} minutes for {} keys, and what spread loses waits \
                     with it",
                    fill / 60.0,
                    args.load.keys
                ),
                "raise limits.repair_rate, or set it to 0",
            );
        }
    }
}

/// Warnings that the runs showed.
pub fn of_runs(done: &[(&Scenario, Report)], args: &PlanArgs) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (scenario, report) in done {
        let name = scenario.kind.name();
        let mut warn = |problem: String, change: &str| {
            warnings.push(Warning { about: name.into(), problem, change: change.into() });
        };
        if report.interrupted {
            warn("was interrupted: its figures are of what was done".into(), "run it again");
            continue;
        }
        if !report.converged {
            warn(
                format!("the nodes do not agree afterwards: {} digests are left", report.digests),
                "keep repair on, and look at the settings above",
            );
        } else if let Some(found) = report.violations.first() {
            warn(
                format!("{} does not hold: {}", found.property, found.what),
                "report it with these arguments",
            );
        }
        if report.false_positives > 0 {
            warn(
                format!("{} times a live member was held dead", report.false_positives),
                "raise member.probe_timeout and member.suspicion_mult",
            );
        }
        let shed: Vec<String> = report
            .shed
            .iter()
            .filter(|(_, count)| **count > 0)
            // A crash or a cut breaks streams: that is the fault, not a setting.
            .filter(|(what, _)| **what != "streams_lost" || scenario.kind == Kind::AsIs)
            .map(|(what, count)| format!("{what} {count}"))
            .collect();
        if !shed.is_empty() {
            let change = match args.network.bandwidth {
                Some(_) => "the links are too thin for this load: write less or smaller values",
                None => "look these counters up in docs/operations.md",
            };
            warn(format!("something was dropped: {}", shed.join(", ")), change);
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command, SimCommand};
    use crate::commands::sim::cluster::setup;
    use clap::Parser as _;

    /// The settings that are warned of, for a plan with these arguments.
    fn about(args: &[&str]) -> Vec<String> {
        let line = [&["rumormill", "sim", "plan"], args].concat();
        let Command::Sim(SimCommand::Plan(args)) = Cli::parse_from(line).command else {
            panic!("not a plan");
        };
        let flags = setup::flags(&args.config, None, None).unwrap();
        let settings = setup::load(None, &flags).unwrap();
        let warnings = of_settings(&settings, &args, 0.0015);
        assert!(warnings.iter().all(|w| !w.problem.is_empty() && !w.change.is_empty()));
        warnings.into_iter().map(|warning| warning.about).collect()
    }

    #[test]
    fn the_defaults_are_no_reason_to_warn() {
        assert_eq!(about(&[]), [""; 0]);
        assert_eq!(about(&["--nodes", "500", "--set", "protocol=wan"]), [""; 0]);
        assert_eq!(about(&["--set", "protocol=local"]), [""; 0]);
    }

    #[test]
    fn every_harmful_setting_is_named() {
        for (set, more, named) in [
            ("repair.interval=0s", &[][..], "repair.interval"),
            ("repair.interval=1m", &[], "repair.interval"),
            ("repair.idle_interval=1h", &[], "repair.idle_interval"),
            ("repair.settle=1m", &[], "repair.settle"),
            ("repair.settle=1ms", &[], "repair.settle"),
            ("repair.compare=full", &[], "repair.compare"),
            ("spread.tree.fanout=1", &[], "spread.tree.fanout"),
            ("spread.tree.fanout=500", &[], "spread.tree.fanout"),
            ("spread.tree.acknowledge=none", &[], "spread.tree.acknowledge"),
            ("spread.tree.window=1s", &[], "spread.tree.window"),
            ("spread.method=none", &["--set", "repair.interval=2s"], "spread.method"),
            ("spread.method=direct-mail", &[], "spread.method"),
            (
                "spread.method=direct-mail",
                &["--nodes", "4", "--writes-per-second", "50000", "--value-size", "1k"],
                "spread.mail.outbox_bytes",
            ),
            ("spread.method=rumor", &["--set", "spread.rumor.period=5s"], "spread.rumor.period"),
            (
                "spread.method=rumor",
                &["--set", "spread.rumor.k=1", "--set", "spread.rumor.fanout=1"],
                "spread.rumor.k",
            ),
            ("spread.method=rumor", &["--set", "spread.rumor.fanout=99"], "spread.rumor.fanout"),
            ("spread.method=rumor", &["--set", "spread.rumor.max_hot=5"], "spread.rumor.max_hot"),
            ("member.probe_timeout=1ms", &[], "member.probe_timeout"),
            ("member.probe_interval=1ms", &[], "member.suspicion_mult"),
            ("member.probe_interval=100ms", &[], "member.probe_interval"),
            ("member.probe_interval=5m", &[], "member.suspicion_mult"),
            ("limits.max_members=100", &[], "limits.max_members"),
            ("limits.max_clock_skew=10ms", &[], "limits.max_clock_skew"),
            ("limits.max_clock_skew=1day", &[], "limits.max_clock_skew"),
            ("limits.max_key=100", &["--value-size", "10k"], "limits.datagram"),
            ("limits.updates_rate=1000", &[], "limits.updates_rate"),
            ("limits.membership_rate=1000", &[], "limits.membership_rate"),
            ("limits.repair_rate=1000", &["--keys", "1000000"], "limits.repair_rate"),
            ("limits.max_key=100", &["--bandwidth", "10k"], "--bandwidth"),
        ] {
            let args = [&["--set", set], more].concat();
            assert!(about(&args).iter().any(|about| about == named), "{args:?}: {named}");
        }
    }
}
