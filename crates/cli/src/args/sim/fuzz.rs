//! Arguments of `rumormill sim fuzz`.

use super::draw::{DrawArgs, TraceArgs};
use super::seeds::{Seeds, seeds};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(after_help = "\
A seed draws everything: how many nodes, how they come together, with a key or without, latency,
loss, duplicates and reordering, how far clocks are off, half of the time settings, the load, and a
plan of faults: crashes (also halfway through an output), lost disks, old copies of disks, power
cuts, pauses, slow nodes, partitions, one-way cuts, tunnels and firewalls, clock jumps, goodbyes,
late joins; in most, passes of ring repair all the time, and members that are forgotten before they
are back; in some, strangers who send what they make up, disks that hang or fail, keys that come or
change node by node, nodes with other settings than the rest, and little room. Passes must form one
chain, and no node may send more than 500,000 packets in a second. When it is over all must agree:
nothing acknowledged is lost, nothing deleted comes back, everybody sees everybody.

A seed that fails is shrunk: whatever can go without the same property failing again is left out.
--save keeps the result as a file that `rumormill sim replay` shows. A panic counts as a failure.
Exit code 1 if a seed failed. Ctrl-C shows what is done so far.

JSON: {\"seeds\":{\"first\",\"end\"},\"ran\",\"failed\",\"wall_ms\",\"seeds_per_second\",\"interrupted\",
       \"failures\":[{\"seed\",\"property\",\"node\",\"at_ms\",\"what\",\"scenario\",\"shrunk\",\"file\",\"replay\"}]}

A trace (--trace, one seed only) begins with lines after a #; every other line is
  SECONDS NODE WHAT FIELD=VALUE ...
as in \"0.011000 n1 hold peer=n0 key=a stamp=1700000000010.0@n0 size=9\": at 0.011 s node n1 persisted
an entry that it heard from n0; the stamp is wall milliseconds, counter and writer.

Examples:
  rumormill sim fuzz --seeds 0..1000
  rumormill sim fuzz --seeds 5000.. --minutes 10 --save ./found
  rumormill sim fuzz --seeds 0..100 --set repair.interval=0s     what goes wrong without repair?
  rumormill sim fuzz --set ring.fence=false                      see deleted keys come back
  rumormill sim fuzz --seeds 17 --trace 17.trace                 one seed, with all that happens")]
pub struct FuzzArgs {
    /// Seeds: one, or from the first to before the end, such as 0..10000; without an end (0..) it
    /// goes on for --minutes.
    #[arg(long, value_name = "A..B", default_value = "0..1000", value_parser = seeds)]
    pub seeds: Seeds,
    #[command(flatten)]
    pub draw: DrawArgs,
    /// Threads [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Start no further seed after this many minutes.
    #[arg(long, value_name = "M", value_parser = minutes)]
    pub minutes: Option<Duration>,
    /// Save the shortest scenario of each failing seed in this folder.
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
    /// How long one failing seed is shrunk at most; 0s does not shrink.
    #[arg(long, value_name = "TIME", default_value = "20s",
          value_parser = humantime::parse_duration)]
    pub shrink_for: Duration,
    /// How many failing seeds are shrunk, the smallest first.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub shrink: usize,
    /// Print the options of every seed before it runs.
    #[arg(long, short)]
    pub verbose: bool,
    #[command(flatten)]
    pub trace: TraceArgs,
}

fn minutes(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(minutes) if minutes > 0.0 && minutes <= 100_000.0 => {
            Ok(Duration::from_secs_f64(minutes * 60.0))
        }
        _ => Err("write minutes as a number, such as 10 or 0.5".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_numbers_above_zero() {
        assert!(minutes("0.5").is_ok() && minutes("0").is_err() && minutes("nan").is_err());
    }
}
