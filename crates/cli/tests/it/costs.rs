//! What a cluster of processes costs on the wire, counted. Times are what
//! `rumormill bench spread` measures.

use super::fleet::agree;
use super::process::Agent;
use std::fmt::Write as _;

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
fn an_import_costs_little_more_than_its_entries() {
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
    let imported = agents[0].run(&["import", file_name, "--format", "json"]).good().json();
    assert_eq!(imported["written"], KEYS as u64);
    agree(&agents);
    let after = received();
    for (index, agent) in agents.iter().enumerate() {
        assert_eq!(agent.number("/entries"), KEYS as u64);
        let ratio = (after[index] - before[index]) as f64 / (KEYS * 64) as f64;
        assert!(index == 0 || ratio <= 1.6, "node {index} received {ratio} times the entries");
    }
}
