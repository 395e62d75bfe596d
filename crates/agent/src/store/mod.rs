//! What makes entries durable. (Being written.)
