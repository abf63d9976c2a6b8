//! What an `AlertPolicy` is made of.

use std::time::Duration;

use serde_json::json;

use crate::decode::codec::{
    Any, Flag, Forms, Integer, List, Mapped, Number, Object, Problem, Takes, Word, cut,
};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::values::{duration, length, promise, prose, share, some_share};
use crate::document::{AlertPolicy, BurnThreshold, BurnWindow, LowTraffic, Severity};

pub(super) const SPEC: Object<AlertPolicy> = Object { title: "AlertPolicy", fields: policy };

fn policy(f: &mut Fields<'_>) -> Option<AlertPolicy> {
    let description = f.optional("description", "For people.", prose());
    let windows = List { of: Object { title: "BurnWindow", fields: window }, min: 1 };
    let windows = f.required("windows", "The windows, of which each makes an alert.", windows);
    let sentence = "What it takes where there is little traffic, or `none`.";
    let low_traffic = f.optional("lowTraffic", sentence, or_none(LOW_TRAFFIC));
    let sentence = "By how much of its factor the burn rate must be below it before an alert ends.";
    let hysteresis = f.default("hysteresis", sentence, share(), "0%");
    let sentence =
        "Whether an alert is silent while a more urgent one of the same objective fires.";
    let inhibit = f.default("inhibit", sentence, Flag, "true");
    let low_traffic = match f.has("lowTraffic") {
        true => low_traffic?,
        false => Some(LowTraffic::default()),
    };
    Some(AlertPolicy {
        name: String::new(),
        description,
        windows: windows?,
        low_traffic,
        hysteresis: hysteresis?,
        inhibit: inhibit?,
    })
}

/// The words for how urgent something is.
pub(super) fn severity() -> crate::decode::values::Choice<Severity> {
    super::words("`page` or `ticket`", &Severity::NAMES)
}

fn window(f: &mut Fields<'_>) -> Option<BurnWindow> {
    let severity = f.required("severity", "How urgent it is.", severity());
    let sentence =
        "The share of the budget which, spent within the long window, is worth an alert.";
    let budget = f.optional("budget", sentence, some_share());
    let sentence = "The burn rate that is worth an alert; 1 spends the budget within its window.";
    let factor = f.optional("factor", sentence, Number);
    let long = f.required("long", "The longer window.", length());
    let sentence = "The shorter window, which ends the alert, or `none`. Default: a twelfth of the longer one.";
    let short = f.optional("short", sentence, short());
    let sentence = "How long it must be so before the alert fires.";
    let sustained = f.default("for", sentence, duration(), "0s");
    let sentence = "How long it fires on when it is no longer so.";
    let keep_firing = f.default("keepFiring", sentence, duration(), "0s");
    let labels = super::slo::labels(f, "labels", "Labels of this alert.");
    f.exactly_one(&["budget", "factor"]);
    if factor.is_some_and(|it| it <= 0.0) {
        let help = "Give a burn rate above 0, such as `14.4`.";
        f.refuse("factor", codes::RANGE, "any burn rate at all is above 0", help);
    }
    if long.zip(short.flatten()).is_some_and(|(long, short)| short >= long) {
        let help = "The short window sees that it is over; give a twelfth of the long one.";
        f.refuse("short", codes::RANGE, "the short window is not shorter", help);
    }
    let threshold = budget.map(BurnThreshold::Budget).or(factor.map(BurnThreshold::Factor));
    let long = long?;
    Some(BurnWindow {
        severity: severity?,
        threshold: threshold?,
        long,
        short: if f.has("short") { short? } else { Some(long / BurnWindow::SHORT) },
        sustained: sustained?,
        keep_firing: keep_firing?,
        labels: labels?,
    })
}

/// A length, or `none`.
fn short() -> Word<Option<Duration>> {
    let parse = |text: &str| match text {
        "none" => Ok(None),
        _ => (length().parse)(text).map(Some),
    };
    let schema = || json!({"anyOf": [{"enum": ["none"]}, (length().schema)()]});
    Word { expected: "a duration such as `5m`, or `none`", takes: Takes::Text, parse, schema }
}

const LOW_TRAFFIC: Object<LowTraffic> = Object { title: "LowTraffic", fields: low_traffic };

fn low_traffic(f: &mut Fields<'_>) -> Option<LowTraffic> {
    let events = || Integer { min: 0, max: 1_000_000_000_000, reason: "Give a number of events." };
    let sentence = "Events in the long window from which on the burn rate is taken as it is.";
    let below = f.default("below", sentence, events(), "1000");
    let sentence = "How sure it must be, below that, that the burn rate is above its factor.";
    let confidence = f.default("confidence", sentence, promise(), "95%");
    let sentence = "Bad events in the long window that it takes in any case.";
    let min_bad = f.default("minBad", sentence, events(), "3");
    let sentence = "A short window with fewer events is not asked.";
    let min_events = f.default("minEvents", sentence, events(), "3");
    Some(LowTraffic {
        below: below?,
        confidence: confidence?,
        min_bad: min_bad?,
        min_events: min_events?,
    })
}

/// A map, or the word `none`.
pub(super) fn or_none<T: 'static>(some: Object<T>) -> Forms<Option<T>> {
    let parse = |text: &str| match text {
        "none" => Ok(None),
        _ => {
            let message = format!("`{}` is not `none`", cut(text));
            Err(Problem::new(codes::CHOICE, message, "Write `none`, or a map."))
        }
    };
    let schema = || json!({"enum": ["none"]});
    let none = Word { expected: "`none` or a map", takes: Takes::Text, parse, schema };
    Forms {
        expected: "`none` or a map",
        scalar: Some(Box::new(none) as Any<Option<T>>),
        list: None,
        map: Some(Box::new(Mapped { of: some, into: Some })),
    }
}
