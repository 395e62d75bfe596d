//! Arguments of `rumormill agent`.

use clap::Args;
use rumormill::settings::Flag;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "\
Every setting can stand in the file that --config names and in an environment variable: `RUMORMILL_`
and its name in capitals (RUMORMILL_GOSSIP, RUMORMILL_SPREAD_TREE_FANOUT). Flags go before the
environment, which goes before the file. --print-config shows all settings and what they come to.

Secrets are not given as flags: RUMORMILL_KEY, RUMORMILL_REDIS_PASSWORD and RUMORMILL_HTTP_TOKEN hold
them, or files named by --key-file, --redis-password-file and --http-token-file.

Examples:
  rumormill agent
  rumormill agent --data ./data --name a
  rumormill agent --data ./b --gossip 127.0.0.1:0 --redis 127.0.0.1:0 --http 127.0.0.1:0 \\
                  --join 127.0.0.1:7400
  rumormill agent --gossip 10.0.0.7:7400 --key-file /etc/rumormill.key
  rumormill agent --tls-cert /etc/rumormill/cert.pem --tls-key /etc/rumormill/key.pem
  rumormill agent --tag zone=a --tag role=db
  rumormill agent --on-terminate leave --set leave_timeout=20s
  rumormill agent --config /etc/rumormill.toml --set spread.tree.fanout=4
  rumormill agent --print-config > rumormill.toml")]
pub struct AgentArgs {
    /// Read settings from this TOML file [env: RUMORMILL_CONFIG].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A name for people; otherwise it is made of the node's id.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The cluster's name; nodes of other clusters are strangers.
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Where to receive gossip, UDP and TCP; port 0 takes a free one [default: 127.0.0.1:7400].
    #[arg(long, value_name = "ADDR")]
    gossip: Option<String>,
    /// The gossip address that others are told, where it differs from the bound one.
    #[arg(long, value_name = "ADDR")]
    advertise: Option<String>,
    /// Where to serve the Redis protocol, or "off" [default: 127.0.0.1:6380].
    #[arg(long, value_name = "ADDR")]
    redis: Option<String>,
    /// Where to serve HTTP, or "off" [default: 127.0.0.1:7480].
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Names under which browsers may reach the HTTP port, beside addresses and localhost.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    http_hosts: Vec<String>,
    /// How long after a start from a data folder clients are told at most to come back, while the
    /// node has not agreed with another member yet; 0s: not at all [default: 5s].
    #[arg(long, value_name = "TIME")]
    loading: Option<String>,
    /// Keep entries and the node's id in this folder; otherwise they live in memory.
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Join by these members, host:port of their gossip, or srv+_gossip._udp.example for SRV records;
    /// may be repeated.
    #[arg(long, value_name = "ADDR,...", value_delimiter = ',')]
    join: Vec<String>,
    /// Say this of the node in the member list, such as zone=a or role=db; may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    tag: Vec<String>,
    /// Allow ports that strangers can reach without key, password or token.
    #[arg(long)]
    insecure: bool,
    /// Never comes back with old data: the next one has a folder of its own, as pods do. Passes of
    /// ring repair do not wait for it. Without a folder that is so anyway.
    #[arg(long)]
    ephemeral: bool,
    /// Go on although another member of this name is alive.
    #[arg(long)]
    allow_shared_name: bool,
    /// What SIGTERM and Ctrl-C do: stop (it stays a member, as for a restart) or leave (hands over what
    /// it has, as `rumormill leave` does; again: stops at once) [default: stop].
    #[arg(long, value_name = "WHAT")]
    on_terminate: Option<String>,
    /// When writes are forced to the disk: everysec or always [default: everysec].
    #[arg(long, value_name = "WHEN")]
    fsync: Option<String>,
    /// A file with the keys of the cluster, by which gossip is encrypted; `rumormill keygen FILE`
    /// makes one.
    #[arg(long, value_name = "FILE")]
    key_file: Option<String>,
    /// What is done with the keys: require (send sealed, drop what is not), send (send sealed, let
    /// both in) or accept (send plain, let both in) [default: require].
    #[arg(long, value_name = "MODE")]
    encryption: Option<String>,
    /// A file that holds the password of the Redis port.
    #[arg(long, value_name = "FILE")]
    redis_password_file: Option<String>,
    /// A file that holds the bearer token of the HTTP port.
    #[arg(long, value_name = "FILE")]
    http_token_file: Option<String>,
    /// Serve TLS on the Redis and HTTP ports with this certificate, a PEM file; tls.redis.cert and
    /// tls.http.cert are for one of them.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// The private key to --tls-cert; a PEM file that only its owner may read.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Let in only clients that show a certificate of these authorities, a PEM file.
    #[arg(long, value_name = "FILE")]
    tls_client_ca: Option<String>,
    /// Protocol settings for a kind of network: local, lan or wan [default: lan].
    #[arg(long, value_name = "PRESET")]
    protocol: Option<String>,
    /// Any setting by its name in the file, such as repair.interval=1s; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// What to log: error, warn, info, debug, trace, or a filter; RUST_LOG goes before it
    /// [default: info].
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// How to log: human or json [default: human].
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Print all settings as a TOML file, and do not start.
    #[arg(long)]
    pub print_config: bool,
    /// Stop when standard input ends: for programs that start agents.
    #[arg(long, hide = true)]
    pub exit_with_stdin: bool,
}

impl AgentArgs {
    /// The flags that were given, by the names of their settings.
    pub fn flags(&self) -> Vec<Flag> {
        let given = [
            ("name", &self.name),
            ("cluster", &self.cluster),
            ("gossip", &self.gossip),
            ("advertise", &self.advertise),
            ("redis", &self.redis),
            ("http", &self.http),
            ("loading", &self.loading),
            ("data", &self.data),
            ("on_terminate", &self.on_terminate),
            ("fsync", &self.fsync),
            ("key_file", &self.key_file),
            ("encryption", &self.encryption),
            ("redis_password_file", &self.redis_password_file),
            ("http_token_file", &self.http_token_file),
            ("tls.cert", &self.tls_cert),
            ("tls.key", &self.tls_key),
            ("tls.client_ca", &self.tls_client_ca),
            ("protocol", &self.protocol),
            ("log", &self.log),
            ("log_format", &self.log_format),
        ];
        let flag = |field: &str, value: String| Flag {
            flag: format!("--{}", field.replace(['_', '.'], "-")),
            field: field.into(),
            value,
        };
        // What --set says generally goes below the flag that says it specially.
        let mut flags: Vec<Flag> = self
            .set
            .iter()
            .map(|(field, value)| Flag {
                flag: "--set".into(),
                field: field.clone(),
                value: value.clone(),
            })
            .collect();
        flags.extend(
            given.into_iter().filter_map(|(field, value)| Some(flag(field, value.clone()?))),
        );
        for (field, list) in [("join", &self.join), ("http_hosts", &self.http_hosts)] {
            if !list.is_empty() {
                flags.push(flag(field, list.join(",")));
            }
        }
        flags.extend(self.tag.iter().map(|tag| Flag {
            flag: "--tag".into(),
            field: "tags".into(),
            value: tag.clone(),
        }));
        if self.insecure {
            flags.push(flag("insecure", "true".into()));
        }
        if self.ephemeral {
            flags.push(flag("ephemeral", "true".into()));
        }
        if self.allow_shared_name {
            flags.push(flag("allow_shared_name", "true".into()));
        }
        flags
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.trim().into(), value.trim().into()))
}
