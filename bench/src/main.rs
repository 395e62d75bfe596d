//! Rumormill's set reconciliation beside that of others, in one run: what it costs to learn what
//! differs between two replicas.
//!
//! Every method is given the same replicas, and the same writes make them differ. What counts is
//! what the messages hold, both ways, until one end knows the difference; the entries themselves
//! and the envelopes of packets do not.

mod merkle;
mod negentropy;
mod sets;
mod sketch;
mod upkeep;

use clap::{Parser, ValueEnum};
use serde::Serialize;
use sets::{Cost, Method, Writes};

/// What it costs to learn what differs between two replicas: Rumormill's sketches beside the crates
/// negentropy and merkle-search-tree.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  cargo run --release
  cargo run --release -- --entries 100k --differences 0,1,10,100,1k
  cargo run --release -- --methods sketch,negentropy --format json")]
struct Args {
    /// Entries of a replica; k and M stand for thousands and millions.
    #[arg(long, value_delimiter = ',', default_value = "10k,100k,1M", value_parser = number)]
    entries: Vec<u64>,
    /// Items that differ: one that only one end holds is one, a key that one end has overwritten
    /// is two. Rows with more of them than entries are left out.
    #[arg(long, value_delimiter = ',', default_value = "0,1,10,100,1k,10k,100k",
          value_parser = number)]
    differences: Vec<u64>,
    /// What to compare with.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "sketch,negentropy,merkle-search-tree"
    )]
    methods: Vec<Name>,
    /// Measure what an overwrite costs a replica instead, and what of that is kept for repair.
    #[arg(long)]
    upkeep: bool,
    /// Trials of each row; by default 20, and fewer where many items differ.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    trials: Option<u32>,
    /// Chooses what differs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// For people, or one JSON value for programs.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Name {
    Sketch,
    Negentropy,
    MerkleSearchTree,
}

/// What was measured for a method, a number of entries and a number of differences.
#[derive(Debug, Serialize)]
struct Row {
    method: Name,
    entries: u64,
    differences: u64,
    trials: usize,
    bytes: Spread,
    messages: f64,
    round_trips: f64,
    /// Of both ends together, median.
    cpu_us: f64,
    /// What has to be done before a session after any write, both ends together, median.
    prepare_us: f64,
    /// Of one overwrite; null where the structure takes none and is made anew instead.
    upkeep_ns: Option<f64>,
    left_different: u64,
}

#[derive(Debug, Serialize)]
struct Spread {
    mean: f64,
    p99: f64,
}

fn number(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.trim() {
        text if text.ends_with(['k', 'K']) => (&text[..text.len() - 1], 1000),
        text if text.ends_with(['m', 'M']) => (&text[..text.len() - 1], 1_000_000),
        text => (text, 1),
    };
    let number: u64 =
        digits.parse().map_err(|_| format!("{text:?} is no number; write 1000, 10k or 1M"))?;
    number.checked_mul(factor).filter(|number| *number <= 100_000_000).ok_or_else(|| {
        format!("{text:?} is too much; 100M is the most that this program is made for")
    })
}

fn main() {
    let args = Args::parse();
    if args.upkeep {
        return upkeep(&args);
    }
    let mut rows = Vec::new();
    for entries in &args.entries {
        for name in &args.methods {
            let mut method: Box<dyn Method> = match name {
                Name::Sketch => Box::new(sketch::Sketching::new()),
                Name::Negentropy => Box::new(negentropy::Ranges::new()),
                Name::MerkleSearchTree => Box::new(merkle::Trees::new()),
            };
            measure(&args, *entries, *name, method.as_mut(), &mut rows);
        }
    }
    match args.format {
        Format::Json => match serde_json::to_string(&rows) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("cannot write the result: {error}"),
        },
        Format::Human => print(&rows),
    }
}

fn upkeep(args: &Args) {
    let sizes = [20, 100, 1000];
    let rows: Vec<upkeep::Upkeep> = args
        .entries
        .iter()
        .flat_map(|entries| sizes.map(|value| upkeep::measure(*entries, value)))
        .collect();
    if args.format == Format::Json {
        return match serde_json::to_string(&rows) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("cannot write the result: {error}"),
        };
    }
    println!("| entries | bytes of a value | map with digests | sketches | second account |");
    println!("|---:|---:|---:|---:|---:|");
    for row in rows {
        println!(
            "| {} | {} | {:.0} ns | + {:.0} ns | + {:.0} ns |",
            row.entries, row.value, row.map_ns, row.sketches_ns, row.audit_ns
        );
    }
}

fn measure(args: &Args, entries: u64, name: Name, method: &mut dyn Method, rows: &mut Vec<Row>) {
    eprintln!("{name:?}, {entries} entries: filling two replicas");
    let mut writes = Writes::new(entries, args.seed);
    for key in 0..entries {
        let write = writes.first(key);
        method.write(0, &write);
        method.write(1, &write);
    }
    let upkeep_ns = method.upkeep_ns(&mut writes);
    for differences in args.differences.iter().filter(|count| **count <= entries) {
        let trials = args.trials.map_or_else(|| trials(*differences), |trials| trials as usize);
        eprintln!("{name:?}, {entries} entries, {differences} differences: {trials} trials");
        let costs = (0..trials).map(|_| trial(method, &mut writes, *differences)).collect();
        rows.push(row(name, entries, *differences, upkeep_ns, costs));
    }
}

fn trials(differences: u64) -> usize {
    match differences {
        0..=1000 => 20,
        1001..=10_000 => 5,
        _ => 3,
    }
}

/// Makes the replicas differ, compares them, and makes them equal again.
fn trial(method: &mut dyn Method, writes: &mut Writes, differences: u64) -> Cost {
    let (drawn, mut truth) = (writes.draw(differences), Vec::new());
    for (side, write) in &drawn {
        method.write(*side, write);
        truth.extend(method.names(write));
    }
    let (mut cost, mut found) = method.compare();
    truth.sort_unstable();
    found.sort_unstable();
    found.dedup();
    let missed = truth.iter().filter(|name| found.binary_search(name).is_err()).count();
    let invented = found.iter().filter(|name| truth.binary_search(name).is_err()).count();
    cost.left_different = (missed + invented) as u64;
    for (side, write) in &drawn {
        method.write(1 - side, write);
    }
    cost
}

fn row(
    method: Name,
    entries: u64,
    differences: u64,
    upkeep_ns: Option<f64>,
    costs: Vec<Cost>,
) -> Row {
    let mean = |of: fn(&Cost) -> f64| costs.iter().map(of).sum::<f64>() / costs.len() as f64;
    let at = |share: f64, of: fn(&Cost) -> f64| {
        let mut all: Vec<f64> = costs.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        let last = all.len().saturating_sub(1);
        all.get((last as f64 * share).ceil() as usize).copied().unwrap_or(0.0)
    };
    Row {
        method,
        entries,
        differences,
        trials: costs.len(),
        bytes: Spread {
            mean: mean(|cost| cost.bytes as f64),
            p99: at(0.99, |cost| cost.bytes as f64),
        },
        messages: mean(|cost| cost.messages as f64),
        round_trips: mean(|cost| cost.messages.div_ceil(2) as f64),
        cpu_us: at(0.5, |cost| cost.cpu_us),
        prepare_us: at(0.5, |cost| cost.prepare_us),
        upkeep_ns,
        left_different: costs.iter().map(|cost| cost.left_different).sum(),
    }
}

fn print(rows: &[Row]) {
    println!(
        "| entries | differences | method | bytes | messages | round trips | CPU of both | prepare \
         | upkeep per write | left different |"
    );
    println!("|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|");
    let mut order: Vec<&Row> = rows.iter().collect();
    order.sort_by_key(|row| (row.entries, row.differences));
    for row in order {
        let method = row.method.to_possible_value();
        let method = method.as_ref().map_or("", |value| value.get_name());
        let upkeep = row.upkeep_ns.map_or("-".into(), |ns| format!("{ns:.0} ns"));
        println!(
            "| {} | {} | {method} | {:.0} | {:.1} | {:.1} | {} | {} | {upkeep} | {} |",
            row.entries,
            row.differences,
            row.bytes.mean,
            row.messages,
            row.round_trips,
            time(row.cpu_us),
            if row.prepare_us == 0.0 { "-".into() } else { time(row.prepare_us) },
            row.left_different,
        );
    }
}

fn time(us: f64) -> String {
    match us {
        ..1000.0 => format!("{us:.1} us"),
        ..1e6 => format!("{:.1} ms", us / 1e3),
        _ => format!("{:.2} s", us / 1e6),
    }
}
