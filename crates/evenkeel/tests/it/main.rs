//! The command as its users meet it: the real binary, real processes, real files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod agents;
mod chaos;
#[path = "../../../report/tests/it/chromium.rs"]
#[expect(dead_code, reason = "pages of reports are looked at more closely where they are drawn")]
mod chromium;
mod doctor;
mod documents;
mod drill;
mod endings;
mod experiment;
mod gameday;
mod halt;
mod kill;
mod load;
mod proxy;
mod readme;
mod schedule;
mod server;
mod terminal;
mod web;
mod world;
