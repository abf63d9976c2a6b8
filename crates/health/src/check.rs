//! Check: anything that can be asked whether it works.
//!
//! ```text
//! cpu          Cpu: how busy the processors are that we may use
//! memory       Memory: how much is left of what we may use
//! disk         Disk: how much is left of a file system
//! descriptors  Descriptors: how many more files and sockets this process may open
//! remote       Tcp, Http, Redis, Postgres: whether the other end of a connection works
//! ```
//!
//! Any closure that gives a future is a check, and most are: `|| async { pool.ping().await }`. A check asks as briefly as it can,
//! keeps no state that a run that was given up could spoil, and does not block a thread; one that does anyway is given up at
//! its timeout like any other, and not asked again until it came back.

use std::pin::Pin;

use crate::Finding;

#[cfg(feature = "system")]
mod cgroup;
#[cfg(feature = "system")]
mod cpu;
#[cfg(feature = "system")]
mod descriptors;
#[cfg(feature = "system")]
mod disk;
#[cfg(feature = "system")]
mod memory;
mod remote;

#[cfg(feature = "system")]
pub use cpu::Cpu;
#[cfg(feature = "system")]
pub use descriptors::Descriptors;
#[cfg(feature = "system")]
pub use disk::Disk;
#[cfg(feature = "system")]
pub use memory::Memory;
pub use remote::{Http, Postgres, Redis, Tcp};

/// Something that can be asked whether it works.
///
/// ```
/// use evenkeel_health::{Check, Finding};
///
/// struct Queue;
///
/// impl Check for Queue {
///     async fn ask(&self) -> Finding {
///         Finding::warn("9,000 messages wait").with_value(9_000.0, "messages")
///     }
/// }
/// ```
pub trait Check: Send + Sync + 'static {
    /// Asks once. The future is dropped when it takes too long.
    fn ask(&self) -> impl Future<Output = Finding> + Send;
}

impl<F, A> Check for F
where
    F: Fn() -> A + Send + Sync + 'static,
    A: Future<Output: Into<Finding>> + Send,
{
    async fn ask(&self) -> Finding {
        self().await.into()
    }
}

/// Checks of different types side by side. One box for each run, which is once in seconds.
pub(crate) trait AnyCheck: Send + Sync {
    fn ask_boxed(&self) -> Pin<Box<dyn Future<Output = Finding> + Send + '_>>;
}

impl<C: Check> AnyCheck for C {
    fn ask_boxed(&self) -> Pin<Box<dyn Future<Output = Finding> + Send + '_>> {
        Box::pin(self.ask())
    }
}

/// What a share that is taken means, by two limits.
#[cfg(feature = "system")]
fn judge_share(taken: f64, warn: f64, fail: f64, of: &str) -> Finding {
    let percent = taken * 100.0;
    let says = |limit: f64| format!("{percent:.1}% of {of} is taken, limit {:.0}%", limit * 100.0);
    let finding = match taken {
        it if it >= fail => Finding::fail(says(fail)),
        it if it >= warn => Finding::warn(says(warn)),
        _ => Finding::pass(),
    };
    finding.with_value((percent * 10.0).round() / 10.0, "percent")
}
