//! Render: answers with details, for those who may see them.
//!
//! The shape is that of the endpoint: `/health` says of each check how it stands and what was seen; the probes say of each
//! whether it holds. Who accepts `application/health+json` gets the shape of `draft-inadarei-api-health-check-06`, an expired draft
//! that tools know nevertheless.

use evenkeel_units::Moment;
use jiff::Timestamp;
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use crate::answer::Endpoint;
use crate::board::{Board, Entry};
use crate::said::Said;
use crate::{Status, Weight};

/// An endpoint's answer in full.
pub(crate) fn details(endpoint: Endpoint, board: &Board, now: Moment, wall: Timestamp) -> String {
    let said = board.verdict(now).at(endpoint);
    let whether =
        |checks| json(&Body { checks: Some(Map(checks)), ..Body::of(said, said.reason()) });
    let checks = board.checks.iter().map(|it| (it.name.as_str(), it));
    match endpoint {
        Endpoint::Overall => json(&Body {
            timestamp: Some(wall.as_millisecond() as f64 / 1_000.0),
            checks: Some(Map(checks.map(|(name, it)| (name, Seen::of(it, now))).collect())),
            ..Body::of(said, said.reason().or(board.deadly(now)))
        }),
        Endpoint::Live => json(&Body::<bool>::of(said, board.deadly(now))),
        Endpoint::Ready => {
            whether(checks.map(|(name, it)| (name, it.judge.status(now).is_up())).collect())
        }
        Endpoint::Startup => {
            let steps = board.steps.iter().map(|it| (it.name.as_str(), it.done));
            let critical = checks.filter(|(_, it)| it.judge.policy().weight == Weight::Critical);
            let passed = critical.map(|(name, it)| (name, it.judge.has_passed()));
            whether(steps.chain(passed).collect())
        }
    }
}

/// The same as the draft has it: `pass`, `warn` or `fail`, and a list of observations for each check.
pub(crate) fn draft(said: Said, board: Option<(&Board, Moment, Timestamp)>) -> String {
    let status = match said {
        Said::Degraded => "warn",
        it if it.is_good() => "pass",
        _ => "fail",
    };
    let checks = board.map(|(board, now, wall)| {
        Map(board
            .checks
            .iter()
            .map(|it| (it.name.as_str(), [Observation::of(it, now, wall)]))
            .collect())
    });
    json(&Draft { status, output: said.reason(), checks })
}

#[derive(Serialize)]
struct Body<'a, V> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Map<'a, V>>,
}

impl<'a, V> Body<'a, V> {
    fn of(said: Said, reason: Option<&'a str>) -> Self {
        Self { status: said.word(), reason, timestamp: None, checks: None }
    }
}

/// One check, as people want to see it.
#[derive(Serialize)]
struct Seen<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    critical: bool,
    /// Seconds since the last answer.
    age_s: Option<f64>,
    /// Seconds that its run took.
    took_s: Option<f64>,
    /// Seconds for which it has stood so.
    since_s: Option<f64>,
    /// Answers in a row that contradict how it stands.
    #[serde(skip_serializing_if = "is_none")]
    against: u32,
    runs: u64,
    failures: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_none(count: &u32) -> bool {
    *count == 0
}

impl<'a> Seen<'a> {
    fn of(entry: &'a Entry, now: Moment) -> Self {
        let judge = &entry.judge;
        let last = judge.last();
        let value = last.and_then(|it| it.finding.value());
        let (runs, failures) = judge.counts();
        Self {
            status: match judge.status(now) {
                Status::Pass => "healthy",
                Status::Warn => "degraded",
                Status::Unknown => "unknown",
                Status::Fail => "unhealthy",
            },
            value: value.map(|it| it.0),
            unit: value.map(|it| it.1),
            detail: last.map(|it| it.finding.detail()).filter(|it| !it.is_empty()),
            critical: judge.policy().weight == Weight::Critical,
            age_s: last.map(|it| seconds(now - it.at)),
            took_s: last.map(|it| it.took.as_secs_f64()),
            since_s: judge.since(now).map(|it| seconds(now - it)),
            against: judge.against(),
            runs,
            failures,
        }
    }
}

/// To the millisecond: an age is no measurement.
fn seconds(it: std::time::Duration) -> f64 {
    it.as_millis() as f64 / 1_000.0
}

#[derive(Serialize)]
struct Draft<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<Map<'a, [Observation<'a>; 1]>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Observation<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
}

impl<'a> Observation<'a> {
    fn of(entry: &'a Entry, now: Moment, wall: Timestamp) -> Self {
        let last = entry.judge.last();
        let value = last.and_then(|it| it.finding.value());
        let time = last.and_then(|it| wall.checked_sub(now - it.at).ok());
        Self {
            status: entry.judge.status(now).word(),
            observed_value: value.map(|it| it.0),
            observed_unit: value.map(|it| it.1),
            output: last.map(|it| it.finding.detail()).filter(|it| !it.is_empty()),
            time: time.map(|it| format!("{it:.3}")),
        }
    }
}

/// Names and values in the order in which the checks were given.
struct Map<'a, V>(Vec<(&'a str, V)>);

impl<V: Serialize> Serialize for Map<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

fn json(body: &impl Serialize) -> String {
    // Texts, numbers and flags under names that are texts always have a form.
    serde_json::to_string(body).unwrap_or_else(|_| unreachable!("this has a form in JSON"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::board::Step;
    use crate::{Finding, Judge, Policy};

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    fn board() -> Board {
        let entry = |name: &str, policy| Entry { name: name.to_owned(), judge: Judge::new(policy) };
        let checks = vec![entry("database", Policy::critical()), entry("cpu", Policy::default())];
        let steps = vec![Step { name: "migrations".to_owned(), done: false }];
        let mut board = Board::new(checks, steps, at(0), Duration::from_hours(1));
        board.record(0, at(1), Duration::from_millis(4), Finding::fail("\"refused\""));
        board.record(
            1,
            at(2),
            Duration::from_millis(1),
            Finding::pass().with_value(12.5, "percent"),
        );
        board
    }

    fn say(endpoint: Endpoint) -> Value {
        let wall = Timestamp::from_millisecond(1_500).unwrap();
        let text = details(endpoint, &board(), at(5), wall);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn health_says_how_each_check_stands_and_how_old_that_is() {
        let said = say(Endpoint::Overall);
        assert_eq!(said["status"], "unhealthy");
        assert_eq!(said["timestamp"], 1.5);
        let database = json!({
            "status": "unhealthy", "detail": "\"refused\"", "critical": true, "age_s": 4.0, "took_s": 0.004,
            "since_s": 4.0, "runs": 1, "failures": 1,
        });
        assert_eq!(said["checks"]["database"], database);
        assert_eq!(said["checks"]["cpu"]["value"], 12.5);
        assert_eq!(said["checks"]["cpu"]["status"], "healthy");
    }

    #[test]
    fn the_probes_say_of_each_check_whether_it_holds() {
        let wanted = json!({
            "status": "not_ready", "reason": "starting", "checks": {"database": false, "cpu": true},
        });
        assert_eq!(say(Endpoint::Ready), wanted);
        let wanted =
            json!({"status": "starting", "checks": {"migrations": false, "database": false}});
        assert_eq!(say(Endpoint::Startup), wanted);
        assert_eq!(say(Endpoint::Live), json!({"status": "alive"}));
    }

    #[test]
    fn the_draft_has_lists_of_observations() {
        let board = board();
        let wall = Timestamp::from_second(1_000).unwrap();
        let text = draft(Said::Unhealthy, Some((&board, at(5), wall)));
        let said: Value = serde_json::from_str(&text).unwrap();
        let wanted = json!([{"status": "fail", "output": "\"refused\"", "time": "1970-01-01T00:16:36.000Z"}]);
        assert_eq!(said["checks"]["database"], wanted);
        assert_eq!(draft(Said::Degraded, None), r#"{"status":"warn"}"#);
    }
}
