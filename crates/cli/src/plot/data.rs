//! From values to strokes: what cannot be drawn is left out, what lies outside is cut off, and
//! lines are taken apart into dashes.

/// A point: on an axis from 0 to 1, or on the paper.
pub type Point = (f64, f64);

/// Points in a row, without gaps.
pub type Stroke = Vec<Point>;

/// Cuts a line at its gaps (`None`) and at the edges of the unit square.
pub fn strokes(points: impl IntoIterator<Item = Option<Point>>) -> Vec<Stroke> {
    let mut strokes: Vec<Stroke> = Vec::new();
    let mut last: Option<Point> = None;
    for point in points {
        if let (Some(from), Some(to)) = (last, point)
            && let Some((from, to)) = inside(from, to)
        {
            match strokes.last_mut() {
                Some(stroke) if stroke.last() == Some(&from) => stroke.push(to),
                _ => strokes.push(vec![from, to]),
            }
        }
        last = point;
    }
    strokes
}

/// The part of a segment within the unit square (Liang and Barsky).
fn inside(from: Point, to: Point) -> Option<(Point, Point)> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (mut enter, mut leave) = (0f64, 1f64);
    for (speed, gap) in [(-dx, from.0), (dx, 1.0 - from.0), (-dy, from.1), (dy, 1.0 - from.1)] {
        if speed == 0.0 {
            if gap < 0.0 {
                return None;
            }
        } else if speed < 0.0 {
            enter = enter.max(gap / speed);
        } else {
            leave = leave.min(gap / speed);
        }
    }
    let at = |t: f64| (from.0 + t * dx, from.1 + t * dy);
    let start = if enter == 0.0 { from } else { at(enter) };
    let end = if leave == 1.0 { to } else { at(leave) };
    (enter <= leave).then_some((start, end))
}

/// Runs of neighbours that are all there.
pub fn runs<T: Copy>(items: impl IntoIterator<Item = Option<T>>) -> Vec<Vec<T>> {
    let mut runs = vec![Vec::new()];
    for item in items {
        match (item, runs.last_mut()) {
            (Some(item), Some(run)) => run.push(item),
            (Some(item), None) => runs.push(vec![item]),
            (None, _) => runs.push(Vec::new()),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// Without points that nobody could tell from the one before.
pub fn thinned(stroke: &[Point]) -> Stroke {
    let mut kept: Stroke = Vec::new();
    for point in stroke {
        let near = |last: &Point| (point.0 - last.0).abs() + (point.1 - last.1).abs() < 0.2;
        if !kept.last().is_some_and(near) {
            kept.push(*point);
        }
    }
    if let (Some(end), true) = (stroke.last(), kept.len() > 1) {
        kept.push(*end);
    }
    kept
}

/// The pieces of a stroke that a pattern of lengths (on, off, on, off …) leaves.
pub fn dashed(stroke: &[Point], pattern: &[f64]) -> Vec<Stroke> {
    let mut dashes = Vec::new();
    let mut lengths = pattern.iter().copied().cycle();
    let (Some(mut left), Some(first)) = (lengths.next(), stroke.first()) else {
        return dashes;
    };
    let mut on = true;
    let mut dash = vec![*first];
    for pair in stroke.windows(2) {
        let &[from, to] = pair else { continue };
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let mut gone = 0.0;
        while length - gone > left {
            gone += left;
            let t = gone / length;
            let point = (from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1));
            if on {
                dash.push(point);
                dashes.push(std::mem::take(&mut dash));
            }
            on = !on;
            dash = vec![point];
            left = lengths.next().unwrap_or(1.0).max(0.5);
        }
        left -= length - gone;
        dash.push(to);
    }
    if on && dash.len() > 1 {
        dashes.push(dash);
    }
    dashes
}

/// Points along a stroke, `step` apart, the first after `first`.
pub fn along(stroke: &[Point], first: f64, step: f64) -> Vec<Point> {
    let mut found = Vec::new();
    let mut next = first;
    for pair in stroke.windows(2) {
        let &[from, to] = pair else { continue };
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        while next <= length && length > 0.0 {
            let t = next / length;
            found.push((from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1)));
            next += step.max(1.0);
        }
        next -= length;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_gaps_and_edges() {
        let cut = strokes([Some((0.0, 0.5)), Some((0.5, 0.5)), None, Some((0.6, 0.5))]);
        assert_eq!(cut, [vec![(0.0, 0.5), (0.5, 0.5)]]);
        let cut = strokes([Some((0.5, -1.0)), Some((0.5, 2.0)), Some((0.5, 0.5))]);
        assert_eq!(cut, [vec![(0.5, 0.0), (0.5, 1.0), (0.5, 0.5)]]);
        assert!(strokes([Some((2.0, 0.0)), Some((2.0, 1.0))]).is_empty());
        assert!(strokes([Some((0.5, 0.5))]).is_empty());
    }

    #[test]
    fn dashes_cover_their_share() {
        let line = [(0.0, 0.0), (60.0, 0.0), (100.0, 0.0)];
        let dashes = dashed(&line, &[6.0, 4.0]);
        assert_eq!(dashes.len(), 10);
        let covered: f64 = dashes.iter().map(|d| d.last().unwrap().0 - d[0].0).sum();
        assert!((covered - 60.0).abs() < 1e-9);
        assert!(dashed(&[], &[1.0]).is_empty() && dashed(&line, &[]).is_empty());
    }

    #[test]
    fn marks_are_evenly_spaced() {
        let line = [(0.0, 0.0), (100.0, 0.0)];
        let marks: Vec<f64> = along(&line, 10.0, 30.0).iter().map(|p| p.0.round()).collect();
        assert_eq!(marks, [10.0, 40.0, 70.0, 100.0]);
    }

    #[test]
    fn runs_end_at_gaps() {
        assert_eq!(runs([None, Some(1), Some(2), None, None, Some(3)]), [vec![1, 2], vec![3]]);
    }

    #[test]
    fn thinning_keeps_the_ends() {
        let line: Vec<Point> = (0..=1000).map(|n| (f64::from(n) / 100.0, 0.0)).collect();
        let kept = thinned(&line);
        assert!(kept.len() < 60 && kept[0] == line[0] && kept.last() == line.last());
    }
}
