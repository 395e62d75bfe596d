//! The figures of an epidemic by name, and numbers as people read them.

use crate::output::count;
use rumormill_sim::epidemic::{Moments, Summary};

/// Something measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    Residue,
    Traffic,
    TAvg,
    TLast,
    Complete,
    Updates,
    Requests,
    Refused,
}

pub const FIGURES: [Figure; 8] = [
    Figure::Residue,
    Figure::Traffic,
    Figure::TAvg,
    Figure::TLast,
    Figure::Complete,
    Figure::Updates,
    Figure::Requests,
    Figure::Refused,
];

impl Figure {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Residue => "residue",
            Self::Traffic => "traffic",
            Self::TAvg => "t_avg",
            Self::TLast => "t_last",
            Self::Complete => "complete",
            Self::Updates => "updates",
            Self::Requests => "requests",
            Self::Refused => "refused",
        }
    }

    pub fn by_name(name: &str) -> Option<Self> {
        FIGURES.into_iter().find(|figure| figure.name() == name)
    }

    /// What an axis says, with the unit.
    pub fn label(self) -> &'static str {
        match self {
            Self::Residue => "residue s (share of nodes that never heard)",
            Self::Traffic => "traffic m (updates per node)",
            Self::TAvg => "t_avg (rounds until a node heard, mean)",
            Self::TLast => "t_last (rounds until the last heard)",
            Self::Complete => "complete (share of trials in which all heard)",
            Self::Updates => "updates (messages of all nodes)",
            Self::Requests => "requests and digests (messages of all nodes)",
            Self::Refused => "refused calls (of all nodes)",
        }
    }

    /// Its value; the deviation is zero where there is none.
    pub fn of(self, summary: &Summary) -> Moments {
        let plain = |mean| Moments { mean, ..Moments::default() };
        match self {
            Self::Residue => summary.residue,
            Self::Traffic => summary.traffic,
            Self::TAvg => summary.t_avg,
            Self::TLast => summary.t_last,
            Self::Complete => plain(summary.complete),
            Self::Updates => plain(summary.messages.updates),
            Self::Requests => plain(summary.messages.requests),
            Self::Refused => plain(summary.messages.refused),
        }
    }

    /// True for what has a deviation.
    pub fn varies(self) -> bool {
        matches!(self, Self::Residue | Self::Traffic | Self::TAvg | Self::TLast)
    }
}

/// A number with four digits that count.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".into()
    } else if size >= 1e3 {
        count(value.round() as u64)
    } else if size >= 0.01 {
        let places = (3 - size.log10().floor() as i32).clamp(0, 5) as usize;
        let text = format!("{value:.places$}");
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    } else if size >= 1e-4 {
        format!("{value:.6}").trim_end_matches('0').to_owned()
    } else {
        format!("{value:.2e}")
    }
}

/// A number of nodes, which a mean may break.
pub fn nodes(value: f64) -> String {
    match value {
        0.0 => "0".into(),
        value if value >= 1000.0 || value.fract() == 0.0 => count(value.round() as u64),
        value if value < 0.01 => format!("{value:.0e}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_say_enough() {
        for (value, shown) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.03712, "0.03712"),
            (16.8432, "16.84"),
            (1234.56, "1,235"),
            (123_456.7, "123,457"),
            (0.00123, "0.00123"),
            (0.000_012, "1.20e-5"),
        ] {
            assert_eq!(short(value), shown);
        }
        assert_eq!(
            (nodes(12.345), nodes(1000.4), nodes(7.0)),
            ("12.35".into(), "1,000".into(), "7".into())
        );
    }

    #[test]
    fn figures_are_found_by_name() {
        assert!(FIGURES.iter().all(|figure| Figure::by_name(figure.name()) == Some(*figure)));
        assert_eq!(Figure::by_name("speed"), None);
    }
}
