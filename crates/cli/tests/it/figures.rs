//! What a cluster costs on the wire, and how fast it is; printed, and bounded where the protocol
//! promises a bound.

use super::fleet::agree;
use super::process::{Agent, until};
use super::wire::{PATIENCE, browser, get, put};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

fn fleet(count: usize) -> Vec<Agent> {
    let mut agents: Vec<Agent> = Vec::new();
    for number in 0..count {
        let name = format!("n{number}");
        let seed = agents.first().map_or(String::new(), |first| first.gossip().to_owned());
        let join: &[&str] = if number == 0 { &[] } else { &["--join", &seed] };
        let agent = Agent::start(&[&["--name", &name], join].concat());
        agents.push(agent);
    }
    super::fleet::all_alive(&agents);
    agents
}

#[test]
fn an_import_costs_little_more_than_its_entries_and_a_write_is_heard_at_once() {
    const KEYS: usize = 100_000;
    let agents = fleet(5);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.csv");
    // 64 bytes of key and value each, in no order.
    let mut csv = String::from("key,value\n");
    let mut rng = super::wire::Rng(64);
    for n in 0..KEYS {
        let (a, b, c) = (rng.next(), rng.next(), rng.next());
        writeln!(csv, "key:{n:012},{a:016x}{b:016x}{c:016x}").unwrap();
    }
    let file_name = file.to_str().unwrap();
    std::fs::write(&file, csv).unwrap();
    let received = || -> Vec<u64> {
        agents.iter().map(|agent| agent.number("/traffic/received_bytes")).collect()
    };
    let before = received();
    let began = Instant::now();
    let imported = agents[0].run(&["import", file_name, "--format", "json"]).good().json();
    assert_eq!(imported["written"], KEYS as u64);
    let written = began.elapsed();
    agree(&agents);
    let everywhere = began.elapsed();
    let after = received();
    for (index, agent) in agents.iter().enumerate() {
        assert_eq!(agent.number("/entries"), KEYS as u64);
        let ratio = (after[index] - before[index]) as f64 / (KEYS * 64) as f64;
        println!(
            "{KEYS} keys of 64 B, node {index}: {ratio:.3} bytes received per byte of entries"
        );
        assert!(index == 0 || ratio <= 1.6, "node {index} received {ratio} times the entries");
    }
    println!("written in {written:.2?}, everywhere in {everywhere:.2?}");
    println!("from a write to readable at all others: median {:.2?}", median_time_to_all(&agents));
}

/// From the moment that a write at one is sent to the moment that all others have shown it.
fn median_time_to_all(agents: &[Agent]) -> Duration {
    let browser = browser();
    let mut times: Vec<Duration> = (0..40)
        .map(|n| {
            let (key, writer) = (format!("heard/{n}"), n % agents.len());
            let began = Instant::now();
            put(&browser, &agents[writer].http, &key, b"x").unwrap();
            for agent in agents {
                // No rest between two looks: it would be all that is measured.
                while get(&browser, &agent.http, &key).0 != 200 {
                    assert!(began.elapsed() < PATIENCE, "{key} is not heard");
                }
            }
            began.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

/// Bytes sent and received per node and second over a while in which nothing happens.
fn idle_rate(agents: &[Agent], window: Duration) -> f64 {
    let bytes = || -> u64 {
        let one = |agent: &Agent| {
            agent.number("/traffic/sent_bytes") + agent.number("/traffic/received_bytes")
        };
        agents.iter().map(one).sum()
    };
    let (before, began) = (bytes(), Instant::now());
    std::thread::sleep(window);
    let (after, seconds) = (bytes(), began.elapsed().as_secs_f64());
    (after - before) as f64 / agents.len() as f64 / seconds
}

#[test]
fn an_idle_node_costs_the_same_in_a_larger_cluster() {
    let (small, large) = (fleet(5), fleet(16));
    // Anti-entropy has doubled its interval to the longest by then, or has found something.
    let calm = |agents: &[Agent]| {
        until("all agree and rest", || {
            let sessions = |agent: &Agent| agent.number("/counters/repair_equal") >= 6;
            agents.iter().all(sessions).then_some(())
        });
        agree(agents);
    };
    calm(&small);
    calm(&large);
    let window = Duration::from_secs(6);
    let (few, many) = std::thread::scope(|scope| {
        let few = scope.spawn(|| idle_rate(&small, window));
        let many = scope.spawn(|| idle_rate(&large, window));
        (few.join().unwrap(), many.join().unwrap())
    });
    println!("idle, bytes per node and second: {few:.0} among 5, {many:.0} among 16");
    assert!(many <= 1.5 * few, "{many} bytes/s among 16, {few} among 5");
}
