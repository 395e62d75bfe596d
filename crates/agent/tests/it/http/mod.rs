//! The HTTP face from outside: over real sockets, with good and bad clients.

mod bounds;
mod bulk;
mod guard;
mod kv;
mod node;
mod server;
mod watch;
