//! The command as its users meet it: the real binary, real processes, real files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod agents;
mod documents;
mod drill;
mod kill;
mod load;
mod readme;
mod world;
