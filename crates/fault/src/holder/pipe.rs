//! The tool's side of a holder: a child, and the pipe that is its life.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::life::Errand;
use super::{Counters, Said, Work};
use crate::guardian::Reexec;
use crate::plan::MARK;

/// How long it may take until what was asked for holds.
const READY_MAX: Duration = Duration::from_secs(30);
/// How long a holder may take to end once its pipe is closed.
const END_MAX: Duration = Duration::from_secs(5);

/// Why nothing is held.
#[derive(Debug, thiserror::Error)]
pub enum HolderError {
    /// There is no child, or it said nothing that can be understood.
    #[error("cannot start the child that holds it: {0}")]
    Start(#[from] io::Error),
    /// It said why.
    #[error("{0}")]
    Failed(String),
    /// It ended without a word, or was killed, by the kernel for want of memory perhaps.
    #[error("the child that holds it ended before its time")]
    Ended,
    /// It is still about it.
    #[error("it took longer than {}s", READY_MAX.as_secs())]
    Late,
}

/// A holder that holds.
#[derive(Debug)]
pub(crate) struct Holder {
    child: Child,
    life: Option<ChildStdin>,
    said: Lines<BufReader<ChildStdout>>,
    /// It ends by itself, when others let go of what they have of it.
    stays: bool,
}

/// The mark of a holder that stays, and of whom it has mount for it.
pub(crate) fn staying(mark: &str) -> String {
    format!("stays:{mark}")
}

impl Holder {
    /// Starts one, and waits until what was asked for holds. One that cannot is gone when this returns.
    pub(crate) async fn start(
        reexec: &Reexec,
        work: Work,
        mark: &str,
        limit: Duration,
    ) -> Result<Self, HolderError> {
        let mut command = reexec.command("holder");
        let stays = work.may_stay();
        command.kill_on_drop(!stays);
        // What ends the run must not end one that stays.
        command.env(MARK, if stays { staying(mark) } else { mark.to_owned() });
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        let mut life = child.stdin.take().ok_or_else(broken)?;
        let said = child.stdout.take().ok_or_else(broken)?;
        let mut errand = serde_json::to_vec(&Errand { work, limit }).map_err(io::Error::from)?;
        errand.push(b'\n');
        life.write_all(&errand).await?;
        let mut holder =
            Self { child, life: Some(life), said: BufReader::new(said).lines(), stays };
        match tokio::time::timeout(READY_MAX, holder.hear()).await {
            Ok(Ok(Said::Ready)) => return Ok(holder),
            Ok(Ok(Said::Failed(reason))) => return Err(HolderError::Failed(reason)),
            Ok(Ok(Said::Did(_))) => return Err(HolderError::Ended),
            Ok(Err(error)) => return Err(error),
            Err(_) => {}
        }
        holder.child.kill().await?;
        Err(HolderError::Late)
    }

    async fn hear(&mut self) -> Result<Said, HolderError> {
        let line = self.said.next_line().await?.ok_or(HolderError::Ended)?;
        Ok(serde_json::from_str(&line).map_err(io::Error::from)?)
    }

    /// Closes its pipe, hears what it counted, and sees that it is gone. The error is that it is not.
    pub(crate) async fn end(mut self) -> io::Result<Result<Counters, HolderError>> {
        drop(self.life.take());
        let heard = match tokio::time::timeout(END_MAX, self.hear()).await {
            Ok(Ok(Said::Did(counters))) => Ok(counters),
            Ok(Ok(Said::Failed(reason))) => Err(HolderError::Failed(reason)),
            Ok(Err(error)) => Err(error),
            Ok(Ok(Said::Ready)) | Err(_) => Err(HolderError::Ended),
        };
        if self.stays && heard.is_ok() {
            return Ok(heard);
        }
        if tokio::time::timeout(END_MAX, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(heard)
    }
}
