//! Traces in files: one line per event of a simulated world, up to a number of lines.

use crate::failure::Failure;
use anyhow::Context as _;
use rumormill_sim::{Step, World, step};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What the first line of a trace begins with.
pub const MAGIC: &str = "# rumormill trace 1";

/// A file that takes in what happens in a world.
pub struct TraceFile {
    path: PathBuf,
    writer: Rc<RefCell<Writer<BufWriter<File>>>>,
}

/// How much was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traced {
    /// Lines in the file.
    pub lines: u64,
    /// Lines that the limit left out.
    pub left_out: u64,
}

impl TraceFile {
    /// Makes the file, for so many lines at most.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(path: &Path, limit: u64) -> anyhow::Result<Self> {
        let file = File::create(path).map_err(|error| {
            Failure::usage(format!("cannot write the trace {}: {error}", path.display()))
        })?;
        let writer = Writer { to: BufWriter::new(file), limit, lines: 0, left_out: 0, error: None };
        Ok(Self { path: path.to_owned(), writer: Rc::new(RefCell::new(writer)) })
    }

    /// Writes down what happens in a world from now on.
    pub fn attach(&self, world: &mut World) {
        self.writer.borrow_mut().head(world.seed(), world.nodes());
        let writer = Rc::clone(&self.writer);
        step::watch(world, move |step| writer.borrow_mut().step(&step));
    }

    /// Ends the file.
    ///
    /// # Errors
    /// The first error in writing, if there was one.
    pub fn finish(self) -> anyhow::Result<Traced> {
        let mut writer = self.writer.borrow_mut();
        writer.finish().with_context(|| {
            format!("cannot write the trace {}: it is not complete", self.path.display())
        })
    }
}

struct Writer<W> {
    to: W,
    limit: u64,
    lines: u64,
    left_out: u64,
    error: Option<io::Error>,
}

impl<W: Write> Writer<W> {
    fn head(&mut self, seed: u64, nodes: usize) {
        let head = format!(
            "{MAGIC}, seed {seed}, {nodes} nodes\n# seconds node what, then what it is about\n"
        );
        self.keep(|to| to.write_all(head.as_bytes()));
    }

    fn step(&mut self, step: &Step) {
        if self.lines >= self.limit {
            self.left_out += 1;
            return;
        }
        self.lines += 1;
        self.keep(|to| writeln!(to, "{step}"));
    }

    /// Does it, unless something has failed before: the first error is the one to tell.
    fn keep(&mut self, write: impl FnOnce(&mut W) -> io::Result<()>) {
        if self.error.is_none() {
            self.error = write(&mut self.to).err();
        }
    }

    fn finish(&mut self) -> io::Result<Traced> {
        let Self { left_out, limit, .. } = *self;
        if left_out > 0 {
            self.keep(|to| writeln!(to, "# {left_out} more lines: the limit is {limit}"));
        }
        self.keep(|to| to.flush());
        match self.error.take() {
            Some(error) => Err(error),
            None => Ok(Traced { lines: self.lines, left_out }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_sim::step::What;

    fn writer<W>(to: W, limit: u64) -> Writer<W> {
        Writer { to, limit, lines: 0, left_out: 0, error: None }
    }

    #[test]
    fn golden_trace_with_a_limit() {
        let mut writer = writer(Vec::new(), 1);
        writer.head(7, 3);
        for at in [1_000_001, 2_000_000, 3_000_000] {
            let key = Some("a\\x20key".to_owned());
            let stamp = Some("1700000000010.0@n0".to_owned());
            let mut step = Step::new(at, Some(1), What::Hold);
            (step.peer, step.size) = (Some(0), Some(9));
            writer.step(&Step { key, stamp, ..step });
        }
        assert_eq!(writer.finish().unwrap(), Traced { lines: 1, left_out: 2 });
        let golden = "\
# rumormill trace 1, seed 7, 3 nodes
# seconds node what, then what it is about
1.000001 n1 hold peer=n0 key=a\\x20key stamp=1700000000010.0@n0 size=9
# 2 more lines: the limit is 1
";
        assert_eq!(String::from_utf8(writer.to).unwrap(), golden);
    }

    #[test]
    fn a_full_disk_is_told() {
        let mut room = [0; 50];
        let mut writer = writer(&mut room[..], 100);
        writer.head(7, 3);
        writer.step(&Step::new(5, Some(1), What::Tick));
        assert!(writer.finish().is_err());
    }
}
