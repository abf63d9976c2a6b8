//! Proposal: documents that fit what a service exposes.

use std::fmt::Write as _;
use std::time::Duration;

use evenkeel_units::{Human, parse_duration};

use super::exposed::{Exposed, Requests, Times};

/// Promises that are proposed, the best first: what was reached so far must be better.
const PROMISES: [&str; 8] = ["99.9%", "99.5%", "99%", "98%", "95%", "90%", "80%", "50%"];
/// Of fewer events nobody can tell what a service reaches.
const FEW: f64 = 100.0;
/// What is proposed for times of which nothing is known.
const USUAL_SECONDS: f64 = 0.5;
/// The share of requests that is to be fast.
const FAST: f64 = 0.99;

/// Documents, and what they promise.
#[derive(Debug)]
pub(super) struct Proposal {
    /// The text of `slo.yaml`, but for its first line.
    pub(super) text: String,
    /// Each objective in a line.
    pub(super) said: Vec<String>,
}

/// What a service may promise by what it exposes; that it can be asked at all, where it counts no requests.
pub(super) fn propose(exposed: &Exposed, name: &str) -> Proposal {
    let mut all = Proposal { text: String::new(), said: Vec::new() };
    let (requests, times) = (exposed.requests(), exposed.times());
    if let Some(it) = &requests {
        all.available(it, name);
    }
    if let Some(it) = &times {
        all.fast(it, name);
    }
    if requests.is_none() && times.is_none() {
        all.up(name);
    }
    let policy = format!(
        "---
apiVersion: evenkeel.dev/v1
kind: ErrorBudgetPolicy
metadata: {{name: {name}-policy}}
spec:
  service: '{name}'
  thresholds:
    - {{remaining: 50%, actions: [{{review: {{description: recent changes}}}}]}}
    - {{remaining: 10%, actions: [freeze]}}
"
    );
    all.text += &policy;
    all
}

impl Proposal {
    fn slo(&mut self, name: &str, service: &str, what: &str, seen: &str, sli: &str, promise: &str) {
        let begin = if self.said.is_empty() { "" } else { "---\n" };
        let written = write!(
            self.text,
            "{begin}apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {{name: {name}}}
spec:
  description: {promise} {what}
  service: '{service}'
  # {seen}
  sli:
{sli}  objective: {promise}
  window: 30d
"
        );
        debug_assert!(written.is_ok(), "a string takes everything");
        self.said.push(format!("{name}: {promise} {what}"));
    }

    fn available(&mut self, it: &Requests, service: &str) {
        let (all, bad) = it.counted;
        let promise = promise(all - bad, all);
        let seen = format!("{bad} of {all} requests have failed so far.");
        let selector = |more: Option<&str>| selector(&it.name, service, it.meant.as_deref(), more);
        let sli = format!(
            "    availability:\n      bad: {}\n      total: {}\n",
            selector(Some(&it.failed)),
            selector(None)
        );
        let name = format!("{service}-available");
        self.slo(&name, service, "of requests are answered right", &seen, &sli, promise);
    }

    fn fast(&mut self, it: &Times, service: &str) {
        let all = it.buckets.last().map_or(0.0, |it| it.1);
        let (bound, within) = threshold(it);
        let shown = time(bound);
        let seen = format!("{within} of {all} requests took no longer so far.");
        let histogram = selector(&it.name, service, it.meant.as_deref(), it.right.as_deref());
        let total = it.right.as_ref().map(|_| {
            let of = format!("{}_count", it.name);
            format!("      total: {}\n", selector(&of, service, it.meant.as_deref(), None))
        });
        let sli = format!(
            "    latency:\n      threshold: {shown}\n      histogram: {histogram}\n{}",
            total.unwrap_or_default()
        );
        let what = format!("of requests are answered within {shown}");
        self.slo(&format!("{service}-fast"), service, &what, &seen, &sli, "99%");
    }

    fn up(&mut self, service: &str) {
        let query = format!("'up{{job=\"{service}\"}}'");
        let sli = format!("    gauge: {{query: {query}, value: '>= 1'}}\n");
        let seen = "No counter of requests by status was found: that it answers at all is counted.";
        let name = format!("{service}-up");
        self.slo(&name, service, "of the time it answers", seen, &sli, "99.9%");
    }
}

/// The best promise that was kept so far; the usual one where little is known.
fn promise(good: f64, all: f64) -> &'static str {
    let share = |text: &str| text.trim_end_matches('%').parse::<f64>().unwrap_or(100.0) / 100.0;
    let kept = |it: &&&str| all < FEW || good / all >= share(it);
    PROMISES.iter().find(kept).copied().unwrap_or("50%")
}

/// The bound within which nearly all requests are, and how many: one above, so that there is room.
fn threshold(of: &Times) -> (f64, f64) {
    let bounds: Vec<_> = of.buckets.iter().filter(|it| it.0.is_finite()).copied().collect();
    let all = of.buckets.last().map_or(0.0, |it| it.1);
    let is_enough = |it: &(f64, f64)| match all < FEW {
        true => it.0 >= USUAL_SECONDS,
        false => it.1 >= all * FAST,
    };
    let last = bounds.len().saturating_sub(1);
    let room = usize::from(all >= FEW);
    let place = bounds.iter().position(is_enough).map_or(last, |it| (it + room).min(last));
    bounds.get(place).copied().unwrap_or((USUAL_SECONDS, 0.0))
}

/// A bound as a time that is read back as the very bound: no other is that of a bucket.
fn time(bound: f64) -> String {
    let human = Duration::try_from_secs_f64(bound).map(|it| Human(it).to_string());
    let is_same =
        |it: &String| parse_duration(it).is_ok_and(|it| it.as_secs_f64().total_cmp(&bound).is_eq());
    human.ok().filter(is_same).unwrap_or_else(|| format!("{bound}s"))
}

/// A selector as YAML reads it back.
fn selector(name: &str, job: &str, meant: Option<&str>, more: Option<&str>) -> String {
    let job = format!("job=\"{job}\"");
    let all: Vec<_> = [Some(job.as_str()), meant, more].into_iter().flatten().collect();
    format!("'{name}{{{}}}'", all.join(","))
}
