//! `memory`: a child of ours holds memory on this host.
//!
//! Simulates a leak next door. The pages are touched, so they are really there. It never takes more than is
//! available beyond a reserve of 5 % (at least 128 MiB), and if memory runs out all the same, the kernel
//! ends the child first.
//!
//! ```yaml
//! - memory: {amount: 2GiB, at: 10s, duration: 60s}
//! ```
//!
//! Needs: so much available memory. Release class A: the child ends when its pipe from us closes; its mark is
//! in the journal as well. Evidence: resident memory of the child, at least nine tenths of what was asked.

use evenkeel_model::document::Fault;
use evenkeel_model::event::Evidence;
use evenkeel_units::Bytes;

use crate::holder::{Memory, Work, available, reserve, total};
use crate::kind::{Aim, Kind};
use crate::need::PlanError;
use crate::plan::{Release, Step};

pub(in crate::kind) const KIND: Kind = Kind {
    name: "memory",
    release: Release::Lifetime,
    needs: "as much available memory, and a reserve",
    about: "- memory: {amount: 2GiB, at: 10s, duration: 60s}",
    plan,
    evidence: |past| {
        past.held(|it| {
            let counter = crate::kind::reader(it);
            let of = |name: &str| Bytes(counter(name) as u64);
            evidence(of("asked_bytes"), of("resident_bytes"))
        })
    },
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::Memory { amount } = *aim.fault else { return Ok(Vec::new()) };
    let (amount, available, reserve) = (amount.of(total()?), available()?, reserve()?);
    if amount.0.saturating_add(reserve.0) > available.0 {
        let problem = format!(
            "{amount} is too much memory: {available} are available, and {reserve} stay free for others"
        );
        return Err(PlanError::Unfit(problem));
    }
    Ok(vec![aim.hold(Work::Memory(Memory { amount }))])
}

fn evidence(asked: Bytes, resident: Bytes) -> Evidence {
    let summary = format!("{resident} held of {asked} asked");
    let counters = [("resident_bytes", resident.0 as f64), ("asked_bytes", asked.0 as f64)];
    crate::kind::evidence(resident.0 >= asked.0 / 10 * 9 && resident.0 > 0, summary, &counters)
}
