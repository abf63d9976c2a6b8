//! JSON: the outcome for programs, as it is, with the name of its schema in front.
//!
//! Times are seconds, shares are ratios between 0 and 1, and keys end with the unit.

use evenkeel_model::Outcome;
use serde::Serialize;
use serde_json::Value;

mod bearing;
mod load;
mod plan;
mod schema;

/// Which schema a report follows. A change that a reader would stumble over gets a new number.
pub const SCHEMA: &str = "evenkeel.dev/report/v1";

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

/// Writes an outcome.
pub fn render(outcome: &Outcome) -> String {
    match serde_json::to_string_pretty(&Report { schema: SCHEMA, outcome }) {
        Ok(text) => text + "\n",
        Err(error) => unreachable!("an outcome has only text for keys: {error}"),
    }
}

/// The JSON Schema of what [`render`] writes.
pub fn schema() -> Value {
    schema::report()
}
