//! What is written is what others read: a real Prometheus, an independent reader of OTLP, servers that fail.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

mod collector;
mod load;
mod manual;
mod otlp;
mod prometheus;
mod tls;
mod weather;
