//! Help, completions, usage errors.

use super::process::run;

const COMMANDS: [&str; 16] = [
    "agent",
    "demo",
    "status",
    "members",
    "get",
    "set",
    "del",
    "scan",
    "watch",
    "import",
    "export",
    "leave",
    "strays",
    "keygen",
    "keyring",
    "completions",
];

#[test]
fn every_command_has_help_with_examples() {
    let all = run(&["--help"]).good().text();
    assert!(all.contains("Exit codes: 0 done"), "{all}");
    for command in COMMANDS {
        assert!(all.contains(&format!("\n  {command} ")), "{command} in {all}");
        let help = run(&[command, "--help"]).good().text();
        assert!(help.contains("Examples:"), "{command}: {help}");
        assert!(help.contains("--format"), "{command}: {help}");
    }
}

#[test]
fn wrong_arguments_end_with_2() {
    for args in [
        &["nonsense"][..],
        &["get"],
        &["set", "key"],
        &["set", "key", "value", "--ttl", "soon"],
        &["set", "key", "value", "--file", "x"],
        &["set", "key", "--tll"],
        &["demo", "--nodes", "0"],
        &["status", "--format", "xml"],
        &["import", "Cargo.toml"],
        &["status", "--http", "https://a"],
        &["status", "--http", "off"],
        &["agent", "--set", "nonsense"],
        &["agent", "--set", "a.b=c"],
        &["agent", "--gossip", "here"],
        &["agent", "--log", "a=b=c"],
    ] {
        let run = run(args);
        assert_eq!(run.code, 2, "{args:?}: {}{}", run.text(), run.stderr);
        assert!(run.stderr.starts_with("error: "), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn errors_of_arguments_help_and_version_are_json_where_that_is_wanted() {
    for args in [
        &["nonsense"][..],
        &["get"],
        &["set", "key", "value", "--ttl", "soon"],
        &["set", "key", "value", "--ttl", "-5"],
        &["status", "--nonsense"],
        &["sim", "cluster", "--nodes", "many"],
    ] {
        for format in [&["--format", "json"][..], &["--format=json"]] {
            let run = run(&[format, args].concat());
            assert_eq!((run.code, run.text().as_str()), (2, ""), "{args:?}");
            let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
            assert_eq!(error["code"], 2, "{args:?}");
            let message = error["error"].as_str().unwrap();
            assert!(!message.is_empty() && !message.contains(['\n', '\u{1b}']), "{message}");
        }
    }
    let version = run(&["--version", "--format", "json"]).good().json();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    let help = run(&["set", "--help", "--format", "json"]).good().json();
    assert!(help["help"].as_str().unwrap().contains("Examples:"));
}

#[test]
fn negative_values_are_refused_with_the_reason() {
    for (args, expected) in [
        (&["set", "a", "b", "--ttl", "-5"][..], "a time cannot be negative"),
        (&["set", "a", "b", "--ttl", "-5s"], "a time cannot be negative"),
        (&["set", "a", "b", "--wait", "-1"], "invalid value '-1' for '--wait"),
        (&["scan", "--limit", "-1"], "invalid value '-1' for '--limit <N>': it cannot be negative"),
        (&["watch", "--count", "-1"], "it cannot be negative"),
        (&["explain", "repair", "--limit", "-1"], "invalid value '-1'"),
        (&["leave", "--timeout", "-1s"], "a time cannot be negative"),
        (&["demo", "--nodes", "-1"], "-1 is not in 1..=64"),
        (&["demo", "--for", "-1s"], "it cannot be negative"),
        (&["sim", "cluster", "--for", "-1s"], "it cannot be negative"),
        (&["sim", "cluster", "--nodes", "-1"], "invalid value '-1' for '--nodes"),
        (&["sim", "epidemic", "--loss", "-0.1"], "invalid value '-0.1' for '--loss"),
        (&["agent", "--set", "repair.interval=-5s"], "repair.interval: "),
    ] {
        let run = run(args);
        assert_eq!(run.code, 2, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{args:?}: {}", run.stderr);
        assert!(!run.stderr.contains("unexpected argument"), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn help_shows_no_escapes() {
    for command in COMMANDS {
        let help = run(&[command, "--help"]).good().text();
        assert!(!help.contains("\\\"-\\\""), "{command}: {help}");
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]).good().text();
        assert!(COMMANDS.iter().all(|command| script.contains(command)), "{shell}");
    }
}

#[test]
fn output_that_nobody_reads_is_no_failure() {
    use std::process::Stdio;
    let mut command = super::process::rumormill(&["completions", "zsh"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
}
