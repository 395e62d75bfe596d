//! What is drawn against what.

use super::super::epidemic::figures::{FIGURES, Figure};
use super::vary::Vary;
use crate::failure::Failure;
use crate::plot::MOST_SERIES;

/// From left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum X {
    /// What is varied, by its place.
    Varied(usize),
    Figure(Figure),
}

/// One chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub x: X,
    /// More than one only if they share a unit.
    pub y: Vec<Figure>,
    /// What is varied along a line; there is a line for each combination of the others.
    pub along: Option<usize>,
}

/// The charts that are asked for, or those that suit what is varied.
///
/// # Errors
/// If there is no such thing to draw, or there would be too many lines.
pub fn pictures(varied: &[Vary], x: Option<&str>, y: &[String]) -> anyhow::Result<Vec<Picture>> {
    let first_number = (0..varied.len()).find(|index| is_number(varied, *index));
    let place = |name: &str| varied.iter().position(|vary| vary.name == name);
    let k = place("k").filter(|index| is_number(varied, *index));
    let along = k.or(first_number);
    let mut pictures = Vec::new();
    if x.is_none() && y.is_empty() {
        let nodes = place("nodes").filter(|index| is_number(varied, *index));
        if let Some(k) = k {
            pictures.push(picture(X::Varied(k), &[Figure::Residue], along));
        }
        if k.is_some() || first_number.is_none() {
            pictures.push(picture(X::Figure(Figure::Traffic), &[Figure::Residue], along));
        }
        if first_number.is_none() {
            pictures.push(picture(X::Figure(Figure::Traffic), &[Figure::TLast], along));
        }
        if let Some(nodes) = nodes {
            pictures.push(picture(X::Varied(nodes), &[Figure::TLast, Figure::TAvg], along));
        }
        if let (true, Some(other)) = (pictures.is_empty(), first_number) {
            for y in [&[Figure::Residue][..], &[Figure::Traffic], &[Figure::TLast, Figure::TAvg]] {
                pictures.push(picture(X::Varied(other), y, along));
            }
        }
    } else {
        let x = match x {
            Some(name) => horizontal(varied, name)?,
            None => along.map_or(X::Figure(Figure::Traffic), X::Varied),
        };
        for y in vertical(y, x)? {
            pictures.push(picture(x, &y, along));
        }
    }
    for picture in &pictures {
        let lines = lines(varied, picture);
        if lines > MOST_SERIES {
            return Err(Failure::usage(format!(
                "a chart of {lines} lines cannot be read: vary less, or draw a part with --x and \
                 --y (at most {MOST_SERIES} lines)"
            )));
        }
    }
    Ok(pictures)
}

fn picture(x: X, y: &[Figure], along: Option<usize>) -> Picture {
    let along = match x {
        X::Varied(index) => Some(index),
        X::Figure(_) => along,
    };
    Picture { x, y: y.to_vec(), along }
}

fn lines(varied: &[Vary], picture: &Picture) -> usize {
    let others = varied.iter().enumerate().filter(|(index, _)| Some(*index) != picture.along);
    let groups = others.map(|(_, vary)| vary.values.len()).fold(1, usize::saturating_mul);
    groups.saturating_mul(picture.y.len())
}

fn is_number(varied: &[Vary], index: usize) -> bool {
    varied.get(index).is_some_and(|vary| vary.numbers().is_some() && vary.values.len() > 1)
}

fn horizontal(varied: &[Vary], name: &str) -> anyhow::Result<X> {
    if let Some(index) = varied.iter().position(|vary| vary.name == name) {
        return match varied.get(index).and_then(Vary::numbers) {
            Some(_) => Ok(X::Varied(index)),
            None => Err(Failure::usage(format!(
                "--x {name}: its values are no numbers; they are told apart by lines"
            ))),
        };
    }
    Figure::by_name(name).map(X::Figure).ok_or_else(|| {
        let numbers = varied.iter().filter(|vary| vary.numbers().is_some());
        let names = numbers.map(|vary| vary.name.as_str());
        let names: Vec<&str> = names.chain(FIGURES.map(Figure::name)).collect();
        Failure::usage(format!("--x {name}: there is {}", names.join(", ")))
    })
}

/// The figures, those of one unit together.
fn vertical(names: &[String], x: X) -> anyhow::Result<Vec<Vec<Figure>>> {
    let mut charts: Vec<Vec<Figure>> = Vec::new();
    let is_time = |figure: Figure| matches!(figure, Figure::TAvg | Figure::TLast);
    for name in names {
        let figure = Figure::by_name(name).ok_or_else(|| {
            let names = FIGURES.map(Figure::name).join(", ");
            Failure::usage(format!("--y {name}: there is {names}"))
        })?;
        if x == X::Figure(figure) {
            return Err(Failure::usage(format!("{name} cannot be drawn against itself")));
        }
        let with =
            |chart: &&mut Vec<Figure>| is_time(figure) && chart.iter().all(|other| is_time(*other));
        match charts.iter_mut().find(with) {
            Some(chart) if !chart.contains(&figure) => chart.push(figure),
            Some(_) => {}
            None => charts.push(vec![figure]),
        }
    }
    if charts.is_empty() {
        charts.push(match x {
            X::Figure(Figure::Residue) => vec![Figure::Traffic],
            _ => vec![Figure::Residue],
        });
    }
    Ok(charts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vary(name: &str, values: &[&str]) -> Vary {
        Vary { name: name.into(), values: values.iter().map(|v| (*v).into()).collect() }
    }

    #[test]
    fn defaults_follow_from_what_is_varied() {
        let (k, nodes) = (vary("k", &["1", "2"]), vary("nodes", &["1e3", "1e4"]));
        let contact = vary("contact", &["push", "pull"]);
        let xs = |varied: &[Vary]| -> Vec<X> {
            pictures(varied, None, &[]).unwrap().iter().map(|picture| picture.x).collect()
        };
        let traffic = X::Figure(Figure::Traffic);
        assert_eq!(xs(std::slice::from_ref(&k)), [X::Varied(0), traffic]);
        assert_eq!(xs(&[contact.clone(), nodes.clone()]), [X::Varied(1)]);
        assert_eq!(xs(&[nodes, k]), [X::Varied(1), traffic, X::Varied(0)]);
        assert_eq!(xs(&[contact]), [traffic, traffic]);
        assert_eq!(xs(&[vary("loss", &["0", "0.1"])]), [X::Varied(0); 3]);
    }

    #[test]
    fn what_is_asked_for_is_drawn_or_refused() {
        let varied = [vary("loss", &["0", "0.1"]), vary("contact", &["push", "pull"])];
        let ask = |x: Option<&str>, y: &[&str]| {
            let y: Vec<String> = y.iter().map(|y| (*y).into()).collect();
            pictures(&varied, x, &y).map_err(|error| error.to_string())
        };
        let drawn = ask(Some("loss"), &["t_avg", "residue", "t_last"]).unwrap();
        assert_eq!(drawn.len(), 2);
        assert_eq!(drawn[0].y, [Figure::TAvg, Figure::TLast]);
        assert_eq!(ask(Some("traffic"), &[]).unwrap()[0].along, Some(0));
        assert!(ask(Some("contact"), &[]).unwrap_err().contains("no numbers"));
        assert!(ask(Some("speed"), &[]).unwrap_err().contains("loss"));
        assert!(ask(None, &["speed"]).unwrap_err().contains("t_last"));
        assert!(ask(Some("residue"), &["residue"]).unwrap_err().contains("itself"));
        let values: Vec<String> = (0..99).map(|n| format!("v{n}")).collect();
        let many = [Vary { name: "topology".into(), values }];
        assert!(pictures(&many, None, &[]).unwrap_err().to_string().contains("99 lines"));
    }
}
