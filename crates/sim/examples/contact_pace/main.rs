//! Nanoseconds per contact of the abstract epidemic: `epidemic 1000 1000000 ...`

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "it measures real time")]

use rumormill_sim::epidemic::bench;
use std::time::Instant;

fn main() {
    let begun = Instant::now();
    println!("nodes contacts plain push pull push-pull (ns per contact, times plain)");
    for nodes in std::env::args().skip(1).filter_map(|nodes| nodes.parse().ok()) {
        match bench::measure(nodes, 1, &|| begun.elapsed()) {
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
