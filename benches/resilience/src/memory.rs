//! Memory: what circuits take, and that those nobody asks for are gone.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use evenkeel_resilience::breaker::{Breaker, Outcome, Policy, Registry};
use evenkeel_units::Moment;

use crate::count;
use crate::run::{Figures, Plan};

pub(crate) const SUBJECTS: &[crate::Subject] =
    &[("memory/breaker", breaker), ("memory/registry", registry)];

const IDLE: Duration = Duration::from_mins(10);

fn at(seconds: u64) -> Moment {
    Moment::at(Duration::from_secs(seconds))
}

/// One that opened, and was tried, so that whatever it makes room for it has made room for.
fn breaker(_: Plan) -> Result<Figures> {
    let before = count::live_bytes();
    let breaker = Arc::new(Breaker::try_new(Policy::default())?);
    for _ in 0..200 {
        let ticket = breaker.admit(at(1));
        if let Ok(ticket) = ticket {
            breaker.record(at(1), ticket, Outcome::Failure);
        }
    }
    let tried: Vec<_> = (0..9).filter_map(|_| breaker.admit(at(100)).ok()).collect();
    let bytes = count::live_bytes() - before - (tried.capacity() * size_of_val(&tried[0])) as i64;
    Ok(vec![("bytes", bytes as f64)])
}

/// One for each address of so many, each used once, and how many are left after a time in which nobody asked.
fn registry(plan: Plan) -> Result<Figures> {
    let before = count::live_bytes();
    let circuits = Registry::try_new(Policy::default(), plan.calls as usize, IDLE)?;
    for number in 0..plan.calls {
        let [_, _, _, _, _, a, b, c] = number.to_be_bytes();
        let circuit = circuits.get(at(1), &format!("10.{a}.{b}.{c}:8080"));
        let ticket = circuit.admit(at(1))?;
        circuit.record(at(1), ticket, Outcome::Success);
    }
    let (held, bytes) = (circuits.len(), count::live_bytes() - before);
    circuits.get(at(1) + IDLE * 2, "10.0.0.1:8080");
    Ok(vec![
        ("circuits", held as f64),
        ("bytes", bytes as f64),
        ("circuits_after_idle", circuits.len() as f64),
        ("bytes_after_idle", (count::live_bytes() - before) as f64),
    ])
}
