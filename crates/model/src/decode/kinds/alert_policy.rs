//! What an `AlertPolicy` is made of.

use crate::decode::codec::{Flag, Integer, List, Number, Object};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::values::{duration, length, promise, prose, share, some_share};
use crate::document::{AlertPolicy, BurnThreshold, BurnWindow, Severity};

pub(super) const SPEC: Object<AlertPolicy> = Object { title: "AlertPolicy", fields: policy };

fn policy(f: &mut Fields<'_>) -> Option<AlertPolicy> {
    let description = f.optional("description", "For people.", prose());
    let windows = List { of: Object { title: "BurnWindow", fields: window }, min: 1 };
    let windows = f.required("windows", "The windows, of which each makes an alert.", windows);
    let sentence = "With fewer events in the long window no alert fires.";
    let reason = "Give a whole number of events.";
    let least = Integer { min: 0, max: 1_000_000_000_000, reason };
    let min_events = f.default("minEvents", sentence, least, "0");
    let sentence = "How sure it must be that the burn rate is above its factor. Default: it is taken as it is.";
    let confidence = f.optional("confidence", sentence, promise());
    let sentence = "By how much of its factor the burn rate must be below it before an alert ends.";
    let hysteresis = f.default("hysteresis", sentence, share(), "0%");
    let sentence =
        "Whether an alert is silent while a more urgent one of the same objective fires.";
    let inhibit = f.default("inhibit", sentence, Flag, "true");
    Some(AlertPolicy {
        name: String::new(),
        description,
        windows: windows?,
        min_events: min_events?,
        confidence,
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
    let sentence =
        "The shorter window, which ends the alert. Default: a twelfth of the longer one.";
    let short = f.optional("short", sentence, length());
    let sentence = "How long it must be so before the alert fires.";
    let sustained = f.default("for", sentence, duration(), "0s");
    let labels = super::slo::labels(f, "labels", "Labels of this alert.");
    f.exactly_one(&["budget", "factor"]);
    if factor.is_some_and(|it| it <= 0.0) {
        let help = "Give a burn rate above 0, such as `14.4`.";
        f.refuse("factor", codes::RANGE, "any burn rate at all is above 0", help);
    }
    if long.zip(short).is_some_and(|(long, short)| short >= long) {
        let help = "The short window sees that it is over; give a twelfth of the long one.";
        f.refuse("short", codes::RANGE, "the short window is not shorter", help);
    }
    let threshold = budget.map(BurnThreshold::Budget).or(factor.map(BurnThreshold::Factor));
    let long = long?;
    Some(BurnWindow {
        severity: severity?,
        threshold: threshold?,
        long,
        short: short.unwrap_or(long / BurnWindow::SHORT),
        sustained: sustained?,
        labels: labels?,
    })
}
