//! Networks as they are: ways between agents that carry less than others, or one kind of traffic only.

use super::fleet::{agree, all_alive};
use super::process::{Agent, run, until};
use super::wire::{Redis, Reply};
use super::world::{Network, folder, run_child};
use std::path::Path;

/// Three agents on hosts of their own, that see each other.
fn three() -> (Network, Vec<Agent>) {
    let network = Network::new(3);
    let agents = start(&folder().unwrap(), |_| vec![]);
    all_alive(&agents);
    (network, agents)
}

/// An agent on each of three hosts, with flags of its own.
fn start<'a>(folder: &Path, more: impl Fn(usize) -> Vec<&'a str>) -> Vec<Agent> {
    let join = |host: usize| if host == 0 { vec![] } else { vec![0] };
    (0..3).map(|host| Network::start(host, &join(host), folder, &more(host))).collect()
}

#[test]
fn what_is_larger_than_a_path_takes_the_stream() {
    let child = "paths::what_is_larger_than_a_path_takes_the_stream_child";
    run_child(child, &Network::NAMESPACES, Network::SETUP);
}

#[test]
fn what_is_larger_than_a_path_takes_the_stream_child() {
    if folder().is_none() {
        return;
    }
    let (network, agents) = three();
    network.narrow(2, 1280);
    // One agent after another, so that each entry goes alone.
    for size in [1200, 1250, 1300, 1350, 1400, 4000] {
        for (number, agent) in agents.iter().enumerate() {
            let key = format!("{size}/{number}");
            agent.run(&["set", &key, &"v".repeat(size)]).good();
            until("it is there on all of them", || {
                let holds = |agent: &Agent| agent.run(&["get", &key]).code == 0;
                agents.iter().all(holds).then_some(())
            });
        }
    }
    for agent in &agents {
        let mut redis = Redis::to(agent);
        for round in 0..20 {
            let keys: Vec<String> = (0..50).map(|key| format!("batch/{round}/{key}")).collect();
            let commands: Vec<_> =
                keys.iter().map(|key| vec![&b"SET"[..], key.as_bytes(), &[b'v'; 60]]).collect();
            redis.send(&commands).unwrap();
            keys.iter().for_each(|_| {
                assert_eq!(redis.reply().unwrap(), Reply::Simple("OK".into()));
            });
        }
    }
    agree(&agents);
    let narrow = |agent: &Agent| {
        let paths = agent.status()["narrow_paths"].as_array().unwrap().clone();
        let told = paths.iter().map(|path| {
            // 28 bytes of headers; the largest of the sizes that are tried.
            assert!((1220..=1252).contains(&path["datagram"].as_u64().unwrap()), "{path}");
            path["member"].as_str().unwrap().to_owned()
        });
        told.collect::<Vec<_>>()
    };
    until("they say which paths are narrow", || {
        let told: Vec<_> = agents.iter().map(narrow).collect();
        (told == [vec!["h2"], vec!["h2"], vec!["h0", "h1"]]).then_some(())
    });
    let said = agents[0].run(&["status"]).good().text();
    assert!(said.contains("narrow paths") && said.contains("h2 1,2"), "{said}");
}

#[test]
fn what_a_firewall_drops_goes_the_other_way() {
    let child = "paths::what_a_firewall_drops_goes_the_other_way_child";
    run_child(child, &Network::NAMESPACES, &Network::setup_with_firewall());
}

#[test]
fn what_a_firewall_drops_goes_the_other_way_child() {
    if folder().is_none() {
        return;
    }
    let (network, agents) = three();
    let large = "v".repeat(600_000);
    let mut number = 0;
    let mut write = |agent: &Agent, value: &str| {
        number += 1;
        let key = format!("key-{number}");
        agent.run_with(&["set", &key, "-"], value.as_bytes()).good();
        until("it is there on all of them", || {
            let holds = |agent: &Agent| agent.run(&["get", &key]).text() == value;
            agents.iter().all(holds).then_some(())
        });
    };
    for (protocol, hooks, ways) in [
        ("udp", &["input", "output"][..], [("udp", "to"), ("udp", "to")]),
        ("udp", &["input"], [("udp", "from"), ("udp", "to")]),
        ("udp", &["output"], [("udp", "to"), ("udp", "from")]),
        ("tcp", &["input", "output"], [("tcp", "both"), ("tcp", "both")]),
        ("tcp", &["input"], [("tcp", "both"), ("tcp", "both")]),
    ] {
        network.block(2, protocol, hooks);
        write(&agents[2], "small");
        write(&agents[0], "small too");
        write(&agents[0], &large);
        write(&agents[2], &large);
        assert!(agents.iter().all(|agent| agent.members("alive") == 3), "nobody is held dead");
        let says = |agent: &Agent, member: &str, (way, direction): (&str, &str)| {
            let status = agent.status();
            let closed = status["closed_ways"].as_array().unwrap().iter();
            closed.into_iter().any(|closed| {
                closed["member"] == member
                    && closed["way"] == way
                    && closed["direction"] == direction
            })
        };
        until("both sides say which way is closed", || {
            let [here, there] = ways;
            (says(&agents[2], "h0", here) && says(&agents[0], "h2", there)).then_some(())
        });
        let told = agents[0].run(&["explain", "node", "h2"]).good().text();
        let what = if protocol == "udp" { "datagrams (UDP)" } else { "streams (TCP)" };
        assert!(told.contains(what) && told.contains("do not get through"), "{told}");
        let warned = agents[0].status()["warnings"].to_string();
        assert!(warned.contains(what) && warned.contains("h2 (10.77.0.3:7400)"), "{warned}");
        network.block(2, protocol, &[]);
        until("all ways are open again", || {
            let open = |agent: &Agent| agent.status()["closed_ways"].as_array().unwrap().is_empty();
            agents.iter().all(open).then_some(())
        });
    }
    agree(&agents);
}

#[test]
fn an_address_where_nobody_answers_is_named_at_both_ends() {
    let child = "paths::an_address_where_nobody_answers_is_named_at_both_ends_child";
    run_child(child, &Network::NAMESPACES, Network::SETUP);
}

#[test]
fn an_address_where_nobody_answers_is_named_at_both_ends_child() {
    if folder().is_none() {
        return;
    }
    let (folder, _network) = (folder().unwrap(), Network::new(3));
    let nowhere = "10.77.0.77:7400";
    let key = folder.join("key");
    run(&["keygen", key.to_str().unwrap()]).good();
    let keyed = vec!["--key-file", key.to_str().unwrap()];
    let told = |agent: &Agent, field: &str, by: &str, name: &str| {
        let status = agent.status();
        let told = status[field].as_array().unwrap().clone();
        told.iter().any(|told| told[by] == name && told["address"] == nowhere)
    };
    let warned = |agent: &Agent| agent.status()["warnings"].to_string();
    // With a key it is let in, since it has the key; without one it has to be reached first.
    for (more, name) in [(keyed, "keyed"), (vec![], "plain")] {
        let folder = folder.join(name);
        std::fs::create_dir(&folder).unwrap();
        let agents = start(&folder, |host| match host {
            2 => [&more[..], &["--advertise", nowhere]].concat(),
            _ => more.clone(),
        });
        let says = format!("it says that it is at {nowhere}");
        if more.is_empty() {
            until("whom it asks says so, and so does it", || {
                let asked = told(&agents[0], "joining_in_vain", "name", "h2");
                (asked && warned(&agents[2]).contains("--advertise")).then_some(())
            });
            assert!(warned(&agents[0]).contains(&says), "{}", warned(&agents[0]));
            continue;
        }
        until("those that cannot reach it say so, and so does it", || {
            let unreached = |host: usize| told(&agents[host], "unreached", "member", "h2");
            let itself = told(&agents[2], "unreached_by", "member", "h0");
            (unreached(0) && unreached(1) && itself).then_some(())
        });
        assert!(warned(&agents[0]).contains(&says), "{}", warned(&agents[0]));
        assert!(warned(&agents[2]).contains(&format!("cannot reach it at {nowhere}")));
        let story = agents[1].run(&["explain", "node", "h2"]).good().text();
        assert!(
            story.contains(&format!("h1 hears h2 and cannot reach it at {nowhere}")),
            "{story}"
        );
        assert!(agents[0].status()["unreached_by"].as_array().unwrap().is_empty());
    }
}
