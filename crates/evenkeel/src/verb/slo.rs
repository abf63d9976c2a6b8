//! `slo`: objectives that other tools know.

pub(crate) mod import;
