//! One link: the address a service calls instead of its dependency.
//!
//! A link that refuses stops listening but keeps its port: the socket leaves the listening state without
//! being closed, so connects are refused by the kernel as if nobody was there, and nobody else can take
//! the port before the link listens again.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use evenkeel_units::Seed;
use rustix::net::Shutdown;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection::{Sight, serve};
use super::upstream::Upstream;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A link as its own task sees it.
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) upstream: Upstream,
    pub(crate) seed: Seed,
    pub(crate) sight: Sight,
    /// Says whether the link listens.
    pub(crate) listens: watch::Sender<bool>,
}

impl Link {
    /// Accepts and serves until nobody holds the other end of `sight`; then nothing of it is left.
    pub(crate) async fn run(mut self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        // A listener that fails has no one to tell; whoever asks for a change hears that it is gone.
        self.accept(listener, &mut connections).await.unwrap_or_default();
        connections.shutdown().await;
    }

    async fn accept(
        &mut self,
        listener: TcpListener,
        connections: &mut JoinSet<()>,
    ) -> io::Result<()> {
        let mut count = 0u64;
        let mut listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            if self.refuses() {
                let closed = listener.into_std()?;
                rustix::net::shutdown(&closed, Shutdown::Read)?;
                self.listens.send_replace(false);
                while self.refuses() {
                    if self.sight.changed().await.is_err() {
                        return Ok(());
                    }
                }
                rustix::net::listen(&closed, BACKLOG)?;
                listener = tokio::net::TcpListener::from_std(closed)?;
                self.listens.send_replace(true);
            }
            tokio::select! {
                changed = self.sight.changed() => if changed.is_err() { return Ok(()) },
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((client, _)) => {
                        count += 1;
                        let purpose = format!("fault/jitter/{}/{count}", self.name);
                        let rng = self.seed.stream(&purpose);
                        let (upstream, sight) = (self.upstream.clone(), self.sight.clone());
                        connections.spawn(async move { serve(client, &upstream, sight, rng).await });
                    }
                    // Out of descriptors, most likely: some will be free again soon.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                },
            }
        }
    }

    fn refuses(&mut self) -> bool {
        self.sight.borrow_and_update().refuse().is_some()
    }
}
