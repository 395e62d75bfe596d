//! `rumormill sim exchange`: one exchange, message by message.

use super::process::run;
use serde_json::Value;

fn exchange(args: &[&str]) -> Value {
    run(&[&["--format", "json", "sim", "exchange"], args].concat()).good().json()
}

#[test]
fn push_takes_one_message_pull_two_push_pull_three() {
    for (mode, messages, rounds, left) in
        [("push", 1, 1, 10), ("pull", 2, 1, 10), ("push-pull", 3, 2, 0)]
    {
        let sizes = ["--entries", "1000", "--differences", "20"];
        let all = exchange(&[&["--compare", "full", "--mode", mode], &sizes[..]].concat());
        assert_eq!(all["messages"], messages, "{all}");
        assert_eq!(all["rounds"], rounds, "{all}");
        assert_eq!(all["left_different"], left, "{all}");
        let steps = all["steps"].as_array().unwrap();
        assert_eq!(steps.len(), messages);
        let bytes: u64 = steps.iter().map(|step| step["bytes"].as_u64().unwrap()).sum();
        assert_eq!(all["bytes"], bytes);
        assert_eq!(steps[0]["from"], "here");
    }
}

#[test]
fn checksums_take_one_message_if_nothing_differs() {
    let equal = exchange(&["--entries", "5000", "--differences", "0"]);
    assert_eq!((&equal["messages"], &equal["left_different"]), (&1.into(), &0.into()));
    let differs = exchange(&["--entries", "5000", "--differences", "5"]);
    assert!(differs["messages"].as_u64() > Some(3) && differs["left_different"] == 0, "{differs}");
    assert_eq!(differs, exchange(&["--entries", "5000", "--differences", "5"]));
    assert_ne!(differs, exchange(&["--entries", "5000", "--differences", "5", "--seed", "2"]));
    let all = exchange(&["--entries", "100", "--differences", "100"]);
    assert_eq!(all["left_different"], 0, "{all}");
}

#[test]
fn people_read_what_each_message_carries() {
    let text = run(&["sim", "exchange", "--compare", "full"]).good().text();
    for part in ["asks for everything", "here <- there", "3 messages", "0 left different"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    for (args, says) in [
        (&["--compare", "x"][..], "full, checksum and sketch"),
        (&["--mode", "x"], "push-pull"),
        (&["--entries", "3", "--differences", "4"], "only 3 entries"),
        (&["--entries", "1000000000000"], "memory"),
        (&["--value-size", "99999999"], "value-size"),
    ] {
        let run = run(&[&["sim", "exchange"], args].concat());
        assert_eq!(run.code, 2, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(says), "{args:?}: {}", run.stderr);
    }
}
