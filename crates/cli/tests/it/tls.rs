//! TLS between the real agent and the real client.

use super::papers::{Authority, Papers};
use super::process::{Agent, Run, listen, rumormill, run, run_with, until};
use tempfile::TempDir;

struct World {
    folder: TempDir,
    authority: Authority,
    own: Papers,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path(), "ours");
        let own = authority.sign("server", &["127.0.0.1", "localhost"]);
        Self { folder, authority, own }
    }

    fn agent(&self, more: &[&str]) -> Agent {
        let tls = ["--tls-cert", self.own.cert(), "--tls-key", self.own.key()];
        Agent::start(&[&tls, more].concat())
    }

    fn ca(&self) -> &str {
        self.authority.ca.to_str().unwrap()
    }

    /// Runs a command against the agent over HTTPS, trusting this authority.
    fn run(&self, agent: &Agent, args: &[&str]) -> Run {
        let url = format!("https://{}", agent.http);
        run(&[args, &["--http", &url, "--ca", self.ca()]].concat())
    }
}

#[test]
fn every_command_works_over_https() {
    let world = World::new();
    let agent = world.agent(&[]);
    assert_eq!((&agent.hello["redis_tls"], &agent.hello["http_tls"]), (&true.into(), &true.into()));
    world.run(&agent, &["set", "greeting", "hello"]).good();
    assert_eq!(world.run(&agent, &["get", "greeting"]).good().stdout, b"hello");
    let file = world.folder.path().join("value");
    let value: Vec<u8> = (0..=255).cycle().take(900_000).collect();
    std::fs::write(&file, &value).unwrap();
    world.run(&agent, &["set", "large", "--file", file.to_str().unwrap()]).good();
    assert_eq!(world.run(&agent, &["get", "large"]).good().stdout, value);
    // Who names an authority means HTTPS; --url is --http.
    let args = ["import", "-", "--input-format", "jsonl", "--url", &agent.http, "--ca", world.ca()];
    let lines: String =
        (0..3000).map(|n| format!("{{\"key\":\"k{n}\",\"value\":\"v\"}}\n")).collect();
    run_with(&args, lines.as_bytes()).good();
    assert_eq!(world.run(&agent, &["export"]).good().text().lines().count(), 3002);
    assert_eq!(world.run(&agent, &["scan"]).good().text().lines().count(), 3002);
    let status = world.run(&agent, &["status", "--format", "json"]).good().json();
    assert_eq!(status["entries"], 3002);
    world.run(&agent, &["members"]).good();
    world.run(&agent, &["tag", "zone=a"]).good();
    assert_eq!(world.run(&agent, &["del", "greeting"]).good().text(), "1 deleted\n");
    world.run(&agent, &["leave"]).good();
}

#[test]
fn a_watch_over_https_and_files_from_the_environment() {
    let world = World::new();
    let agent = world.agent(&[]);
    let url = format!("https://{}", agent.http);
    let mut command = rumormill(&["watch", "--prefix", "w/", "--count", "1", "--format", "json"]);
    command.env("RUMORMILL_HTTP", &url).env("RUMORMILL_CA", world.ca());
    let (mut child, heard) = listen(&mut command);
    let line = until("it sees a change", || {
        world.run(&agent, &["set", "w/a", "1"]).good();
        heard.try_recv().ok()
    });
    let change: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&change["key"], &change["value"]), (&"w/a".into(), &"1".into()));
    until("it ends by itself", || child.try_wait().unwrap());
}

#[test]
fn what_cannot_be_trusted_says_what_to_pass() {
    let world = World::new();
    let agent = world.agent(&[]);
    let url = format!("https://{}", agent.http);
    let status = |more: &[&str]| run(&[&["status", "--http", &url], more].concat());
    let other = Authority::new(world.folder.path(), "theirs");
    for run in [status(&[]), status(&["--ca", other.ca.to_str().unwrap()])] {
        assert_eq!(run.code, 1, "{}", run.stderr);
        let expected = format!(
            "error: no safe connection to the agent at {url}: its certificate is of an authority \
             that is not trusted here: name the certificate of that authority with --ca FILE\n"
        );
        assert_eq!(run.stderr, expected);
    }
    // The port is told apart from no agent.
    let plain = run(&["status", "--http", &agent.http]);
    assert_eq!(plain.code, 5);
    assert!(plain.stderr.contains("HTTPS only: write https://"), "{}", plain.stderr);
    let unsealed = Agent::start(&[]);
    let wrong = run(&["status", "--http", &unsealed.http, "--ca", world.ca()]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.stderr.contains("does not speak TLS; write http://"), "{}", wrong.stderr);

    let elsewhere = world.authority.sign("elsewhere", &["elsewhere.example"]);
    let flags = ["--tls-cert", elsewhere.cert(), "--tls-key", elsewhere.key()];
    let named = world.run(&Agent::start(&flags), &["status"]);
    assert_eq!(named.code, 1);
    assert!(named.stderr.contains("not for this name"), "{}", named.stderr);
    assert!(named.stderr.contains("elsewhere.example"), "{}", named.stderr);

    for (args, part) in [
        (&["--ca", "/nonexistent"][..], "--ca: cannot read /nonexistent"),
        (&["--ca", world.own.key()], "holds no certificate"),
        (&["--client-cert", world.own.cert()], "name it with --client-key"),
        (&["--client-key", world.own.key()], "name it with --client-cert"),
        (
            &["--client-cert", world.own.cert(), "--client-key", elsewhere.key()],
            "--client-key: the key",
        ),
    ] {
        let run = status(args);
        assert_eq!(run.code, 2, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(part), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn certificates_of_clients_stand_for_a_password() {
    let world = World::new();
    // Open to others, with neither password nor token.
    let agent = world.agent(&[
        "--tls-client-ca",
        world.ca(),
        "--redis",
        "0.0.0.0:0",
        "--http",
        "0.0.0.0:0",
    ]);
    let port = agent.http.rsplit(':').next().unwrap();
    let url = format!("https://127.0.0.1:{port}");
    let base = ["status", "--http", &url, "--ca", world.ca()];
    let refused = run(&base);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(refused.stderr.contains("--client-cert"), "{}", refused.stderr);
    let show = |papers: &Papers| {
        let more = ["--client-cert", papers.cert(), "--client-key", papers.key()];
        run(&[&base[..], &more].concat())
    };
    show(&world.authority.sign("client", &[])).good();
    let stranger = Authority::new(world.folder.path(), "theirs").sign("stranger", &[]);
    let refused = show(&stranger);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(refused.stderr.contains("does not accept the certificate"), "{}", refused.stderr);

    // TLS alone keeps nobody out.
    let ports = ["--gossip", "127.0.0.1:0", "--redis", "127.0.0.1:0", "--http", "0.0.0.0:0"];
    let tls = ["--tls-cert", world.own.cert(), "--tls-key", world.own.key()];
    let open = run(&[&["agent"], &ports[..], &tls].concat());
    assert_eq!(open.code, 1, "{}", open.stderr);
    assert!(open.stderr.contains("tls.client_ca"), "{}", open.stderr);
}

#[test]
fn files_that_cannot_be_used_are_named_at_the_start() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let (cert, key) = (world.own.cert(), world.own.key());
    let other = world.authority.sign("other", &["localhost"]);
    let late = world.authority.sign_until("late", &["localhost"], 2001);
    let open = world.authority.sign("open", &["localhost"]);
    std::fs::set_permissions(&open.key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ca = world.ca();
    for (args, field, part) in [
        (&["--tls-cert", cert][..], "tls.cert", "name its file with tls.key"),
        (&["--tls-key", key], "tls.key", "name its file with tls.cert"),
        (&["--tls-client-ca", ca], "tls.client_ca", "name a certificate"),
        (&["--tls-cert", "/none", "--tls-key", key], "tls.cert", "cannot read /none"),
        (&["--tls-cert", cert, "--tls-key", "/none"], "tls.key", "cannot read /none"),
        (&["--tls-cert", key, "--tls-key", key], "tls.cert", "holds no certificate"),
        (&["--tls-cert", cert, "--tls-key", cert], "tls.key", "chmod 600"),
        (&["--tls-cert", cert, "--tls-key", other.key()], "tls.key", "does not belong"),
        (
            &["--tls-cert", late.cert(), "--tls-key", late.key()],
            "tls.cert",
            "has expired on 2001-01-01T00:00:00Z: renew it",
        ),
        (&["--tls-cert", open.cert(), "--tls-key", open.key()], "tls.key", "chmod 600"),
        (
            &["--tls-cert", cert, "--tls-key", key, "--set", "tls.http.client_ca=/none"],
            "tls.http.client_ca",
            "cannot read /none",
        ),
    ] {
        let run = run(&[&["agent"], args].concat());
        assert_eq!(run.code, 2, "{args:?}: {}", run.stderr);
        // The flag that names it, or the name itself.
        let named = [format!("--{}: ", field.replace(['.', '_'], "-")), format!("{field}: ")];
        assert!(named.iter().any(|n| run.stderr.contains(n)), "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(part), "{args:?}: {}", run.stderr);
        assert!(!run.stderr.contains("PRIVATE KEY-----\n"), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn one_port_alone_and_settings_that_read_back() {
    let world = World::new();
    let file = world.folder.path().join("agent.toml");
    let text = format!("[tls.redis]\ncert = {:?}\nkey = {:?}\n", world.own.cert(), world.own.key());
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let agent = Agent::start(&["--config", file]);
    assert_eq!(
        (&agent.hello["redis_tls"], &agent.hello["http_tls"]),
        (&true.into(), &false.into())
    );
    agent.run(&["status"]).good();
    let printed = run(&["agent", "--config", file, "--print-config"]).good().text();
    let again = world.folder.path().join("again.toml");
    std::fs::write(&again, &printed).unwrap();
    let args = ["agent", "--config", again.to_str().unwrap(), "--print-config"];
    assert_eq!(run(&args).good().text(), printed);
    assert!(printed.contains("[tls.redis]") && !printed.contains("[tls.http]"), "{printed}");
}
