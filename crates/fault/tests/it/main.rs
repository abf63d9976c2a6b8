//! Faults through the public face, on real victims: children of the test, each in its own process group,
//! and servers on loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

mod aftermath;
mod alone;
mod answers;
mod clocks;
mod cluster;
mod containers;
mod dockerd;
mod files;
mod flows;
mod group;
mod host;
mod http;
mod kubernetes;
mod links;
mod network;
mod patience;
mod pauses;
mod postgres;
mod processes;
mod redirects;
mod redis;
mod rounds;
mod stage;
mod systemd;
mod throttle;
mod tls;
mod toxics;
mod toxiproxy;
mod units;
