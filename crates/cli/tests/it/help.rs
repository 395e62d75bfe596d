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
        &["import", "entries.txt"],
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
