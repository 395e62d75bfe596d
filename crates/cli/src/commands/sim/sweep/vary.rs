//! What is varied: `k=1..5`, `loss=0..0.3/0.1`, `nodes=1e3..1e6*10`, `contact=push,pull`.

use crate::failure::Failure;

/// Values of one option at most.
const VALUES: usize = 1000;

/// An option and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vary {
    pub name: String,
    pub values: Vec<String>,
}

impl Vary {
    /// The values as numbers, if all are.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        self.values.iter().map(|value| number(value)).collect()
    }
}

/// Everything that is varied. `words` are those of the command line: what is varied must not be set
/// as well.
///
/// # Errors
/// If something cannot be understood, is varied twice, or is set as well.
pub fn all(texts: &[String], words: impl Iterator<Item = String>) -> anyhow::Result<Vec<Vary>> {
    let mut found: Vec<Vary> = Vec::new();
    let words: Vec<String> = words.collect();
    for text in texts {
        let vary = parse(text).map_err(|why| Failure::usage(format!("--vary {text}: {why}")))?;
        // The two say the same.
        let same = |name: &str| if name == "blind" { "feedback".into() } else { name.to_owned() };
        if found.iter().any(|other| same(&other.name) == same(&vary.name)) {
            return Err(Failure::usage(format!(
                "{} is varied twice: write all its values into one --vary",
                vary.name
            )));
        }
        let set = words.iter().find_map(|word| {
            let name = word.strip_prefix("--")?.split('=').next()?;
            (same(name) == same(&vary.name)).then(|| word.clone())
        });
        if let Some(set) = set {
            let name = &vary.name;
            return Err(Failure::usage(format!("{name} is varied: leave {set} out")));
        }
        found.push(vary);
    }
    Ok(found)
}

fn parse(text: &str) -> Result<Vary, String> {
    let split = text.split_once('=').map(|(name, values)| (name.trim_start_matches("--"), values));
    let (name, list) = split
        .filter(|(name, list)| !name.is_empty() && !list.is_empty())
        .ok_or("write NAME=VALUES, as in k=1..5, nodes=1e3,1e4 or contact=push,pull")?;
    let mut values: Vec<String> = Vec::new();
    for item in list.split(',') {
        match steps(item)? {
            Some(steps) => values.extend(steps),
            None if item.is_empty() => return Err("there is a comma without a value".into()),
            None => values.push(item.to_owned()),
        }
        if values.len() > VALUES {
            return Err(format!("more than {VALUES} values: take larger steps (1..100/10)"));
        }
    }
    for (index, value) in values.iter().enumerate() {
        if values.iter().take(index).any(|other| other == value) {
            return Err(format!("the value {value} is there twice"));
        }
    }
    Ok(Vary { name: name.to_owned(), values })
}

/// `from..to`, `from..to/step` or `from..to*factor`; none for anything else, such as a path.
fn steps(item: &str) -> Result<Option<Vec<String>>, String> {
    let Some((from, rest)) = item.split_once("..") else { return Ok(None) };
    let (to, step, is_factor) = match (rest.split_once('/'), rest.split_once('*')) {
        (Some((to, step)), _) => (to, step, false),
        (_, Some((to, step))) => (to, step, true),
        _ => (rest, "1", false),
    };
    let (Some(from), Some(to)) = (number(from), number(to)) else { return Ok(None) };
    let step = number(step).ok_or_else(|| format!("{step} is no step"))?;
    let too_small = if is_factor { step <= 1.0 || from <= 0.0 } else { step <= 0.0 };
    if too_small || to < from {
        return Err(format!(
            "{item} leads nowhere: write FROM..TO/STEP or FROM..TO*FACTOR, upwards"
        ));
    }
    let at = |index: i32| match is_factor {
        true => from * step.powi(index),
        false => from + f64::from(index) * step,
    };
    let end = to + (to.abs().max(step)) * 1e-9;
    let steps = (0..).map(at).take_while(|value| *value <= end).take(VALUES + 1);
    Ok(Some(steps.map(plain).collect()))
}

/// Without what rounding left behind.
fn plain(value: f64) -> String {
    let text = format!("{value:.10}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A finite number.
pub fn number(text: &str) -> Option<f64> {
    let number: f64 = text.replace('_', "").parse().ok()?;
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> String {
        parse(text).unwrap().values.join(" ")
    }

    #[test]
    fn lists_and_steps_are_read() {
        assert_eq!(values("k=1..5"), "1 2 3 4 5");
        assert_eq!(values("--k=1..3,7"), "1 2 3 7");
        assert_eq!(values("loss=0..0.3/0.1"), "0 0.1 0.2 0.3");
        assert_eq!(values("loss=0..0.3/0.05"), "0 0.05 0.1 0.15 0.2 0.25 0.3");
        assert_eq!(values("nodes=1e3,1e4,1_000_000"), "1e3 1e4 1_000_000");
        assert_eq!(values("nodes=1e3..1e6*10"), "1000 10000 100000 1000000");
        assert_eq!(values("topology=../a..b.txt,ring"), "../a..b.txt ring");
        assert_eq!(parse("nodes=1e3,1_000_0").unwrap().numbers(), Some(vec![1e3, 1e4]));
        assert_eq!(parse("contact=push,pull").unwrap().numbers(), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "k",
            "k=",
            "=1",
            "k=1,,2",
            "k=5..1",
            "k=1..5/0",
            "k=1..5/-1",
            "n=0..5*2",
            "n=1..9*1",
            "k=1..1e9",
            "k=1..5/x",
            "k=1,2,1",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).into()).collect::<Vec<_>>();
        let all = |vary: &[&str], words: &[&str]| {
            all(&texts(vary), texts(words).into_iter()).map_err(|error| error.to_string())
        };
        assert!(all(&["k=1..2", "k=3"], &[]).unwrap_err().contains("twice"));
        assert!(all(&["k=1..2"], &["--k=3"]).unwrap_err().contains("leave --k=3 out"));
        assert!(all(&["feedback=true,false"], &["--blind"]).unwrap_err().contains("--blind"));
        assert_eq!(all(&["k=1..2"], &["--vary", "k=1..2"]).unwrap().len(), 1);
    }
}
