//! `sim graph`.

use super::process::{Run, rumormill, run};
use serde_json::Value;
use std::fs;
use std::process::Stdio;

fn graph(args: &[&str]) -> Run {
    run(&[&["sim", "graph"], args].concat())
}

fn json(args: &[&str]) -> Value {
    graph(&[args, &["--format", "json"]].concat()).good().json()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn a_ring_is_measured_exactly() {
    let ring = json(&["--topology", "ring", "--nodes", "100", "--width", "2"]);
    assert_eq!((&ring["nodes"], &ring["links"]), (&100.into(), &100.into()));
    assert_eq!(ring["contacts"]["distribution"][0]["nodes"], 100);
    assert_eq!(ring["components"]["count"], 1);
    let distances = &ring["distances"];
    assert_eq!((&distances["exact"], &distances["diameter"]), (&true.into(), &50.into()));
    // 49 distances with two nodes each, one with the node across.
    let mean = (2.0 * (49.0 * 50.0 / 2.0) + 50.0) / 99.0;
    assert!((number(&distances["mean"]) - mean).abs() < 1e-9);
    assert_eq!(distances["distribution"].as_array().unwrap().len(), 50);
    assert!((number(&ring["six_degrees"]["share_within_six"]) - 12.0 / 99.0).abs() < 1e-9);
    assert_eq!(number(&ring["six_degrees"]["w_to_the_6"]), 64.0);
    assert_eq!(ring["interrupted"], false);
}

#[test]
fn six_steps_of_150_contacts_reach_everyone() {
    let args = ["--topology", "regular", "--nodes", "2000", "--width", "150"];
    let found = json(&args);
    // The text's number, to its last digit.
    assert_eq!(number(&found["six_degrees"]["w_to_the_6"]), 11_390_625_000_000.0);
    assert_eq!(number(&found["six_degrees"]["share_within_six"]), 1.0);
    let distances = &found["distances"];
    let expected = 2000_f64.ln() / 150_f64.ln();
    assert!((number(&distances["ln_n_over_ln_w"]) - expected).abs() < 1e-9);
    assert!((number(&distances["mean"]) - expected).abs() < 0.5);
    assert_eq!(found, json(&args), "the same seed gives the same result");
    assert_ne!(found, json(&[&args[..], &["--seed", "2"]].concat()));
}

#[test]
fn every_topology_is_drawn_told_and_plotted() {
    let folder = tempfile::tempdir().unwrap();
    let names = [
        "complete",
        "random",
        "regular",
        "small-world",
        "ring",
        "grid",
        "scale-free",
        "datacenters",
    ];
    for name in names {
        let plot = folder.path().join(format!("{name}.svg"));
        let csv = folder.path().join(format!("{name}.csv"));
        let (plot, csv) = (plot.to_str().unwrap(), csv.to_str().unwrap());
        let args = ["--topology", name, "--nodes", "400", "--width", "8"];
        let told = graph(&[&args[..], &["--plot", plot, "--csv", csv]].concat()).good().text();
        assert!(told.contains("mean distance") && told.contains("W^6"), "{name}: {told}");
        assert!(fs::read_to_string(plot).unwrap().contains("Six degrees"), "{name}");
        let rows = fs::read_to_string(csv).unwrap();
        assert!(rows.starts_with("distance,pairs,share,cumulative\n1,"), "{name}: {rows}");
        let found = json(&args);
        assert_eq!(found["topology"], name);
        let longest = found["distances"]["longest"].as_u64().unwrap();
        assert_eq!(rows.lines().count() as u64, longest + 1, "{name}");
    }
}

#[test]
fn a_sample_says_that_it_is_one() {
    let args = ["--topology", "regular", "--nodes", "3000", "--width", "8", "--sample", "20"];
    let found = json(&args);
    assert_eq!(found["distances"]["sources"], 20);
    assert_eq!(found["distances"]["exact"], false);
    assert_eq!(found["distances"]["diameter"], Value::Null);
    let text = graph(&args).good().text();
    assert!(text.contains("from 20 of 3,000 nodes at random"), "{text}");
    assert_eq!(json(&[&args[..6], &["--sample", "1e9"]].concat())["distances"]["exact"], true);
}

#[test]
fn calls_by_distance_spare_the_links_of_a_line() {
    let found = json(&[
        "--topology",
        "ring",
        "--nodes",
        "1e5",
        "--width",
        "2",
        "--spatial",
        "2",
        "--sample",
        "1",
    ]);
    let spatial = &found["spatial"];
    assert!((number(&spatial["mean_distance_uniform"]) - 25_000.25).abs() < 0.01, "{spatial}");
    assert!(number(&spatial["mean_distance"]) < 10.0, "{spatial}");
    assert_eq!(spatial["mean_distance"], spatial["calls_per_link"], "as many links as nodes");
    let grid = json(&["--topology", "grid", "--torus", "--nodes", "400", "--spatial", "2"]);
    assert_eq!(grid["distances"]["diameter"], 20);
    assert!(number(&grid["spatial"]["mean_distance"]) < 3.0, "{grid}");
}

#[test]
fn a_network_can_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.txt");
    let name = file.to_str().unwrap();
    fs::write(&file, "# a path, and a node alone\nnodes 5\n0 1\n1 2\n2 3\n2 1\n").unwrap();
    let found = json(&["--topology", name]);
    assert_eq!((&found["nodes"], &found["links"]), (&5.into(), &3.into()));
    assert_eq!(found["components"]["count"], 2);
    assert_eq!(found["components"]["alone"], 1);
    assert!((number(&found["distances"]["unreachable"]) - 0.4).abs() < 1e-9);
    assert_eq!(found["distances"]["diameter"], 3);
    let text = graph(&["--topology", name]).good().text();
    assert!(text.contains("falls apart into 2 components"), "{text}");
    assert!(text.contains("counted once: 1"), "{text}");

    for (content, words) in [
        ("nodes 3\n0 1\n0 3\n", "net.txt: line 3: there is no node 3"),
        ("0 1\n1 1\n", "net.txt: line 2: node 1 is linked with itself"),
        ("0 1\nhello\n", "net.txt: line 2: \"hello\" is no link"),
        ("", "net.txt: no links"),
    ] {
        fs::write(&file, content).unwrap();
        let refused = graph(&["--topology", name]);
        assert_eq!(refused.code, 2, "{content}: {}", refused.text());
        assert!(refused.stderr.contains(words), "{content}: {}", refused.stderr);
    }
    fs::write(&file, "0 1\n").unwrap();
    for more in [&["--nodes", "3"][..], &["--width", "3"], &["--nodes", "0"]] {
        let refused = graph(&[&["--topology", name], more].concat());
        assert_eq!(refused.code, 2, "{more:?}: {}", refused.text());
        assert!(refused.stderr.contains("leave --"), "{more:?}: {}", refused.stderr);
    }
}

#[test]
fn what_cannot_be_measured_is_refused_with_advice() {
    for (args, words) in [
        (&["--nodes", "0"][..], "at least one node"),
        (&["--nodes", "1e99"], "too big a number"),
        (&["--topology", "ring", "--nodes", "10", "--width", "10"], "only 9 others"),
        (&["--topology", "random", "--width", "0"], "width 0"),
        (&["--topology", "regular", "--nodes", "9", "--width", "3"], "even"),
        (&["--topology", "grid", "--nodes", "1009"], "take 1024"),
        (&["--topology", "rign"], "small-world"),
        (&["--topology", "./none.txt"], "cannot read the topology ./none.txt"),
        (&["--topology", "/"], "/: line 1: cannot read it"),
        (&["--topology", "small-world", "--rewire", "-0.5"], "from 0 to 1"),
        (&["--topology", "datacenters", "--zones", "0"], "at least 1 zone"),
        (&["--topology", "random", "--nodes", "1e9", "--width", "150"], "too many"),
        (&["--sample", "0"], "at least 1 node"),
        (&["--spatial", "-1"], "from 0"),
        (&["--spatial", "nan"], "from 0"),
        (&["--topology", "regular", "--nodes", "30000", "--spatial", "2"], "20000 nodes"),
        (&["--plot", "/nonexistent/x.svg"], "there is no folder"),
        (&["--plot", "x.png"], "svg"),
    ] {
        let refused = graph(args);
        assert_eq!(refused.code, 2, "{args:?}: {}{}", refused.text(), refused.stderr);
        assert!(refused.stderr.contains(words), "{args:?}: {}", refused.stderr);
        assert!(refused.stdout.is_empty(), "{args:?}: {}", refused.text());
    }
}

/// The biggest network that can be listed takes 100 GB: no machine that runs tests has as much to
/// spare, and nothing is drawn to find that out.
#[cfg(target_os = "linux")]
#[test]
fn too_little_memory_is_said_before_starting() {
    let args = ["--topology", "random", "--nodes", "4e9", "--width", "1"];
    let refused = graph(&args);
    assert_eq!(refused.code, 2, "{}{}", refused.text(), refused.stderr);
    assert!(refused.stderr.contains("GiB are available"), "{}", refused.stderr);
}

/// All searches would take days; one is done soon.
#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_shows_what_is_done() {
    let args = ["sim", "graph", "--topology", "ring", "--width", "2", "--nodes", "300000"];
    let more = ["--sample", "300000", "--format", "json"];
    let mut command = rumormill(&[&args[..], &more].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id().to_string();
    // Before it listens the signal would end it: it says so by catching it.
    super::process::until("it listens to interrupts", || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t"))?;
        (u64::from_str_radix(caught.trim(), 16).ok()? & 0b10 != 0).then_some(())
    });
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let run: Run = child.wait_with_output().unwrap().into();
    let found = run.good().json();
    assert_eq!(found["interrupted"], true);
    assert_eq!(found["distances"]["exact"], false);
    assert_eq!(found["nodes"], 300_000);
}
