//! Seeds, as people write them: one, or many.

/// Seeds from the first to before the end, which may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    pub first: u64,
    pub end: Option<u64>,
}

/// Seeds stay below this: they are written as numbers that every reader of TOML knows.
pub const MAX_SEED: u64 = i64::MAX as u64;

/// A seed.
pub fn seed(text: &str) -> Result<u64, String> {
    let seed = text.parse::<u64>().ok().filter(|&seed| seed < MAX_SEED);
    seed.ok_or_else(|| format!("{text:?} is no seed: seeds are numbers below 2^63 - 1"))
}

/// One seed, or a range of them.
pub fn seeds(text: &str) -> Result<Seeds, String> {
    let (first, end) = match text.split_once("..") {
        None => {
            let seed = seed(text)?;
            (seed, Some(seed + 1))
        }
        Some((first, "")) => (seed(first)?, None),
        Some((first, end)) => (seed(first)?, Some(seed(end)?)),
    };
    match end {
        Some(end) if end <= first => Err("no seed is in it; write it as in 0..100".into()),
        _ => Ok(Seeds { first, end }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_one_or_many() {
        assert_eq!(seeds("5"), Ok(Seeds { first: 5, end: Some(6) }));
        assert_eq!(seeds("0..10"), Ok(Seeds { first: 0, end: Some(10) }));
        assert_eq!(seeds("7.."), Ok(Seeds { first: 7, end: None }));
        for bad in ["", "..", "..5", "5..5", "9..2", "x", "99999999999999999999"] {
            assert!(seeds(bad).is_err(), "{bad}");
        }
    }
}
