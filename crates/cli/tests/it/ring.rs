//! Ring repair among real processes: tombstones go and stay gone, members that are away are named,
//! and who was forgotten brings nothing back.

use super::fleet::{QUICK, agree, all_alive};
use super::process::{Agent, rumormill, until};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// An agent with a folder, that makes passes only when it is told to.
fn start(folder: &Path, name: &str, gossip: &str, more: &[&str]) -> Agent {
    let data = folder.join(name);
    let own = ["--name", name, "--gossip", gossip, "--data", data.to_str().unwrap()];
    let passes = ["--set", "ring.interval=0s"];
    Agent::start(&[&own[..], &QUICK[..], &passes, more].concat())
}

fn fleet(folder: &Path, count: usize, more: &[&str]) -> Vec<Agent> {
    let mut agents: Vec<Agent> = Vec::new();
    for number in 0..count {
        let seed = agents.first().map(|first| first.gossip().to_owned());
        let join: Vec<&str> = seed.iter().flat_map(|seed| ["--join", seed]).collect();
        let name = format!("n{number}");
        agents.push(start(folder, &name, "127.0.0.1:0", &[&join[..], more].concat()));
    }
    all_alive(&agents);
    agents
}

/// Kills an agent; gives back where it was.
pub fn kill(agent: Agent) -> String {
    let gossip = agent.gossip().to_owned();
    agent.kill();
    gossip
}

pub fn write(agent: &Agent, keys: std::ops::Range<u32>) {
    let lines: String =
        keys.map(|n| format!("{{\"key\":\"k/{n}\",\"value\":\"{n}\"}}\n")).collect();
    agent.run_with(&["import", "-", "--input-format", "jsonl"], lines.as_bytes()).good();
}

pub fn delete(agent: &Agent, keys: std::ops::Range<u32>) {
    let keys: Vec<String> = keys.map(|n| format!("k/{n}")).collect();
    let mut args = vec!["del"];
    args.extend(keys.iter().map(String::as_str));
    agent.run(&args).good();
}

/// Makes passes until no tombstone is left: the first may be too early for what was just deleted.
pub fn collect(agents: &[Agent]) {
    until("all tombstones are gone", || {
        let status = agents[0].run(&["repair", "ring", "--format", "json"]).good().json();
        assert_eq!(status["run"]["stage"], "complete", "{status}");
        assert_eq!(status["run"]["members"], agents.len());
        agents.iter().all(|agent| agent.number("/tombstones") == 0).then_some(())
    });
}

#[track_caller]
pub fn holds(agents: &[Agent], count: usize) {
    agree(agents);
    for agent in agents {
        let held = agent.holds();
        assert_eq!(held.len(), count, "{:?}", held.keys());
        assert_eq!(agent.number("/tombstones"), 0);
    }
}

#[test]
fn tombstones_go_everywhere_and_nothing_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut agents = fleet(folder.path(), 3, &[]);
    let before = agents[1].status();
    assert_eq!(
        (&before["horizon_ms"], &before["covered"]),
        (&serde_json::Value::Null, &true.into())
    );
    write(&agents[0], 0..50);
    agree(&agents);
    delete(&agents[1], 0..40);
    agents[2].run(&["set", "soon", "x", "--ttl", "1ms"]).good();
    agree(&agents);
    assert_eq!(agents[2].number("/tombstones"), 40);
    collect(&agents);
    holds(&agents, 10);
    until("all have heard of the horizon", || {
        agents
            .iter()
            .all(|agent| {
                let status = agent.status();
                status["horizon_ms"].as_u64() > Some(0) && status["covered"] == true
            })
            .then_some(())
    });
    let words = agents[1].run(&["status"]).good().text();
    assert!(words.contains("horizon") && words.contains(" ago"), "{words}");

    for round in 0..2 {
        for agent in std::mem::take(&mut agents) {
            agents.push({
                let name = agent.hello["name"].as_str().unwrap().to_owned();
                let gossip = kill(agent);
                start(folder.path(), &name, &gossip, &[])
            });
        }
        all_alive(&agents);
        holds(&agents, 10 + round);
        assert!(agents.iter().all(|agent| agent.status()["covered"] == true));
        // What is written under a key whose tombstone has gone is there.
        agents[1].run(&["set", &format!("k/{round}"), "again"]).good();
        agree(&agents);
    }
    holds(&agents, 12);
}

#[test]
fn who_was_forgotten_brings_nothing_back_but_what_nobody_had_heard() {
    let folder = tempfile::tempdir().unwrap();
    let mut agents = fleet(folder.path(), 2, &[]);
    // The last one does not find out that the others are gone before it is killed itself.
    let trusting = ["--join", agents[0].gossip(), "--set", "member.suspicion_mult=100"];
    agents.push(start(folder.path(), "n2", "127.0.0.1:0", &trusting));
    all_alive(&agents);
    write(&agents[0], 0..30);
    agree(&agents);
    // It is alone for a while, and writes.
    let away = agents.pop().unwrap();
    let addresses: Vec<String> = agents.drain(..).map(kill).collect();
    away.run(&["set", "unheard", "of"]).good();
    // It is gone before the others are back, so nobody can have heard that.
    let gossip = kill(away);
    let back = |name, at: &str| start(folder.path(), name, at, &[]);
    agents.extend([back("n0", &addresses[0]), back("n1", &addresses[1])]);
    until("both hold the third dead", || {
        agents.iter().all(|a| a.members("alive") == 2 && a.members("dead") == 1).then_some(())
    });
    delete(&agents[0], 0..20);
    agree(&agents);

    let refused = agents[0].run(&["repair", "ring"]);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    for words in ["n2", "rumormill forget NAME", "409"] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    let browser = super::wire::browser();
    let url = format!("http://{}/v1/repair/ring", agents[1].http);
    let mut answer = browser.post(&url).send_empty().unwrap();
    let problem: serde_json::Value = answer.body_mut().read_json().unwrap();
    assert_eq!((answer.status().as_u16(), &problem["reason"]), (409, &"away".into()), "{problem}");
    assert_eq!(problem["names"], serde_json::json!(["n2"]));
    let held_by = &agents[1].status()["tombstones_held_by"];
    assert_eq!(*held_by, serde_json::json!(["n2"]));
    assert!(agents[1].run(&["status"]).good().text().contains("20; held by n2"));

    for (who, code, words) in [("n1", 5, "can be forgotten"), ("nobody", 5, "no member")] {
        let refused = agents[0].run(&["forget", who]);
        assert!(refused.code == code && refused.stderr.contains(words), "{}", refused.stderr);
    }
    let id = agents[0].run(&["forget", "n2", "--format", "json"]).good().json();
    assert_eq!(id["forgotten"].as_array().map(Vec::len), Some(1));
    until("both have forgotten it", || {
        agents.iter().all(|agent| agent.members("forgotten") == 1).then_some(())
    });
    let listed = |args: &[&str]| {
        let list = agents[1].run(&[&["members", "--format", "json"], args].concat()).good().json();
        list["members"].as_array().unwrap().len()
    };
    assert_eq!((listed(&[]), listed(&["--all"]), listed(&["--state", "forgotten"])), (2, 3, 1));
    // No pass was complete yet, so the first needs the third as well, unless somebody says not.
    let refused = agents[0].run(&["repair", "ring"]);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    for words in ["missing: n2", "rumormill repair ring --first"] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    assert_eq!(agents[0].status()["pass_refused"]["reason"], "founding");
    let words = agents[0].run(&["status"]).good().text();
    assert!(words.contains("no pass") && words.contains("missing: n2"), "{words}");
    agents[0].run(&["repair", "ring", "--first"]).good();
    assert!(agents[0].status()["pass_refused"].is_null());
    collect(&agents);
    holds(&agents, 10);

    agents.push(start(folder.path(), "n2", &gossip, &[]));
    all_alive(&agents);
    until("it is brought back", || {
        let status = agents[2].status();
        let caught_up = status["digest"] == agents[0].status()["digest"];
        (status["covered"] == true && caught_up).then_some(())
    });
    // It did not know yet that the others were gone when it wrote that, so they may have heard of it.
    holds(&agents, 10);
    let listed = agents[2].run(&["strays", "list", "--format", "json"]).good().json();
    assert_eq!((&listed["count"], &listed["strays"][0]["key"]), (&1.into(), &"unheard".into()));
    assert_eq!(listed["strays"][0]["writer_name"], "n2");
    let told = agents[2].run(&["explain", "key", "unheard"]).good().text();
    assert!(told.contains("kept the value aside"), "{told}");
    let warned = agents[2].run(&["status"]).good().text();
    assert!(warned.contains("1 kept aside") && warned.contains("strays restore"), "{warned}");
    assert_eq!(agents[2].run(&["strays", "restore", "unheard"]).good().text(), "1 restored\n");
    holds(&agents, 11);
    for agent in &agents {
        assert_eq!(agent.run(&["get", "unheard"]).good().text(), "of");
        assert_eq!(agent.run(&["get", "k/3"]).code, 4);
    }
    // What was so may be done again, and passes visit all three.
    collect(&agents);
    holds(&agents, 11);
}

fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

/// A command that watches a pass, once it says for whom that waits.
fn watcher(agent: &Agent) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut command = rumormill(&["repair", "ring", "--http", &agent.http]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("waiting for n2 (hop ") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it ended");
    }
    (child, said)
}

#[test]
fn a_pass_waits_for_who_stands_still_and_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    // It is not held dead for long enough that the pass begins.
    let agents = fleet(folder.path(), 3, &["--set", "member.suspicion_mult=100"]);
    write(&agents[0], 0..10);
    agree(&agents);
    signal(agents[2].pid(), "-STOP");
    let begun = agents[0].run(&["repair", "ring", "--no-wait", "--format", "json"]).good().json();
    assert!(["waiting", "reached"].contains(&begun["run"]["stage"].as_str().unwrap()), "{begun}");
    until("the status names it", || {
        let status = agents[0].status();
        (status["tombstones_held_by"] == serde_json::json!(["n2"])).then_some(())
    });
    let (mut first, mut said) = watcher(&agents[0]);
    signal(first.id(), "-INT");
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut said, &mut rest).unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(130));
    assert!(rest.contains("the pass goes on"), "{rest}");

    let (second, _said) = watcher(&agents[0]);
    signal(agents[2].pid(), "-CONT");
    let output = second.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("3 members hold the same after 4 hops"),
        "{text}"
    );
    assert_eq!(agents[0].status()["tombstones_held_by"], serde_json::json!([]));
}

const ALONE: [&str; 4] = ["--set", "spread.method=none", "--set", "repair.interval=0s"];

/// Asks an agent for a pass, which must be complete.
#[track_caller]
pub fn pass(agent: &Agent, members: usize) {
    let status = agent.run(&["repair", "ring", "--format", "json"]).good().json();
    assert_eq!(status["run"]["stage"], "complete", "{status}");
    assert_eq!(status["run"]["members"], members, "{status}");
}

#[track_caller]
pub fn all_see(agents: &[Agent], state: &str, count: u64) {
    until(&format!("all see {count} {state}"), || {
        agents.iter().all(|agent| agent.members(state) == count).then_some(())
    });
}

#[test]
fn passes_alone_carry_data_and_members() {
    for count in [2, 5] {
        let folder = tempfile::tempdir().unwrap();
        let mut agents = fleet(folder.path(), count, &ALONE);
        for round in 0..12 {
            write(&agents[(round + 1) % count], 0..round as u32 + 1);
            pass(&agents[round % count], count);
            assert!(agents.iter().all(|agent| agent.holds().len() == round + 1));
        }
        delete(&agents[0], 0..5);
        collect(&agents);
        holds(&agents, 7);

        // Another joins, is killed, comes back and says goodbye.
        let seed = agents[0].gossip().to_owned();
        agents.push(start(
            folder.path(),
            "late",
            "127.0.0.1:0",
            &[&ALONE[..], &["--join", &seed]].concat(),
        ));
        all_see(&agents, "alive", count as u64 + 1);
        pass(&agents[1], count + 1);
        let gossip = kill(agents.pop().unwrap());
        all_see(&agents, "dead", 1);
        agents[0].run(&["set", "meanwhile", "x"]).good();
        agents.push(start(folder.path(), "late", &gossip, &ALONE));
        all_see(&agents, "alive", count as u64 + 1);
        // Who was killed right after a pass may hear that it is complete only now: one that it has begun
        // is over then, and the command says to run it again.
        until("a pass with who is back", || {
            let run = agents[count].run(&["repair", "ring"]);
            let again = run.code == 1 && run.stderr.contains("Run the command again");
            assert!(run.code == 0 || again, "{}", run.stderr);
            (run.code == 0).then_some(())
        });
        pass(&agents[count], count + 1);
        holds(&agents, 8);
        agents.pop().unwrap().run(&["leave"]).good();
        all_see(&agents, "left", 1);
        for agent in &agents {
            pass(agent, count);
        }
        holds(&agents, 8);
    }
}
