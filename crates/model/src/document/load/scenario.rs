//! Scenarios: what one user does, step by step, and the data it does it with.

use std::time::Duration;

use evenkeel_units::Ratio;
use evenkeel_units::duration::seconds;
use serde::{Deserialize, Serialize};

use super::Template;
use crate::document::FileName;

/// What one user does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// Its name in reports.
    pub name: String,
    /// Its share among the scenarios. Default 1.
    pub weight: u32,
    /// Whether cookies that the service sets are sent back, as a browser does. Default true.
    pub cookies: bool,
    /// In order.
    pub steps: Vec<Step>,
}

/// A step of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A request: its number among the load test's routes. When it fails, the iteration ends there.
    Request(usize),
    /// A pause of a length between both, each as likely.
    Think {
        /// The shortest.
        #[serde(rename = "from_seconds", with = "seconds")]
        from: Duration,
        /// The longest.
        #[serde(rename = "to_seconds", with = "seconds")]
        to: Duration,
    },
    /// Steps that are done several times.
    Repeat {
        /// How often.
        times: u32,
        /// What.
        steps: Vec<Self>,
    },
    /// Steps that are done as long as a condition holds before them.
    While {
        /// The condition.
        condition: Condition,
        /// At most so often.
        at_most: u32,
        /// What.
        steps: Vec<Self>,
    },
    /// Steps that are done when a condition holds, and others when it does not.
    If {
        /// The condition.
        condition: Condition,
        /// What.
        then: Vec<Self>,
        /// What otherwise.
        otherwise: Vec<Self>,
    },
    /// Steps that are timed together, from the start of the first to the end of the last: its number among
    /// the load test's transactions. Think time within it is left out.
    Transaction {
        /// The number.
        transaction: usize,
        /// What.
        steps: Vec<Self>,
    },
}

/// A question without side effects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The variable has been extracted.
    Exists(String),
    /// Both texts are the same.
    Equal(Template, Template),
    /// They are not.
    Different(Template, Template),
    /// By chance, in this share of cases.
    Chance(Ratio),
}

/// Data that iterations take rows from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feeder {
    /// Its name: `${data:NAME.COLUMN}`.
    pub name: String,
    /// Where the rows are.
    pub rows: Rows,
    /// Which row comes next.
    pub order: RowOrder,
}

/// Where rows are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rows {
    /// A file of comma-separated values; its first line names the columns.
    Csv(FileName),
    /// A file with a JSON object a line.
    JsonLines(FileName),
    /// In the document: names of the columns, and the rows.
    Inline(Vec<String>, Vec<Vec<String>>),
}

/// Which row an iteration gets.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOrder {
    /// One after the other, and from the first again.
    #[default]
    Sequential,
    /// Any, each as likely.
    Random,
    /// One after the other, each once. When they are used up, arrivals that need one are missed.
    Unique,
}
