//! `rumormill agent`: start, settings, errors, stop.

use super::fleet::QUICK;
use super::process::{Agent, run, until};
use std::fs;

#[test]
fn it_prints_one_line_of_json_and_stops_with_its_input() {
    let mut agent = Agent::start(&["--name", "a", "--cluster", "c"]);
    let hello = agent.hello.clone();
    assert_eq!((&hello["name"], &hello["cluster"]), (&"a".into(), &"c".into()));
    assert_eq!(hello["id"].as_str().unwrap().len(), 16);
    assert_eq!(hello["pid"], agent.pid());
    assert!(hello["data"].is_null());
    for port in ["gossip", "redis", "http"] {
        let addr: std::net::SocketAddr = hello[port].as_str().unwrap().parse().unwrap();
        assert_ne!(addr.port(), 0, "{port}");
    }
    let status = agent.run(&["status", "--format", "json"]).good().json();
    for field in ["name", "id", "gossip", "redis", "http", "cluster"] {
        assert_eq!(status[field], hello[field], "{field}");
    }
    assert!(agent.stop().success());
}

#[cfg(unix)]
#[test]
fn it_stops_in_order_on_sigterm_and_sigint() {
    for signal in ["TERM", "INT"] {
        let mut agent = Agent::start(&[]);
        send(signal, &agent);
        assert!(agent.wait().success(), "{signal}");
    }
}

#[cfg(unix)]
fn send(signal: &str, agent: &Agent) {
    let mut kill = std::process::Command::new("kill");
    assert!(kill.args(["-s", signal, &agent.pid().to_string()]).status().unwrap().success());
}

/// An agent that logs all, and a member beside it; both have met.
#[cfg(unix)]
fn a_pair(more: &[&str]) -> (Agent, Agent) {
    let other = Agent::start(&QUICK);
    let args = [&QUICK[..], &["--join", other.gossip()], more].concat();
    let agent = Agent::start_with(&args, |command| {
        command.env("RUST_LOG", "info");
    });
    until("both have met", || {
        [&other, &agent].iter().all(|agent| agent.members("alive") == 2).then_some(())
    });
    (agent, other)
}

#[cfg(unix)]
#[test]
fn on_terminate_says_whether_sigterm_is_a_leave_or_a_stop() {
    let (mut leaves, other) = a_pair(&["--on-terminate", "leave", "--set", "leave_timeout=1m"]);
    leaves.run(&["set", "last", "value"]).good();
    send("TERM", &leaves);
    assert_eq!(leaves.wait().code(), Some(0), "{}", leaves.said());
    assert_eq!(other.run(&["get", "last"]).good().stdout, b"value", "it was handed over");
    until("it is held as left", || (other.members("left") == 1).then_some(()));
    assert_eq!(other.members("dead"), 0);
    until("the log says why, and that it is done", || {
        let said = leaves.said();
        let parts = ["leaving, since on_terminate = leave", "left the cluster and stopped"];
        parts.iter().all(|part| said.contains(part)).then_some(())
    });

    let (mut stops, other) = a_pair(&["--on-terminate", "stop"]);
    send("TERM", &stops);
    assert_eq!(stops.wait().code(), Some(0), "{}", stops.said());
    until("probes have found it gone", || (other.members("dead") == 1).then_some(()));
    assert_eq!(other.members("left"), 0);
}

/// The only other member is gone: the leave would take all its time.
#[cfg(unix)]
#[test]
fn a_leave_by_signal_that_hands_nothing_over_ends_with_1_and_a_second_signal_makes_it_a_stop() {
    let patient = ["--on-terminate", "leave", "--set", "leave_timeout=10m"];
    let begin = || {
        let (agent, other) = a_pair(&patient);
        other.kill();
        agent.run(&["set", "kept", "value"]).good();
        send("TERM", &agent);
        until("it is leaving", || {
            agent.run(&["status"]).text().contains("takes no more writes").then_some(())
        });
        agent
    };
    let mut agent = begin();
    until("the log says how far it is", || agent.said().contains("still leaving: ").then_some(()));
    // The time is up earlier than it was told.
    assert_eq!(agent.run(&["leave", "--timeout", "100ms"]).code, 1);
    assert_eq!(agent.wait().code(), Some(1), "{}", agent.said());
    until("what is missing is said", || {
        agent.said().contains("it has left, and not all was handed over: ").then_some(())
    });

    let mut agent = begin();
    send("INT", &agent);
    assert_eq!(agent.wait().code(), Some(0), "{}", agent.said());
    until("the log says that it is no leave", || {
        let said = agent.said();
        let parts = ["asked again while leaving", "stopping although not all was handed over"];
        parts.iter().all(|part| said.contains(part)).then_some(())
    });
    assert!(!agent.said().contains("left the cluster"), "{}", agent.said());
}

#[test]
fn settings_come_from_file_environment_and_flags() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    fs::write(&file, "name = \"file\"\ncluster = \"file\"\nredis = \"off\"\nlog = \"warn\"\n")
        .unwrap();
    let file = file.to_str().unwrap();
    let print = ["agent", "--print-config", "--config", file, "--name", "flag"];
    let mut command = super::process::rumormill(&print);
    command.env("RUMORMILL_NAME", "env").env("RUMORMILL_CLUSTER", "env");
    command.env("RUMORMILL_REDIS_PASSWORD", "sesame");
    let output = command.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    for line in ["name = \"flag\"", "cluster = \"env\"", "redis = \"off\"", "log = \"warn\""] {
        assert!(printed.lines().any(|printed| printed == line), "{line} in {printed}");
    }
    assert!(!printed.contains("sesame"));
    // What was printed is itself a file.
    let again = folder.path().join("printed.toml");
    fs::write(&again, &printed).unwrap();
    let args = ["agent", "--print-config", "--config", again.to_str().unwrap()];
    assert_eq!(run(&args).good().text(), printed);
}

#[test]
fn a_mistyped_variable_is_an_error_for_agents_and_clients() {
    for (args, name, meant) in [
        (
            &["agent", "--print-config"][..],
            "RUMORMILL_SPREAD_TREE_FANOOT",
            "RUMORMILL_SPREAD_TREE_FANOUT",
        ),
        (&["status"], "RUMORMILL_HTPP", "RUMORMILL_HTTP"),
        (&["get", "a"], "RUMORMILL_CLIENT_KEX", "RUMORMILL_CLIENT_KEY"),
    ] {
        let output = super::process::rumormill(args).env(name, "3").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}");
        let said = String::from_utf8(output.stderr).unwrap();
        let expected = format!("error: {name}: there is no such variable; did you mean {meant}?\n");
        assert_eq!(said, expected);
    }
    // What reads no variables is not stopped by one.
    let mut command = super::process::rumormill(&["completions", "bash"]);
    assert!(command.env("RUMORMILL_NONSENSE", "3").output().unwrap().status.success());
}

#[test]
fn an_error_names_the_flag_once_and_says_what_to_write() {
    for (args, expected) in [
        (&["--gossip", "banana"][..], "--gossip: \"banana\" is no address: write IP:PORT such as"),
        (&["--gossip", "localhost:0"], "--gossip: \"localhost:0\" is no address: write IP:PORT"),
        (&["--http", "banana"], "--http: \"banana\" is neither an address (IP:PORT such as"),
        (&["--key-file", "/nonexistent"], "--key-file: there is no key file /nonexistent"),
        (&["--advertise", "224.0.0.1:7400"], "--advertise: nobody can reach a node at 224.0.0.1"),
        (&["--set", "spread.tree.fanout=0"], "--set: spread.tree.fanout: 0 is not 1 to 1000"),
        (&["--tag", "x"], "--tag: "),
    ] {
        let run = run(&[&["agent", "--print-config"], args].concat());
        assert_eq!(run.code, 2, "{args:?}");
        let expected = format!("error: {expected}");
        assert!(run.stderr.starts_with(&expected), "{} / {expected}", run.stderr);
        assert!(!run.stderr.contains("tags: "), "{}", run.stderr);
    }
}

#[test]
fn bad_files_are_clear_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    let file = path.to_str().unwrap();
    for (text, expected) in [
        ("name = \"a\"\n\n[spread.tree]\nfanout = \"x\"\n", ":4: spread.tree.fanout: invalid type"),
        ("nmae = \"a\"\n", ":1: there is no setting \"nmae\"; did you mean \"name\"?"),
        ("= 3\n", ":1: not TOML: "),
    ] {
        fs::write(&path, text).unwrap();
        let run = run(&["agent", "--config", file]);
        assert_eq!(run.code, 2, "{text}");
        let expected = format!("error: {file}{expected}");
        assert!(run.stderr.starts_with(&expected), "{} / {expected}", run.stderr);
    }
    let run = run(&["agent", "--config", "/nonexistent.toml", "--format", "json"]);
    assert_eq!(run.code, 2);
    let error: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!(error["code"], 2);
    let message = error["error"].as_str().unwrap();
    assert!(message.starts_with("cannot read the configuration /nonexistent.toml"), "{message}");
}

#[test]
fn ports_that_strangers_reach_need_a_key() {
    let local = ["--gossip", "127.0.0.1:0", "--redis", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    for (port, what, remedy) in [
        ("--gossip", "gossip", "no key"),
        ("--redis", "Redis", "no password (redis_password_file"),
        ("--http", "HTTP", "no token (http_token_file"),
    ] {
        let mut args = vec!["agent", "--exit-with-stdin"];
        args.extend(local);
        let at = args.iter().position(|arg| *arg == port).unwrap();
        args[at + 1] = "0.0.0.0:0";
        let refused = run(&args);
        assert_eq!(refused.code, 1, "{port}: {}", refused.stderr);
        let start = format!("error: refusing to open the {what} port on 0.0.0.0:0");
        assert!(refused.stderr.starts_with(&start), "{}", refused.stderr);
        assert!(refused.stderr.contains(remedy), "{}", refused.stderr);
        assert!(refused.stderr.contains("--insecure"), "{}", refused.stderr);
        let commands = "\n  rumormill keygen cluster.key\n  rumormill agent --gossip 0.0.0.0:0 \
                        --key-file cluster.key\n";
        assert_eq!(refused.stderr.contains(commands), what == "gossip", "{}", refused.stderr);
    }
    let mut agent = Agent::start(&["--http", "0.0.0.0:0", "--insecure"]);
    assert!(agent.stop().success());
    let mut agent = Agent::start_with(&["--http", "0.0.0.0:0"], |command| {
        command.env("RUMORMILL_HTTP_TOKEN", "t");
    });
    assert!(agent.stop().success());
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for (port, what) in [("--redis", "Redis"), ("--http", "HTTP"), ("--gossip", "gossip")] {
        let mut args = vec!["agent", "--exit-with-stdin"];
        for flag in ["--gossip", "--redis", "--http"] {
            args.extend([flag, if flag == port { addr.as_str() } else { "127.0.0.1:0" }]);
        }
        let failed = run(&args);
        assert_eq!(failed.code, 1, "{port}");
        let start = format!("error: cannot bind the {what} address {addr}: ");
        assert!(failed.stderr.contains(&start), "{}", failed.stderr);
        let remedy = format!("has it. Name another with {port} ADDR");
        assert!(failed.stderr.contains(&remedy), "{}", failed.stderr);
    }
}

#[test]
fn a_folder_in_use_is_a_clear_error_and_data_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let agent = Agent::in_folder(folder.path());
    let path = folder.path().to_str().unwrap();
    let ports = ["--gossip", "127.0.0.1:0", "--redis", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let second = run(&[&["agent", "--exit-with-stdin", "--data", path], &ports[..]].concat());
    assert_eq!(second.code, 1, "{}", second.stderr);
    assert!(second.stderr.contains(path), "{}", second.stderr);

    agent.run(&["set", "kept", "value"]).good();
    let id = agent.hello["id"].clone();
    agent.kill();
    let agent = Agent::in_folder(folder.path());
    assert_eq!(agent.hello["id"], id);
    assert_eq!(agent.run(&["get", "kept"]).good().stdout, b"value");
}

#[test]
fn leaving_ends_the_process() {
    let mut agent = Agent::start(&[]);
    let strays = agent.run(&["strays", "list"]).good().text();
    assert_eq!(strays, "nothing is kept aside\n");
    let unknown = agent.run(&["strays", "restore", "none"]);
    assert_eq!(unknown.code, 4, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("nothing is kept aside under none"), "{}", unknown.stderr);
    let unasked = agent.run(&["strays", "drop", "--all"]);
    assert!(unasked.code == 2 && unasked.stderr.contains("--all --yes"), "{}", unasked.stderr);
    assert_eq!(agent.run(&["strays", "drop", "--all", "--yes"]).good().text(), "0 dropped\n");
    assert_eq!(agent.run(&["strays", "restore"]).code, 2);
    assert_eq!(agent.run(&["leave", "--now", "--timeout", "1s"]).code, 2);
    let left = agent.run(&["leave", "--timeout", "30s"]).good().text();
    assert!(left.contains("has left and stops: a majority holds all"), "{left}");
    assert!(agent.wait().success());
}

/// The only other member is gone: what is written here cannot be handed over, and that is said.
#[test]
fn a_leave_that_can_hand_nothing_over_ends_in_time_and_takes_no_writes_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::in_folder(folder.path());
    let seed = agent.hello["gossip"].as_str().unwrap().to_owned();
    let other = Agent::start(&["--join", &seed]);
    until("both have met", || {
        let members = agent.run(&["members"]).good().text();
        (members.matches("alive").count() == 2).then_some(())
    });
    other.kill();
    agent.run(&["set", "kept", "value"]).good();
    std::thread::scope(|scope| {
        let leave = scope.spawn(|| run(&["leave", "--timeout", "5s", "--http", &agent.http]));
        until("it is leaving", || {
            agent.run(&["status"]).text().contains("takes no more writes").then_some(())
        });
        let refused = agent.run(&["set", "late", "value"]);
        assert_eq!(refused.code, 5, "{}", refused.stderr);
        assert!(refused.stderr.contains("write to another member"), "{}", refused.stderr);
        assert_eq!(agent.run(&["get", "kept"]).good().stdout, b"value", "it is still read");
        let left = leave.join().unwrap();
        assert_eq!(left.code, 1, "{}", left.stderr);
        let part = "1 of 2 members, which is no majority";
        assert!(left.stderr.contains(part), "{}", left.stderr);
    });
    assert!(agent.wait().success());
    // As it says: what only it holds is there again.
    let agent = Agent::in_folder(folder.path());
    assert_eq!(agent.run(&["get", "kept"]).good().stdout, b"value");
    assert_eq!(agent.run(&["get", "late"]).code, 4);
}

#[test]
fn agents_that_join_see_each_other_and_each_others_entries() {
    let first = Agent::start(&["--protocol", "local"]);
    let seed = first.hello["gossip"].as_str().unwrap();
    let second = Agent::start(&["--protocol", "local", "--join", seed]);
    let alive = |agent: &Agent| {
        let members = agent.run(&["members", "--format", "json"]).good().json();
        let members = members["members"].as_array().unwrap().clone();
        members.iter().filter(|member| member["state"] == "alive").count()
    };
    until("both see two", || (alive(&first) == 2 && alive(&second) == 2).then_some(()));
    first.run(&["set", "a", "1"]).good();
    until("the entry arrives", || (second.run(&["get", "a"]).code == 0).then_some(()));
    assert_eq!(second.run(&["get", "a"]).good().stdout, b"1");
}
