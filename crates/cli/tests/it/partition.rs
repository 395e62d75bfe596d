//! Partitions of a real network, made of network namespaces, and what comes after them.

use super::fleet::{QUICK, agree, all_alive};
use super::process::{Agent, run, until};
use super::wire::{browser, delete, order, put};
use super::world::{Network, folder, run_child};
use std::collections::BTreeMap;

const HOSTS: usize = 4;

#[test]
fn a_partition_heals() {
    run_child("partition::a_partition_heals_child", &Network::NAMESPACES, Network::SETUP);
}

#[test]
fn a_partition_heals_child() {
    let Some(folder) = folder() else { return };
    let network = Network::new(HOSTS);
    refuses_strangers();
    let start = |host: usize| {
        let join: &[usize] = if host == 0 { &[] } else { &[0] };
        Network::start(host, join, &folder, &QUICK)
    };
    let mut agents: Vec<Agent> = (0..HOSTS).map(start).collect();
    all_alive(&agents);
    halves_diverge_and_agree(&network, &agents);
    eprintln!("two halves diverged and agree again");
    an_isolated_host_comes_back(&network, &agents);
    eprintln!("an isolated host came back by itself");
    a_deaf_host_comes_back(&network, &agents);
    eprintln!("a host that heard nobody came back by itself");
    a_host_that_starts_isolated_gets_in(&network, &mut agents, &folder);
    eprintln!("a host that was started in isolation got in");
    for agent in &agents {
        assert!(!agent.said().contains("panicked"), "{}", agent.said());
    }
}

/// Without a key and without `--insecure` an address that is not loopback is refused.
fn refuses_strangers() {
    let gossip = Network::gossip(0);
    let args = ["agent", "--gossip", &gossip, "--redis", "off", "--http", "off"];
    let output = Network::wrapped(0, &args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let start = format!("error: refusing to open the gossip port on {gossip}");
    assert!(said.starts_with(&start) && said.contains("--insecure"), "{said}");
}

/// What the writes of both sides leave in the end: of each key the write with the biggest stamp.
#[derive(Default)]
struct Winners(BTreeMap<String, Write>);

/// A stamp, and the value or the deletion.
type Write = ((u64, u64, u64), Option<String>);

impl Winners {
    fn put(&mut self, agent: &Agent, key: &str, value: &str) {
        let (status, entry) = put(&browser(), &agent.http, key, value.as_bytes()).unwrap();
        assert_eq!(status, 200, "{entry}");
        self.note(key, entry["stamp"].as_str().unwrap(), Some(value));
    }

    fn delete(&mut self, agent: &Agent, key: &str) {
        let (status, entry) = delete(&browser(), &agent.http, key).unwrap();
        assert_eq!(status, 200, "{entry}");
        self.note(key, entry["stamp"].as_str().unwrap(), None);
    }

    fn note(&mut self, key: &str, stamp: &str, value: Option<&str>) {
        let write = (order(stamp), value.map(str::to_owned));
        let held = self.0.entry(key.to_owned()).or_insert_with(|| write.clone());
        if held.0 < write.0 {
            *held = write;
        }
    }

    #[track_caller]
    fn check(&self, agents: &[Agent]) {
        agree(agents);
        let alive = self.0.iter().filter_map(|(key, (_, value))| Some((key, value.as_ref()?)));
        let wanted: BTreeMap<_, _> = alive.collect();
        let held = agents[0].holds();
        let held: BTreeMap<_, _> = held.iter().map(|(key, (value, _))| (key, value)).collect();
        assert_eq!(held, wanted);
    }
}

fn halves_diverge_and_agree(network: &Network, agents: &[Agent]) {
    let mut winners = Winners::default();
    for key in ["both/deleted", "left/deleted", "right/deleted", "deleted/written"] {
        winners.put(&agents[0], key, "before");
    }
    winners.check(agents);
    network.cut(true);
    let state = |left: usize| (agents[left].members("alive"), agents[left].members("dead"));
    until("either half holds the other dead", || {
        (0..HOSTS).all(|host| state(host) == (2, 2)).then_some(())
    });
    for (host, agent) in agents.iter().enumerate() {
        for n in 0..50 {
            winners.put(agent, &format!("own/{host}/{n}"), &format!("{host}"));
            winners.put(agent, &format!("same/{n}"), &format!("{host}"));
        }
    }
    winners.delete(&agents[0], "left/deleted");
    winners.delete(&agents[1], "right/deleted");
    winners.delete(&agents[0], "both/deleted");
    winners.delete(&agents[1], "both/deleted");
    winners.delete(&agents[2], "deleted/written");
    winners.put(&agents[3], "deleted/written", "after the delete on the other side");
    winners.put(&agents[3], "own/3/0", "again");
    winners.delete(&agents[0], "own/0/1");
    winners.delete(&agents[3], "same/7");
    let apart: Vec<_> = agents.iter().map(|agent| agent.status()["digest"].clone()).collect();
    assert_ne!(apart[0], apart[1], "the network is really cut");
    network.cut(false);
    all_alive(agents);
    winners.check(agents);
}

fn an_isolated_host_comes_back(network: &Network, agents: &[Agent]) {
    network.isolate(2, true);
    until("it holds everyone dead, and everyone it", || {
        let alone = agents[2].members("dead") == 3 && agents[2].members("alive") == 1;
        let gone = [0, 1, 3].iter().all(|host| agents[*host].members("dead") == 1);
        (alone && gone).then_some(())
    });
    agents[2].run(&["set", "lonely", "1"]).good();
    agents[0].run(&["set", "crowd", "1"]).good();
    network.isolate(2, false);
    all_alive(agents);
    agree(agents);
    assert_eq!(agents[1].run(&["get", "lonely"]).good().text(), "1");
    assert_eq!(agents[2].run(&["get", "crowd"]).good().text(), "1");
}

fn a_deaf_host_comes_back(network: &Network, agents: &[Agent]) {
    network.deafen(3, true);
    until("the others hold it no longer alive", || {
        (0..3).all(|host| agents[host].members("alive") < 4).then_some(())
    });
    agents[3].run(&["set", "by the deaf", "1"]).good();
    agents[0].run(&["set", "to the deaf", "1"]).good();
    network.deafen(3, false);
    all_alive(agents);
    agree(agents);
    assert_eq!(agents[0].run(&["get", "by the deaf"]).good().text(), "1");
    assert_eq!(agents[3].run(&["get", "to the deaf"]).good().text(), "1");
}

/// Its seed is out of reach when it starts; it takes no help to get in later.
fn a_host_that_starts_isolated_gets_in(
    network: &Network,
    agents: &mut Vec<Agent>,
    folder: &std::path::Path,
) {
    agents.pop().unwrap().kill();
    std::fs::remove_dir_all(folder.join("h3")).unwrap();
    network.isolate(3, true);
    let late = Network::start(3, &[0, 1], folder, &QUICK);
    assert_eq!(late.number("/entries"), 0);
    let url = late.http.clone();
    run(&["set", "early", "1", "--http", &url]).good();
    network.isolate(3, false);
    agents.push(late);
    all_alive(agents);
    agree(agents);
}
