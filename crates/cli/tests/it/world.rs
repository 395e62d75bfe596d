//! Tests that need a machine of their own: with its own network, or its own small disk.
//!
//! Such a test starts the test binary again in new namespaces of the kernel, with the name of a
//! child test and an environment variable without which that test does nothing. Whatever the child
//! sets up is gone with it, however it ends. Where the kernel allows no namespaces the test says
//! so and passes.

use super::process::{Agent, rumormill};
use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDER: &str = "RUMORMILL_TRIAL_FOLDER";

/// The folder of a child test; `None` where it was not started by its parent.
pub fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Runs a child test (`module::name`) in new namespaces, after `setup`, a line of shell in which
/// `$RUMORMILL_TRIAL_FOLDER` is an empty folder.
pub fn run_child(test: &str, namespaces: &[&str], setup: &str) {
    let dir = tempfile::tempdir().unwrap();
    let enter = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(namespaces).args(["sh", "-c", script, "sh"]).env(FOLDER, dir.path());
        command
    };
    match enter(setup).output() {
        Ok(tried) if tried.status.success() => {}
        tried => {
            let why = match tried {
                Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
                Err(error) => format!("cannot run unshare (package util-linux): {error}"),
            };
            // Past the capture of the test harness: what was not tested must not go unseen.
            let left_out = format!("LEFT OUT: {test} needs root and namespaces: {why}\n");
            let _ = std::io::Write::write_all(&mut std::io::stderr(), left_out.as_bytes());
            return;
        }
    }
    let script = format!("{setup} && exec \"$@\"");
    let output = enter(&script)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        println!("{}", String::from_utf8_lossy(&output.stdout));
        panic!("{test}: {}: {said}", output.status);
    }
    // What it prints to standard output is the harness's, which would be taken for another run.
    print!("{said}");
}

/// Runs `ip` with these words.
#[track_caller]
pub fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Several hosts in network namespaces. Each is in two networks: 10.77.0.0/24 carries gossip and
/// can be cut; by 10.78.0.0/24 the test always reaches their Redis and HTTP ports.
///
/// The gossip network has two bridges, joined by a cable: hosts with even numbers are on the left
/// one, the others on the right.
pub struct Network {
    hosts: usize,
}

impl Network {
    /// What has to be set up before a child test can make one: names of namespaces are kept away
    /// from those of the machine.
    pub const SETUP: &str = "mkdir -p /run/netns && mount -t tmpfs none /run/netns && ip link set lo \
                             up && ip link add probe type veth peer name eborp && ip link add \
                             egdirb type bridge && ip link del egdirb && ip link del probe";
    pub const NAMESPACES: [&str; 2] = ["--mount", "--net"];

    pub fn new(hosts: usize) -> Self {
        for bridge in ["left", "right", "front"] {
            ip(&format!("link add {bridge} type bridge"));
            ip(&format!("link set {bridge} up"));
        }
        ip("link add cable0 type veth peer name cable1");
        ip("link set cable0 master left up");
        ip("link set cable1 master right up");
        ip("addr add 10.78.0.254/24 dev front");
        let network = Self { hosts };
        for host in 0..hosts {
            let side = if host % 2 == 0 { "left" } else { "right" };
            ip(&format!("netns add h{host}"));
            for (cable, bridge, net) in [("gossip", side, 77), ("front", "front", 78)] {
                let end = format!("{cable}{host}");
                ip(&format!("link add {end} type veth peer name {cable} netns h{host}"));
                ip(&format!("link set {end} master {bridge} up"));
                let mac = format!("02:00:00:00:{net}:{host:02}");
                ip(&format!("-n h{host} link set {cable} address {mac} up"));
                ip(&format!("-n h{host} addr add 10.{net}.0.{}/24 dev {cable}", host + 1));
            }
            ip(&format!("-n h{host} link set lo up"));
        }
        network
    }

    pub fn gossip(host: usize) -> String {
        format!("10.77.0.{}:7400", host + 1)
    }

    fn inside(host: usize) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/h{host}"));
        command
    }

    /// An agent on a host, which joins by the hosts named.
    pub fn start(host: usize, join: &[usize], data: &Path, more: &[&str]) -> Agent {
        let (name, data) = (format!("h{host}"), data.join(format!("h{host}")));
        let seeds: Vec<String> = join.iter().map(|seed| Self::gossip(*seed)).collect();
        let (gossip, join) = (Self::gossip(host), seeds.join(","));
        let (redis, http) = Self::ports(host);
        let mut args = vec!["--format", "json", "agent", "--exit-with-stdin", "--log", "warn"];
        args.extend(["--insecure", "--name", &name, "--data", data.to_str().unwrap()]);
        // What a node holds is looked at from its first moment on.
        args.extend(["--loading", "0s"]);
        args.extend(["--gossip", &gossip, "--redis", &redis, "--http", &http]);
        if !join.is_empty() {
            args.extend(["--join", &join]);
        }
        args.extend(more);
        Agent::spawn(Self::wrapped(host, &args))
    }

    fn ports(host: usize) -> (String, String) {
        (format!("10.78.0.{}:6380", host + 1), format!("10.78.0.{}:7480", host + 1))
    }

    /// The executable on a host.
    pub fn wrapped(host: usize, args: &[&str]) -> Command {
        let plain = rumormill(args);
        let mut command = Self::inside(host);
        command.arg(plain.get_program()).args(plain.get_args());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Cuts the hosts with even numbers off from the others, or joins them again.
    pub fn cut(&self, cut: bool) {
        ip(&format!("link set cable0 {}", if cut { "down" } else { "up" }));
    }

    /// Cuts one host off from all others, or joins it again.
    pub fn isolate(&self, host: usize, cut: bool) {
        ip(&format!("link set gossip{host} {}", if cut { "down" } else { "up" }));
    }

    /// Makes the way to and from a host as narrow as a tunnel: bytes of its packets. What is larger
    /// is refused by its own system, and lost without a word on the way to it.
    pub fn narrow(&self, host: usize, mtu: u16) {
        ip(&format!("link set gossip{host} mtu {mtu}"));
        ip(&format!("-n h{host} link set gossip mtu {mtu}"));
    }

    /// What [`Network::SETUP`] sets up, where [`Network::block`] works as well.
    pub fn setup_with_firewall() -> String {
        format!("{} && nft add table inet probe && nft delete table inet probe", Self::SETUP)
    }

    /// Drops all that a host gets or sends of a protocol (`udp` or `tcp`) in the network of gossip,
    /// from now on instead of what was dropped before; with no hooks nothing is.
    pub fn block(&self, host: usize, protocol: &str, hooks: &[&str]) {
        let mut rules = "add table inet gossip; delete table inet gossip; ".to_owned();
        for hook in hooks {
            let at = if *hook == "input" { "iifname" } else { "oifname" };
            rules += &format!(
                "add table inet gossip; add chain inet gossip {hook} {{ type filter hook {hook} \
                 priority 0; }}; add rule inet gossip {hook} {at} gossip meta l4proto {protocol} \
                 drop; "
            );
        }
        let output = Self::inside(host).arg("nft").arg(rules).output().unwrap();
        assert!(output.status.success(), "nft: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// What any other host sends to this one is lost without a word, or no longer; the other way
    /// goes on: the others take it for a machine that is not there.
    pub fn deafen(&self, host: usize, cut: bool) {
        for other in (0..self.hosts).filter(|other| *other != host) {
            self.lose(other, host, cut);
        }
    }

    /// What one host sends to another is lost without a word, or no longer; the other way goes on.
    pub fn lose(&self, from: usize, to: usize, cut: bool) {
        let mac = if cut { "02:00:00:00:99:99".into() } else { format!("02:00:00:00:77:{to:02}") };
        ip(&format!(
            "-n h{from} neigh replace 10.77.0.{} lladdr {mac} dev gossip nud permanent",
            to + 1
        ));
    }
}
