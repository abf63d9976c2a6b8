//! `tls`: whoever begins TLS on the link gets a certificate with a flaw.
//!
//! Simulates a certificate that was not renewed in time (`expired`), a server that shows that of another (`wrongName`), and one
//! whose authority nobody trusts (`untrusted`). A client that takes it all the same does not verify, which is a finding: it
//! is counted, and its connection is closed before anybody reads what it says.
//!
//! ```yaml
//! - tls: {certificate: untrusted, at: 10s, duration: 30s}
//! - tls: {certificate: expired, issuer: {certificate: /etc/test-ca.pem, key: /etc/test-ca.key}, at: 10s, duration: 30s}
//! ```
//!
//! The certificate is for the name that the client asks for; who asks for none gets one for the address that it calls. With an
//! `issuer` that the client trusts, the flaw is all that is wrong. Without one, nobody trusts the certificate, and most
//! clients complain of that before they look at its time or name.
//!
//! Needs: the service calls its dependency through the link, and TLS from the first byte on; what else comes passes, after a
//! second if the client waits for the dependency to speak, and is counted. Connections through the link that are open at the beginning
//! go on (those of `traffic` are reset, and opened anew); new ones reach the dependency again at the end. Release class A: it lives in our process. Evidence: handshakes, and how
//! many clients refused and accepted.

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;

use crate::kind::{Aim, Kind, count, on_links};
use crate::need::PlanError;
use crate::plan::{Release, Step};
use crate::proxy::{Certificate, CertificateError, Counts};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "tls",
    release: Release::Lifetime,
    needs: "a link that carries TLS; for traffic nft, CAP_NET_ADMIN",
    about: "- tls: {certificate: untrusted, at: 10s, duration: 30s}",
    plan,
    evidence: |past| past.link(evidence),
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    if let Fault::Tls { certificate, issuer } = aim.fault {
        // An issuer that cannot be read is known before anything is done.
        let certificate = Certificate { flaw: *certificate, issuer: issuer.clone() };
        certificate.check().map_err(|error| match error {
            CertificateError::File { path, error } => {
                PlanError::Unfit(format!("cannot read {}: {error}", path.display()))
            }
            other => PlanError::Unfit(other.to_string()),
        })?;
    }
    on_links(aim)
}

fn evidence(counts: &Counts) -> Evidence {
    let [handshakes, rejected, accepted, foreign] =
        [&counts.handshakes, &counts.rejected, &counts.accepted, &counts.foreign].map(Counts::read);
    let mut summary = match handshakes {
        0 => "no handshake of TLS came through the link".to_owned(),
        _ => format!(
            "{}: {rejected} refused the certificate, {accepted} accepted it",
            count(handshakes, "handshake")
        ),
    };
    if foreign > 0 {
        summary.push_str(&format!("; {} without TLS passed", count(foreign, "connection")));
    }
    let counters = [
        ("handshakes", handshakes as f64),
        ("handshakes_refused", rejected as f64),
        ("handshakes_accepted", accepted as f64),
        ("connections_passed", foreign as f64),
    ];
    crate::kind::evidence(handshakes > 0, summary, &counters)
}
