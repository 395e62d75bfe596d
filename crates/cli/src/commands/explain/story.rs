//! The stories of several agents as one, by time and in words.

use crate::client::{MemberEvent, MemberEvents};
use crate::encoding::printable;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

/// The same news at several agents within this time is told once, milliseconds.
const SAME: u64 = 60_000;

/// Names by id.
pub type Names = BTreeMap<String, String>;

/// The names that the agents know.
pub fn named(told: &[MemberEvents]) -> Names {
    let mut names: Names = told.iter().flat_map(|told| told.names.clone()).collect();
    names.extend(told.iter().map(|told| (told.seen_by.clone(), told.seen_by_name.clone())));
    names
}

/// What happened, in the order of time.
pub struct Story {
    happened: Vec<Happened>,
}

/// One thing that happened, and who saw it when, the first first.
struct Happened {
    event: MemberEvent,
    seen: Vec<(String, u64)>,
}

impl Story {
    /// Joins what agents tell. News that goes round is told once; what an agent did or met itself
    /// is its own.
    pub fn of(told: &[MemberEvents]) -> Self {
        let mut all: Vec<(&str, &MemberEvent)> = told
            .iter()
            .flat_map(|told| told.events.iter().map(|event| (told.seen_by.as_str(), event)))
            .collect();
        // Stable: what one agent saw in one millisecond stays in its order.
        all.sort_by_key(|(_, event)| event.at_ms);
        let mut happened: Vec<Happened> = Vec::new();
        // Where the latest of each piece of news stands.
        let mut latest: BTreeMap<String, usize> = BTreeMap::new();
        for (seer, event) in all {
            let own =
                matches!(event.what.as_str(), "probe-failed" | "stalled" | "refuted" | "twin");
            let by = if own { seer } else { "" };
            let news = json!([by, event.about, event.what, event.more]).to_string();
            let known = latest.get(&news).and_then(|place| happened.get_mut(*place));
            if let Some(known) = known
                && event.at_ms - known.event.at_ms <= SAME
                && known.seen.iter().all(|(earlier, _)| earlier != seer)
            {
                known.seen.push((seer.to_owned(), event.at_ms));
                continue;
            }
            latest.insert(news, happened.len());
            let seen = vec![(seer.to_owned(), event.at_ms)];
            happened.push(Happened { event: event.clone(), seen });
        }
        Self { happened }
    }

    pub fn json(&self, names: &Names) -> Vec<Value> {
        let event = |happened: &Happened| {
            let mut event = serde_json::to_value(&happened.event).unwrap_or_default();
            let seen_by: Vec<Value> = happened
                .seen
                .iter()
                .map(|(id, at_ms)| json!({ "id": id, "name": names.get(id), "at_ms": at_ms }))
                .collect();
            if let Value::Object(event) = &mut event {
                event.insert("about_name".into(), json!(names.get(&happened.event.about)));
                event.insert("seen_by".into(), seen_by.into());
                event.insert("text".into(), words(happened, names).into());
            }
            event
        };
        self.happened.iter().map(event).collect()
    }

    /// Time, who saw it, what happened.
    pub fn rows(&self, names: &Names) -> Vec<Vec<String>> {
        let row = |happened: &Happened| {
            vec![time(happened.event.at_ms), seers(happened, names), words(happened, names)]
        };
        self.happened.iter().map(row).collect()
    }
}

fn time(at_ms: u64) -> String {
    match UNIX_EPOCH.checked_add(Duration::from_millis(at_ms)) {
        // Past the year 9999 there is no such form.
        Some(time) if at_ms < 253_402_300_800_000 => {
            humantime::format_rfc3339_millis(time).to_string()
        }
        _ => format!("{at_ms} ms"),
    }
}

fn seers(happened: &Happened, names: &Names) -> String {
    let Some((first, at)) = happened.seen.first() else { return "-".into() };
    let last = happened.seen.last().map_or(*at, |(_, at)| *at);
    match happened.seen.len() - 1 {
        0 => name(first, names),
        others => format!("{} (+{others} within {} ms)", name(first, names), last - at),
    }
}

fn name(id: &str, names: &Names) -> String {
    match names.get(id) {
        Some(name) => printable(name.as_bytes()),
        None => printable(id.as_bytes()),
    }
}

/// The names of the members in a field of an event.
fn list(more: &Map<String, Value>, field: &str, names: &Names) -> Vec<String> {
    let ids = more.get(field).and_then(Value::as_array).into_iter().flatten();
    ids.filter_map(Value::as_str).map(|id| name(id, names)).collect()
}

fn words(happened: &Happened, names: &Names) -> String {
    let event = &happened.event;
    let who = name(&event.about, names);
    let seer = happened.seen.first().map(|(id, _)| name(id, names)).unwrap_or_default();
    let number = |field: &str| event.more.get(field).and_then(Value::as_u64).unwrap_or(0);
    let by = list(&event.more, "by", names);
    match event.what.as_str() {
        "joined" => format!("{who} is known from now on"),
        "probe-failed" => {
            let through = list(&event.more, "through", names);
            match through.len() {
                0 => format!("{who} did not answer {seer}, which had nobody to ask to try as well"),
                tried => format!(
                    "{who} did not answer {seer}, neither directly nor through {} ({} of {tried} \
                     said that it is silent to them too)",
                    through.join(", "),
                    number("nacks")
                ),
            }
        }
        "suspected" => match by.as_slice() {
            [] => format!("{who} is suspected"),
            [first] => format!("{first} found {who} silent and suspects it"),
            [first, .., last] => format!(
                "{last} found {who} silent as well: the suspicion of {first} is confirmed ({}x)",
                by.len() - 1
            ),
        },
        "died" => match by.as_slice() {
            [] => format!("{who} is held dead"),
            [only] => format!("{only} holds {who} dead: it did not refute in time"),
            [others @ .., last] => format!(
                "{last} holds {who} dead: it did not refute in time; it was silent to {}",
                others.join(", ")
            ),
        },
        "left" => format!("{who} said goodbye"),
        "forgotten" => format!("{who} was forgotten: nobody waits for it any more"),
        "returned" => format!("{who} is alive after all (incarnation {})", number("incarnation")),
        "changed" => format!("{who} changed its address, ports, name or tags"),
        "refuted" => {
            let of = if by.is_empty() { String::new() } else { format!(" of {}", by.join(", ")) };
            format!("{who} refuted the suspicion{of} (incarnation {})", number("incarnation"))
        }
        "stalled" => {
            let still = humantime::format_duration(Duration::from_millis(number("ms")));
            format!("{seer} itself stood still for {still} and gave the others the time back")
        }
        "twin" => format!("another node was heard that runs with the id of {who}"),
        other => format!("{who}: {}", printable(other.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(by: &str, events: &[(u64, &str, Value)]) -> MemberEvents {
        let event = |(at_ms, what, more): &(u64, &str, Value)| MemberEvent {
            at_ms: *at_ms,
            about: "3".into(),
            what: (*what).into(),
            more: more.as_object().cloned().unwrap_or_default(),
        };
        MemberEvents {
            seen_by: by.into(),
            seen_by_name: if by == "3" { "db".into() } else { format!("n{by}") },
            events: events.iter().map(event).collect(),
            names: [("3".into(), "db".into())].into(),
            more: false,
        }
    }

    #[test]
    fn the_stories_of_several_agents_become_one() {
        let (first, both) = (json!({"by": ["1"]}), json!({"by": ["1", "2"]}));
        let probe = json!({"through": ["2", "4"], "nacks": 1});
        let back = json!({"incarnation": 8});
        let all = [
            told(
                "1",
                &[
                    (10, "probe-failed", probe),
                    (10, "suspected", first.clone()),
                    (40, "suspected", both.clone()),
                    (900, "returned", back.clone()),
                    (90_000, "suspected", first.clone()),
                ],
            ),
            told(
                "2",
                &[(12, "suspected", first), (35, "suspected", both), (901, "returned", back)],
            ),
            told(
                "3",
                &[
                    (15, "stalled", json!({"ms": 3200})),
                    (899, "refuted", json!({"by": ["1"], "incarnation": 8})),
                ],
            ),
        ];
        let names = named(&all);
        let rows = Story::of(&all).rows(&names);
        let told: Vec<_> = rows.iter().map(|row| (row[1].as_str(), row[2].as_str())).collect();
        assert_eq!(
            told,
            [
                (
                    "n1",
                    "db did not answer n1, neither directly nor through n2, 4 (1 of 2 said that \
                     it is silent to them too)"
                ),
                ("n1 (+1 within 2 ms)", "n1 found db silent and suspects it"),
                ("db", "db itself stood still for 3s 200ms and gave the others the time back"),
                (
                    "n2 (+1 within 5 ms)",
                    "n2 found db silent as well: the suspicion of n1 is confirmed (1x)"
                ),
                ("db", "db refuted the suspicion of n1 (incarnation 8)"),
                ("n1 (+1 within 1 ms)", "db is alive after all (incarnation 8)"),
                ("n1", "n1 found db silent and suspects it"),
            ]
        );
        assert_eq!(rows[0][0], "1970-01-01T00:00:00.010Z");
        let json = Story::of(&all).json(&names);
        assert_eq!(json[1]["seen_by"][1], json!({"id": "2", "name": "n2", "at_ms": 12}));
        assert_eq!((&json[1]["what"], &json[1]["by"][0]), (&json!("suspected"), &json!("1")));
    }

    #[test]
    fn whatever_an_agent_says_is_survived() {
        let odd = told("1", &[(u64::MAX, "new-thing", json!(null)), (1, "died", json!({"by": 7}))]);
        let rows = Story::of(&[odd]).rows(&Names::new());
        assert_eq!(rows[0][2], "3 is held dead");
        assert_eq!(rows[1][2], "3: new-thing");
    }
}
