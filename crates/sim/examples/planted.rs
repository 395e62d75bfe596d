//! Who finds planted faults first: prints the table in docs/simulator.md.
//!
//! `cargo run -p rumormill-sim --example planted`: only a debug build has faults to plant.

#[cfg(debug_assertions)]
fn main() {
    use rumormill_core::base::planted::Fault;
    use rumormill_sim::planted::{table, try_fault};
    let trials: Vec<_> = Fault::ALL.iter().map(|(fault, ..)| (*fault, try_fault(*fault))).collect();
    for (fault, trials) in &trials {
        for trial in trials {
            println!("{fault:?} {}", trial.seed);
            println!("    with checks     {:?}", trial.checked);
            println!("    without checks  {:?}", trial.unchecked);
        }
    }
    print!("{}", table(&trials));
}

#[cfg(not(debug_assertions))]
fn main() {
    println!("this is a release build: there is no fault to plant");
}
