//! `rumormill sim cluster` and `rumormill sim plan`. Small clusters: these are debug builds.

use super::process::{Run, file_in, run};
use serde_json::Value;
use std::path::Path;

fn cluster(args: &[&str]) -> Run {
    run(&[&["--format", "json", "sim", "cluster"], args].concat())
}

fn plan(args: &[&str]) -> Value {
    run(&[&["--format", "json", "sim", "plan"], args].concat()).good().json()
}

fn without_wall(mut value: Value) -> Value {
    value.as_object_mut().unwrap().remove("wall_ms").unwrap();
    value
}

#[test]
fn figures_have_their_keys_and_a_seed_repeats_them() {
    let args = &[
        "--nodes",
        "12",
        "--for",
        "14s",
        "--writes-per-second",
        "40",
        "--delete-share",
        "10%",
        "--loss",
        "1%",
        "--duplicate",
        "1%",
        "--reorder",
        "5%",
        "--clock-skew",
        "100ms",
        "--bandwidth",
        "1M",
        "--latency",
        "lognormal:1ms,0.5",
        "--fault",
        "crash:2@1s; pause:1@2s..3s",
        "--fault",
        "restart@13500ms; slow:1,20ms@4s..5s",
    ];
    let first = cluster(args).good().json();
    for key in ["nodes", "seed", "wall_ms", "events", "digests", "false_positives", "writes"] {
        assert!(first[key].is_u64(), "{key}: {first}");
    }
    for key in ["virtual_ms", "copies_per_node", "amplification"] {
        assert!(first[key].is_number(), "{key}: {first}");
    }
    for (table, keys) in [
        ("delivery_ms", &["p50", "p99", "max"][..]),
        ("bytes", &["per_node_per_second", "membership", "updates", "repair"]),
        ("detection_ms", &["first", "all"]),
    ] {
        assert!(keys.iter().all(|key| first[table][key].is_number()), "{table}: {first}");
    }
    assert!(first["converged"] == true && first["digests"] == 1, "{first}");
    assert_eq!(first["violations"].as_array().unwrap().len(), 0);
    assert!(first["shed"]["refused_skew"].is_u64(), "{first}");
    assert_eq!(first["nodes"], 12);
    assert_eq!(without_wall(first), without_wall(cluster(args).good().json()));
    let other = cluster(&[args, &["--seed", "2"][..]].concat()).good().json();
    assert_eq!(other["seed"], 2);
}

#[test]
fn a_partition_heals_and_shows_in_the_delivery_time() {
    let args = ["--nodes", "10", "--for", "6s", "--fault", "partition:40%@1s..4s"];
    let report = cluster(&args).good().json();
    assert_eq!(report["converged"], true);
    assert!(report["delivery_ms"]["max"].as_f64().unwrap() > 2000.0, "{report}");
    assert_eq!(report["faults"].as_array().unwrap().len(), 2);
    let human = run(&[&["sim", "cluster"], &args[..]].concat()).good().text();
    assert!(human.contains("yes: all live nodes hold the same"), "{human}");
}

#[test]
fn variants_stand_side_by_side() {
    let args = ["--nodes", "8", "--for", "2s", "--settle", "20s", "--compare"];
    let grid = ["spread=tree,direct-mail", "--compare", "repair.settle=200ms,300ms"];
    let report = cluster(&[&args[..], &grid].concat()).good().json();
    let names: Vec<String> = report["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variant| format!("{} {}", variant["spread"], variant["variant"]["repair.settle"]))
        .collect();
    assert_eq!(
        names,
        [
            "\"tree\" \"200ms\"",
            "\"tree\" \"300ms\"",
            "\"direct-mail\" \"200ms\"",
            "\"direct-mail\" \"300ms\""
        ]
    );
    let table = run(&[&["sim", "cluster"], &args[..], &["loss=0,5%"]].concat()).good().text();
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert!(rows[1].starts_with("loss=0\t") && rows[2].starts_with("loss=5%\t"), "{table}");
}

#[test]
fn direct_mail_alone_does_not_survive_a_writer() {
    let args = [
        "--nodes",
        "8",
        "--for",
        "5s",
        "--loss",
        "20%",
        "--spread",
        "direct-mail",
        "--repair",
        "off",
        "--settle",
        "10s",
        "--fault",
        "partition:3@1s..4s; crash:4@3s",
    ];
    let ended = cluster(&args);
    assert_eq!(ended.code, 1, "{}{}", ended.text(), ended.stderr);
    assert!(ended.stderr.contains("--seed 1"), "{}", ended.stderr);
    let report = ended.json();
    assert_eq!(report["converged"], false);
    assert!(report["digests"].as_u64().unwrap() > 1, "{report}");
    assert!(report["violations"][0]["property"].is_string(), "{report}");
}

#[test]
fn bad_input_is_refused_with_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| file_in(folder.path(), name, text);
    let zones = format!("zones:{}", file("zones.toml", "[[zone]]\nname = 'a'\ninside = '1'"));
    let config = file("agent.toml", "[spread]\nmethod = 'carrier-pigeon'");
    for (args, says) in [
        (&["--nodes", "0"][..], "0 nodes: there can be 1 to"),
        (&["--nodes", "1000000"], "of memory"),
        (&["--loss", "1.5"], "between 0 and 1"),
        (&["--fault", "crash:3@10"], "it has no unit"),
        (&["--fault", "crash:30@1s", "--nodes", "5"], "it needs 30 nodes, but 5 are up then"),
        (&["--fault", "crash:1@61s"], "behind the end"),
        (&["--fault", "boom:1@6s"], "there is no fault \"boom\""),
        (&["--latency", "fast"], "write 20s, 1.5ms or 500us"),
        (&["--latency", "zones:/none"], "cannot read it"),
        (&["--latency", &zones], "inside: \"1\" is no time"),
        (&["--config", &config], "carrier-pigeon"),
        (&["--set", "spread.tree.fanuot=3"], "did you mean \"spread.tree.fanout\"?"),
        (&["--spread", "gossip"], "--spread: spread.method"),
        (&["--repair", "push/"], "write off, push, pull"),
        (&["--repair", "often"], "write off, push, pull"),
        (&["--compare", "spread"], "write spread=tree,rumor"),
        (&["--value-size", "2M"], "limits.max_value"),
        (&["--bandwidth", "wide"], "write 1500, 64k"),
        (&["--plot", "/none/x.svg"], "there is no folder"),
    ] {
        let ended = run(&[&["sim", "cluster"], args].concat());
        assert_eq!(ended.code, 2, "{args:?}: {}{}", ended.text(), ended.stderr);
        assert!(ended.stderr.contains(says), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn an_agents_file_is_taken_and_what_has_no_meaning_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.toml");
    let text = "data = '/var/lib/x'\nredis_password_file = '/not/here'\nprotocol = 'wan'\n\
                [spread]\nmethod = 'rumor'\n[spread.rumor]\nperiod = '100ms'\n";
    std::fs::write(&path, text).unwrap();
    let args = ["--nodes", "6", "--for", "3s", "--config", path.to_str().unwrap()];
    let report = cluster(&args).good().json();
    assert_eq!(report["spread"], "rumor");
    assert_eq!(report["ignored_settings"], serde_json::json!(["data", "redis_password_file"]));
}

#[test]
fn plots_and_their_data_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (svg, csv) = (file("run.svg"), file("run.csv"));
    let args = ["--nodes", "6", "--for", "2s", "--fault", "crash:1@1s..1500ms"];
    cluster(&[&args[..], &["--plot", &svg, "--csv", &csv]].concat()).good();
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap();
    assert!(read(&svg).contains("How soon writes are delivered"));
    assert!(read(&csv).lines().count() > 100);
}

#[test]
fn a_plan_says_what_to_expect_and_warns_of_harm() {
    let small = ["--nodes", "12", "--simulate", "8", "--writes-per-second", "10"];
    let good = plan(&small);
    assert_eq!(good["warnings"], serde_json::json!([]), "{good}");
    assert_eq!((&good["simulated"], &good["scaled"]), (&8.into(), &true.into()));
    assert_eq!(good["scenarios"].as_array().unwrap().len(), 7);
    let expect = &good["expect"];
    for (table, key) in [
        ("delivery_ms", "p50"),
        ("delivery_ms_loss_5", "p99"),
        ("delivery_ms_tenth_crashed", "last"),
        ("bytes_per_node_per_second", "idle"),
        ("bytes_per_node_per_second", "loaded"),
    ] {
        assert!(expect[table][key].as_f64().unwrap() > 0.0, "{table}.{key}: {expect}");
    }
    assert!(expect["heal_ms"].is_number() && expect["detection_ms"].is_number(), "{expect}");

    let harm = ["--set", "spread.method=direct-mail", "--set", "repair.interval=0s"];
    let bad = plan(&[&small[..], &harm].concat());
    let about: Vec<&str> = bad["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| warning["about"].as_str().unwrap())
        .collect();
    assert!(about.contains(&"repair.interval") && about.contains(&"partition"), "{about:?}");
    let words = run(&[&["sim", "plan"], &small[..], &harm].concat()).good().text();
    assert!(words.contains("direct mail alone is not consistent"), "{words}");
}
