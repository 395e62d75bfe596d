//! The rumormill command. (Being written.)
fn main() {}
