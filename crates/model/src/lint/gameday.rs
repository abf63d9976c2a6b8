//! Game days of nothing, and plans that go backwards.

use super::references::must_exist;
use super::{Lint, safety};
use crate::decode::codes;
use crate::document::GameDay;
use crate::library::Item;

/// What is wrong with a game day and what it refers to.
pub(super) fn of_document(lint: &mut Lint<'_>, item: &Item, day: &GameDay) {
    let (kind, name) = day.runs.document();
    let field = if kind == "Drill" { "drill" } else { "experiment" };
    must_exist(lint, item, &format!("scenario/{field}"), kind, name);
    safety::time_zone(lint, item, "timeZone", &day.time_zone);
    for (n, it) in day.timeline.iter().enumerate() {
        let before = n.checked_sub(1).and_then(|it| day.timeline.get(it));
        if let Some(before) = before.filter(|before| it.at < before.at) {
            let message = format!("{} stands behind {}", it.at, before.at);
            let help = "Write what is planned in the order of its times.";
            lint.report(item, &format!("timeline/{n}/at"), codes::PLANNED, message, help);
        }
        if let Some(until) = it.until.filter(|until| *until < it.at) {
            let message = format!("it would end at {until}, before it begins");
            let help = "Write the later time behind `until`.";
            lint.report(item, &format!("timeline/{n}/until"), codes::PLANNED, message, help);
        }
    }
}
