//! What the checks of every node after each of its turns cost: the same random scenarios without
//! them, with what is seen at a glance, and with looks at everything every so many turns.
//!
//! `cargo run --release -p rumormill-sim --example check_cost -- 0 40 5`: seeds, and rounds of which
//! the median is taken. With names of checks (off cheap full:64), only those.

use rumormill_sim::Checks;
use rumormill_sim::fuzz::Draw;

/// Time that this process has had a processor for: others on the same machine count little.
fn cpu_seconds() -> f64 {
    let spent = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos = spent.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok());
    nanos.expect("Linux says how long a process has run") / 1e9
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|arg| arg.parse::<u64>().ok());
    let (from, to) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(20));
    let rounds = numbers.next().unwrap_or(3);
    let named: Vec<Checks> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let full = |every| Checks::Full { every };
    let all = match named.is_empty() {
        true => vec![Checks::Off, Checks::Cheap, full(1024), full(256), full(64), full(16)],
        false => named,
    };
    let mut times = vec![Vec::new(); all.len()];
    for _ in 0..rounds {
        for (checks, times) in all.iter().zip(&mut times) {
            let start = cpu_seconds();
            for seed in from..to {
                let mut scenario = Draw { hardships: false, ..Draw::default() }.scenario(seed);
                scenario.world.check = *checks;
                if let Err(violation) = scenario.run().outcome {
                    println!("{violation}");
                }
            }
            times.push(cpu_seconds() - start);
        }
    }
    for times in &mut times {
        times.sort_by(f64::total_cmp);
    }
    let median = |times: &Vec<f64>| times[times.len() / 2];
    let off = median(&times[0]);
    for (checks, times) in all.iter().zip(&times) {
        let took = median(times);
        println!("{:>10}  {took:8.3} s  {:+6.1} %", checks.to_string(), 100.0 * (took / off - 1.0));
    }
}
