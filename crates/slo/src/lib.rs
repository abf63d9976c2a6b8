//! slo.
