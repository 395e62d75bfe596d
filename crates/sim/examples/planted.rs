//! Who finds planted faults first: prints the tables in docs/simulator.md.
//!
//! `cargo run -p rumormill-sim --example planted`: only a debug build has faults to plant.

#[cfg(debug_assertions)]
fn main() {
    use rumormill_core::base::planted::{CHAIN, Fault};
    use rumormill_sim::planted::{chain_table, first_found, table, try_fault};
    let trials: Vec<_> = Fault::ALL.iter().map(|(fault, ..)| (*fault, try_fault(*fault))).collect();
    for (fault, trials) in &trials {
        for trial in trials {
            println!("{fault:?} {}", trial.seed);
            println!("    with checks     {:?}", trial.checked);
            println!("    without checks  {:?}", trial.unchecked);
        }
    }
    print!("{}", table(&trials));
    let found = CHAIN.map(|(fault, what)| (what, first_found(fault, 0..1000)));
    print!("{}", chain_table(&found));
}

#[cfg(not(debug_assertions))]
fn main() {
    println!("this is a release build: there is no fault to plant");
}
