//! Container engines: Docker, and whatever answers like it on a Unix socket, such as Podman.
//!
//! ```text
//! socket       where the engine is asked, and how: one request, one answer
//! container    which containers there are, one run of one, and what is done to it
//! own          whether a container is the one that we run in
//! ```
//!
//! A container is known by its id, and a run of it by when it started: nothing is undone on another run, because whoever
//! started it again has mended it. Paths carry the version that the engine itself names, so that old and new ones
//! understand them.

mod container;
mod own;
mod socket;

pub(crate) use self::container::{Fate, Run, Seen, Verb, find};
pub(crate) use self::socket::Engine;
pub use self::socket::EngineError;

/// Does what may take its time, such as asking an engine, beside the loop that beats.
pub(crate) async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(it) => it,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
