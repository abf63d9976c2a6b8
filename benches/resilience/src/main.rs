//! What `cargo xtask bench resilience` measures: patterns of ours and those of peers, around a call that costs next to nothing.
//!
//! ```text
//! evenkeel-bench-resilience list
//! evenkeel-bench-resilience NAME CALLS [THREADS]
//! ```
//!
//! The second makes so many calls on each of so many threads, and prints what they took, a figure a line. Whoever wants to know
//! instructions runs it under cachegrind with two numbers of calls: what differs is theirs.
//!
//! ```text
//! count      allocations and bytes of this thread
//! run        calls, again and again, on one thread or several at once
//! inner      the call that is protected: ready at once, or after having waited once
//! breaker, bulkhead, limit, stack, balance, cache   ours and the peers'
//! memory     what circuits take
//! health     probes over loopback
//! ```
//!
//! Every peer is set up as its documentation says for the same job.

mod balance;
mod breaker;
mod bulkhead;
mod cache;
mod count;
mod health;
mod inner;
mod limit;
mod memory;
mod run;
mod stack;

use std::io::{self, Write as _};

use anyhow::{Context as _, Result, bail};

use self::run::{Figures, Plan};

/// Something that can be measured.
type Subject = (&'static str, fn(Plan) -> Result<Figures>);

/// All of it, by the name of its case and who makes it.
const SUBJECTS: &[&[Subject]] = &[
    breaker::SUBJECTS,
    bulkhead::SUBJECTS,
    limit::SUBJECTS,
    stack::SUBJECTS,
    balance::SUBJECTS,
    cache::SUBJECTS,
    memory::SUBJECTS,
    health::SUBJECTS,
];

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut out = io::stdout();
    let (name, plan) = match words[..] {
        ["list"] => {
            for (name, _) in SUBJECTS.concat() {
                writeln!(out, "{name}")?;
            }
            return Ok(());
        }
        [name, calls] => (name, Plan { calls: calls.parse()?, threads: 1 }),
        [name, calls, threads] => (name, Plan { calls: calls.parse()?, threads: threads.parse()? }),
        _ => bail!("usage: evenkeel-bench-resilience list | NAME CALLS [THREADS]"),
    };
    let found = SUBJECTS.concat().into_iter().find(|it| it.0 == name);
    let (_, measure) = found.with_context(|| format!("there is no `{name}`"))?;
    for (key, value) in measure(plan)? {
        writeln!(out, "{key} {value}")?;
    }
    Ok(())
}
