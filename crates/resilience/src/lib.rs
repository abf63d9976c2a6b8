//! resilience.
