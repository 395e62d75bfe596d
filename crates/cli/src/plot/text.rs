//! Text on plots: how wide it will be, where it breaks, and numbers as labels.

// Sizes of letters.
pub const TITLE: f64 = 16.0;
pub const SMALL: f64 = 11.0;
pub const TICK: f64 = 12.0;
pub const LABEL: f64 = 13.0;

/// About how wide text is in the widest of the usual sans-serif fonts. Nobody knows which one the
/// reader has.
pub fn width(text: &str, size: f64) -> f64 {
    let em: f64 = text
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | 'f' | 't' | 'r' | '.' | ',' | ':' | ';' | '|' | '\'' | ' ' => 0.36,
            'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.95,
            'A'..='Z' => 0.7,
            _ => 0.61,
        })
        .sum();
    em * size
}

/// Lines no wider than `room`, broken between words where that is possible.
pub fn wrap(text: &str, size: f64, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        for piece in pieces(word, size, room) {
            match lines.last_mut() {
                Some(line) if width(line, size) + width(&piece, size) + size * 0.36 <= room => {
                    line.push(' ');
                    line.push_str(&piece);
                }
                _ => lines.push(piece),
            }
        }
    }
    lines
}

/// A word that is wider than the room, in pieces.
fn pieces(word: &str, size: f64, room: f64) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut used = 0.0;
    for c in word.chars() {
        let wide = width(c.encode_utf8(&mut [0; 4]), size);
        if used + wide > room && used > 0.0 {
            pieces.push(String::new());
            used = 0.0;
        }
        used += wide;
        if let Some(last) = pieces.last_mut() {
            last.push(c);
        }
    }
    pieces
}

/// Without what XML does not allow.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{FFFE}' | '\u{FFFF}' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

/// For inside of an element.
pub fn escape(text: &str) -> String {
    clean(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// 10 to a power, as printed: 10⁻³.
pub fn power_of_ten(power: i32) -> String {
    let digits = power.unsigned_abs().to_string();
    let raised = digits.chars().map(|c| match c {
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        _ => '⁹',
    });
    let sign = if power < 0 { "⁻" } else { "" };
    format!("10{sign}{}", raised.collect::<String>())
}

/// A label for a value on an axis with steps of `step` whose largest value is `largest`.
pub fn number(value: f64, step: f64, largest: f64) -> String {
    const UNITS: [(f64, f64, &str); 4] =
        [(1e12, 1e12, "T"), (1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")];
    if value == 0.0 {
        return "0".into();
    }
    if !(1e-3..1e15).contains(&largest) {
        let power = largest.log10().floor();
        let unit = 10f64.powf(power);
        let places = places(step / unit);
        return minus(format!("{:.places$}·{}", value / unit, power_of_ten(power as i32)));
    }
    let (_, unit, suffix) =
        UNITS.into_iter().find(|(from, ..)| largest >= *from).unwrap_or((0.0, 1.0, ""));
    let places = places(step / unit);
    minus(format!("{:.places$}{suffix}", value / unit))
}

/// Places behind the point that steps need.
fn places(step: f64) -> usize {
    let whole = |value: f64| (value - value.round()).abs() < 1e-6;
    (0..12).find(|places| whole(step * 10f64.powi(*places))).unwrap_or(0) as usize
}

fn minus(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, step, largest, shown) in [
            (0.0, 1.0, 1.0, "0"),
            (-3.0, 1.0, 5.0, "−3"),
            (0.25, 0.05, 1.0, "0.25"),
            (0.3, 0.1, 1.0, "0.3"),
            (1000.0, 500.0, 4000.0, "1000"),
            (5000.0, 5000.0, 20_000.0, "5k"),
            (2_500_000.0, 500_000.0, 4e6, "2.5M"),
            (1e8, 5e7, 4e8, "100M"),
            (2e-5, 1e-5, 5e-5, "2·10⁻⁵"),
            (3e16, 1e16, 5e16, "3·10¹⁶"),
        ] {
            assert_eq!(number(value, step, largest), shown);
        }
    }

    #[test]
    fn text_breaks_between_words_and_long_words_break_too() {
        let lines = wrap("one two three four five six", 10.0, 60.0);
        assert!(lines.len() > 1 && lines.iter().all(|line| width(line, 10.0) <= 60.0));
        assert_eq!(lines.join(" "), "one two three four five six");
        let lines = wrap(&"x".repeat(100), 10.0, 60.0);
        assert_eq!(lines.concat(), "x".repeat(100));
        assert!(wrap("", 10.0, 60.0).is_empty());
        assert_eq!(wrap("ab", 10.0, 1.0), ["a", "b"]);
    }

    #[test]
    fn nothing_that_breaks_xml_stays() {
        assert_eq!(escape("a<b & \u{1}c"), "a&lt;b &amp;  c");
    }
}
