//! Objectives as rules of Prometheus: whether they say what Sloth's say, and what is true.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "who runs the tests is told what was skipped")]

mod bursts;
mod compat;
mod definition;
mod exact;
mod mutant;
mod play;
mod proof;
mod rulefile;
mod scenario;
mod shop;
mod sloth;
mod truth;
