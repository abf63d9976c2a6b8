//! Conducts one drill from plan to verdict.
//!
//! ```text
//! conductor   decides: events in, commands out, no input or output
//!   asking      the steady state, probe by probe
//!   patience    how long each stage may take
//!   guard       abort conditions, second by second
//!   stop        thresholds that end a load which does not keep them
//!   staircase   load in steps, up to where the service breaks down
//! shell       acts: owns the load, the faults, the probes, the timers and the signals
//!   generator   what sends the load: this process, or a fleet of others
//!   hands       where faults, probes and the service meet; answers with events
//!   watching    reads what is watched beside the load
//!   service     starts and stops the service when the drill is asked to
//! journal     the file that a run is; every reader begins here
//! folder      where runs and baselines are kept
//! run         what the events of a journal add up to
//!   frames      the seconds of its load, kept where they take no memory
//! judge       run → outcome
//!   standing    how a load stands while it goes on
//!   tally       seconds of load added up, and the figures they give
//!   probing     answers of probes as seconds of load, where there is none
//!   asked       how much load the plan asks for
//!   objective   what was promised, and what was measured of it
//!   record      what objectives counted, second by second on people's clocks
//!   recovery    when a fault showed, and when the service was well again
//!   spike       how a burst of load was stood, and when the service was well again
//!   drift       latency that creeps up, and memory that is not given back
//!   watched     what the target's side looked like
//!   sending     was the load really sent, and was the generator up to it?
//!   agents      did every machine that sent it stay to the end?
//!   stretch     the judged load in pieces, for comparisons
//!   check       everything that had to hold
//!   regression  worse than the stored baseline or another run, by more than chance?
//!   score       one number, and what it is made of
//!   cause       the likely reason, in words
//! ```
//!
//! **Invariant**: only `shell`, `generator`, `hands`, `watching`, `service`, `journal`, `folder` and `frames` touch the world; everything else is a
//! function of events. So a drill is tested in a millisecond, and a journal replays to the same verdict.
//!
//! Deliberately absent: rendering (that is `evenkeel-report`), schedules, and more than one drill at a time.

mod agents;
mod asked;
mod cause;
mod check;
pub mod conductor;
mod drift;
pub mod folder;
pub mod frames;
mod generator;
pub mod guard;
mod hands;
pub mod journal;
mod judge;
mod objective;
mod probing;
mod record;
mod recovery;
mod regression;
mod run;
#[cfg(test)]
mod sample;
mod score;
mod sending;
mod service;
pub mod shell;
mod spike;
mod staircase;
mod standing;
mod stop;
mod stretch;
mod tally;
mod watched;
mod watching;

pub use conductor::{Command, Conductor, Early, Finish};
pub use folder::Runs;
pub use generator::look_up;
pub use hands::ask;
pub use judge::judge;
pub use record::RecordError;
pub use regression::compare;
pub use run::Run;
pub use sending::AgentFigures;
pub use shell::{ConductError, Setup, Signals, conduct};
pub use standing::Standing;
pub use tally::Tally;
pub use watched::Reading;
