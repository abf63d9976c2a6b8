//! The query language, seen from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "who runs the tests is told what was skipped")]

mod digests;
mod limits;
mod meaning;
mod oracle;
mod prometheus;
mod random;
