//! Capacity: the four load tests by which a plan of capacity is judged.
//!
//! ```yaml
//! capacity: {service: shop, url: "http://127.0.0.1:8080", path: /products, currentPeak: 800/s, target: 2000/s}
//! ```
//!
//! ```text
//! baseline       the peak of today              10m, reached in 2m
//! stress         1.5 times the peak of today    10m, reached in 3m
//! peak-capacity  the target                     15m, reached in 5m
//! spike          twice the target                5m, reached in 30s
//! ```
//!
//! Each must keep p95 below 500 ms, errors below 1 % and availability above 99.9 %.

use std::time::Duration;

use evenkeel_model::decode::Findings;
use evenkeel_model::document::{
    Call, Comparison, Criterion, LoadTest, Metric, Quantile, Route, Shape, Template, Threshold,
    Watch, WatchSource,
};
use evenkeel_model::yaml::{self, Node, Sort};
use evenkeel_units::Rate;

use crate::address;
use crate::draft;
use crate::{ImportError, LeftOut};

/// What is known of a service whose capacity is planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Capacity {
    /// Its name.
    pub service: String,
    /// `http://host:port`.
    pub url: String,
    /// What is asked of it.
    pub path: Template,
    /// The highest rate of today.
    pub current_peak: Rate,
    /// The rate that it is to bear.
    pub target: Rate,
}

const KEYS: [&str; 5] = ["service", "url", "path", "currentPeak", "target"];

impl Capacity {
    /// Reads a capacity plan.
    ///
    /// # Errors
    /// When it is not YAML, or a field is missing, unknown or wrong; the message says what to write.
    pub fn read(name: &str, text: &[u8]) -> Result<Self, ImportError> {
        let mut found = Findings::default();
        let roots = yaml::read(name, text.to_vec(), &mut found).roots;
        let (_, findings, _) = found.into_parts();
        if let Some(first) = findings.first() {
            let problem = format!("{}: {}", first.message, first.help);
            return Err(ImportError::Syntax { line: first.line as usize, problem });
        }
        let expected = "capacity plan";
        let [root] = roots.as_slice() else {
            let problem = "write one document that begins with `capacity:`".to_owned();
            return Err(ImportError::Other { expected, problem });
        };
        let Some(plan) =
            root.entry("capacity").map(|it| &it.value).filter(|it| it.sort() == Sort::Map)
        else {
            let problem = format!("it has no map `capacity` with the keys {}", KEYS.join(", "));
            return Err(ImportError::Other { expected, problem });
        };
        if let Some(unknown) = plan.entries().iter().find(|it| !KEYS.contains(&it.key.as_str())) {
            let problem =
                format!("`{}` has no meaning here: write {}", unknown.key, KEYS.join(", "));
            return Err(ImportError::Syntax { line: unknown.key_place.line as usize, problem });
        }
        let url = text_of(plan, "url")?;
        let server = address::split(url)
            .map_err(|why| wrong(plan, "url", &format!("`{url}` cannot be called: {why}")))?;
        if server.path != "/" || server.credentials {
            return Err(wrong(
                plan,
                "url",
                "write `http://host:port`; what is asked for stands in `path`",
            ));
        }
        let path = text_of(plan, "path")?;
        let read = Template::parse(path).map_err(|why| wrong(plan, "path", &why))?;
        if !path.starts_with('/')
            || path.contains('#')
            || !path.chars().all(|it| it.is_ascii_graphic())
        {
            return Err(wrong(
                plan,
                "path",
                "write it from `/` on, with %20 for blanks and without `#`",
            ));
        }
        let service = text_of(plan, "service")?;
        if draft::label(service) != service {
            let problem = format!("`{service}` is not a name: write `{}`", draft::label(service));
            return Err(wrong(plan, "service", &problem));
        }
        let (current_peak, target) = (rate_of(plan, "currentPeak")?, rate_of(plan, "target")?);
        Ok(Self { service: service.to_owned(), url: server.base, path: read, current_peak, target })
    }

    /// What of a capacity plan no load test can judge.
    pub fn left_out(&self) -> Vec<LeftOut> {
        let leave = |what: &str, why: &str| LeftOut {
            place: "capacity".to_owned(),
            what: what.to_owned(),
            why: why.to_owned(),
        };
        let mut left_out = vec![leave(
            "auto_scaling: triggers within 2 minutes",
            "load cannot tell how many instances there are; add a `watch` with `promql` that counts them",
        )];
        if !self.is_local() {
            left_out.push(leave(
                "resource_utilization: CPU < 80%, Memory < 85%",
                "the service runs on another host; add a `watch` with `promql` for it",
            ));
        }
        left_out
    }

    fn is_local(&self) -> bool {
        let host = address::host(&self.url);
        host == "localhost" || host == "[::1]" || host.starts_with("127.")
    }
}

fn wrong(plan: &Node, key: &str, problem: &str) -> ImportError {
    ImportError::Syntax {
        line: plan.locate(key).line as usize,
        problem: format!("`{key}`: {problem}"),
    }
}

fn text_of<'a>(plan: &'a Node, key: &str) -> Result<&'a str, ImportError> {
    let node = plan.entry(key).map(|it| &it.value);
    let Some(text) = node.and_then(Node::text).filter(|it| !it.is_empty()) else {
        return Err(wrong(plan, key, "it is missing, or not a text"));
    };
    Ok(text)
}

fn rate_of(plan: &Node, key: &str) -> Result<Rate, ImportError> {
    let rate: Rate = text_of(plan, key)?
        .parse()
        .map_err(|it: evenkeel_units::UnitError| wrong(plan, key, &format!("{it}; {}", it.help)))?;
    match rate.get() > 0.0 && rate.get() <= 1e6 {
        true => Ok(rate),
        false => {
            Err(wrong(plan, key, "write a rate above 0/s and up to 1000000/s, such as `800/s`"))
        }
    }
}

/// The load tests of a capacity plan: baseline, stress, peak capacity and spike.
pub fn capacity_plan(capacity: &Capacity) -> Vec<LoadTest> {
    let minutes = |it: u64| Duration::from_secs(it * 60);
    let times = |rate: Rate, factor: f64| Rate::per_second(rate.get() * factor).unwrap_or(rate);
    let Capacity { current_peak, target, .. } = capacity;
    [
        (
            "baseline",
            *current_peak,
            minutes(10),
            minutes(2),
            "The peak of today: normal performance.",
        ),
        (
            "stress",
            times(*current_peak, 1.5),
            minutes(10),
            minutes(3),
            "Half more than today: it degrades gracefully.",
        ),
        ("peak-capacity", *target, minutes(15), minutes(5), "The target: objectives are met."),
        (
            "spike",
            times(*target, 2.0),
            minutes(5),
            Duration::from_secs(30),
            "Twice the target: it scales up in time.",
        ),
    ]
    .map(|(name, rate, duration, ramp_up, sentence)| {
        let mut test = LoadTest::new(draft::label(&format!("{}-{name}", capacity.service)));
        test.description = Some(sentence.to_owned());
        test.url = Some(capacity.url.clone());
        test.shape = Some(Shape::Soak { rate, ramp_up, duration });
        // Each busy connection answers at least twice a second when p95 is below 500 ms.
        test.connections = (rate.get() / 2.0).ceil().clamp(64.0, 16_384.0) as u32;
        test.routes.push(route(capacity));
        test.success = success();
        if capacity.is_local() {
            let limits = vec![("cpu_ratio".to_owned(), 0.80), ("memory_ratio".to_owned(), 0.85)];
            let every = Duration::from_secs(1);
            test.watch.push(Watch {
                name: "host".to_owned(),
                source: WatchSource::Host,
                every,
                limits,
            });
        }
        test
    })
    .into()
}

fn route(capacity: &Capacity) -> Route {
    let call = Call::Http {
        method: "GET".to_owned(),
        path: capacity.path.clone(),
        headers: Vec::new(),
        body: None,
    };
    let name = draft::title(&call.title());
    Route { name, weight: 1, call, checks: draft::status(Vec::new()), extract: Vec::new() }
}

fn success() -> Vec<Threshold> {
    let p95 = Metric::Percentile(Quantile::parse("p95").expect("p95 is a percentile"));
    [
        (p95, Comparison::Below, 0.5),
        (Metric::ErrorRate, Comparison::Below, 0.01),
        (Metric::Availability, Comparison::Above, 0.999),
    ]
    .map(|(metric, comparison, limit)| {
        Threshold::from(Criterion { metric, comparison, limit, sustained: None })
    })
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = "capacity: {service: shop, url: \"http://127.0.0.1:8080\", path: /products, currentPeak: 800/s, target: 2000/s}\n";

    #[test]
    fn the_four_tests_have_the_rates_and_times_of_the_plan() {
        let capacity = Capacity::read("plan.yaml", PLAN.as_bytes()).unwrap();
        let shapes: Vec<_> = capacity_plan(&capacity)
            .into_iter()
            .map(|it| match it.shape {
                Some(Shape::Soak { rate, ramp_up, duration }) => {
                    (it.name, rate.get(), duration.as_secs(), ramp_up.as_secs())
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [
            ("shop-baseline", 800.0, 600, 120),
            ("shop-stress", 1200.0, 600, 180),
            ("shop-peak-capacity", 2000.0, 900, 300),
            ("shop-spike", 4000.0, 300, 30),
        ];
        assert_eq!(
            shapes,
            expected.map(|(name, rate, length, ramp)| (name.to_owned(), rate, length, ramp))
        );
    }

    #[test]
    fn the_host_is_watched_only_where_the_service_runs_on_it() {
        let mut capacity = Capacity::read("plan.yaml", PLAN.as_bytes()).unwrap();
        assert_eq!((capacity_plan(&capacity)[0].watch.len(), capacity.left_out().len()), (1, 1));
        capacity.url = "https://shop.example:443".to_owned();
        assert_eq!((capacity_plan(&capacity)[0].watch.len(), capacity.left_out().len()), (0, 2));
    }

    #[test]
    fn a_wrong_plan_is_refused_with_the_line_and_the_fix() {
        let refusal =
            |text: &str| Capacity::read("plan.yaml", text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            refusal(&PLAN.replace("800/s", "800")),
            "line 1: `currentPeak`: `800` has no unit; write `800/s`, `800/m` or `800/h`"
        );
        assert!(refusal(&PLAN.replace("path", "pth")).contains("`pth` has no meaning here"));
        assert!(refusal(&PLAN.replace("/products", "products")).contains("write it from `/` on"));
        assert!(refusal("a: 1").contains("no map `capacity`"));
        assert!(refusal("capacity: [").starts_with("line 1: "));
    }
}
