//! Hashes of the traces of random scenarios: what nodes say and do, byte for byte.
//!
//! A change that only moves code leaves all of them alone, so two builds can be compared:
//! `cargo run --release -p rumormill-sim --example traces -- 0 40`.

use rumormill_sim::fuzz::Draw;

fn main() {
    let mut bounds = std::env::args().skip(1).filter_map(|arg| arg.parse::<u64>().ok());
    let (from, to) = (bounds.next().unwrap_or(0), bounds.next().unwrap_or(20));
    let (mut all, mut events) = (0_u128, 0);
    for seed in from..to {
        let ran = Draw::default().scenario(seed).run();
        let Some(world) = ran.world else { continue };
        all = all.wrapping_mul(31).wrapping_add(world.trace_hash());
        events += world.events();
        println!("{seed:>6}  {:032x}  {:?}", world.trace_hash(), ran.outcome.is_ok());
    }
    println!("   all  {all:032x}  {events} events");
}
