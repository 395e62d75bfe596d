//! Measures how fast a simulated cluster under a steady load of writes runs, and how much memory
//! it takes: `world_speed [NODES] [SECONDS] [WRITES_PER_SECOND] [SEED] [JOIN]`. With 1 for JOIN the
//! nodes join through three of them; with 0, the default, they know each other from the start.

#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "it measures real time")]

use rumormill_sim::{Checks, Options, Start, Workload, World};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The one of the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut numbers = [1000, 10, 100, 1, 0];
    for (number, text) in numbers.iter_mut().zip(std::env::args().skip(1)) {
        match text.parse() {
            Ok(parsed) => *number = parsed,
            Err(error) => {
                eprintln!(
                    "{text}: {error}\nusage: world_speed [NODES] [SECONDS] [WRITES/S] [SEED] [JOIN]"
                );
                return ExitCode::from(2);
            }
        }
    }
    let [nodes, seconds, writes, seed, join] = numbers;
    let start = Instant::now();
    let start_by = if join == 1 { Start::Join { seeds: 3 } } else { Start::Prefilled };
    let (nodes, check) = (nodes as usize, Checks::Off);
    let options = Options { seed, nodes, start: start_by, check, ..Options::default() };
    let mut world = World::new(options);
    let (built, built_kib) = (start.elapsed(), status_kib("VmRSS:"));
    if let Some(every) = Duration::from_secs(1).checked_div(writes as u32) {
        world.start_load(Workload { every, ..Workload::default() });
    }
    let (start, cpu) = (Instant::now(), cpu_time());
    let ran = world.run_for(Duration::from_secs(seconds));
    let (wall, cpu) = (start.elapsed(), cpu_time() - cpu);
    if let Err(violation) = ran {
        eprintln!("{violation}");
        return ExitCode::FAILURE;
    }
    let packets = world.total_traffic().all_sent().messages;
    let nanos = |of: u64| cpu.as_nanos() as f64 / of.max(1) as f64;
    println!("{nodes} nodes, {seconds} s, {writes} writes/s, seed {seed}");
    println!("  build    {:.2} s, {} MiB", built.as_secs_f64(), built_kib / 1024);
    println!("  wall     {:.2} s", wall.as_secs_f64());
    println!("  cpu      {:.2} s", cpu.as_secs_f64());
    println!("  packets  {packets}, {:.0} ns each", nanos(packets));
    println!("  events   {}, {:.0} ns each", world.events(), nanos(world.events()));
    println!("  peak     {} MiB", status_kib("VmHWM:") / 1024);
    println!("  spread   {}", world.deliveries());
    println!("  trace    {:032x}", world.trace_hash());
    ExitCode::SUCCESS
}

/// A figure of `/proc/self/status`, in KiB; 0 where there is none.
fn status_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|figure| figure.parse().ok()).unwrap_or(0)
}

/// CPU time of all threads so far, to a hundredth of a second; 0 where it cannot be had.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = behind_name.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
