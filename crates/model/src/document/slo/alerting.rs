//! Alerting: who is told that a budget burns, and by which windows that is noticed.

use serde::{Deserialize, Serialize};

use crate::document::{AlertPolicy, Labels};

/// Who is told that a budget burns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alerting {
    /// What the alert is called. Default: made of the name of the objective.
    pub name: Option<String>,
    /// By which windows it is noticed.
    pub policy: Alerts,
    /// Labels of every alert.
    pub labels: Labels,
    /// Annotations of every alert: texts for people, in which the alert's labels may be named.
    pub annotations: Labels,
    /// What is added where somebody has to get up; `None`: nobody is paged.
    pub page: Option<Notice>,
    /// What is added where it can wait for the day; `None`: no tickets.
    pub ticket: Option<Notice>,
}

impl Default for Alerting {
    /// Pages and tickets by the windows that [`AlertPolicy::standard`] has for the objective's.
    fn default() -> Self {
        Self {
            name: None,
            policy: Alerts::Standard,
            labels: Labels::new(),
            annotations: Labels::new(),
            page: Some(Notice::default()),
            ticket: Some(Notice::default()),
        }
    }
}

/// By which windows burning is noticed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alerts {
    /// Those that [`AlertPolicy::standard`] has for the window of the objective.
    Standard,
    /// Those of the `AlertPolicy` with this name.
    Named(String),
    /// Its own.
    Own(Box<AlertPolicy>),
}

/// What alerts of one severity have beside those of all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Labels, by which alerts are routed.
    pub labels: Labels,
    /// Annotations, for people.
    pub annotations: Labels,
}
