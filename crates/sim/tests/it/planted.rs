//! The checks of nodes after each turn find planted faults, and sooner than those who look at the
//! cluster as a whole.

use rumormill_core::base::planted::Fault;
use rumormill_sim::planted::{table, try_fault};

#[test]
fn checks_find_planted_faults_sooner_than_the_checkers_of_the_whole() {
    let trials: Vec<_> = Fault::ALL.iter().map(|(fault, ..)| (*fault, try_fault(*fault))).collect();
    println!("{}", table(&trials));
    for (fault, trials) in &trials {
        let found = trials.iter().filter_map(|trial| trial.checked.as_ref());
        let names: Vec<&str> = found.map(|violation| violation.property).collect();
        assert!(!names.is_empty(), "{fault:?} is not found");
        assert!(names.iter().all(|name| name.starts_with("check of ")), "{fault:?}: {names:?}");
        for trial in trials {
            let Some(late) = &trial.unchecked else { continue };
            let sooner = trial.checked.as_ref().is_some_and(|found| found.at < late.at);
            assert!(sooner, "{fault:?}: {:?} is no sooner than {late}", trial.checked);
        }
    }
}
