//! Owned entries on real agents: they go and come with the agent that wrote them.

use super::fleet::{QUICK, fleet};
use super::process::{Agent, until};
use super::wire::{Redis, Reply, browser, get};
use std::path::Path;

fn again(folder: &Path, name: &str) -> Agent {
    let data = folder.join(name);
    let args = [&["--name", name, "--data", data.to_str().unwrap()], &QUICK[..]].concat();
    Agent::start(&args)
}

/// What an agent shows of the key, if it shows the same on all its ways.
fn shown(agent: &Agent) -> Option<bool> {
    let by_http = get(&browser(), &agent.http, "service/web").0 == 200;
    let mut redis = Redis::to(agent);
    let exists = redis.ask(&[b"EXISTS", b"service/web"]).unwrap() == Reply::Int(1);
    let sizes = (redis.ask(&[b"DBSIZE"]).unwrap(), agent.number("/entries"));
    let size = 1 + u64::from(exists);
    let held = agent.holds().contains_key("service/web");
    let same = by_http == exists && sizes == (Reply::Int(size as i64), size) && held == exists;
    same.then_some(exists)
}

#[test]
fn an_owned_entry_is_seen_while_its_agent_lives() {
    let folder = tempfile::tempdir().unwrap();
    let mut agents = fleet(3, Some(folder.path()));
    let mut owner = agents.remove(1);
    let set = ["set", "service/web", "10.0.0.7:80", "--owned", "--ttl", "1h"];
    owner.run(&set).good();
    owner.run(&["set", "plain", "stays"]).good();
    let all = |agents: &[Agent], seen: bool| {
        until("all show or hide it", || {
            agents.iter().all(|agent| shown(agent) == Some(seen)).then_some(())
        });
    };
    all(&agents, true);
    let json = agents[0].run(&["get", "service/web", "--format", "json"]).good().json();
    assert_eq!((json["owned"].as_bool(), json["expires_at_ms"].is_u64()), (Some(true), true));

    owner.kill();
    all(&agents, false);
    assert_eq!(agents[0].members("dead"), 1);
    assert_eq!(agents[0].number("/hidden"), 1);
    assert!(agents[0].run(&["status"]).good().text().contains("1 hidden"));
    owner = again(folder.path(), "n1");
    all(&agents, true);

    // Written again without a word of it, it stays whatever becomes of its writer.
    let mut redis = Redis::to(&owner);
    let ok = Reply::Simple("OK".into());
    let ask = |redis: &mut Redis, words: &[&[u8]]| redis.ask(words).unwrap();
    assert_eq!(ask(&mut redis, &[b"SET", b"service/web", b"2", b"KEEPTTL", b"OWNED"]), ok);
    assert!(matches!(ask(&mut redis, &[b"TTL", b"service/web"]), Reply::Int(1..)));
    owner.run(&["leave"]).good();
    all(&agents, false);
    assert_eq!(agents[0].members("left"), 1, "nobody had to wait for a death");
    let mut redis = Redis::to(&agents[0]);
    assert_eq!(ask(&mut redis, &[b"SET", b"service/web", b"3", b"EX", b"100"]), ok);
    all(&agents, true);
}
