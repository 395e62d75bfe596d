//! Arguments of the commands that speak to an agent.

use clap::{Args, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Which agent to speak to.
#[derive(Clone, Debug, Args)]
pub struct ClientArgs {
    /// The HTTP address of an agent; https://host:port where it serves TLS.
    #[arg(
        long,
        value_name = "ADDR",
        visible_alias = "url",
        env = "RUMORMILL_HTTP",
        default_value = "127.0.0.1:7480"
    )]
    pub http: String,
    /// A file that holds the agent's bearer token; RUMORMILL_HTTP_TOKEN holds the token itself.
    #[arg(long, value_name = "FILE", env = "RUMORMILL_HTTP_TOKEN_FILE", hide_env_values = true)]
    pub token_file: Option<PathBuf>,
    /// With https: trust agents whose certificate is of this authority (a PEM file), instead of
    /// those that the system trusts.
    #[arg(long, value_name = "FILE", env = "RUMORMILL_CA", hide_env_values = true)]
    pub ca: Option<PathBuf>,
    /// With https: show this certificate (a PEM file), for agents that want one.
    #[arg(long, value_name = "FILE", env = "RUMORMILL_CLIENT_CERT", hide_env_values = true)]
    pub client_cert: Option<PathBuf>,
    /// The private key to --client-cert; a PEM file that only its owner may read.
    #[arg(long, value_name = "FILE", env = "RUMORMILL_CLIENT_KEY", hide_env_values = true)]
    pub client_key: Option<PathBuf>,
}

/// How long a value lives, as the user wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TtlText(pub Duration);

impl std::str::FromStr for TtlText {
    type Err = String;

    /// `30s`, `5m`, or a bare number of seconds.
    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = match text.parse::<u64>() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) if text.starts_with('-') => return Err("a time cannot be negative".into()),
            Err(_) => humantime::parse_duration(text)
                .map_err(|error| format!("{error}; write seconds, or 30s, 5m, 1h"))?,
        };
        if parsed < Duration::from_millis(1) {
            return Err("the shortest time is 1ms".into());
        }
        Ok(Self(parsed))
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rumormill status
  rumormill status --http 10.0.0.7:7480
  rumormill status --http https://node7.example:7480 --ca ca.pem
  rumormill status --format json | jq .digest")]
pub struct StatusArgs {
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rumormill members
  rumormill members --state alive --tag zone=a --tag role=db
  rumormill members --all                   those too that were forgotten
  rumormill members --format json | jq -r '.members[] | select(.state == \"alive\") | .name'")]
pub struct MembersArgs {
    /// Only those with this tag; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = rumormill::parse_tag)]
    pub tag: Vec<(String, String)>,
    /// Only those in this state.
    #[arg(long, value_name = "STATE", value_parser = ["alive", "suspect", "dead", "left", "forgotten"])]
    pub state: Option<String>,
    /// Those too that were forgotten.
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Tags say what a node is for: its zone, role, version. All members see a change within moments. A
restart of the agent begins with the tags of its settings again.

Examples:
  rumormill tag                             what the agent has
  rumormill tag zone=a role=db
  rumormill tag role=web --remove rack
  rumormill members --tag zone=a            who has it")]
pub struct TagArgs {
    /// Tags to set; the others stay. Without any, the tags are shown.
    #[arg(value_name = "NAME=VALUE", value_parser = rumormill::parse_tag)]
    pub tags: Vec<(String, String)>,
    /// Take this tag off; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub remove: Vec<String>,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rumormill explain node db-3               why it was suspected, or held dead
  rumormill explain node db-3 --all         as every member saw it
  rumormill explain key flags/dark          who holds it, and who does not
  rumormill explain repair                  what repair found and what it cost")]
pub enum ExplainCommand {
    /// Why a node is held alive, suspect or dead: who suspected it when, which probes failed, who
    /// confirmed, and what was refuted.
    Node(ExplainNodeArgs),
    /// Which members hold what an agent holds under a key, which do not, and what became of what was
    /// there before.
    Key(ExplainKeyArgs),
    /// What repair did lately: with whom, what differed, what it cost and how it ended; and who stays
    /// different.
    Repair(ExplainRepairArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
The agent asks every member that is alive or suspected. A member that holds a newer write under the
key counts as holding it. What became of writes of the key is told too, as far as the agent remembers
since it was started: collected by a pass of ring repair, let go, kept aside or written anew when the
agent was brought back, and by whom. Exit code 4 if the agent neither holds nor remembers anything.

Examples:
  rumormill explain key flags/dark
  rumormill explain key flags/dark --timeout 5s --format json | jq .members_without")]
pub struct ExplainKeyArgs {
    /// The key.
    pub key: OsString,
    /// How long members may take to answer.
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub timeout: TtlText,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Each agent keeps its last 512 exchanges of repair in which something differed, and the last 64 in
which nothing did (--calm). An exchange has both ends, and each counts what it sent and received.

How it ended:
  solved      what differed was found and moved
  equal       both ends held the same
  quiet       nothing came back: the other end holds the same, or the message was lost
  too-many    too much differed for sketches, and checksums went on
  fell-back   sketches did not lead to an answer, and checksums went on
  bulk        one end held next to nothing and was filled from the other
  gave-up     it broke off before anything had moved; the next one goes on

Examples:
  rumormill explain repair                    the latest that found something
  rumormill explain repair --with db-3        only those with one member
  rumormill explain repair --calm --limit 20  also those that found nothing
  rumormill explain repair --format json | jq '.totals.sketch'")]
pub struct ExplainRepairArgs {
    /// Only exchanges with this member: its name, or its id.
    #[arg(long = "with", value_name = "NODE")]
    pub peer: Option<String>,
    /// Also those in which nothing differed.
    #[arg(long)]
    pub calm: bool,
    /// At most this many, the latest.
    #[arg(long, value_name = "N", default_value_t = 50,
          value_parser = clap::value_parser!(u64).range(1..=576))]
    pub limit: u64,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Each agent keeps the last 2,048 things that happened to members as it saw them. One agent's story
names those who suspected and confirmed; the probes that the others sent are in their own stories,
which --all adds. Times are those of each agent's own clock.

Examples:
  rumormill explain node db-3
  rumormill explain node db-3 --all
  rumormill explain node 9c1d3a0be52f7d46 --format json | jq '.events[] | select(.what == \"died\")'")]
pub struct ExplainNodeArgs {
    /// Its name, or its id.
    pub node: String,
    /// Ask every member that serves HTTP, not one agent only.
    #[arg(long)]
    pub all: bool,
    /// At most this many events of each agent, the latest.
    #[arg(long, value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u64).range(1..=2048))]
    pub limit: u64,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The value goes to standard output as it is; a line break is added on a terminal only. Exit code 4
if the key does not exist.

Examples:
  rumormill get greeting
  rumormill get logo.png > logo.png
  rumormill get greeting --format json      with stamp and origin")]
pub struct GetArgs {
    /// The key.
    pub key: OsString,
    #[command(flatten)]
    pub client: ClientArgs,
}

/// How many members are to hold a write before a command ends.
#[derive(Clone, Debug, Args)]
pub struct WaitArgs {
    /// Wait until so many members hold it, the agent included: all, a share (0.99) or a count (3). All
    /// are those that are alive or suspected; who is held dead is not waited for.
    #[arg(long, value_name = "MEMBERS", value_parser = want)]
    pub wait: Option<String>,
    /// Give up waiting after this long; the write stands.
    #[arg(long, value_name = "TIME", default_value = "5s", requires = "wait")]
    pub wait_timeout: TtlText,
}

fn want(text: &str) -> Result<String, String> {
    let read: Result<rumormill::Want, _> = text.parse();
    read.map(|_| text.to_owned()).map_err(|error| error.to_string())
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rumormill set greeting hello
  rumormill set flags/dark on --wait all    until every member that is there has it
  rumormill set session/17 alice --ttl 30m
  rumormill set service/web/db-3 10.0.0.7:80 --owned     as in a service catalogue
  date | rumormill set today -
  rumormill set logo.png --file logo.png")]
pub struct SetArgs {
    /// The key.
    pub key: OsString,
    /// The value; "-" reads it from standard input, to the end and byte for byte.
    #[arg(
        required_unless_present = "file",
        conflicts_with = "file",
        allow_negative_numbers = true
    )]
    pub value: Option<OsString>,
    /// Read the value from a file.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Hide the value after this long: 30s, 5m, 1h, or seconds.
    #[arg(long, value_name = "TIME")]
    pub ttl: Option<TtlText>,
    /// Show the value only while the agent that takes it is a live member: everyone hides it when
    /// the agent leaves or dies, and shows it again when the agent is back.
    #[arg(long)]
    pub owned: bool,
    #[command(flatten)]
    pub wait: WaitArgs,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Deleting what is not there is no error; the answer says how many were there.

Examples:
  rumormill del greeting
  rumormill del session/17 session/18")]
pub struct DelArgs {
    /// The keys.
    #[arg(required = true, value_name = "KEY")]
    pub keys: Vec<OsString>,
    #[command(flatten)]
    pub wait: WaitArgs,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without --limit everything is listed, in pages, while others may go on writing. When standard
output is no terminal, each line is a key, a tab and a value, with control characters escaped;
--format json has the bytes as they are.

Examples:
  rumormill scan --prefix package/
  rumormill scan --keys --limit 10
  rumormill scan --prefix user/ --format json | jq -r .value")]
pub struct ScanArgs {
    /// Only keys that start with this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub prefix: OsString,
    /// At most this many; everything by default.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Keys without values.
    #[arg(long)]
    pub keys: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Runs until Ctrl-C. Each change comes with its stamp and the node that wrote it.

Examples:
  rumormill watch
  rumormill watch --prefix config/
  rumormill watch --count 1 --format json   wait for one change")]
pub struct WatchArgs {
    /// Only keys that start with this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub prefix: OsString,
    /// Stop after this many changes.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
JSON lines: {\"key\":\"a\",\"value\":\"1\"} with an optional \"ttl\" (\"30s\" or seconds) and
\"owned\" (true: the agent that takes the import will own it); key_base64 and value_base64 for bytes
that are no text. CSV: key,value[,ttl[,owned]]; a first line with just these words
is a heading. Lines are written in order, in batches; any node will do, and all will have them.

Examples:
  rumormill import users.jsonl
  rumormill import users.csv --skip-bad
  dpkg-query -W -f='${Package},${Version}\\n' | rumormill import - --input-format csv
  rumormill export | rumormill import - --input-format jsonl --http 10.0.0.7:7480")]
pub struct ImportArgs {
    /// The file; "-" is standard input.
    pub file: PathBuf,
    /// What the file holds; by default its name says so (.jsonl, .ndjson, .csv).
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub input_format: Option<InputFormat>,
    /// Report bad lines and go on, instead of stopping at the first.
    #[arg(long)]
    pub skip_bad: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

/// Files of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InputFormat {
    /// One JSON object per line.
    Jsonl,
    /// key,value[,ttl[,owned]].
    Csv,
}

#[derive(Debug, Args)]
#[command(after_help = "\
What `import` reads. A file appears under its name only when it is complete.

Examples:
  rumormill export > all.jsonl
  rumormill export --prefix user/ users.csv")]
pub struct ExportArgs {
    /// The file; standard output by default, or for "-".
    pub file: Option<PathBuf>,
    /// Only keys that start with this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub prefix: OsString,
    /// What to write; by default the file's name says so (.csv), otherwise JSON lines.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub output_format: Option<InputFormat>,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The agent takes no more writes, waits until most members hold what it has written, and gives one of
them its vote in passes of ring repair; then it says goodbye. The others hold it as left, not as dead.
Its data folder stays; started again, it is back.

If the time is up first it leaves all the same; what was not handed over is said, and the exit code
is 1. What only it holds is there again when it is back, and so is its vote.

Examples:
  rumormill leave
  rumormill leave --timeout 1m              a slow network, or much that was just written
  rumormill leave --now                     hands nothing over
  rumormill leave --http 10.0.0.7:7480")]
pub struct LeaveArgs {
    /// How long it may take to hand over, at most ten minutes.
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub timeout: TtlText,
    /// Leave at once, and hand nothing over.
    #[arg(long, conflicts_with = "timeout")]
    pub now: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}
