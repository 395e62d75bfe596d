//! Arguments of `rumormill sim cluster`.

use super::draw::TraceArgs;
use super::topology::members;
use clap::{Args, ValueEnum};
use rumormill_sim::{Checks, Latency, Script, text};
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, Args)]
#[command(after_help = HELP)]
pub struct ClusterArgs {
    /// How many nodes, also as 1e3.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = members::<1>)]
    pub nodes: u32,
    /// How long the load and the faults go on, in virtual time (60s, 5m).
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = text::time)]
    pub duration: Duration,
    /// Everything random follows from it: equal seeds give equal runs.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// How new entries spread: tree, rumor, direct-mail or none; short for
    /// --set spread.method=METHOD.
    #[arg(long, value_name = "METHOD", help_heading = "Protocol")]
    pub spread: Option<String>,
    /// Anti-entropy: off, or push, pull, push-pull, full, checksum, sketch, or two of
    /// them: pull/full.
    #[arg(long, value_name = "HOW", help_heading = "Protocol")]
    pub repair: Option<String>,
    /// Run these variants side by side with the same seed: spread=tree,rumor,direct-mail; repair=,
    /// nodes=, loss= or any setting. Several make a grid.
    #[arg(long, value_name = "NAME=A,B,...", value_parser = variants, help_heading = "Protocol")]
    pub compare: Vec<(String, Vec<String>)>,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub load: LoadArgs,
    /// How far wall clocks are off, either way, at most.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = text::time,
          help_heading = "Faults")]
    pub clock_skew: Duration,
    /// What goes wrong when: steps with semicolons between them; may be repeated. See below.
    #[arg(long = "fault", value_name = "SCRIPT", value_parser = script, help_heading = "Faults")]
    pub faults: Vec<Script>,
    /// How the cluster begins: everyone knows everyone, or all join through three seeds.
    #[arg(long, value_enum, default_value_t, help_heading = "Phases")]
    pub start: Begin,
    /// Time before the load, which is not measured.
    #[arg(long, value_name = "TIME", default_value = "4s", value_parser = text::time,
          help_heading = "Phases")]
    pub warm_up: Duration,
    /// How long the nodes may take, after the load and the faults, until they agree.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = text::time,
          help_heading = "Phases")]
    pub settle: Duration,
    /// How much of its own every node checks after each of its turns, which takes time: off, cheap,
    /// or full (everything every 1,024 turns; full:16: every 16).
    #[arg(long, value_name = "WHAT", default_value = "off", help_heading = "Phases")]
    pub check: Checks,
    /// Draw the delivery times, the traffic and the agreement over time.
    #[arg(long, value_name = "FILE.svg", help_heading = "Output")]
    pub plot: Option<PathBuf>,
    /// Write the data of these plots as CSV.
    #[arg(long, value_name = "FILE.csv", help_heading = "Output")]
    pub csv: Option<PathBuf>,
    #[command(flatten)]
    pub trace: TraceArgs,
}

/// Where the settings of the nodes come from.
#[derive(Clone, Debug, Default, Args)]
pub struct ConfigArgs {
    /// Read the settings of the nodes from an agent's TOML file. The environment is not read.
    #[arg(long, value_name = "FILE", help_heading = "Protocol")]
    pub config: Option<PathBuf>,
    /// Any setting by its name in the file, as `rumormill agent` takes it; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment, help_heading = "Protocol")]
    pub set: Vec<(String, String)>,
}

/// The network between the nodes.
#[derive(Clone, Debug, Args)]
pub struct NetworkArgs {
    /// How long one hop takes: 1ms, 0.5ms..1.5ms, lognormal:MEDIAN,SIGMA, or zones:FILE.
    #[arg(long, value_name = "TIME", default_value = "0.5ms..1.5ms", value_parser = hop,
          help_heading = "Network")]
    pub latency: Hop,
    /// Nodes that stand in zones do not say so: rumors and repair take no notice of the borders.
    #[arg(long, help_heading = "Network")]
    pub no_zone_tags: bool,
    /// Share of datagrams that are lost (1% or 0.01). Streams lose nothing, as TCP.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = text::share,
          help_heading = "Network")]
    pub loss: f64,
    /// Share of datagrams that arrive twice.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = text::share,
          help_heading = "Network")]
    pub duplicate: f64,
    /// Share of datagrams that are held back for up to 10 ms, so that others overtake them.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = text::share,
          help_heading = "Network")]
    pub reorder: f64,
    /// Bytes a second that each node can send, and as many that it can receive (125k, 1.25M,
    /// 125M); a queue of 0.1 s, at least 64 KiB, then drops datagrams.
    #[arg(long, value_name = "BYTES", value_parser = text::bytes, help_heading = "Network")]
    pub bandwidth: Option<u64>,
}

/// What is written.
#[derive(Clone, Debug, Args)]
pub struct LoadArgs {
    /// Writes a second in the whole cluster, each at a random node; 0 for an idle cluster.
    #[arg(long, value_name = "RATE", default_value_t = 100.0, value_parser = rate,
          help_heading = "Load")]
    pub writes_per_second: f64,
    /// Bytes in a value (64, 1k).
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = text::bytes,
          help_heading = "Load")]
    pub value_size: u64,
    /// Different keys; each write takes a random one.
    #[arg(long, value_name = "N", default_value_t = 1000, help_heading = "Load",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub keys: u64,
    /// Share of writes that delete their key.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = text::share,
          help_heading = "Load")]
    pub delete_share: f64,
}

/// How long hops take.
#[derive(Clone, Debug, PartialEq)]
pub enum Hop {
    Latency(Latency),
    Zones(PathBuf),
}

/// How a cluster begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Begin {
    /// Everyone knows everyone.
    #[default]
    Prefilled,
    /// All boot at once and join by the protocol.
    Join,
}

fn hop(text: &str) -> Result<Hop, String> {
    match text.trim().strip_prefix("zones:") {
        Some("") => Err("which file? Write zones:FILE".into()),
        Some(file) => Ok(Hop::Zones(file.into())),
        None => text.parse().map(Hop::Latency),
    }
}

fn script(text: &str) -> Result<Script, String> {
    text.parse().map_err(|error: rumormill_sim::script::ScriptError| error.to_string())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    match rate == 0.0 || (0.001..=100_000.0).contains(&rate) {
        true => Ok(rate),
        false => Err("a rate lies between 0.001 and 100000 a second, or is 0".into()),
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.trim().into(), value.trim().into()))
}

fn variants(text: &str) -> Result<(String, Vec<String>), String> {
    let wrong = || format!("{text:?} compares nothing: write spread=tree,rumor or NAME=A,B");
    let (name, values) = text.split_once('=').ok_or_else(wrong)?;
    let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
    if name.trim().is_empty() || values.iter().any(String::is_empty) {
        return Err(wrong());
    }
    Ok((name.trim().into(), values))
}

const HELP: &str = "\
The nodes run the protocol's own code through its own bytes; only clocks, network and disks are made
up. A run warms up, takes the load and the faults for --for, and then has --settle to agree; all
figures begin after the warm-up. Exit code 1 if the nodes do not agree in the end or a property of
the protocol does not hold. Ctrl-C ends it early: what is done is shown, and the exit code is 130.

Figures (--format json has these keys):
  converged        all live nodes hold the same data and the same roster at the end
  digests          different digests of the data among the live nodes
  delivery_ms      from a write until another node holds it: p50, p99, max over all deliveries
  copies_per_node  copies of an update that a node received, by any way, on average
  bytes            sent payload: per_node_per_second in all, and by all nodes as membership, updates
                   (members' records among them) and repair
  amplification    bytes of updates and repair, over deliveries x bytes of key and value
  detection_ms     from a crash until the first node, and all live nodes, hold it dead (medians)
  false_positives  a node declared a member dead that ran and that it could reach
  tombstones       kept by all live nodes at the end, and how many of them lie dormant; collected;
                   resurrected: keys that came back, be it for a moment, after that
  strays           entries that nodes keep aside at the end, where nothing proves what is right
  shed             what was dropped or refused for lack of room or trust, by counter
  violations       properties that did not hold; the first ends the run
Only wall_ms differs between two runs of one seed.

Faults: KIND:WHO@TIME or KIND:WHO@FROM..TO, times from the end of the warm-up.
  WHO is a number (that many nodes, drawn from the seed), 40% (a share), n7 or n1,n2 (those nodes),
  or a zone's name.
  crash:3@10s; restart@20s     three processes die; all that are down boot (or restart:n4@20s)
  crash:3@10s..20s             the same in one step; so for lose-disk, leave, depart and power-cut
  lose-disk:1@5s..9s           dies, loses its disk, comes back as a new node
  leave:2@5s                   say goodbye and stop
  depart:2@5s                  hand over what they wrote and their votes, for 10s at most, and leave
  power-cut:1,300ms@5s         dies, and its disk loses the last 300ms, but for what it waited for
                               (1s if not said, and at most)
  replace:n1@5s                leaves; its folder is copied, and a new node takes its name and address
  copy:n1@5s                   its folder is copied
  restore:n1@9s                dies and boots from the last copy; restore-as-new: as a new node
  forget:n1@5s                 the first node that is up forgets it; force-forget: on your word
  pass:n1@5s                   begins a pass of ring repair
  pause:2@50s..55s             stand still
  slow:5,200ms@10s..20s        everything from and to them takes longer (100ms if not said)
  partition:40%@30s..45s       nothing gets through between them and the others
  cut:n3@1s..5s                nothing gets out of n3; what others send to it does
  cut-udp:n3@1s..5s            its datagrams do not; cut-tcp: no streams from or to it either way
  narrow:1,1252@5s..9s         datagrams above 1,252 bytes from or to it vanish
  loss:20%@5s..8s              so for duplicate and reorder
  clock:1,-2s@10s              a wall clock jumps; with an end it jumps back
  hang-disk:1@5s..9s           its disk does not answer: nobody hears of what is not on it
  fail-disk:1@5s..9s           its disk answers that it could not write
  squeeze:1,8192@5s..9s        room for 8,192 bytes in its socket, on a stream, and for its disk
  strangers:50@5s..9s          somebody from outside sends 50 packets a second of each kind that
                               can be made up

Zones: --latency zones:FILE, a TOML file:
  between = \"30ms..33ms\"        between zones of which nothing else is said
  [[zone]]
  name = \"fra\"
  share = 2                     against the other shares (1 if not said); or: nodes = 20
  inside = \"0.2ms..0.6ms\"
  [[zone]]
  name = \"nyc\"
  inside = \"0.3ms..0.9ms\"
  [[link]]
  zones = [\"fra\", \"nyc\"]
  latency = \"lognormal:41ms,0.05\"
The first nodes are the first zone's. Latencies are written as after --latency.

Examples:
  rumormill sim cluster
  rumormill sim cluster --nodes 1000 --for 30s --loss 1%
  rumormill sim cluster --config agent.toml --fault 'crash:3@10s; restart@20s'
  rumormill sim cluster --compare spread=tree,rumor,direct-mail --plot spread.svg
  rumormill sim cluster --compare loss=0,1%,5% --compare spread.tree.acknowledge=none,all
  rumormill sim cluster --delete-share 40% --keys 300 --fault 'partition:1@5s..50s' \\
    --set ring.keep_for=20s --compare tombstones=horizon,dormant,timed,keep
  rumormill sim cluster --latency zones:zones.toml --fault 'partition:fra@20s..40s'
  rumormill sim cluster --latency zones:zones.toml --compare zone-tags=on,off
  rumormill sim cluster --nodes 5 --for 2s --trace run.trace
  rumormill sim replay run.trace                              ... and what happened, step by step";
