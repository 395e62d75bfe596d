//! Puts charts on paper, one below the other: frame, axes, series, legend.

mod legend;

use super::chart::{Chart, Series, Style};
use super::data::{Point, Stroke, along, dashed, runs, strokes, thinned};
use super::layout::{Layout, PAPER};
use super::marks::{Look, looks};
use super::pen::{self, FAINT, FINE_GRID, FRAME, GRID, INK, Pen, Type};
use super::text::{LABEL, SMALL, TICK, TITLE};
use plotters::style::text_anchor::HPos;

/// All charts as one SVG.
pub fn svg(charts: &[Chart]) -> anyhow::Result<String> {
    if charts.is_empty() {
        anyhow::bail!("there is nothing to draw");
    }
    let mut layouts = Vec::new();
    let mut top = 0.0;
    for chart in charts {
        let layout = Layout::new(chart, top)?;
        top = layout.end;
        layouts.push(layout);
    }
    let title: Vec<&str> = charts.iter().map(|chart| chart.title.as_str()).collect();
    pen::draw((PAPER, top), &title.join("; "), |pen| {
        charts.iter().zip(&layouts).try_for_each(|(chart, layout)| draw(pen, chart, layout))
    })
}

fn draw(pen: &mut Pen<'_>, chart: &Chart, layout: &Layout) -> anyhow::Result<()> {
    let left = layout.left;
    for (line, y) in &layout.title {
        pen.text(line, (left, *y), Type { bold: true, ..Type::new(TITLE, INK) })?;
    }
    for (line, y) in &layout.subtitle {
        pen.text(line, (left, *y), Type::new(SMALL, FAINT))?;
    }
    for (line, y) in &layout.notes {
        pen.text(line, (left, *y), Type::new(SMALL, FAINT))?;
    }
    axes(pen, chart, layout)?;
    let looks = looks(chart.series.iter().map(|series| series.style));
    // Bands lie beneath all lines, bars beneath all others.
    let all = || chart.series.iter().zip(&looks).enumerate();
    for (index, (series, look)) in all() {
        match series.style {
            Style::Bars => bars(pen, chart, index, *look, layout)?,
            Style::Points => {}
            _ => band(pen, series, *look, layout)?,
        }
    }
    let solid = [Style::Line, Style::LineAndPoints];
    for (_, (series, look)) in all().filter(|(_, (series, _))| solid.contains(&series.style)) {
        line(pen, series, *look, layout)?;
    }
    // Theory is seen above what agrees with it.
    for (_, (series, look)) in all().filter(|(_, (series, _))| series.style == Style::Dashed) {
        line(pen, series, *look, layout)?;
    }
    for (index, (series, look)) in all() {
        match series.style {
            Style::Line if looks.len() > 1 => sparse_marks(pen, series, *look, index, layout)?,
            Style::LineAndPoints => marks(pen, series, *look, layout)?,
            Style::Points => {
                whiskers(pen, series, *look, layout)?;
                marks(pen, series, *look, layout)?;
            }
            Style::Line | Style::Dashed | Style::Bars => {}
        }
    }
    legend::draw(pen, chart, &looks, layout)
}

fn axes(pen: &mut Pen<'_>, chart: &Chart, layout: &Layout) -> anyhow::Result<()> {
    let (left, top, right, bottom) = (layout.left, layout.top, layout.right, layout.bottom);
    let inside = |share: &f64| (-1e-9..=1.0 + 1e-9).contains(share);
    let place = |share: f64| (left + share * (right - left), bottom - share * (bottom - top));
    let named = |ticks: &[(f64, String)]| ticks.iter().map(|tick| tick.0).collect::<Vec<_>>();
    for (scale, is_x) in [(&layout.x, true), (&layout.y, false)] {
        for (values, colour) in [(scale.minor.clone(), FINE_GRID), (named(&scale.ticks), GRID)] {
            for share in values.iter().map(|value| scale.place(*value)).filter(inside) {
                let (x, y) = place(share);
                let line = if is_x { [(x, top), (x, bottom)] } else { [(left, y), (right, y)] };
                pen.line(&line, colour, 1.0, 1.0)?;
            }
        }
    }
    pen.rectangle((left, top), (right, bottom), FRAME, false)?;
    let mut end_of_last = f64::NEG_INFINITY;
    for (value, name) in &layout.x.ticks {
        let x = place(layout.x.place(*value)).0;
        if !inside(&layout.x.place(*value)) {
            continue;
        }
        pen.line(&[(x, bottom), (x, bottom + 4.0)], FRAME, 1.0, 1.0)?;
        let half = super::text::width(name, TICK) / 2.0;
        if x - half > end_of_last {
            let set = Type { at: HPos::Center, ..Type::new(TICK, INK) };
            pen.text(name, (x, bottom + 13.0), set)?;
            end_of_last = x + half + 4.0;
        }
    }
    for (value, name) in &layout.y.ticks {
        let y = place(layout.y.place(*value)).1;
        if inside(&layout.y.place(*value)) {
            pen.line(&[(left - 4.0, y), (left, y)], FRAME, 1.0, 1.0)?;
            let set = Type { at: HPos::Right, ..Type::new(TICK, INK) };
            pen.text(name, (left - 7.0, y), set)?;
        }
    }
    let label = Type { at: HPos::Center, ..Type::new(LABEL, INK) };
    let middle = ((left + right) / 2.0, (top + bottom) / 2.0);
    pen.text(&chart.x.label, (middle.0, bottom + 34.0), label)?;
    pen.text(&chart.y.label, (layout.y_label, middle.1), Type { upwards: true, ..label })
}

/// The strokes of a series on the paper.
fn on_paper(series: &Series, layout: &Layout) -> Vec<Stroke> {
    strokes(series.points.iter().map(|point| layout.share(*point)))
        .iter()
        .map(|stroke| thinned(&stroke.iter().map(|share| layout.place(*share)).collect::<Stroke>()))
        .collect()
}

fn line(pen: &mut Pen<'_>, series: &Series, look: Look, layout: &Layout) -> anyhow::Result<()> {
    let width = if look.dashes.is_empty() { 2.0 } else { 1.6 };
    let mut lines = on_paper(series, layout);
    if !look.dashes.is_empty() {
        lines = lines.iter().flat_map(|stroke| dashed(stroke, look.dashes)).collect();
    } else if series.style == Style::Line && lines.is_empty() {
        // A single point has no line, but should be seen.
        marks(pen, series, look, layout)?;
    }
    lines.iter().try_for_each(|stroke| pen.line(stroke, look.colour, width, 1.0))
}

/// The points that lie within the frame.
fn seen(series: &Series, layout: &Layout) -> impl Iterator<Item = Point> {
    let within = |share: &Point| {
        let range = -1e-9..=1.0 + 1e-9;
        range.contains(&share.0) && range.contains(&share.1)
    };
    let shares = series.points.iter().filter_map(|point| layout.share(*point));
    shares.filter(within).map(|share| layout.place(share))
}

fn marks(pen: &mut Pen<'_>, series: &Series, look: Look, layout: &Layout) -> anyhow::Result<()> {
    let mut drawn = std::collections::HashSet::new();
    for (x, y) in seen(series, layout) {
        // Many points in one place are one.
        if drawn.insert(((x * 2.0) as i32, (y * 2.0) as i32)) {
            pen.mark(look.marker, (x, y), look.colour)?;
        }
    }
    Ok(())
}

/// A few marks along a line, so that it can be told from the others without colour.
fn sparse_marks(
    pen: &mut Pen<'_>,
    series: &Series,
    look: Look,
    index: usize,
    layout: &Layout,
) -> anyhow::Result<()> {
    let first = 28.0 + 37.0 * (index % 4) as f64;
    for stroke in on_paper(series, layout) {
        for at in along(&stroke, first, 150.0) {
            pen.mark(look.marker, at, look.colour)?;
        }
    }
    Ok(())
}

/// The spread as an area.
fn band(pen: &mut Pen<'_>, series: &Series, look: Look, layout: &Layout) -> anyhow::Result<()> {
    let edges = series
        .points
        .iter()
        .zip(&series.spread)
        .map(|((x, _), (low, high))| layout.ends(*x, *low, *high));
    for run in runs(edges) {
        let above = run.iter().map(|(_, high)| *high);
        let below = run.iter().rev().map(|(low, _)| *low);
        let corners: Vec<Point> = above.chain(below).map(|share| layout.place(share)).collect();
        if run.len() > 1 {
            pen.fill(&corners, look.colour, 0.16)?;
        } else if let [high, low] = corners[..] {
            whisker(pen, low, high, look)?;
        }
    }
    Ok(())
}

/// The spread as a line through each point.
fn whiskers(pen: &mut Pen<'_>, series: &Series, look: Look, layout: &Layout) -> anyhow::Result<()> {
    for ((x, _), (low, high)) in series.points.iter().zip(&series.spread) {
        if let Some((low, high)) = layout.ends(*x, *low, *high) {
            whisker(pen, layout.place(low), layout.place(high), look)?;
        }
    }
    Ok(())
}

fn whisker(pen: &mut Pen<'_>, low: Point, high: Point, look: Look) -> anyhow::Result<()> {
    pen.line(&[low, high], look.colour, 1.2, 0.6)?;
    for (x, y) in [low, high] {
        pen.line(&[(x - 3.0, y), (x + 3.0, y)], look.colour, 1.2, 0.6)?;
    }
    Ok(())
}

/// Bars of several series stand beside each other.
fn bars(
    pen: &mut Pen<'_>,
    chart: &Chart,
    index: usize,
    look: Look,
    layout: &Layout,
) -> anyhow::Result<()> {
    let is_bars = |series: &&Series| series.style == Style::Bars;
    let count = chart.series.iter().filter(is_bars).count();
    let before = chart.series.iter().take(index).filter(is_bars).count();
    let Some(series) = chart.series.get(index) else { return Ok(()) };
    for (at, (x, y)) in series.points.iter().enumerate() {
        let Some(share) = layout.share((*x, *y)) else { continue };
        let width = layout.bar(*x) / count as f64;
        let from = share.0 + width * (before as f64 - count as f64 / 2.0);
        let (from, to) = (from.clamp(0.0, 1.0), (from + width).clamp(0.0, 1.0));
        let base = layout.y.place(if chart.y.log { layout.y.low() } else { 0.0 }).clamp(0.0, 1.0);
        let end = share.1.clamp(0.0, 1.0);
        let (top, bottom) = (base.max(end), base.min(end));
        if to > from && top > bottom {
            let (from, to) = (layout.place((from, top)), layout.place((to, bottom)));
            pen.rectangle(from, to, look.colour, true)?;
        }
        let spread = series.spread.get(at).and_then(|(low, high)| layout.ends(*x, *low, *high));
        if let (Some((low, high)), true) = (spread, to > from) {
            let middle = (from + to) / 2.0;
            let look = Look { colour: INK, ..look };
            whisker(pen, layout.place((middle, low.1)), layout.place((middle, high.1)), look)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Axis;

    fn chart(styles: &[Style], points: &[(f64, f64)]) -> Chart {
        let series = |style: &Style| Series {
            name: format!("{style:?} <&>"),
            points: points.to_vec(),
            spread: points.iter().map(|(_, y)| (y * 0.5, y * 1.5)).collect(),
            style: *style,
        };
        Chart {
            title: "a \"title\" & more".into(),
            subtitle: "rumormill sim epidemic --loss <x>".into(),
            x: Axis { label: "round".into(), ..Axis::default() },
            y: Axis { label: "share".into(), ..Axis::default() },
            series: styles.iter().map(series).collect(),
        }
    }

    const ALL: [Style; 5] =
        [Style::Line, Style::Dashed, Style::Points, Style::LineAndPoints, Style::Bars];

    /// Tags that are opened are closed, in order, and no number is none.
    fn well_formed(svg: &str) {
        let mut open = Vec::new();
        for tag in svg.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None if tag.ends_with('/') => {}
                None => open.push(tag.split_whitespace().next().unwrap()),
            }
        }
        assert!(open.is_empty(), "{open:?}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn every_style_is_drawn_on_every_axis() {
        let points = [(1.0, 0.5), (2.0, 0.25), (3.0, 0.1), (4.0, 0.01)];
        for (x, y) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut chart = chart(&ALL, &points);
            (chart.x.log, chart.y.log) = (x, y);
            let svg = svg(&[chart.clone(), chart]).unwrap();
            well_formed(&svg);
            assert!(svg.contains("Dashed &lt;&amp;&gt;") && svg.contains("round"));
        }
    }

    #[test]
    fn odd_data_is_left_out_and_told() {
        let odd = [(0.0, 0.0), (1.0, f64::NAN), (f64::INFINITY, 2.0), (2.0, -1.0), (3.0, 5.0)];
        for log in [false, true] {
            for styles in ALL.iter().map(|style| vec![*style]).chain([ALL.to_vec()]) {
                let mut chart = chart(&styles, &odd);
                (chart.x.log, chart.y.log) = (log, log);
                let svg = svg(&[chart]).unwrap();
                well_formed(&svg);
                assert!(svg.contains("left out"));
            }
        }
        for style in ALL {
            well_formed(&svg(&[chart(&[style], &[(0.0, 0.0)])]).unwrap());
            well_formed(&svg(&[chart(&[style], &[(1e300, 1e300), (5.0, 1e9)])]).unwrap());
        }
    }

    #[test]
    fn nothing_to_draw_is_an_error() {
        assert!(svg(&[]).is_err());
        assert!(svg(&[Chart::default()]).is_err());
        let error = svg(&[chart(&[Style::Line], &[])]).unwrap_err();
        assert!(error.to_string().contains("a \"title\""), "{error}");
        assert!(svg(&[chart(&[Style::Line], &[(f64::NAN, 1.0)])]).is_err());
        let many = vec![Style::Line; 100];
        assert!(svg(&[chart(&many, &[(1.0, 1.0)])]).unwrap_err().to_string().contains("100"));
    }

    #[test]
    fn what_lies_outside_a_range_is_cut_off() {
        let mut chart = chart(&[Style::Line], &[(0.0, 0.0), (1000.0, 1000.0)]);
        chart.x.range = Some((0.0, 10.0));
        chart.y.range = Some((0.0, 10.0));
        let svg = svg(&[chart]).unwrap();
        well_formed(&svg);
        let points = svg.split("points=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let numbers = points.flat_map(|points| points.split([' ', ',']));
        let numbers: Vec<f64> = numbers.filter_map(|number| number.parse().ok()).collect();
        let most = numbers.iter().copied().fold(0.0, f64::max);
        assert!(!numbers.is_empty() && most <= 10.0 * PAPER, "{most}");
        assert!(numbers.iter().all(|number| *number >= 0.0), "{numbers:?}");
    }
}
