//! From arguments to runs: settings read as an agent reads them, variants, and what they need.

use crate::args::{Begin, ClusterArgs, ConfigArgs, Hop, LoadArgs, NetworkArgs};
use crate::commands::sim::memory;
use crate::failure::{Code, Failure};
use crate::output::count;
use rumormill::Settings;
use rumormill::settings::{Flag, SettingsError};
use rumormill_core::Config;
use rumormill_sim::script::Setting;
use rumormill_sim::{
    Checks, Options, Placement, Script, Start, Trial, Workload, Zones, text, zones,
};
use std::ffi::OsString;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

/// Nodes by which everyone joins.
const SEEDS: usize = 3;
/// Variants of a comparison, at most.
const MAX_VARIANTS: usize = 64;

/// What a variant changes: name and value of each.
pub type Changes = Vec<(String, String)>;

/// One run and what it is called in a comparison.
pub struct Variant {
    pub changes: Changes,
    pub trial: Trial,
}

impl Variant {
    /// What it is called.
    pub fn name(&self) -> String {
        let changes: Vec<String> =
            self.changes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        match changes.is_empty() {
            true => self.trial.options.config.spread_name().to_owned(),
            false => changes.join(" "),
        }
    }
}

/// The name of the way to spread, as it is written in a file.
pub trait SpreadName {
    fn spread_name(&self) -> &'static str;
}

impl SpreadName for Config {
    fn spread_name(&self) -> &'static str {
        use rumormill_core::spread::Method;
        match self.spread.method {
            Method::Tree => "tree",
            Method::Rumor => "rumor",
            Method::DirectMail => "direct-mail",
            Method::None => "none",
        }
    }
}

/// Every variant, in the order of the arguments: the last name varies fastest.
pub fn variants(args: &ClusterArgs) -> anyhow::Result<Vec<Variant>> {
    let mut grid: Vec<Changes> = vec![Vec::new()];
    for (name, values) in &args.compare {
        if grid.len() * values.len() > MAX_VARIANTS {
            return Err(Failure::usage(format!(
                "--compare makes over {MAX_VARIANTS} variants: compare less at once"
            )));
        }
        grid = grid
            .iter()
            .flat_map(|changes| {
                values.iter().map(move |value| {
                    let mut changes = changes.clone();
                    changes.push((name.clone(), value.clone()));
                    changes
                })
            })
            .collect();
    }
    let variant = |changes: Changes| {
        let trial = trial(args, &changes)?;
        Ok(Variant { changes, trial })
    };
    grid.into_iter().map(variant).collect()
}

fn trial(args: &ClusterArgs, changes: &Changes) -> anyhow::Result<Trial> {
    let mut args = args.clone();
    let mut flags = flags(&args.config, args.spread.as_deref(), args.repair.as_deref())?;
    for (name, value) in changes {
        let usage = |error: String| Failure::usage(format!("--compare {name}={value}: {error}"));
        match name.as_str() {
            "spread" => flags.push(flag("--compare", "spread.method", value)),
            "repair" => flags.extend(repair("--compare", value)?),
            "tombstones" => flags.push(flag("--compare", "ring.tombstones", value)),
            "loss" => args.network.loss = text::share(value).map_err(usage)?,
            "duplicate" => args.network.duplicate = text::share(value).map_err(usage)?,
            "reorder" => args.network.reorder = text::share(value).map_err(usage)?,
            "zone-tags" => {
                args.network.no_zone_tags = match value.as_str() {
                    "on" => false,
                    "off" => true,
                    _ => return Err(usage("write on or off".into())),
                };
            }
            "nodes" => {
                let nodes = value.parse().ok().filter(|nodes| (1..=1_000_000).contains(nodes));
                args.nodes = nodes.ok_or_else(|| usage("write a number from 1".into()))?;
            }
            "seed" => {
                args.seed = value.parse().map_err(|_| usage("write a whole number".into()))?;
            }
            _ => flags.push(flag("--compare", name, value)),
        }
    }
    let config = load(args.config.config.as_deref(), &flags)?.config;
    let mut options = options(args.nodes, args.seed, config, &args.network)?;
    options.clock_skew = args.clock_skew;
    options.check = args.check;
    options.start = match args.start {
        Begin::Prefilled => Start::Prefilled,
        Begin::Join => Start::Join { seeds: SEEDS.min(options.nodes) },
    };
    let script =
        Script { steps: args.faults.iter().flat_map(|script| script.steps.clone()).collect() };
    let plan = plan(&options, &script, args.duration)?;
    let load = workload(&args.load, &options.config)?;
    Ok(Trial { options, warm_up: args.warm_up, load, plan, settle: args.settle })
}

/// The world that the arguments describe.
pub fn options(
    nodes: u32,
    seed: u64,
    config: Config,
    network: &NetworkArgs,
) -> anyhow::Result<Options> {
    let mut options = Options {
        seed,
        nodes: nodes as usize,
        config,
        loss: network.loss,
        duplicate: network.duplicate,
        reorder: network.reorder,
        bandwidth: network.bandwidth,
        zone_tags: !network.no_zone_tags,
        // What is measured is not to be slowed down.
        check: Checks::Off,
        ..Options::default()
    };
    match &network.latency {
        Hop::Latency(latency) => options.latency = *latency,
        Hop::Zones(path) => options.zones = Some(place(path, options.nodes)?),
    }
    Ok(options)
}

fn place(path: &Path, nodes: usize) -> anyhow::Result<Placement> {
    let usage = |error: String| Failure::usage(format!("{}: {error}", path.display()));
    let text = read(path, zones::MAX_FILE).map_err(usage)?;
    Zones::parse(&text).and_then(|zones| zones.place(nodes)).map_err(usage)
}

/// The faults of a script in this world.
pub fn plan(
    options: &Options,
    script: &Script,
    duration: Duration,
) -> anyhow::Result<rumormill_sim::Plan> {
    let setting = Setting {
        nodes: options.nodes,
        seed: options.seed,
        zones: options.zones.as_ref(),
        base: [options.loss, options.duplicate, options.reorder],
        duration,
    };
    script.plan(&setting).map_err(|error| Failure::usage(error.to_string()))
}

/// The load; none if nothing is written.
pub fn workload(args: &LoadArgs, config: &Config) -> anyhow::Result<Option<Workload>> {
    let limit = config.limits.max_value as u64;
    if args.value_size > limit {
        return Err(Failure::usage(format!(
            "--value-size {} is over the limit of {limit} bytes: every write would be refused; set \
             limits.max_value",
            args.value_size
        )));
    }
    Ok((args.writes_per_second > 0.0).then(|| Workload {
        every: Duration::from_secs_f64(1.0 / args.writes_per_second),
        keys: args.keys,
        value: args.value_size as usize,
        deletes: args.delete_share,
    }))
}

fn flag(flag: &str, field: &str, value: &str) -> Flag {
    Flag { flag: flag.into(), field: field.into(), value: value.into() }
}

/// The settings that were given as flags. What is said specially goes before what --set says.
pub fn flags(
    args: &ConfigArgs,
    spread: Option<&str>,
    how: Option<&str>,
) -> anyhow::Result<Vec<Flag>> {
    let mut flags: Vec<Flag> =
        args.set.iter().map(|(field, value)| flag("--set", field, value)).collect();
    flags.extend(spread.map(|method| flag("--spread", "spread.method", method)));
    if let Some(how) = how {
        flags.extend(repair("--repair", how)?);
    }
    Ok(flags)
}

/// `off`, or a direction and a comparison in any order.
fn repair(from: &str, how: &str) -> anyhow::Result<Vec<Flag>> {
    let mut flags = Vec::new();
    for word in how.split('/').map(str::trim) {
        flags.push(match word {
            "off" => flag(from, "repair.interval", "0s"),
            "push" | "pull" | "push-pull" => flag(from, "repair.direction", word),
            // Whether it is there is for the settings to say.
            "full" | "checksum" | "sketch" => flag(from, "repair.compare", word),
            _ => {
                return Err(Failure::usage(format!(
                    "{from} {how}: write off, push, pull, push-pull, full, checksum, sketch, or \
                     two of them: pull/full"
                )));
            }
        });
    }
    Ok(flags)
}

/// Reads settings as the agent does, but for the environment: a run must not depend on it.
pub fn load(file: Option<&Path>, flags: &[Flag]) -> anyhow::Result<Settings> {
    // A secret is of no use here, and the file that holds it may not be on this machine.
    let env = |name: &str| match name {
        "RUMORMILL_REDIS_PASSWORD" | "RUMORMILL_HTTP_TOKEN" => Some(OsString::from("unused")),
        _ => None,
    };
    Settings::load(file, flags, &env).map_err(|error| {
        let code = match error {
            SettingsError::Internal(_) => Code::Failed,
            _ => Code::Usage,
        };
        Failure::new(code, error.to_string()).into()
    })
}

/// What an agent has and a simulated node does not.
const NOT_SIMULATED: [&str; 15] = [
    "name",
    "gossip",
    "advertise",
    "redis",
    "http",
    "http_hosts",
    "loading",
    "data",
    "join",
    "insecure",
    "fsync",
    "redis_password_file",
    "http_token_file",
    "log",
    "log_format",
];

/// The settings in a file and in flags that mean nothing to the simulator.
pub fn without_meaning(args: &ConfigArgs) -> Vec<String> {
    let mut given: Vec<String> = args.set.iter().map(|(name, _)| name.clone()).collect();
    if let Some(path) = &args.config
        && let Ok(text) = read(path, zones::MAX_FILE)
        && let Ok(table) = text.parse::<toml::Table>()
    {
        given.extend(table.keys().cloned());
    }
    let known = NOT_SIMULATED.iter().filter(|name| given.iter().any(|given| given == **name));
    known.map(|name| (*name).to_owned()).collect()
}

fn read(path: &Path, limit: usize) -> Result<String, String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot read it: {error}"))?;
    if bytes.len() > limit {
        return Err(format!("it is over {limit} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".into())
}

// Peak memory of whole processes, measured with 1,000 and 4,000 nodes. Prefilled and idle: 22 and
// 154 MiB. Joined one after the other: 242 and 2347 MiB. Prefilled with 100 writes/s of 64 bytes to
// 1,000 keys: 82 MiB after 10 s and 106 MiB after 30 s with 1,000 nodes, 287 MiB after 6 s with
// 4,000. Lines through these points:

/// Bytes of a process that simulates nothing yet.
const PROCESS: u64 = 10_000_000;
/// Bytes for a node beside its members and data.
const PER_NODE: u64 = 6_000;
/// What it takes beside that once there is a load: rumors seen, and answers waited for.
const PER_BUSY_NODE: u64 = 9_000;
/// What it takes beside that while it joins, most of it messages.
const PER_JOINING_NODE: u64 = 115_000;
/// Bytes at a node for one member of whom all nodes know the same, which they share: a place in the
/// order in which it probes.
const PER_SHARED_MEMBER: u64 = 8;
/// Bytes at a node for one member where each has a table of its own: after joining and, at worst,
/// after faults, since what changes is copied.
const PER_MEMBER: u64 = 125;
/// Bytes at a node for an entry's place in its replica. Key and value are shared by all nodes.
const PER_ENTRY: u64 = 70;
/// Bytes for an entry beside its value: key, stamp, places in the tables that find it.
const PER_WRITE: u64 = 200;

/// Refuses runs for which the memory will not suffice; `at_once` of them run beside each other.
pub fn ensure_trials(trials: &[&Trial], at_once: usize) -> anyhow::Result<()> {
    let mut needs: Vec<u64> = trials.iter().map(|trial| needed(trial)).collect();
    needs.sort_unstable_by(|one, other| other.cmp(one));
    let sum = needs.iter().take(at_once).fold(0_u64, |sum, need| sum.saturating_add(*need));
    let nodes = trials.iter().map(|trial| trial.options.nodes).max().unwrap_or(0);
    memory::ensure(sum, &format!("a simulated cluster of {} nodes", count(nodes as u64)))
}

fn needed(trial: &Trial) -> u64 {
    let nodes = trial.options.nodes as u64;
    let members = nodes.min(trial.options.config.limits.max_members as u64);
    let (writes, keys, value) = trial.load.map_or((0, 0, 0), |load| {
        let writes = (trial.plan.duration.as_secs_f64() / load.every.as_secs_f64()) as u64;
        (writes, load.keys.min(writes), load.value as u64)
    });
    // For each write the time at which each node came to hold it, for each key what each holds.
    let ledger = (writes.saturating_add(keys)).saturating_mul(nodes * 4);
    let entries = writes.saturating_mul(PER_WRITE + value);
    let joins = matches!(trial.options.start, Start::Join { .. });
    let member = match joins || !trial.plan.steps.is_empty() {
        true => PER_MEMBER,
        false => PER_SHARED_MEMBER,
    };
    let busy = if writes > 0 { PER_BUSY_NODE } else { 0 };
    let joining = if joins { PER_JOINING_NODE } else { 0 };
    let node = (PER_NODE + busy + joining + members * member)
        .saturating_add(keys.saturating_mul(PER_ENTRY));
    let all = nodes.saturating_mul(node).saturating_add(ledger).saturating_add(entries);
    all.saturating_add(PROCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_sim::{Fault, Plan};

    /// The estimate for a run with so many writes a second, in MiB.
    fn mib(nodes: usize, start: Start, writes: u32, seconds: u64, steps: &[Fault]) -> u64 {
        let duration = Duration::from_secs(seconds);
        let steps = steps.iter().map(|fault| (Duration::ZERO, fault.clone())).collect();
        let load = (writes > 0)
            .then(|| Workload { every: Duration::from_secs(1) / writes, ..Workload::default() });
        let trial = Trial {
            options: Options { nodes, start, ..Options::default() },
            warm_up: Duration::ZERO,
            load,
            plan: Plan { seed: 1, duration, steps },
            settle: Duration::ZERO,
        };
        needed(&trial) >> 20
    }

    #[test]
    fn memory_is_estimated_as_it_was_measured() {
        let (prefilled, join) = (Start::Prefilled, Start::Join { seeds: 3 });
        let measured = [
            (mib(1000, prefilled, 0, 5, &[]), 22),
            (mib(4000, prefilled, 0, 5, &[]), 154),
            (mib(1000, join, 0, 10, &[]), 242),
            (mib(4000, join, 0, 10, &[]), 2347),
            (mib(1000, prefilled, 100, 10, &[]), 82),
            (mib(1000, prefilled, 100, 30, &[]), 106),
            (mib(4000, prefilled, 100, 6, &[]), 287),
        ];
        for (estimate, measured) in measured {
            // Rather too much: keys that are drawn by chance are counted as if all were others.
            assert!(
                (measured * 95..=measured * 135).contains(&(estimate * 100)),
                "{estimate} MiB estimated, {measured} MiB measured"
            );
        }
    }

    #[test]
    fn faults_writes_and_their_time_take_memory() {
        let idle = mib(1000, Start::Prefilled, 0, 10, &[]);
        assert!(mib(1000, Start::Prefilled, 0, 10, &[Fault::Crash(1)]) > idle);
        assert_eq!(mib(1000, Start::Prefilled, 0, 1000, &[]), idle);
        let busy = mib(1000, Start::Prefilled, 100, 100, &[]);
        let twice = mib(1000, Start::Prefilled, 100, 200, &[]);
        // 10,000 writes more, four bytes for each at each node.
        assert!((38..45).contains(&(twice - busy)), "{busy} {twice}");
        assert!(mib(10_000, Start::Prefilled, 10, 30, &[]) < 8 << 10);
    }

    #[test]
    fn absurd_sizes_are_estimated_without_overflow() {
        let most = mib(1_000_000, Start::Join { seeds: 3 }, 1_000_000, u64::MAX / 1000, &[]);
        assert!(most > 1 << 30);
    }
}
