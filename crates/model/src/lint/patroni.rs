//! Clusters that take longer to find a leader than somebody counts on.

use std::time::Duration;

use evenkeel_units::{Human, parse_duration};

use super::Lint;
use crate::decode::codes;
use crate::document::{Document, Patroni};
use crate::library::Item;

/// What is doubtful about one.
pub(super) fn of_document(lint: &mut Lint<'_>, item: &Item, it: &Patroni) {
    if item.spec().at("checks").is_some() {
        let message = "Patroni does not read `checks`, so that nobody makes them";
        let help = "Make them alerts on its metrics: `patroni_xlog_location` minus `patroni_xlog_replayed_location` is the lag.";
        lint.report(item, "checks", codes::NOT_JUDGED, message, help);
    }
    let days = lint.library.items().iter().filter_map(|it| match it.document() {
        Document::GameDay(day) => Some(day),
        _ => None,
    });
    let shortest = days.filter_map(|day| Some((day.name.clone(), limit(&day.success)?)));
    let Some((day, limit)) = shortest.min_by_key(|it| it.1) else { return };
    let takes = it.elects_within();
    if takes >= limit {
        let message = format!(
            "{} may pass until another runs for the place of a leader that vanishes, and the game day `{day}` allows {}",
            Human(takes),
            Human(limit)
        );
        let help = "The lock lasts for `ttl` from its last renewal, and members look each `loop_wait`: lower both, or allow more.";
        lint.report(item, "bootstrap/dcs/ttl", codes::SLOW_FAILOVER, message, help);
    }
}

/// The shortest time that a criterion like `Failover completes within 30 seconds` allows.
fn limit(success: &[String]) -> Option<Duration> {
    let of = |text: &String| {
        let text = text.to_lowercase();
        let (_, rest) = text.split_once("within ").filter(|_| text.contains("failover"))?;
        let mut words = rest.split(|it: char| it.is_whitespace() || it == '.' || it == ',');
        let (number, unit) = (words.next()?, words.next().unwrap_or_default());
        let short = match unit {
            "second" | "seconds" => "s",
            "minute" | "minutes" => "m",
            _ => "",
        };
        parse_duration(&format!("{number}{short}")).ok()
    };
    success.iter().filter_map(of).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_a_failover_may_take_is_read_from_what_people_wrote() {
        let of = |text: &str| limit(&[text.to_owned()]);
        assert_eq!(of("Failover completes within 30 seconds"), Some(Duration::from_secs(30)));
        assert_eq!(of("a failover takes place within 2 minutes."), Some(Duration::from_mins(2)));
        assert_eq!(of("failover within 45s"), Some(Duration::from_secs(45)));
        assert_eq!(of("All alerts fire within 30 seconds"), None);
        assert_eq!(of("Failover completes"), None);
        assert_eq!(of("failover within reason"), None);
    }
}
