//! `corrupt`: in a share of the packets one bit of what they carry is turned.
//!
//! Simulates bad memory in a router, or a bad cable. Checksums are left as they were, so a receiver who looks drops the
//! packet: for TCP that is loss which is noticed by its sender alone, for UDP a datagram that never arrives.
//!
//! ```yaml
//! - corrupt: {share: 1%, target: {traffic: {host: 10.0.0.7, port: 5432}}, at: 10s, duration: 60s}
//! ```
//!
//! Needs: CAP_NET_ADMIN, and a kernel with nft and NFQUEUE. Packets are cut to what goes on the wire first, as checksums
//! are per packet. Release class A: rules and queue belong to a process of ours; packets pass when it is gone.
//! Evidence: packets in which a bit was turned.

use evenkeel_model::document::Fault;

use super::packets;
use crate::kind::{Aim, Kind};
use crate::need::PlanError;
use crate::netlink::Treatment;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "corrupt",
    release: Release::Lifetime,
    needs: "CAP_NET_ADMIN, nft and NFQUEUE in the kernel",
    about: "- corrupt: {share: 1%, target: {traffic: {port: 5432}}, at: 10s, duration: 60s}",
    plan,
    evidence: |past| past.held(|it| packets::evidence(it, "corrupted", "damaged")),
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let (Fault::Corrupt { share }, Some(traffic)) = (aim.fault, aim.traffic()) else {
        return Ok(Vec::new());
    };
    packets::treat(aim, traffic.clone(), Treatment { corrupt: *share, ..Treatment::default() })
}
