//! Random bits from the operating system.

use std::hash::{BuildHasher as _, Hasher as _};

/// 64 random bits, never zero.
pub(crate) fn random_u64() -> u64 {
    // Where the system call fails (no known system does), the standard library still has keys
    // that it drew from the operating system at its first hash map.
    let bits = getrandom::u64()
        .unwrap_or_else(|_| std::collections::hash_map::RandomState::new().build_hasher().finish());
    bits.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(random_u64(), random_u64());
    }
}
