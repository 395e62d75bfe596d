//! Bytes of the protocol: requests, replies, and the socket that they go through.

pub(super) mod inline;
pub(super) mod input;
pub(super) mod number;
pub(super) mod reply;
pub(super) mod resp;
pub(super) mod stream;
