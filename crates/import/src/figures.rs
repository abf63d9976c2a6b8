//! Figures with their units, as people write them, and nothing lost.

use std::time::Duration;

use evenkeel_model::document::{Comparison, Criterion, Unit};
use evenkeel_units::{Bytes, Human, Offset, Rate, Ratio, parse_duration};

use crate::tree::Tree;

/// A limit in the unit of its figure.
pub(crate) fn limit_of(figure: &str, limit: f64) -> Tree {
    let amount = || bytes(Bytes(limit as u64));
    if figure.ends_with("_bytes") {
        Tree::Text(amount())
    } else if figure.ends_with("_bytes_per_second") {
        Tree::Text(format!("{}/s", amount()))
    } else if let Some(share) = Ratio::new(limit).filter(|_| figure.ends_with("_ratio")) {
        Tree::text(&share)
    } else {
        Tree::word(&limit)
    }
}

/// An amount as people write it, and nothing lost.
pub(crate) fn bytes(amount: Bytes) -> String {
    let decimal = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("B", 1)];
    let exact = decimal.iter().find(|(_, size)| amount.0.is_multiple_of(*size));
    let exact = exact.map_or_else(String::new, |(unit, size)| format!("{}{unit}", amount.0 / size));
    let shown = amount.to_string();
    if shown.parse() == Ok(amount) { shown } else { exact }
}

/// A condition.
pub(crate) fn criterion(criterion: &Criterion) -> String {
    let Criterion { metric, comparison, limit, sustained } = criterion;
    let limit = match metric.unit() {
        Unit::Ratio => Ratio::new(*limit).map_or_else(|| limit.to_string(), |it| it.to_string()),
        Unit::PerSecond => rate_text(Rate::per_second(*limit).unwrap_or_default()),
        Unit::Users => format!("{limit} users"),
        Unit::Seconds => exactly(Duration::try_from_secs_f64(*limit).unwrap_or_default()),
    };
    let symbol = Comparison::symbol(*comparison);
    let sustained = sustained.map_or_else(String::new, |it| format!(" for {}", exactly(it)));
    format!("{metric} {symbol} {limit}{sustained}")
}

/// A duration.
pub(crate) fn duration(time: Duration) -> Tree {
    Tree::Text(exactly(time))
}

/// How far a clock is off.
pub(crate) fn offset(offset: Offset) -> Tree {
    Tree::Text(format!("{}{}", offset.sign(), exactly(offset.size())))
}

/// As people write it, and nothing lost.
fn exactly(time: Duration) -> String {
    let human = Human(time).to_string();
    if parse_duration(&human) == Ok(time) {
        return human;
    }
    let parts = [
        (u128::from(time.as_secs()), "s"),
        (u128::from(time.subsec_millis()), "ms"),
        (u128::from(time.subsec_micros() % 1_000), "us"),
        (u128::from(time.subsec_nanos() % 1_000), "ns"),
    ];
    parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect()
}

/// A rate.
pub(crate) fn rate(rate: Rate) -> Tree {
    Tree::Text(rate_text(rate))
}

fn rate_text(rate: Rate) -> String {
    let human = rate.to_string();
    if human.parse() == Ok(rate) { human } else { format!("{}/s", rate.get()) }
}
