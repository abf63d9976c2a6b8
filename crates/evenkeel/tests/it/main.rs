//! The command as its users meet it: the real binary, real processes, real files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod agents;
mod agreements;
#[path = "../../../fault/tests/it/answers.rs"]
#[expect(dead_code, reason = "it needs the ones of a cluster only")]
mod answers;
mod burned;
mod chaos;
#[path = "../../../report/tests/it/chromium.rs"]
#[expect(dead_code, reason = "pages of reports are looked at more closely where they are drawn")]
mod chromium;
#[path = "../../../fault/tests/it/cluster.rs"]
#[expect(dead_code, reason = "the fault crate looks at it more closely")]
mod cluster;
#[path = "../../../fault/tests/it/dockerd.rs"]
#[expect(dead_code, reason = "the fault crate looks at containers more closely")]
mod dockerd;
mod doctor;
mod documents;
mod drill;
mod drilled;
mod endings;
mod experiment;
mod failover;
mod gameday;
mod grafana;
#[path = "../../../fault/tests/it/group.rs"]
#[expect(dead_code, reason = "the fault crate looks at limits more closely")]
mod group;
mod halt;
mod host;
mod kill;
mod kinds;
mod load;
mod metrics;
mod objectives;
#[path = "../../../fault/tests/it/patience.rs"]
mod patience;
mod probe;
mod proxy;
mod readme;
mod schedule;
mod seeds;
mod server;
mod slo;
mod stage;
#[path = "../../../fault/tests/it/systemd.rs"]
#[expect(dead_code, reason = "what was asked is told where units are tested")]
mod systemd;
mod terminal;
mod watched;
mod web;
mod world;
