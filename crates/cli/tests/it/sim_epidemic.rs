//! `rumormill sim epidemic` and `rumormill sim sweep`: what they answer, draw and refuse.

use super::process::{Run, rumormill, run};
use serde_json::Value;
use std::path::Path;

fn epidemic(line: &str) -> Run {
    run(&["sim", "epidemic"].into_iter().chain(line.split_whitespace()).collect::<Vec<_>>())
}

fn sweep(line: &str) -> Run {
    run(&["sim", "sweep"].into_iter().chain(line.split_whitespace()).collect::<Vec<_>>())
}

fn number(value: &Value, path: &str) -> f64 {
    let found = value.pointer(path).and_then(Value::as_f64);
    found.unwrap_or_else(|| panic!("no number {path} in {value}"))
}

#[test]
fn json_has_every_figure() {
    let answer = epidemic("--nodes 200 --trials 20 --k 2 --seed 7 --format json").good().json();
    for (path, value) in [("/nodes", 200.0), ("/trials", 20.0), ("/seed", 7.0)] {
        assert_eq!(number(&answer, path), value);
    }
    for figure in ["residue", "traffic", "t_avg", "t_last"] {
        let mean = number(&answer, &format!("/{figure}/mean"));
        assert!(mean > 0.0 && number(&answer, &format!("/{figure}/sd")) > 0.0, "{figure}");
    }
    assert!((0.0..=1.0).contains(&number(&answer, "/complete")));
    for kind in ["updates", "requests", "refused"] {
        number(&answer, &format!("/messages/{kind}"));
    }
    let rounds = answer["rounds"].as_array().unwrap();
    assert!(rounds.len() > 5);
    let mut updates = 0.0;
    for (index, round) in rounds.iter().enumerate() {
        assert_eq!(number(round, "/round"), index as f64);
        let states = ["/susceptible", "/infective", "/removed"].map(|path| number(round, path));
        assert!((states.iter().sum::<f64>() - 200.0).abs() < 1e-6, "{round}");
        updates += number(round, "/updates");
    }
    assert_eq!(number(&rounds[0], "/susceptible"), 199.0);
    assert!((updates - number(&answer, "/messages/updates")).abs() < 1e-6);
    let residue = number(rounds.last().unwrap(), "/susceptible") / 200.0;
    assert!((residue - number(&answer, "/residue/mean")).abs() < 1e-9);
    assert_eq!(answer["theory"][0]["figure"], "residue");
    assert_eq!(answer["interrupted"], false);
}

#[test]
fn people_read_words_tables_and_theory() {
    for (line, parts) in [
        ("--k 2", &["1,000 nodes", "% of the nodes heard", "s = e^-m", "susceptible"][..]),
        ("--stop coin", &["s = e^(-(k+1)(1-s))"]),
        ("--method anti-entropy", &["log2 n + ln n", "Every node heard"]),
        ("--method anti-entropy --contact push-pull", &["log3 n"]),
        ("--method tree --fanout 4", &["n - 1", "at most log4 n"]),
        ("--method ring", &["2n - 2"]),
        ("--method direct-mail --loss 0.1", &["direct mail", "(loss)"]),
        ("--method combined", &["then anti-entropy"]),
        ("--contact push-pull --median-counter", &["median counter", "ln ln n"]),
        ("--topology ring --width 4 --method anti-entropy", &["4 contacts per node"]),
        ("--topology grid --spatial 2 --method anti-entropy", &["partners by distance"]),
        ("--connection-limit 1 --hunt 1 --never-repeat --no-return", &["hunting 1", "never back"]),
    ] {
        let text = epidemic(&format!("{line} --trials 4")).good().text();
        for part in parts {
            assert!(text.contains(part), "{line}: no {part} in {text}");
        }
    }
}

#[test]
fn one_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut seen: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for threads in [1, 2] {
        let csv = file(&format!("rounds{threads}.csv"));
        let line = format!(
            "--nodes 500 --trials 70 --contact push-pull --topology random --seed 3 --format json \
             --threads {threads} --csv {csv}"
        );
        let one = epidemic(&line).good().stdout;
        let points = file(&format!("points{threads}.csv"));
        let line = format!(
            "--nodes 300 --trials 70 --vary k=1..3 --vary contact=push,pull --format json \
             --threads {threads} --csv {points}"
        );
        let many = sweep(&line).good().stdout;
        let text = [std::fs::read(csv).unwrap(), std::fs::read(points).unwrap()].concat();
        seen.push(([one, many].concat(), text));
    }
    assert!(seen[0] == seen[1]);
    let other = epidemic("--nodes 500 --trials 70 --seed 4 --format json").good();
    let again = epidemic("--nodes 500 --trials 70 --seed 5 --format json").good();
    assert!(other.stdout != again.stdout);
}

#[test]
fn bad_input_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let links = folder.path().join("links.txt");
    std::fs::write(&links, "nodes 3\n0 1\n1 9\n").unwrap();
    let links = format!("--topology {}", links.display());
    for (line, reason) in [
        ("--nodes 0", "no nodes"),
        ("--nodes many", "many"),
        ("--nodes 1e12", "at most"),
        ("--nodes 4e9 --threads 1024", "memory"),
        ("--trials 0", "0 trials"),
        ("--loss 1.5", "between 0 and 1"),
        ("--loss=-0.1", "between 0 and 1"),
        ("--crash NaN", "between 0 and 1"),
        ("--fanout 1000", "beyond the 999 contacts"),
        ("--fanout 0", "fan-out is 0"),
        ("--k 0", "k is 0"),
        ("--start 2000", "at most 1000"),
        ("--crash 1", "all 1000 nodes are down"),
        ("--connection-limit 0", "refuses everyone"),
        ("--feedback --blind", "cannot be used with"),
        ("--topology nowhere.txt", "nowhere.txt"),
        ("--topology rign", "small-world"),
        (links.as_str(), "9"),
        ("--topology ring --width 3", "even"),
        ("--topology random --width 1000", "999"),
        ("--method tree --k 2", "--k has no effect with --method tree"),
        ("--method anti-entropy --stop coin", "--stop has no effect"),
        ("--method tree --contact pull", "--contact has no effect"),
        ("--retries 1", "--retries has no effect"),
        ("--hunt 1", "without --connection-limit"),
        ("--minimization", "push-pull"),
        ("--median-counter", "push-pull"),
        ("--method tree --topology ring", "complete"),
        ("--spatial 2", "equally far"),
        ("--plot x.png", "svg"),
        ("--plot /nowhere/x.svg", "no folder"),
        ("--csv /", "folder"),
        ("--threads 5000", "at most 1024"),
    ] {
        let run = epidemic(line);
        assert_eq!(run.code, 2, "{line}: {}{}", run.text(), run.stderr);
        assert!(run.stderr.contains(reason), "{line}: {}", run.stderr);
        assert!(run.stdout.is_empty(), "{line}");
    }
    for (line, reason) in [
        ("", "--vary"),
        ("--vary k", "k=1..5"),
        ("--vary k=5..1", "leads nowhere"),
        ("--vary colour=red", "contact"),
        ("--vary k=1,x", "k=x"),
        ("--vary k=1..2 --k 3", "leave --k out"),
        ("--vary k=1..2 --vary k=3", "twice"),
        ("--vary k=1..100 --vary start=1..100", "10,000 points"),
        ("--vary loss=0,2", "between 0 and 1"),
        ("--vary fanout=1,1000", "at fanout=1000: a fan-out of 1000"),
        ("--vary fanout=1..3 --method ring", "--fanout has no effect"),
        ("--vary k=1..2 --x speed --plot x.svg", "--x speed"),
        ("--vary k=1..2 --y speed --plot x.svg", "--y speed"),
        ("--vary k=1..2 --x k", "--plot"),
        ("--vary contact=push,pull --x contact --plot x.svg", "no numbers"),
        ("--vary k=1..2 --vary seed=1..60 --plot x.svg", "no option seed"),
        ("--vary k=1..2 --vary start=1..60 --plot x.svg", "60 lines"),
    ] {
        let run = sweep(line);
        assert_eq!(run.code, 2, "{line}: {}{}", run.text(), run.stderr);
        assert!(run.stderr.contains(reason), "{line}: {}", run.stderr);
    }
    let json = epidemic("--nodes 0 --format json");
    let error: Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!(error["code"], 2);
}

#[test]
fn a_sweep_is_table_1() {
    // Demers et al. 1987, Table 1: k, residue, traffic, t_last, each with half of its last digit.
    const TABLE: [[(f64, f64); 3]; 5] = [
        [(0.18, 0.005), (1.7, 0.05), (16.8, 0.05)],
        [(0.037, 0.0005), (3.3, 0.05), (16.9, 0.05)],
        [(0.011, 0.0005), (4.5, 0.05), (17.4, 0.05)],
        [(0.0036, 0.00005), (5.6, 0.05), (17.5, 0.05)],
        [(0.0012, 0.00005), (6.7, 0.05), (17.7, 0.05)],
    ];
    let answer = sweep("--vary k=1..5 --trials 1000 --format json").good().json();
    let points = answer["points"].as_array().unwrap();
    assert_eq!(points.len(), 5);
    for (index, (point, row)) in points.iter().zip(TABLE).enumerate() {
        assert_eq!(point["vary"]["k"], index + 1);
        assert_eq!(point["trials"], 1000);
        for (name, (paper, half_digit)) in ["residue", "traffic", "t_last"].iter().zip(row) {
            let mean = number(point, &format!("/{name}/mean"));
            let error = number(point, &format!("/{name}/sd")) / 1000f64.sqrt();
            let off = (mean - paper).abs();
            assert!(off <= half_digit + 5.0 * error, "k = {}: {name} {mean}: {paper}", index + 1);
        }
        // And s = e^-m, to a few parts in a hundred.
        let residue = number(point, "/residue/mean");
        let theory = number(point, "/theory/0/value");
        assert!((residue / theory - 1.0).abs() < 0.12, "{residue} {theory}");
    }
}

#[test]
fn a_point_of_a_sweep_is_the_epidemic_alone() {
    let line = "--nodes 200 --trials 10 --seed 9 --format json";
    let answer = sweep(&format!("{line} --vary contact=pull,push --vary k=1,2")).good().json();
    let point = &answer["points"][1];
    assert_eq!(point["vary"], serde_json::json!({ "contact": "pull", "k": 2 }));
    let alone = epidemic(&format!("{line} --contact pull --k 2")).good().json();
    for key in ["residue", "traffic", "t_avg", "t_last", "messages", "rounds", "complete"] {
        assert_eq!(point[key], alone[key], "{key}");
    }
    // Flags, and settings that do something at some of the points only.
    let answer = sweep(&format!("{line} --vary feedback=true,false --k 2")).good().json();
    assert_eq!(answer["points"][1]["vary"]["feedback"], false);
    assert_ne!(answer["points"][0]["residue"], answer["points"][1]["residue"]);
    let answer = sweep(&format!("{line} --vary method=rumor,tree,ring --k 2")).good().json();
    assert_eq!(number(&answer, "/points/1/residue/mean"), 0.0);
}

#[test]
fn csv_has_a_row_for_each_round_and_point() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    let line = format!("--trials 3 --csv {} --format json", path.display());
    let rounds = epidemic(&line).good().json()["rounds"].as_array().unwrap().len();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("round,susceptible,infective,removed,updates"), "{text}");
    assert_eq!(text.lines().count(), rounds + 1);
    sweep(&format!("--vary nodes=100,200 --vary k=1..3 {line}")).good();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("nodes,k,live,trials,unfinished,residue,residue_sd"), "{text}");
    assert_eq!(text.lines().count(), 7);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Every tag that is opened is closed, in order; answers the text between tags.
fn well_formed(path: &Path) -> String {
    let svg = std::fs::read_to_string(path).unwrap();
    let (mut open, mut text) = (Vec::new(), String::new());
    for part in svg.split('<').skip(1) {
        let (tag, after) = part.split_once('>').unwrap();
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{svg}"),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split_whitespace().next().unwrap()),
        }
        text.push_str(after);
    }
    assert!(open.is_empty() && svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
    assert!(!svg.contains("NaN") && !svg.contains("inf\""), "{svg}");
    text
}

#[test]
fn plots_are_svg_with_titles_labels_and_legends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plot.svg");
    let plot = format!("--trials 5 --plot {}", path.display());
    let drawn = |parts: &[&str]| {
        let text = well_formed(&path);
        for part in parts {
            assert!(text.contains(part), "no {part} in {text}");
        }
    };
    epidemic(&plot).good();
    drawn(&["1,000 nodes", "time (rounds)", "susceptible", "infective", "removed", "sim epidemic"]);
    epidemic(&format!("{plot} --nodes 1")).good();
    drawn(&["1 node, "]);
    sweep(&format!("{plot} --vary k=1..3 --vary contact=push,pull")).good();
    drawn(&["Residue against k", "Residue against traffic", "theory: s = e^-m", "contact=pull"]);
    sweep(&format!("{plot} --vary nodes=1e2,1e3,1e4 --method anti-entropy")).good();
    drawn(&["t_last and t_avg against nodes", "nodes n", "theory: log2 n + ln n"]);
    sweep(&format!("{plot} --vary loss=0..0.2/0.1 --method tree")).good();
    drawn(&["Residue against loss", "Traffic against loss"]);
    sweep(&format!("{plot} --vary contact=push,pull --method anti-entropy")).good();
    drawn(&["contact=push", "traffic m (updates per node)", "t_last against traffic"]);
    sweep(&format!("{plot} --vary k=1..3 --connection-limit 1 --x traffic --y residue")).good();
    drawn(&["theory: s = e^(-m/(1-1/e))"]);
    sweep(&format!("{plot} --vary fanout=1..3 --x fanout --y updates,complete")).good();
    drawn(&["Updates against fanout", "Share of complete trials against fanout"]);
}

#[test]
fn the_examples_of_the_help_work() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["epidemic", "sweep"] {
        let help = run(&["sim", name, "--help"]).good().text();
        let (_, examples) = help.split_once("Examples:").unwrap();
        let examples = examples.replace("\\\n", " ");
        let mut count = 0;
        for line in examples.lines().filter_map(|line| line.trim().strip_prefix("rumormill ")) {
            // Remarks stand apart; large runs would take long.
            let line = line.split("   ").filter(|part| !part.trim().is_empty());
            let line: Vec<&str> =
                line.filter(|part| part.contains("--") || part.contains("sim ")).collect();
            let line = line.join(" ").replace("1e6", "3e4").replace("1e5", "2e4");
            let line = line.replace("--trials 1000", "").replace("--trials 50", "");
            let line = line.replace("--trials 10", "");
            let words: Vec<&str> = line.split_whitespace().chain(["--trials", "2"]).collect();
            let output = rumormill(&words).current_dir(folder.path()).output().unwrap();
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
            count += 1;
        }
        assert!(count >= 6, "{name}: {examples}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_shows_what_is_done() {
    use std::process::Stdio;
    let lines = [
        "sim epidemic --trials 10000000 --format json",
        "sim sweep --vary k=1..5 --trials 10000000 --format json",
    ];
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = rumormill(&words);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The signal is caught from when the mask of caught signals says so.
        let status = format!("/proc/{}/status", child.id());
        let catches = || {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let mask = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
            mask.filter(|mask| mask & 2 != 0)
        };
        super::process::until("the signal is caught", catches);
        let id = child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let run = Run::from(child.wait_with_output().unwrap());
        assert_eq!(run.code, 130, "{}", run.stderr);
        let answer = run.json();
        assert_eq!(answer["interrupted"], true);
        assert!(run.stderr.contains("what is done so far follows"), "{}", run.stderr);
    }
}
