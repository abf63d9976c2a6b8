//! Web: a run that is under way, in a browser on this machine.
//!
//! ```text
//! pages  what is shown: the outcome so far, drawn when somebody asks, and the report in the end
//! serve  for what may be asked, and until when
//! ```
//!
//! There is one resource, the page of the run. `/` is the page as it is now; `/?after=N` is the page after
//! picture `N`, and waits for it. The page is the HTML report with what there is so far; when the run is over it
//! is the report itself, and whoever had it open has the report before this process ends.
//!
//! It is on a loopback address only, because nobody is asked who they are. A thread of its own draws and serves,
//! so that no browser holds up the run.

mod pages;
mod serve;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::thread::JoinHandle;

use evenkeel_model::{Entry, Outcome};
use evenkeel_report::html;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::exit::Failure;
use crate::loopback::Loopback;

/// What the thread that serves is told.
enum Word {
    /// Something happened in the run.
    Happened(Box<Entry>),
    /// A run is over, and this is its report. Another may follow.
    Report(String),
    /// Nothing more will happen.
    Over,
}

/// The view of a run in a browser.
#[derive(Debug)]
pub(crate) struct Web {
    address: SocketAddr,
    words: UnboundedSender<Word>,
    thread: Option<JoinHandle<()>>,
}

impl Web {
    /// Serves at an address.
    pub(crate) fn open(at: Loopback) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::could_not_run(format!(
                "cannot serve the web view at {}: {error}",
                at.address()
            ))
            .help("give another port, or none: `--web`")
        };
        let (listener, address) = at.listen().map_err(failed)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (words, heard) = unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("evenkeel-web".to_owned())
            .spawn(move || runtime.block_on(serve::serve(listener, heard)))
            .map_err(failed)?;
        Ok(Self { address, words, thread: Some(thread) })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Shows what happened.
    pub(crate) fn see(&self, entry: &Entry) {
        self.tell(Word::Happened(Box::new(entry.clone())));
    }

    /// Shows how a run ended, once nothing more happens.
    pub(crate) fn report(&self, outcome: &Outcome) {
        self.tell(Word::Report(html::render(outcome)));
    }

    fn tell(&self, word: Word) {
        // A thread that is gone has said why, and the run is worth more than its view.
        drop(self.words.send(word));
    }
}

impl Drop for Web {
    /// Waits until whoever looks on has the report, within bounds.
    fn drop(&mut self) {
        self.tell(Word::Over);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap_or_default();
        }
    }
}
