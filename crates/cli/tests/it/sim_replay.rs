//! `rumormill sim fuzz` and `rumormill sim replay`: found, shrunk, saved, shown again.

use super::process::{file_in, run};
use serde_json::Value;

/// Settings that do harm: an outbox for next to nothing, and no repair to make up for it.
const HARMFUL: [&str; 10] = [
    "--set",
    "repair.interval=0s",
    "--set",
    "ring.interval=0s",
    "--set",
    "spread.method=direct-mail",
    "--set",
    "spread.mail.outbox_bytes=200",
    "--for",
    "3s",
];

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn good_settings_hold() {
    let args = ["--format", "json", "sim", "fuzz", "--seeds", "0..6", "--for", "5s"];
    let report = run(&args).good().json();
    assert_eq!((&report["ran"], &report["failed"]), (&6.into(), &0.into()), "{report}");
    assert_eq!(report["seeds"]["end"], 6);
    let text = run(&["sim", "fuzz", "--seeds", "3", "--for", "5s"]).good().text();
    assert!(text.starts_with("seed 3: ") && text.contains("\n  network   hop"), "{text}");
    assert!(text.contains("seed 3: 1 ran"), "{text}");
}

#[test]
fn what_does_harm_is_found_shrunk_saved_and_shown_again() {
    let folder = tempfile::tempdir().unwrap();
    let save = folder.path().to_str().unwrap();
    let args = ["--format", "json", "sim", "fuzz", "--seeds", "8..14", "--settle", "20s"];
    let found = run(&[&args[..], &["--save", save, "--shrink", "1"], &HARMFUL].concat());
    assert_eq!(found.code, 1, "{}", found.stderr);
    let report = found.json();
    let failures = report["failures"].as_array().unwrap();
    assert_eq!(report["failed"], failures.len());
    let seeds: Vec<u64> = failures.iter().map(|one| one["seed"].as_u64().unwrap()).collect();
    assert!(seeds.is_sorted() && !seeds.is_empty());

    let first = &failures[0];
    let (property, shrunk) = (first["property"].as_str().unwrap(), &first["shrunk"]);
    assert!(["no lost write", "convergence", "membership"].contains(&property), "{first}");
    assert_eq!(shrunk["property"], property);
    let whole = first["scenario"].as_str().unwrap();
    assert!(shrunk["faults"].as_u64().unwrap() < whole.matches(" do = ").count() as u64);
    assert!(shrunk["duration_ms"].as_u64() < Some(3000), "{shrunk}");
    assert!(shrunk["scenario"].as_str().unwrap().contains("repair"), "{shrunk}");
    let file = first["file"].as_str().unwrap();
    assert_eq!(first["replay"], format!("rumormill sim replay {file}"));

    let shown = run(&["sim", "replay", file]).good().text();
    assert!(shown.contains(&format!("FAILED: seed {}", seeds[0])), "{shown}");
    assert!(shown.contains(property) && shown.contains("the last events"), "{shown}");
    let shown = lines(&run(&["--format", "json", "sim", "replay", file]).good().text());
    let end = shown.last().unwrap();
    assert_eq!(
        (&end["violation"]["property"], &end["expected"]),
        (&property.into(), &property.into())
    );
    assert_eq!(end["violation"]["what"], shrunk["what"]);
}

#[test]
fn a_trace_is_written_and_looked_through() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("5.trace");
    let trace = trace.to_str().unwrap();
    let seed = ["sim", "fuzz", "--seeds", "5", "--for", "2s"];
    run(&[&seed[..], &["--trace", trace]].concat()).good();
    let text = std::fs::read_to_string(trace).unwrap();
    assert!(text.starts_with("# rumormill trace 1, seed 5, "), "{text:.80}");

    let json = |args: &[&str]| {
        lines(&run(&[&["--format", "json", "sim", "replay", trace], args].concat()).good().text())
    };
    let changes = json(&[]);
    let all = json(&["--kind", "all"]);
    assert_eq!(all.len(), text.lines().filter(|line| !line.starts_with('#')).count());
    assert!(changes.len() < all.len() && changes.iter().all(|step| step["what"] != "tick"));
    let writes = json(&["--kind", "write", "--node", "1"]);
    assert!(!writes.is_empty() && writes.iter().all(|step| step["node"] == 1));
    let early = json(&["--until", "500ms"]);
    assert!(!early.is_empty() && early.iter().all(|step| step["us"].as_u64() <= Some(500_000)));

    // The run of the seed shows the same, and a key has its story.
    let again = ["--format", "json", "sim", "replay", "--seed", "5", "--for", "2s"];
    let mut again = lines(&run(&again).good().text());
    assert_eq!(again.pop().unwrap()["violation"], Value::Null);
    assert_eq!(again, changes);
    let key = writes[0]["key"].as_str().unwrap();
    let story = run(&["sim", "replay", trace, "--key", key]).good().text();
    assert!(story.contains(" hears ") && story.contains(" hold it)"), "{story}");
    assert!(story.lines().last().unwrap().starts_with(&format!("{key}: ")), "{story}");

    run(&[&seed[..], &["--trace", trace, "--trace-lines", "10"]].concat()).good();
    let text = std::fs::read_to_string(trace).unwrap();
    assert!(text.lines().count() == 13 && text.contains("more lines: the limit is 10"), "{text}");
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| file_in(folder.path(), name, text);
    let nonsense = file("nonsense", "what is this?");
    let trace = file("bad.trace", "# rumormill trace 1, seed 1, 3 nodes\n1.000000 n1 sing\n");
    let nowhere = file(
        "nowhere.toml",
        "version = 1\nduration = \"1s\"\nsettle = \"1s\"\n[world]\nnodes = 0\n",
    );
    for (args, says) in [
        (&["fuzz", "--seeds", "5..5"][..], "no seed"),
        (&["fuzz", "--seeds", "0.."], "--minutes"),
        (&["fuzz", "--nodes", "0"], "1 to 10000"),
        (&["fuzz", "--set", "redis=off"], "setting of an agent"),
        (&["fuzz", "--set", "repair.intervall=1s"], "repair.intervall"),
        (&["fuzz", "--trace", "x", "--seeds", "0..9"], "one seed"),
        (&["fuzz", "--minutes", "0"], "minutes"),
        (&["replay"], "FILE"),
        (&["replay", "/nowhere/x"], "cannot read"),
        (&["replay", &nonsense], "neither a scenario nor a trace"),
        (&["replay", &trace], "bad.trace:2: no known kind of event"),
        (&["replay", &nowhere], "world.nodes"),
        (&["replay", &trace, "--kind", "dance"], "there are write"),
    ] {
        let run = run(&[&["sim"], args].concat());
        assert_eq!(run.code, 2, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(says), "{args:?}: {}", run.stderr);
    }
}
