//! What a client is told when a command cannot be carried out.

use crate::error::WriteError;
use rumormill_core::data::Refused;
use std::borrow::Cow;

/// An error reply: a code in capitals, a space, a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault(pub Cow<'static, str>);

impl Fault {
    pub(super) const SYNTAX: Self = Self(Cow::Borrowed("ERR syntax error"));
    pub(super) const NOT_INTEGER: Self =
        Self(Cow::Borrowed("ERR value is not an integer or out of range"));

    pub(super) const LOADING: Self = Self(Cow::Borrowed(
        "LOADING this node has just started, and has yet to learn from another member what has \
         changed meanwhile; try again in a moment, or ask another node",
    ));
    pub(super) const WRONG_TYPE: Self = Self(Cow::Borrowed(
        "WRONGTYPE Operation against a key holding a kind of value that this version does not know",
    ));

    pub(super) fn arity(name: &str) -> Self {
        Self::from(format!("ERR wrong number of arguments for '{name}' command"))
    }

    pub(super) fn of_write(error: &WriteError) -> Self {
        match error {
            WriteError::Store(_) => Self::from(format!("MISCONF {error}; reads go on")),
            WriteError::Refused(refused) => Self::of_refusal(refused),
            _ => Self::from(format!("ERR {error}")),
        }
    }

    pub(super) fn of_refusal(refused: &Refused) -> Self {
        match refused {
            Refused::OtherKind(_) => Self::WRONG_TYPE,
            Refused::Clock { .. } | Refused::Ahead { .. } => Self::from(format!("CLOCK {refused}")),
            _ => Self::from(format!("ERR {refused}")),
        }
    }
}

impl From<&'static str> for Fault {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Fault {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}
