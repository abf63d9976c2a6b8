//! `reorder`: packets are late, but for a share, which overtakes the others.
//!
//! Simulates paths of different length: datagrams arrive out of order, and TCP takes what overtakes for a sign of loss.
//!
//! ```yaml
//! - reorder: {share: 25%, delay: 10ms, target: {traffic: {port: 5432}}, at: 10s, duration: 60s}
//! ```
//!
//! Needs: CAP_NET_ADMIN, and a kernel with nft and NFQUEUE. Release class A: rules and queue belong to a process of
//! ours; packets pass when it is gone. Evidence: packets that were not held back, as others were.

use evenkeel_model::document::Fault;

use super::packets;
use crate::kind::{Aim, Kind};
use crate::need::PlanError;
use crate::netlink::Treatment;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "reorder",
    release: Release::Lifetime,
    needs: "CAP_NET_ADMIN, nft and NFQUEUE in the kernel",
    about: "- reorder: {share: 25%, delay: 10ms, target: {traffic: {port: 5432}}, at: 10s, duration: 60s}",
    plan,
    evidence: |past| past.held(|it| packets::evidence(it, "reordered", "overtook")),
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let (Fault::Reorder { share, delay }, Some(traffic)) = (aim.fault, aim.traffic()) else {
        return Ok(Vec::new());
    };
    let treatment = Treatment { reorder: *share, delay: *delay, ..Treatment::default() };
    packets::treat(aim, traffic.clone(), treatment)
}
