//! A server over HTTP: asked as Grafana and promtool ask, sent to as Prometheus and OpenTelemetry send.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

mod alertmanager;
mod api;
mod doors;
mod forward;
mod grafana;
mod ingest;
mod page;
mod prometheus;
mod promtool;
mod reload;
mod scrape;
mod source;
mod watch;
mod world;
