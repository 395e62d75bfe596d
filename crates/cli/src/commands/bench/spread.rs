//! How fast and at what cost an update spreads: many nodes in one process, over real sockets.

use rumormill::core::base::rng::Rng;
use rumormill::core::data::{Expiry, Op};
use rumormill::{Key, KeyRing, Rumormill, StartError, WatchError, WriteError};
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Key and value of one update together, bytes.
pub const UPDATE: usize = 64;
/// Bytes of it that are the key.
const KEY: usize = 16;
/// Updates that are written at once in a bulk.
const BATCH: u64 = 1000;
/// An update that has not arrived by now counts as lost.
const LOST: Duration = Duration::from_secs(30);

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Nodes in the process.
    pub nodes: usize,
    /// Single updates, one after the other.
    pub updates: usize,
    /// Updates in a burst.
    pub burst: usize,
    /// Bursts; the median is reported.
    pub bursts: usize,
    /// Updates that one node writes in bulk; 0 for none.
    pub import: u64,
    /// How long to watch the idle cluster.
    pub idle: Duration,
    /// Whether gossip is encrypted.
    pub sealed: bool,
    /// Draws the writers.
    pub seed: u64,
}

/// What was measured. Times and shares are medians over updates or bursts.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Nodes.
    pub nodes: usize,
    /// Whether gossip was encrypted.
    pub sealed: bool,
    /// One update readable at half of the nodes, ms.
    pub t50_ms: f64,
    /// ... at 99 % of the nodes.
    pub t99_ms: f64,
    /// ... at all nodes.
    pub t100_ms: f64,
    /// Burst: payload bytes sent / (updates x nodes x 64).
    pub amplification: f64,
    /// Burst: the last update at the last node, ms after the first write.
    pub last_delivery_ms: f64,
    /// Bursts: (update, node) pairs that did not arrive, over all bursts.
    pub lost: u64,
    /// Burst: CPU time of the process per (update, node) pair, microseconds.
    pub cpu_us_per_delivery: f64,
    /// Bytes sent per second and node while nothing happens.
    pub idle_bytes_per_second: f64,
    /// A bulk of updates, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
}

/// What came of a bulk of updates, written at one node.
#[derive(Clone, Debug, Serialize)]
pub struct Import {
    /// How many.
    pub updates: u64,
    /// Until the last was acknowledged, ms.
    pub written_ms: f64,
    /// Until every node held all, ms.
    pub everywhere_ms: f64,
    /// Bytes received / (updates x 64), at the other node with the most.
    pub received_per_byte: f64,
}

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A node did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A write was refused.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A node stopped.
    #[error("a watch ended: {0}")]
    Watch(#[from] WatchError),
    /// Something did not happen in time.
    #[error("{0} did not happen within {LOST:?}")]
    Slow(&'static str),
    /// The system does not say what the process costs.
    #[error("cannot read the CPU time of this process: {0}")]
    Cpu(#[from] std::io::Error),
}

/// Measures; `progress` is told what is being done.
///
/// # Errors
/// If nodes do not start, do not find each other, or refuse a write.
pub async fn run(options: &Options, progress: impl Fn(&str)) -> Result<Report, BenchError> {
    let mut rng = Rng::new(options.seed);
    let mut report = Report { nodes: options.nodes, sealed: options.sealed, ..Report::default() };
    progress("starting");
    let nodes = start(options).await?;
    progress("single updates");
    single_updates(&nodes, options, &mut rng, &mut report).await?;
    progress("idle");
    // The interval of anti-entropy grows to its idle value first.
    tokio::time::sleep(Duration::from_secs(10).min(options.idle)).await;
    let before = sent_bytes(&nodes);
    tokio::time::sleep(options.idle).await;
    let bytes = (sent_bytes(&nodes) - before) as f64;
    report.idle_bytes_per_second = bytes / options.idle.as_secs_f64() / options.nodes as f64;
    stop(nodes).await;
    let mut costs = Vec::new();
    for number in 1..=options.bursts {
        progress(&format!("burst {number} of {}", options.bursts));
        let nodes = start(options).await?;
        // Joining is over when nothing is compared often any more.
        tokio::time::sleep(Duration::from_secs(1)).await;
        costs.push(burst(&nodes, options, &mut rng).await?);
        stop(nodes).await;
    }
    let of = |pick: fn(&Cost) -> f64| median(&mut costs.iter().map(pick).collect::<Vec<_>>());
    report.last_delivery_ms = of(|cost| cost.last_delivery_ms);
    report.amplification = of(|cost| cost.amplification);
    report.cpu_us_per_delivery = of(|cost| cost.cpu_us_per_delivery);
    report.lost = costs.iter().map(|cost| cost.lost).sum();
    if options.import > 0 {
        progress("import");
        let nodes = start(options).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        report.import = Some(import(&nodes, options.import).await?);
        stop(nodes).await;
    }
    Ok(report)
}

/// What one burst took.
struct Cost {
    last_delivery_ms: f64,
    amplification: f64,
    cpu_us_per_delivery: f64,
    lost: u64,
}

async fn stop(nodes: Vec<Rumormill>) {
    for node in &nodes {
        node.shutdown().await;
    }
}

async fn start(options: &Options) -> Result<Vec<Rumormill>, BenchError> {
    let count = options.nodes;
    let keys = options.sealed.then(|| KeyRing::new(Key::generate()));
    let mut nodes: Vec<Rumormill> = Vec::with_capacity(count);
    for index in 0..count {
        let seed = nodes.first().map(|first| first.identity().gossip.to_string());
        let mut builder = Rumormill::builder().name(format!("n{index}")).join(seed);
        if let Some(keys) = &keys {
            builder = builder.keys(keys.clone());
        }
        nodes.push(builder.start().await?);
    }
    let all_see_all = || nodes.iter().all(|node| node.members().len() == count);
    wait("every node seeing every node", all_see_all).await?;
    Ok(nodes)
}

async fn wait(what: &'static str, done: impl Fn() -> bool) -> Result<Instant, BenchError> {
    let start = Instant::now();
    while !done() {
        if start.elapsed() > LOST {
            return Err(BenchError::Slow(what));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(Instant::now())
}

fn update(number: u64) -> Op {
    let key = format!("{number:0KEY$}");
    Op::Put {
        key: key.into_bytes().into(),
        value: vec![b'v'; UPDATE - KEY].into(),
        expiry: Expiry::Never,
    }
}

/// One update at a time: when has it reached which share of the nodes?
async fn single_updates(
    nodes: &[Rumormill],
    options: &Options,
    rng: &mut Rng,
    report: &mut Report,
) -> Result<(), BenchError> {
    let (arrivals, mut arrived) = mpsc::unbounded_channel();
    let mut watchers = JoinSet::new();
    for node in nodes {
        let (mut watch, arrivals) = (node.watch(""), arrivals.clone());
        watchers.spawn(async move {
            while watch.next().await.is_ok() {
                if arrivals.send(Instant::now()).is_err() {
                    return;
                }
            }
        });
    }
    let (mut t50, mut t99, mut t100) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..options.updates {
        tokio::time::sleep(Duration::from_millis(20 + rng.below(20))).await;
        let writer = &nodes[rng.index(nodes.len())];
        let start = Instant::now();
        writer.write(vec![update(number as u64)]).await?;
        let mut times = Vec::with_capacity(nodes.len());
        while times.len() < nodes.len() {
            let next = tokio::time::timeout(LOST, arrived.recv()).await;
            let Ok(Some(at)) = next else { return Err(BenchError::Slow("a single update")) };
            times.push(at.saturating_duration_since(start).as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        t50.push(quantile(&times, 0.5));
        t99.push(quantile(&times, 0.99));
        t100.push(quantile(&times, 1.0));
    }
    report.t50_ms = median(&mut t50);
    report.t99_ms = median(&mut t99);
    report.t100_ms = median(&mut t100);
    watchers.shutdown().await;
    Ok(())
}

/// Many updates at once from random nodes: what do they cost, and is any lost?
async fn burst(nodes: &[Rumormill], options: &Options, rng: &mut Rng) -> Result<Cost, BenchError> {
    let pairs = (options.burst * nodes.len()) as f64;
    let (sent_before, cpu_before) = (sent_bytes(nodes), cpu_time()?);
    let start = Instant::now();
    let mut writes = JoinSet::new();
    for number in 0..options.burst as u64 {
        let writer = nodes[rng.index(nodes.len())].clone();
        writes.spawn(async move { writer.write(vec![update(number)]).await });
    }
    while let Some(written) = writes.join_next().await {
        written.map_err(|_| WriteError::Closed)??;
    }
    let expected = options.burst as u64;
    let all = || nodes.iter().all(|node| node.len() == expected);
    let last = wait("a burst", all).await.map_or(f64::INFINITY, |at| (at - start).as_secs_f64());
    let lost = nodes.iter().map(|node| expected.saturating_sub(node.len())).sum();
    Ok(Cost {
        last_delivery_ms: last * 1e3,
        amplification: (sent_bytes(nodes) - sent_before) as f64 / (pairs * UPDATE as f64),
        cpu_us_per_delivery: (cpu_time()? - cpu_before).as_secs_f64() * 1e6 / pairs,
        lost,
    })
}

/// Many updates at one node, as fast as it takes them.
async fn import(nodes: &[Rumormill], updates: u64) -> Result<Import, BenchError> {
    let received = || nodes.iter().map(|node| node.status().traffic.received_bytes);
    let before: Vec<u64> = received().collect();
    let begun = Instant::now();
    for first in (0..updates).step_by(BATCH as usize) {
        let batch = first..updates.min(first + BATCH);
        nodes[0].write(batch.map(update).collect()).await?;
    }
    let written = begun.elapsed();
    let all = || nodes.iter().all(|node| node.len() == updates);
    let everywhere = wait("an import at every node", all).await? - begun;
    let each = received().zip(before).skip(1).map(|(after, before)| after - before);
    Ok(Import {
        updates,
        written_ms: written.as_secs_f64() * 1e3,
        everywhere_ms: everywhere.as_secs_f64() * 1e3,
        received_per_byte: each.max().unwrap_or(0) as f64 / (updates * UPDATE as u64) as f64,
    })
}

fn sent_bytes(nodes: &[Rumormill]) -> u64 {
    nodes.iter().map(|node| node.status().traffic.sent_bytes).sum()
}

/// CPU time of this process so far, from the scheduler's own accounts (nanoseconds, per thread).
fn cpu_time() -> std::io::Result<Duration> {
    let mut nanos = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let stat = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanos += stat.split(' ').next().and_then(|run| run.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    quantile(values, 0.5)
}
