//! Nanoseconds per contact of the abstract epidemic: `epidemic 1000 1000000 ...`

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it measures real time")]

use rumormill_sim::epidemic::bench;
use std::time::{Duration, Instant};

/// Time that this thread has had a processor, so that other work on the machine counts little;
/// elsewhere than on Linux the time that has passed.
fn clock(begun: Instant) -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let running = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    running.map_or_else(|| begun.elapsed(), Duration::from_nanos)
}

fn main() {
    let begun = Instant::now();
    println!("nodes contacts plain push pull push-pull (ns per contact, times plain)");
    for nodes in std::env::args().skip(1).filter_map(|nodes| nodes.parse().ok()) {
        match bench::measure(nodes, 1, &|| clock(begun)) {
            Ok(pace) => {
                print!("{nodes} {} {:.2}", pace.contacts, pace.plain_ns);
                for ns in [pace.push_ns, pace.pull_ns, pace.push_pull_ns] {
                    print!("  {ns:.2} {:.2}", pace.ratio(ns));
                }
                println!();
            }
            Err(error) => eprintln!("{error}"),
        }
    }
}
