//! Conducts one drill from plan to verdict.
//!
//! ```text
//! conductor   decides: events in, commands out, no input or output
//!   asking      the steady state, probe by probe
//!   guard       abort conditions, second by second
//! shell       acts: owns the load, the faults, the probes, the timers and the signals
//!   hands       where faults, probes and the service meet; answers with events
//!   service     starts and stops the service when the drill is asked to
//! journal     the file that a run is; every reader begins here
//! folder      where runs and baselines are kept
//! judge       journal → outcome
//!   run         what the events add up to
//!   tally       seconds of load added up, and the figures they give
//!   asked       how much load the plan asks for
//!   objective   what was promised, and what was measured of it
//!   recovery    when a fault showed, and when the service was well again
//!   check       everything that had to hold
//!   regression  worse than the stored baseline, by more than chance?
//!   score       one number, and what it is made of
//!   cause       the likely reason, in words
//! ```
//!
//! **Invariant**: only `shell`, `service`, `journal` and `folder` touch the world; everything else is a
//! function of events. So a drill is tested in a millisecond, and a journal replays to the same verdict.
//!
//! Deliberately absent: rendering (that is `evenkeel-report`), schedules, and more than one drill at a time.

mod asked;
mod cause;
mod check;
pub mod conductor;
pub mod folder;
pub mod guard;
mod hands;
pub mod journal;
mod judge;
mod objective;
mod recovery;
mod regression;
mod run;
#[cfg(test)]
mod sample;
mod score;
mod service;
pub mod shell;
mod tally;

pub use conductor::{Command, Conductor, Finish};
pub use folder::Runs;
pub use judge::judge;
pub use run::{NoRun, Run};
pub use shell::{ConductError, Setup, conduct};
pub use tally::Tally;
