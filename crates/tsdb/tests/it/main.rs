//! The metric store through its public face.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

mod model;
mod naive;
