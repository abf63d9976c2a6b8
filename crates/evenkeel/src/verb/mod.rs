//! Verbs: one file for each thing the command can do.

pub(crate) mod agent;
pub(crate) mod chaos;
pub(crate) mod check;
pub(crate) mod demo;
pub(crate) mod doctor;
mod documents;
pub(crate) mod drill;
pub(crate) mod failover;
pub(crate) mod gameday;
pub(crate) mod health;
mod import;
pub(crate) mod init;
pub(crate) mod load;
pub(crate) mod metrics;
pub(crate) mod plan;
pub(crate) mod probe;
pub(crate) mod proxy;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod shop;
pub(crate) mod slo;
