//! Failures and the exit codes that they end in.

use crate::args::Format;
use crate::output::StdoutClosed;
use std::process::ExitCode;

/// What an exit code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Something failed.
    Failed = 1,
    /// Wrong arguments or settings.
    Usage = 2,
    /// No agent answers.
    NoAgent = 3,
    /// The key does not exist.
    NotFound = 4,
    /// The agent refused.
    Refused = 5,
}

/// A failure with a code of its own; all others end in [`Code::Failed`].
#[derive(Clone, Debug)]
pub struct Failure {
    pub code: Code,
    pub message: String,
}

impl Failure {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub fn usage(message: impl Into<String>) -> anyhow::Error {
        Self::new(Code::Usage, message).into()
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The code in which an error ends.
pub fn code_of(error: &anyhow::Error) -> Code {
    error.downcast_ref::<Failure>().map_or(Code::Failed, |failure| failure.code)
}

/// Writes the error to standard error and answers the exit code.
pub fn report(error: &anyhow::Error, format: Format) -> ExitCode {
    // Whoever read our output has seen enough, as `head` does: no failure.
    if error.downcast_ref::<StdoutClosed>().is_some() {
        return ExitCode::SUCCESS;
    }
    let code = code_of(error) as u8;
    let message = words(error);
    let line = match format {
        Format::Human => format!("error: {message}\n"),
        Format::Json => format!("{}\n", serde_json::json!({ "error": message, "code": code })),
    };
    // There is nowhere left to say that standard error is closed.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    ExitCode::from(code)
}

/// The error and its causes. Some errors name their cause themselves: it is not said twice.
fn words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !words.ends_with(&cause) {
            let colon = if words.is_empty() { "" } else { ": " };
            words = format!("{words}{colon}{cause}");
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn a_code_survives_context() {
        let failure: anyhow::Error = Failure::new(Code::NoAgent, "nobody").into();
        let error = Err::<(), _>(failure).context("while doing").unwrap_err();
        assert_eq!(code_of(&error), Code::NoAgent);
        assert_eq!(code_of(&anyhow::anyhow!("x")), Code::Failed);
        assert_eq!(code_of(&Failure::usage("x")), Code::Usage);
    }

    #[test]
    fn a_cause_is_said_once() {
        let error = std::io::Error::other("in use");
        let error = anyhow::Error::new(error).context("cannot bind: in use").context("starting");
        assert_eq!(words(&error), "starting: cannot bind: in use");
        assert_eq!(words(&anyhow::anyhow!("deep").context("high")), "high: deep");
    }
}
