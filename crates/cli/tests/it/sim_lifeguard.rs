//! `rumormill sim lifeguard` as users run it.

use super::process::run;

const SMALL: [&str; 9] =
    ["sim", "lifeguard", "--nodes", "40", "--starved", "10", "--pauses", "16s", "--format=json"];

#[test]
fn lifeguard_spares_the_healthy_and_one_seed_gives_one_answer() {
    let args = [&SMALL[..], &["--for", "70s", "--rows"]].concat();
    let report = run(&args).good().json();
    let figure = |variant: &str, what: &str| {
        let found = report[variant][what].as_f64();
        found.unwrap_or_else(|| panic!("no {what} of {variant} in {report}"))
    };
    for variant in ["swim", "probe", "suspicion", "buddy", "lifeguard", "rumormill"] {
        let seconds = figure(variant, "first_detection_s");
        // What enough have confirmed is believed sooner.
        let least = if variant == "rumormill" { 2.5 } else { 6.0 };
        assert!((least..20.0).contains(&seconds), "{variant}: {seconds}");
    }
    let swim = figure("swim", "false_positives");
    assert!(swim > 100.0, "{report}");
    assert!(figure("lifeguard", "false_positives") <= 0.02 * swim, "{report}");
    assert!(figure("rumormill", "false_positives") <= 0.02 * swim, "{report}");
    assert_eq!(report["rows"].as_array().unwrap().len(), 6);
    assert_eq!(run(&args).good().json(), report);
}

#[test]
fn what_cannot_be_is_said() {
    for (more, said) in [
        (&["--starved", "40"][..], "at least one must be healthy"),
        (&["--pauses", "0s"][..], "at least 1ms"),
        (&["--nodes", "2"][..], "3..=4096"),
        (&["--set", "member.nothing=1"][..], "member.nothing"),
    ] {
        let mut args = vec!["sim", "lifeguard", "--nodes", "40"];
        if more[0] == "--nodes" {
            args.truncate(2);
        }
        args.extend(more);
        let failed = run(&args);
        assert_eq!(failed.code, 2, "{more:?}");
        assert!(failed.stderr.contains(said), "{more:?}: {}", failed.stderr);
    }
}
