//! Criterion: a figure, a comparison and a limit, in the words of the field.
//!
//! Written whole (`p95 < 500ms`, `error_rate > 10% for 3s`) where conditions are listed, or as the
//! value of its figure (`error_rate: "< 1%"`) where success criteria are mapped.

use std::fmt;
use std::time::Duration;

use evenkeel_units::duration::seconds_option;
use evenkeel_units::{Human, Rate, Ratio, UnitError, parse_duration};
use serde::{Deserialize, Serialize};

use super::Quantile;

/// A figure of a run that can be compared with a limit.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Share of requests that failed or were missed.
    ErrorRate,
    /// Share of requests that were answered right.
    Availability,
    /// Mean response time of all answers.
    MeanResponseTime,
    /// Longest response time.
    MaxResponseTime,
    /// A percentile of the response time.
    Percentile(Quantile),
    /// Requests answered right, each second.
    Throughput,
    /// Longest time from the end of a fault until the service was well again.
    RecoveryTime,
    /// Longest time from the start of a fault until it showed.
    DetectionTime,
    /// Most users that the service bore in a staircase of load.
    BreakdownUsers,
    /// Highest rate that the service bore in a staircase of load.
    BreakdownRate,
}

/// What a metric is counted in.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A share.
    Ratio,
    /// A time.
    Seconds,
    /// Events a second.
    PerSecond,
    /// A number of users.
    Users,
}

impl Metric {
    /// Names by which each metric is written; the first is ours, the others are in use elsewhere.
    pub const NAMES: [(&'static str, Self); 15] = [
        ("error_rate", Self::ErrorRate),
        ("max_error_rate", Self::ErrorRate),
        ("availability", Self::Availability),
        ("availability_threshold", Self::Availability),
        ("response_time", Self::MeanResponseTime),
        ("avg_response_time", Self::MeanResponseTime),
        ("mean_response_time", Self::MeanResponseTime),
        ("max_response_time", Self::MaxResponseTime),
        ("throughput", Self::Throughput),
        ("recovery_time", Self::RecoveryTime),
        ("auto_recovery_time", Self::RecoveryTime),
        ("detection_time", Self::DetectionTime),
        ("breakdown_users", Self::BreakdownUsers),
        ("breakdown_rate", Self::BreakdownRate),
        // Of users or of a rate, as its limit says.
        ("breakdown_threshold", Self::BreakdownUsers),
    ];

    /// Reads a name, such as `error_rate`, `p95`, `p95_response_time` or `response_time_p95`.
    pub fn parse(name: &str) -> Option<Self> {
        let percentile = name
            .strip_suffix("_response_time")
            .or_else(|| name.strip_suffix("_latency"))
            .or_else(|| name.strip_prefix("response_time_"))
            .or_else(|| name.strip_prefix("latency_"))
            .unwrap_or(name);
        let named = Self::NAMES.iter().find(|(it, _)| *it == name).map(|(_, metric)| *metric);
        named.or_else(|| Quantile::parse(percentile).map(Self::Percentile))
    }

    /// What it is counted in.
    pub const fn unit(self) -> Unit {
        match self {
            Self::ErrorRate | Self::Availability => Unit::Ratio,
            Self::Throughput | Self::BreakdownRate => Unit::PerSecond,
            Self::BreakdownUsers => Unit::Users,
            Self::MeanResponseTime
            | Self::MaxResponseTime
            | Self::Percentile(_)
            | Self::RecoveryTime
            | Self::DetectionTime => Unit::Seconds,
        }
    }

    /// Writes a value of this metric for people. A time without end is that of no answer.
    pub fn show(self, value: f64) -> String {
        match self.unit() {
            _ if value.is_nan() => "–".to_owned(),
            Unit::Seconds if value == f64::INFINITY => "no answer".to_owned(),
            Unit::Ratio => format!("{:.2}%", value * 100.0),
            Unit::PerSecond => Rate::per_second(value).unwrap_or_default().to_string(),
            Unit::Users => format!("{value:.0} users"),
            Unit::Seconds => {
                Human(Duration::try_from_secs_f64(value).unwrap_or_default()).to_string()
            }
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(quantile) => write!(f, "{quantile}"),
            other => {
                let named = Self::NAMES.iter().find(|(_, metric)| metric == other);
                f.write_str(named.map_or("percentile", |(name, _)| name))
            }
        }
    }
}

/// How a figure is compared with its limit.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// `<`
    #[serde(rename = "<")]
    Below,
    /// `<=`
    #[serde(rename = "<=")]
    AtMost,
    /// `>`
    #[serde(rename = ">")]
    Above,
    /// `>=`
    #[serde(rename = ">=")]
    AtLeast,
}

impl Comparison {
    /// Whether `value` compares so with `limit`.
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
        }
    }

    /// Whether smaller values are the better ones.
    pub const fn wants_less(self) -> bool {
        matches!(self, Self::Below | Self::AtMost)
    }

    /// Takes a comparison off the beginning of a text; what follows it.
    pub(crate) fn split(text: &str) -> Option<(Self, &str)> {
        // The longer ones first: each begins with one of the shorter.
        let all = [Self::AtMost, Self::AtLeast, Self::Below, Self::Above];
        all.into_iter().find_map(|it| Some((it, text.strip_prefix(it.symbol())?)))
    }

    /// As written.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        }
    }
}

/// A figure, a comparison and a limit.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// The figure.
    pub metric: Metric,
    /// The comparison.
    pub comparison: Comparison,
    /// The limit, in the base unit of the metric: a ratio between 0 and 1, seconds, events a second.
    pub limit: f64,
    /// It must hold for this long without a break. Only for conditions that are watched.
    #[serde(rename = "sustained_seconds", with = "seconds_option")]
    pub sustained: Option<Duration>,
}

/// Why a text is no criterion.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CriterionError {
    /// Not of the form.
    #[error("`{0}` is not a condition")]
    Form(String),
    /// Not a comparison that we know.
    #[error("`{0}` is not a comparison we know")]
    Comparison(String),
    /// Not a figure that we know.
    #[error("`{0}` is not a figure of a run")]
    Metric(String),
    /// The limit is not a value of the figure's unit.
    #[error("{}", .0.problem)]
    Limit(UnitError),
}

impl CriterionError {
    /// What to write instead.
    pub fn help(&self) -> String {
        match self {
            Self::Form(_) => {
                "write a figure, one of < <= > >=, and a limit, such as `p95 < 500ms`".to_owned()
            }
            Self::Comparison(_) => "use one of < <= > >=, such as `p95 < 500ms`".to_owned(),
            Self::Metric(name) => match nearest_name(name) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "use error_rate, availability, response_time, p50 … p99.9, throughput, recovery_time, \
                         detection_time or breakdown_users"
                    .to_owned(),
            },
            Self::Limit(error) => error.help.clone(),
        }
    }
}

/// What comparisons are made of, ours and those of others.
const SIGNS: [char; 5] = ['<', '>', '=', '!', '~'];

/// The figure that was probably meant: one that is close, or one of whose words is.
fn nearest_name(name: &str) -> Option<&'static str> {
    // A hostile name must not cost more than a real one could.
    let name: String = name.chars().take(60).collect();
    let score = |it: &str| {
        let words = it.split('_').map(|word| strsim::jaro_winkler(word, &name) - 0.01);
        words.fold(strsim::jaro_winkler(it, &name), f64::max)
    };
    let scored = Metric::NAMES.iter().map(|(it, _)| (score(it), *it));
    // Of equals the first: it is the one that is ours.
    let best = scored.rev().max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score > 0.8).map(|(_, it)| it)
}

impl Criterion {
    /// Reads `p95 < 500ms` or `error_rate > 10% for 3s`.
    ///
    /// # Errors
    /// When the form, the figure or the unit of the limit is not right.
    pub fn parse(text: &str) -> Result<Self, CriterionError> {
        let at = text.find(SIGNS).ok_or_else(|| CriterionError::Form(text.to_owned()))?;
        let (name, rest) = text.split_at(at);
        let metric = Metric::parse(name.trim())
            .ok_or_else(|| CriterionError::Metric(name.trim().to_owned()))?;
        Self::parse_limit(metric, rest)
    }

    /// Reads `< 1%`, the limit of a figure that is named elsewhere.
    ///
    /// # Errors
    /// When the form or the unit is not right.
    pub fn parse_limit(metric: Metric, text: &str) -> Result<Self, CriterionError> {
        let text = text.trim();
        let signs = text.split(|it| !SIGNS.contains(&it)).next().unwrap_or_default();
        if !matches!(signs, "" | "<" | "<=" | ">" | ">=") {
            return Err(CriterionError::Comparison(signs.to_owned()));
        }
        let (comparison, rest) =
            Comparison::split(text).ok_or_else(|| CriterionError::Form(text.to_owned()))?;
        let (limit, sustained) = match rest.split_once(" for ") {
            Some((limit, time)) => {
                (limit, Some(parse_duration(time).map_err(CriterionError::Limit)?))
            }
            None => (rest, None),
        };
        let metric = match metric {
            Metric::BreakdownUsers if limit.contains('/') => Metric::BreakdownRate,
            other => other,
        };
        let limit = match metric.unit() {
            Unit::Ratio => limit.trim().parse::<Ratio>().map(Ratio::get),
            Unit::Users => parse_users(limit),
            Unit::PerSecond => limit.trim().parse::<Rate>().map(Rate::get),
            Unit::Seconds => parse_duration(limit).map(|it| it.as_secs_f64()),
        };
        Ok(Self { metric, comparison, limit: limit.map_err(CriterionError::Limit)?, sustained })
    }

    /// Whether `value` satisfies it.
    pub fn holds(&self, value: f64) -> bool {
        self.comparison.holds(value, self.limit)
    }
}

/// Reads `300 users`, or `300`.
fn parse_users(text: &str) -> Result<f64, UnitError> {
    let text = text.trim();
    let bare = text.strip_suffix("users").or_else(|| text.strip_suffix("user"));
    let digits = bare.unwrap_or(text).trim_end();
    digits.parse::<u32>().map(f64::from).map_err(|_| UnitError {
        problem: format!("`{text}` is not a number of users"),
        help: "write a whole number, such as `300 users`".to_owned(),
    })
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, comparison, limit, sustained } = self;
        let limit = match metric.unit() {
            Unit::Ratio => {
                Ratio::new(*limit).map_or_else(|| limit.to_string(), |it| it.to_string())
            }
            Unit::PerSecond | Unit::Seconds | Unit::Users => metric.show(*limit),
        };
        write!(f, "{metric} {} {limit}", comparison.symbol())?;
        sustained.map_or(Ok(()), |it| write!(f, " for {}", Human(it)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_words_of_the_field() {
        for (text, shown) in [
            ("error_rate > 10% for 3s", "error_rate > 10% for 3s"),
            ("availability < 95%", "availability < 95%"),
            ("response_time > 5000ms", "response_time > 5s"),
            ("p95_response_time < 500ms", "p95 < 500ms"),
            ("response_time_p99.9<=1s", "p99.9 <= 1s"),
        ] {
            assert_eq!(Criterion::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_breakdown_is_of_users_or_of_a_rate_as_its_limit_says() {
        let of =
            |text| Criterion::parse_limit(Metric::BreakdownUsers, text).map(|it| it.to_string());
        assert_eq!(of("> 300 users").unwrap(), "breakdown_users > 300 users");
        assert_eq!(of("> 300").unwrap(), "breakdown_users > 300 users");
        assert_eq!(of(">= 50/s").unwrap(), "breakdown_rate >= 50/s");
        assert_eq!(of("> 1 user").unwrap(), "breakdown_users > 1 users");
        let twice = of("> 300 usersusers").unwrap_err().to_string();
        assert_eq!(twice, "`300 usersusers` is not a number of users");
        assert_eq!(of("> many").unwrap_err().to_string(), "`many` is not a number of users");
    }

    #[test]
    fn a_wrong_unit_or_name_is_refused_with_the_fix() {
        assert_eq!(Criterion::parse("p95 < 500").unwrap_err().to_string(), "`500` has no unit");
        assert_eq!(
            Criterion::parse("eror_rate < 1%").unwrap_err().help(),
            "did you mean `error_rate`?"
        );
        assert!(Criterion::parse("latency good").is_err());
    }

    #[test]
    fn an_unknown_comparison_is_called_so() {
        for (text, signs) in [
            ("error_rate >> 3", ">>"),
            ("error_rate == 3%", "=="),
            ("p95 != 3s", "!="),
            ("p95 => 3s", "=>"),
        ] {
            let error = Criterion::parse(text).unwrap_err().to_string();
            assert_eq!(error, format!("`{signs}` is not a comparison we know"));
        }
    }

    #[test]
    fn a_figure_is_recognised_by_one_of_its_words() {
        for (name, meant) in
            [("eror", Some("error_rate")), ("recovry", Some("recovery_time")), ("banana", None)]
        {
            assert_eq!(nearest_name(name), meant, "{name}");
        }
    }

    #[test]
    fn what_is_no_time_is_not_shown_as_one() {
        assert_eq!(Metric::MaxResponseTime.show(f64::INFINITY), "no answer");
        assert_eq!(Metric::MaxResponseTime.show(1.5), "1.5s");
        for metric in [Metric::RecoveryTime, Metric::ErrorRate, Metric::Throughput] {
            assert_eq!(metric.show(f64::NAN), "–");
        }
    }
}
