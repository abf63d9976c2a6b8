//! Connections to an endpoint that are led through a link of ours, so that what can be laid on a link can be laid on them.

use evenkeel_model::document::{Direction, Protocol, Traffic};

use super::rules;
use crate::holder::{Redirect, Work};
use crate::kind::Aim;
use crate::need::{NET_ADMIN, PlanError, program};
use crate::plan::Step;
use crate::proxy::Toxic;

/// A step that leads the connections that programs of this host open.
pub(in crate::kind) fn redirect(
    aim: &Aim<'_>,
    traffic: &Traffic,
    toxic: &Toxic,
) -> Result<Vec<Step>, PlanError> {
    if traffic.protocol == Protocol::Udp || traffic.direction == Direction::From {
        let message = "it acts on connections of TCP that are opened to an endpoint";
        return Err(PlanError::Unfit(message.to_owned()));
    }
    NET_ADMIN.must_be_there()?;
    let opening = Traffic { protocol: Protocol::Tcp, direction: Direction::To, ..traffic.clone() };
    aim.hold_in_network(Work::Redirect(Redirect {
        program: program("nft", "nftables")?,
        table: rules::table(aim),
        matches: rules::of(&opening)?,
        toxic: toxic.clone(),
        seed: aim.seed,
    }))
}
