//! Stepping through events, by lines from a person.

use super::filter::Filter;
use super::story::Holders;
use rumormill_sim::Step;
use rumormill_sim::step::escape;
use std::io::{self, BufRead, Write};

const HELP: &str = "Enter or n: next; a number: so many; /TEXT: search; k KEY: who holds it now; \
                    c: to the end; q: quit";

/// Shows events one by one. Answers false if it was left before the end.
pub fn run(
    steps: &[Step],
    nodes: usize,
    filter: &Filter,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> io::Result<bool> {
    let mut stepper = Stepper { steps, next: 0, holders: Holders::new(nodes), filter };
    writeln!(output, "{HELP}")?;
    stepper.show(1, output)?;
    let mut line = String::new();
    while !stepper.is_over() {
        write!(output, "> ")?;
        output.flush()?;
        line.clear();
        if input.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        match line.trim() {
            "" | "n" => stepper.show(1, output)?,
            "c" => stepper.show(usize::MAX, output)?,
            "q" => return Ok(false),
            word => {
                match (word.parse::<usize>(), word.strip_prefix('/'), word.strip_prefix("k ")) {
                    (Ok(count), ..) => stepper.show(count, output)?,
                    (_, Some(text), _) => stepper.search(text, output)?,
                    (.., Some(key)) => {
                        writeln!(output, "  {}", stepper.holders.state(&escape(key.as_bytes())))?;
                    }
                    _ => writeln!(output, "{HELP}")?,
                }
            }
        }
    }
    Ok(true)
}

struct Stepper<'a> {
    steps: &'a [Step],
    next: usize,
    holders: Holders,
    filter: &'a Filter,
}

impl Stepper<'_> {
    /// The next event that is shown.
    fn advance(&mut self) -> Option<&Step> {
        while let Some(step) = self.steps.get(self.next) {
            self.next += 1;
            self.holders.take_in(step);
            if self.filter.shows(step) {
                return Some(step);
            }
        }
        None
    }

    fn is_over(&self) -> bool {
        !self.steps[self.next..].iter().any(|step| self.filter.shows(step))
    }

    fn show(&mut self, count: usize, output: &mut dyn Write) -> io::Result<()> {
        for left in (0..count).rev() {
            let Some(step) = self.advance() else { break };
            let (line, key) = (step.to_string(), step.key.clone());
            writeln!(output, "{line}")?;
            // The state is of use where one stops.
            if let Some(key) = key.filter(|_| left == 0 || self.is_over()) {
                writeln!(output, "  {}", self.holders.state(&key))?;
            }
        }
        Ok(())
    }

    fn search(&mut self, text: &str, output: &mut dyn Write) -> io::Result<()> {
        let rest = self.steps[self.next..].iter();
        let shown = rest.filter(|step| self.filter.shows(step));
        match shown.map(Step::to_string).position(|line| line.contains(text)) {
            Some(passed) => {
                for _ in 0..passed {
                    self.advance();
                }
                self.show(1, output)
            }
            None => writeln!(output, "no {text} from here on"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ReplayArgs;
    use clap::{Args as _, FromArgMatches as _};

    fn filter(words: &[&str]) -> Filter {
        let command = ReplayArgs::augment_args(clap::Command::new("replay"));
        let matches = command.get_matches_from([&["replay", "--seed", "1"], words].concat());
        Filter::new(&ReplayArgs::from_arg_matches(&matches).unwrap())
    }

    fn session(said: &str, words: &[&str]) -> (String, bool) {
        let steps: Vec<Step> = [
            "1.000000 n0 write key=a stamp=9.0@n0 size=5",
            "1.000500 n0 send peer=n1 size=90",
            "1.001500 n1 hold peer=n0 key=a stamp=9.0@n0 size=5",
            "1.100000 n2 pause",
            "1.200000 n1 write key=b stamp=10.0@n1",
            "1.300000 n2 resume count=0",
        ]
        .iter()
        .map(|line| line.parse().unwrap())
        .collect();
        let mut output = Vec::new();
        let over = run(&steps, 3, &filter(words), &mut said.as_bytes(), &mut output).unwrap();
        let output = String::from_utf8(output).unwrap();
        (output.strip_prefix(HELP).unwrap().trim_start().to_owned(), over)
    }

    #[test]
    fn one_after_the_other() {
        let (output, over) = session("\nq\n", &[]);
        let golden = "\
1.000000 n0 write key=a stamp=9.0@n0 size=5
  a: 9.0@n0 at 1 of 3: n0; nothing at n1 n2
> 1.001500 n1 hold peer=n0 key=a stamp=9.0@n0 size=5
  a: 9.0@n0 at 2 of 3: n0 n1; nothing at n2
> ";
        assert_eq!((output.as_str(), over), (golden, false));
    }

    #[test]
    fn jumps_and_searches() {
        let (output, over) = session("/pause\n/nothing\nk a\nwhat\n2\n", &[]);
        assert!(output.contains("> 1.100000 n2 pause\n> no nothing from here on\n> "), "{output}");
        assert!(output.contains("  a: 9.0@n0 at 2 of 3"), "{output}");
        assert!(output.ends_with("deleted 10.0@n1 at 1 of 3: n1; nothing at n0 n2\n") || over);
        assert!(over, "the last event was shown");
        let (output, over) = session("c\n", &["--kind", "all", "--node", "0"]);
        assert!(output.ends_with("> 1.000500 n0 send peer=n1 size=90\n") && over, "{output}");
    }
}
