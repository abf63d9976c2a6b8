//! The metric store through its public face.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

mod cuts;
mod faults;
mod keeping;
mod kills;
mod model;
mod naive;
mod readers;
mod soak;
