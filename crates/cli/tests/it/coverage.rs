//! Waiting for other members as users do it, while one of them stands still.

use super::fleet::all_alive;
use super::process::{Agent, run};
use super::wire::{Redis, Reply};
use std::process::Command;

fn signal(agent: &Agent, name: &str) {
    let done = Command::new("kill").args([name, &agent.pid().to_string()]).status().unwrap();
    assert!(done.success(), "{name}");
}

fn say(redis: &mut Redis, words: &[&str]) -> Reply {
    redis.send(&[words.iter().map(|word| word.as_bytes()).collect()]).unwrap();
    redis.reply().unwrap()
}

#[test]
fn who_stands_still_is_waited_for_and_named() {
    let mut agents: Vec<Agent> = Vec::new();
    for name in ["n0", "n1", "n2"] {
        let seed = agents.first().map(|first| first.gossip().to_owned());
        // Nobody is held dead as long as this takes.
        let mut args = vec!["--name", name, "--set", "member.suspicion_mult=100"];
        args.extend(seed.iter().flat_map(|seed| ["--join", seed.as_str()]));
        agents.push(Agent::start(&args));
    }
    all_alive(&agents);
    let mut redis = Redis::to(&agents[0]);
    assert_eq!(say(&mut redis, &["SET", "k", "1"]), Reply::Simple("OK".into()));
    assert_eq!(say(&mut redis, &["WAIT", "2", "60000"]), Reply::Int(2));
    let held = agents[0].run(&["--format", "json", "set", "k", "2", "--wait", "all"]).good().json();
    assert_eq!((held["held"].as_u64(), held["of"].as_u64()), (Some(3), Some(3)), "{held}");

    signal(&agents[2], "-STOP");
    say(&mut redis, &["SET", "k", "3"]);
    assert_eq!(say(&mut redis, &["WAIT", "2", "100"]), Reply::Int(1));
    let late = agents[0].run(&["set", "k", "4", "--wait", "1.0", "--wait-timeout", "100ms"]);
    assert_eq!(late.code, 5, "{}", late.stderr);
    assert!(
        late.stderr.contains("the write stands") && late.stderr.contains("2 of 3"),
        "{}",
        late.stderr
    );
    assert_eq!(agents[0].run(&["get", "k"]).good().text(), "4");
    agents[0].run(&["set", "k", "5", "--wait", "2"]).good();
    let story = agents[0].run(&["--format", "json", "explain", "key", "k"]).good().json();
    assert_eq!((story["held"].as_u64(), story["of"].as_u64()), (Some(2), Some(3)), "{story}");
    assert_eq!(story["members_without"], serde_json::json!(["n2"]));
    let text = agents[0].run(&["explain", "key", "k", "--timeout", "50ms"]).good().text();
    assert!(text.contains("2 of 3 members") && text.contains("silent: n2"), "{text}");

    signal(&agents[2], "-CONT");
    // All writes of the connection count, also those before the wait that was given up.
    assert_eq!(say(&mut redis, &["WAIT", "2", "0"]), Reply::Int(2));
    let text = agents[2].run(&["explain", "key", "k", "--timeout", "30s"]).good().text();
    assert!(text.contains("members are known to hold it"), "{text}");
    let none = agents[1].run(&["explain", "key", "nothing"]);
    assert_eq!(none.code, 4, "{}", none.stderr);
    agents[0].run(&["del", "k", "--wait", "all", "--wait-timeout", "60s"]).good();
    assert_eq!(run(&["set", "k", "v", "--wait", "most"]).code, 2);
}
