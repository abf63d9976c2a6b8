//! Faults of the network: of a link to a dependency, or of traffic on this host.

pub(super) mod bandwidth;
pub(super) mod black_hole;
pub(super) mod corrupt;
pub(super) mod dns;
pub(super) mod duplicate;
mod http;
pub(super) mod http_abort;
pub(super) mod http_change;
pub(super) mod http_delay;
pub(super) mod http_errors;
pub(super) mod latency;
mod leaving;
pub(super) mod loss;
mod packets;
pub(super) mod partition;
mod redirected;
pub(super) mod refuse;
pub(super) mod reorder;
pub(super) mod reset;
mod rules;
pub(super) mod shaped;
pub(super) mod tls;

pub(super) use self::redirected::redirect;
