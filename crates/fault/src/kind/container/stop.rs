//! `stop`: containers are stopped by their engine, as an operator stops them, and started again at the end.
//!
//! Simulates a service that is down and stays down: `kill` shows how fast a restart policy brings a container back, and
//! this what happens while nobody does.
//!
//! ```yaml
//! - stop: {target: {container: {name: shop-web-*}, mode: one}, at: 10s, duration: 30s}
//! ```
//!
//! A container gets its own signal and its own time to end (10 s, unless it says otherwise). One that may take longer
//! than 20 s is refused, as is one that runs with `--rm`, because nothing of it would be left to start. Needs: the
//! socket of Docker or Podman. Release class C: when we are gone, the guardian starts the container again, unless it is
//! gone or somebody else has started it, which the time of its start tells. Evidence: the engine showed it stopped, at
//! the beginning and at the end, and for how long.

use crate::engine::Verb;
use crate::kind::Kind;
use crate::plan::Release;

pub(in crate::kind) const KIND: Kind = Kind {
    name: "stop",
    release: Release::Guardian,
    needs: "the socket of Docker or Podman",
    about: "- stop: {target: {container: {name: shop-web-*}}, at: 10s, duration: 30s}",
    plan: |aim| {
        super::steps(aim, |run| {
            run.must_stay()?;
            run.must_end_soon().map(|()| Verb::Stop)
        })
    },
    evidence: |past| super::evidence(past).unwrap_or_else(|| past.nothing()),
};
