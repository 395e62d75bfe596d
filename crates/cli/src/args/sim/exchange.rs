//! Arguments of `rumormill sim exchange`.

use clap::{Args, ValueEnum};
use rumormill_core::spread::entropy::{Compare, Direction};

#[derive(Debug, Args)]
#[command(after_help = "\
Two replicas hold N keys between them, of which D differ: in equal parts missing here, missing there,
newer here, newer there. Here begins. A message is all that one end says in one turn, however many
datagrams or frames it takes. With everything shipped (--compare full) a push is one message, a pull
two (ask, answer) and push-pull three (ask, answer, and what the answer lacked). With checksums there
are more messages and far fewer bytes; one small message if nothing differs. With sketches there are
three while the difference is small, few at any size, and bytes that follow the difference alone.

JSON: {\"messages\",\"bytes\",\"rounds\",\"left_different\",\"steps\":[{\"from\",\"to\",\"bytes\",\"datagrams\",
       \"frames\",\"parts\":[{\"kind\",\"messages\",\"holds\",\"bytes\"}],\"carries\"}]}
rounds are round trips; left_different counts the entries that differ at the end.

Examples:
  rumormill sim exchange --compare full --mode push
  rumormill sim exchange --compare full --mode push-pull
  rumormill sim exchange --entries 100000 --differences 10
  rumormill sim exchange --entries 100000 --differences 10 --compare sketch
  rumormill sim exchange --entries 100000 --differences 0 --format json")]
pub struct ExchangeArgs {
    /// Which way entries move: to the other, from the other, or both ways.
    #[arg(long, value_enum, default_value_t = Mode::PushPull)]
    pub mode: Mode,
    /// How the two find out what differs: full (everything is shipped), checksum (a checksum of
    /// everything, then of the parts that differ) or sketch (cells that are solved for it).
    #[arg(long, value_name = "METHOD", default_value = "checksum", value_parser = compare)]
    pub compare: Compare,
    /// Different keys in both replicas together.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub entries: u64,
    /// How many of them differ, up to all.
    #[arg(long, value_name = "D", default_value_t = 20)]
    pub differences: u64,
    /// Bytes of a value.
    #[arg(long, value_name = "BYTES", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
    pub value_size: u32,
    /// Bytes of entries in one message where everything is shipped; more goes in pieces, each of
    /// which is asked for. Agents have repair.piece_bytes, 262144 by default.
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 20,
          value_parser = clap::value_parser!(u32).range(1024..=4 << 20))]
    pub piece_bytes: u32,
    /// Everything random follows from it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Which way entries move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    Push,
    Pull,
    PushPull,
}

impl From<Mode> for Direction {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Push => Self::Push,
            Mode::Pull => Self::Pull,
            Mode::PushPull => Self::PushPull,
        }
    }
}

fn compare(text: &str) -> Result<Compare, String> {
    match text {
        "full" => Ok(Compare::Full),
        "checksum" => Ok(Compare::Checksum),
        "sketch" => Ok(Compare::Sketch),
        _ => Err("there are full, checksum and sketch".into()),
    }
}
