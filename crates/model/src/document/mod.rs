//! Documents: what people write, one file a kind.
//!
//! These are the domain types: units are parsed, defaults are filled in, and no illegal value fits.
//! How they are read from YAML is the business of the decoder.

use serde::{Deserialize, Serialize};

mod alert_policy;
mod chaos;
mod criterion;
mod drill;
mod error_budget_policy;
mod file_name;
mod gameday;
mod json_path;
mod limit;
mod load;
mod load_balancer;
mod patroni;
mod reference;
mod resilience;
mod service;
mod sla;
mod slo;

pub use self::alert_policy::{AlertPolicy, BurnThreshold, BurnWindow, LowTraffic, Severity};
pub(crate) use self::chaos::WORDS;
pub use self::chaos::{
    ActsOn, Amid, Amount, AnswerChange, BlastRadius, BodyChange, ChaosExperiment, ClientType,
    Cluster, Containers, DatabaseUrl, DatabaseUrlError, Direction, DnsAnswer, ErrorBudget, Facts,
    Fault, FileError, FileOperation, Flaw, HeaderChange, Hours, IoLimits, Issuer, Labels, LockMode,
    Mode, Monkey, Network, NetworkError, OnNoData, PartitionShape, Parts, PauseBy, PauseMode, Pods,
    Probe, ProbeKind, Protocol, RateBy, Release, Requests, Safety, Schedule, ScheduleError,
    Selector, Step, Target, Traffic, When, fits,
};
pub use self::criterion::{Comparison, Criterion, CriterionError, Metric, Unit};
pub use self::drill::{Drill, Phase, RegressionLimits, Role};
pub use self::error_budget_policy::{Action, BudgetThreshold, ErrorBudgetPolicy, Gate};
pub use self::file_name::{FileName, NamedAt};
pub use self::gameday::{
    DayTime, GameDay, Participant, Planned, Prerequisite, Scenario as GameDayScenario,
};
pub use self::json_path::{JsonPath, JsonPathError, JsonStep};
pub use self::limit::Limit;
pub use self::load::{
    Call, Checks, Condition, Encoding, Extract, Feeder, LoadTest, Mechanism, Offered, Opening,
    Owner, Pace, Pacing, Part, Route, RowOrder, Rows, Sasl, Scenario, Schema, Segment, Sending,
    Shape, Slot, Source, Stage, StatusCheck, Step as LoadStep, Template, Threshold, Tls, Until,
    Watch, WatchSource,
};
pub use self::load_balancer::{Backend, Failback, FailoverRules, HealthCheck, LoadBalancer};
pub use self::patroni::{Patroni, WatchdogMode};
pub use self::reference::{Reference, ResolveError};
pub use self::resilience::Resilience;
pub use self::service::{AllowFaults, Dependency, Finder, Instance, Service, Start};
pub use self::sla::{CreditTier, Sla};
pub use self::slo::{
    Alerting, Alerts, Bucketed, Calendar, CalendarPeriod, Component, Counted, Events, Exclusion,
    ExclusionEnd, ExclusionTime, Expression, Figure, HistogramForm, Indicator, LabelMatcher,
    MatchOperation, Measure, NoData, Notice, Quantile, Query, QueryError, RatioQuery, Recurrence,
    RecurrenceError, SeriesSelector, SeriesSelectorError, Slo, TimeSlices, Window,
};

/// A document of any kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Document {
    /// What is drilled.
    Service(Service),
    /// What is promised.
    #[serde(rename = "SLO")]
    Slo(Box<Slo>),
    /// How it is noticed that a budget burns.
    AlertPolicy(AlertPolicy),
    /// What is done as a budget goes.
    ErrorBudgetPolicy(ErrorBudgetPolicy),
    /// What is owed when a promise is broken.
    #[serde(rename = "SLA")]
    Sla(Sla),
    /// How it is loaded.
    LoadTest(Box<LoadTest>),
    /// How it is broken.
    ChaosExperiment(ChaosExperiment),
    /// All of it together.
    Drill(Drill),
    /// With the people around it.
    GameDay(GameDay),
    /// How calls to services are limited, tried again and cut off.
    Resilience(Resilience),
    /// Who answers, and who takes over. It has no envelope.
    LoadBalancer(LoadBalancer),
    /// How a cluster of PostgreSQL finds a new leader. It has no envelope.
    Patroni(Patroni),
}

impl Document {
    /// The kind as written in the envelope, where there is one.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Service(_) => "Service",
            Self::Slo(_) => "SLO",
            Self::AlertPolicy(_) => "AlertPolicy",
            Self::ErrorBudgetPolicy(_) => "ErrorBudgetPolicy",
            Self::Sla(_) => "SLA",
            Self::LoadTest(_) => "LoadTest",
            Self::ChaosExperiment(_) => "ChaosExperiment",
            Self::Drill(_) => "Drill",
            Self::GameDay(_) => "GameDay",
            Self::Resilience(_) => "Resilience",
            Self::LoadBalancer(_) => "LoadBalancer",
            Self::Patroni(_) => "Patroni",
        }
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        match self {
            Self::Service(it) => &it.name,
            Self::Slo(it) => &it.name,
            Self::AlertPolicy(it) => &it.name,
            Self::ErrorBudgetPolicy(it) => &it.name,
            Self::Sla(it) => &it.name,
            Self::LoadTest(it) => &it.name,
            Self::ChaosExperiment(it) => &it.name,
            Self::Drill(it) => &it.name,
            Self::GameDay(it) => &it.name,
            Self::Resilience(it) => &it.name,
            Self::LoadBalancer(it) => &it.name,
            Self::Patroni(it) => &it.name,
        }
    }
}
