//! Arguments of the commands that speak to an agent.

use crate::rows::RowFormat;
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Which agent to speak to.
#[derive(Clone, Debug, Args)]
pub struct ClientArgs {
    /// The HTTP address of an agent.
    #[arg(long, value_name = "ADDR", env = "RUMORMILL_HTTP", default_value = "127.0.0.1:7480")]
    pub http: String,
    /// A file that holds the agent's bearer token; RUMORMILL_HTTP_TOKEN holds the token itself.
    #[arg(long, value_name = "FILE", env = "RUMORMILL_HTTP_TOKEN_FILE", hide_env_values = true)]
    pub token_file: Option<PathBuf>,
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
  rumormill status --format json | jq .digest")]
pub struct StatusArgs {
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rumormill members
  rumormill members --format json | jq -r '.members[] | select(.state == \"alive\") | .name'")]
pub struct MembersArgs {
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

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rumormill set greeting hello
  rumormill set session/17 alice --ttl 30m
  date | rumormill set today -
  rumormill set logo.png --file logo.png")]
pub struct SetArgs {
    /// The key.
    pub key: OsString,
    /// The value; \"-\" reads it from standard input, to the end and byte for byte.
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
JSON lines: {\"key\":\"a\",\"value\":\"1\"} with an optional \"ttl\" (\"30s\" or seconds); key_base64 and
value_base64 for bytes that are no text. CSV: key,value[,ttl]; a first line with just these words
is a heading. Lines are written in order, in batches; any node will do, and all will have them.

Examples:
  rumormill import users.jsonl
  rumormill import users.csv --skip-bad
  dpkg-query -W -f='${Package},${Version}\\n' | rumormill import - --input-format csv
  rumormill export | rumormill import - --input-format jsonl --http 10.0.0.7:7480")]
pub struct ImportArgs {
    /// The file; \"-\" is standard input.
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
    /// key,value[,ttl].
    Csv,
}

impl From<InputFormat> for RowFormat {
    fn from(format: InputFormat) -> Self {
        match format {
            InputFormat::Jsonl => Self::Jsonl,
            InputFormat::Csv => Self::Csv,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
What `import` reads. A file appears under its name only when it is complete.

Examples:
  rumormill export > all.jsonl
  rumormill export --prefix user/ users.csv")]
pub struct ExportArgs {
    /// The file; standard output by default, or for \"-\".
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
The others hold the agent as left, not as dead. Its data folder stays; started again, it is back.

Examples:
  rumormill leave
  rumormill leave --http 10.0.0.7:7480")]
pub struct LeaveArgs {
    #[command(flatten)]
    pub client: ClientArgs,
}
