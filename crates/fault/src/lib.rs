//! Faults: planned as data, applied under a guard, and undone, even after a crash.
//!
//! ```text
//! faults     the face: open, resolve, begin, end, close; one drill's faults
//! kind       one fault, one file: what it simulates, what it needs, what shows that it acted
//! plan       steps and their undos, as data
//! target     who is hit, by the seed
//! safety     may this act, now? every reason against it
//! process    finding processes, and never a stranger or ourselves
//! proxy      the links to dependencies, and what can be laid on them
//! toxiproxy  links and what lies on them, as clients of Toxiproxy ask for them
//! host       what this host has, what works with it, and how to get the rest
//! holder     what is held, burnt or kept up in a child of ours, on a pipe
//! engine     Docker and Podman, asked over their socket
//! kubernetes a cluster: its pods, and what is set in it
//! journal    every undo on disk before its step
//! need       what a fault needs of the host: programs, capabilities
//! discipline packets treated by a queueing discipline of the kernel
//! netlink    packets held back, lost or damaged, by rules that go when their process does
//! mount      what is mounted where, and taking it away
//! mend       carrying out an undo, and reading back that it worked
//! guardian   a second process that mends when the first one is gone
//! run        programs with arguments, run to their end
//! throttle   limits of the disks, in control groups
//! unit       units of systemd
//! waking     being awake in time, though the kernel wakes late
//! recover    mending what both of them left behind
//! status     which runs there are, and what acts
//! halt       ending all of them, and forbidding new ones
//! ```
//!
//! Two things must never happen here: a fault that stays behind, and a fault that silently did nothing.
//! Against the first there are the journal, the guardian and `recover`; against the second every fault
//! returns [`Evidence`](evenkeel_model::event::Evidence).
//!
//! Deliberately absent: deciding when a fault begins or whether a run goes on (the conductor does), load
//! and probes (other hands), and any command line built from text.

mod act;
mod clock;
mod discipline;
mod engine;
mod faults;
pub mod guardian;
pub mod halt;
pub mod holder;
pub mod host;
mod image;
mod journal;
pub mod kind;
mod kubernetes;
mod mend;
mod mount;
mod need;
mod netlink;
pub mod plan;
pub mod process;
pub mod proxy;
mod recover;
mod run;
pub mod safety;
#[cfg(test)]
mod sample;
pub mod status;
pub mod target;
mod throttle;
pub mod toxiproxy;
mod unit;
mod waking;

pub use act::ActError;
pub use clock::ClockError;
pub use engine::EngineError;
pub use faults::{FaultError, Faults, Preview, lacking, preview};
pub use guardian::Reexec;
pub use journal::state_dir;
pub use need::PlanError;
pub use plan::MARK;
pub use process::{Process, find};
pub use recover::{Recovered, recover};
pub use safety::{Refusal, permit};
pub use status::{Lease, Status, status};
pub use target::Resolved;
