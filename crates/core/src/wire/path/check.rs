//! What holds of the paths between turns.

use super::state::Asked;
use super::{MAX_NUMBERS, MAX_PATHS, Paths, SAFE};

impl Paths {
    /// Checks that every check under way has its timer, that nothing is asked for nobody, and that
    /// no size is out of bounds.
    pub(crate) fn check(&self) {
        assert!(self.paths.len() <= MAX_PATHS, "{} paths", self.paths.len());
        let timers = self.paths.iter().filter_map(|(to, path)| Some((path.due?, *to)));
        let timers: std::collections::BTreeSet<_> = timers.collect();
        assert_eq!(timers, self.timers, "timers of paths");
        let mut numbers = 0;
        for (to, path) in self.paths.iter() {
            assert!(path.check.is_none() || path.due.is_some(), "the check of {to} goes on");
            let again = path.check.is_some() || path.is_closed();
            assert!(path.due.is_none() || again, "{to} is looked at without a reason");
            assert!(path.size.is_none_or(|size| (SAFE..self.most).contains(&size)));
            assert_eq!(path.is_troubled(), self.troubled.contains(to), "{to} is told of, or not");
            assert!(path.numbers.len() <= MAX_NUMBERS, "pings to {to} that are remembered");
            numbers += path.numbers.len();
        }
        assert!(self.troubled.len() <= self.paths.len(), "paths that are told of");
        assert_eq!(numbers, self.asked.len(), "pings that are remembered");
        for (number, (to, asked)) in &self.asked {
            let path = self.paths.get(to);
            assert!(path.is_some_and(|path| path.numbers.contains(number)), "{number} to {to}");
            assert!(!matches!(asked, Asked::Sized(size) if *size <= SAFE || *size > self.most));
        }
    }
}
