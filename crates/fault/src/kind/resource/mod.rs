//! Faults of what a host has only so much of.

pub(super) mod cpu;
pub(super) mod memory;
