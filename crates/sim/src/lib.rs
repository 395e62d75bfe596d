//! A deterministic world around the core. (Being written.)
