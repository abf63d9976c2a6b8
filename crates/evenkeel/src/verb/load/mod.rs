//! `load`: sending load, comparing loads, and bringing load tests over from other tools.

mod export;
pub(crate) mod given;
pub(crate) mod import;
mod max;
pub(crate) mod run;
mod summary;
