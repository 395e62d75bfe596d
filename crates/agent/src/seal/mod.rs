//! The lock on the gossip port: keys, sealed datagrams, sealed streams, rotation.

mod cluster;
#[doc(hidden)]
pub mod cost;
mod counters;
mod datagram;
mod door;
pub mod file;
pub(crate) mod fresh;
mod keeper;
mod key;
mod noise;
mod ring;
mod rotation;
pub(crate) mod stream;
mod window;

pub use counters::Refusals;
pub use datagram::OVERHEAD;
pub use door::{Encryption, EncryptionStatus};
pub use key::{Key, KeyError, KeyId};
pub use ring::KeyRing;
pub use rotation::{Keyring, KeyringError, KeyringMember};

pub(crate) use cluster::{ClusterKey, ClusterRing};
pub(crate) use counters::Drop;
pub(crate) use datagram::fuzz as fuzz_datagram;
pub(crate) use door::{Door, Lock};
pub(crate) use keeper::{Keeper, drawn};
pub(crate) use rotation::{Action, Holder, Note, fuzz as fuzz_note};
