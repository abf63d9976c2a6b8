//! The guardian: a second process that mends what a run broke when the run cannot do it itself.
//!
//! ```text
//!   tool ── beats every 250 ms, secrets, "done" ──▶ guardian     one socket; either end closing says
//!     │  ◀───────── an answer to each beat ────────    │         that the other one is gone
//!     ╰──── undo journal, open and locked ─────────▶   ╯
//! ```
//!
//! It mends everything in the journal, last first, when the socket closes (the tool is gone: at once),
//! when there was no beat for two seconds (the tool hangs or was stopped; one that was stopped and has links is
//! ended, because what goes over them hangs with it) or when the longest time that
//! faults may take has passed. Then it reads back, tries again with growing pauses, marks the journal and
//! ends. It leads its own session and ignores INT, TERM and HUP, so what ends the tool does not end it.
//!
//! It is watched in turn: a tool that has lost its guardian, or has no answer from it for two seconds, must stop,
//! because nobody would mend after it. When both are killed, [`recover`](crate::recover) mends.
//!
//! Two seconds, not less: on a host with every core busy a healthy tool can be kept from running for
//! several hundred milliseconds. A tool that is killed does not need them; its socket closes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use rustix::io::fcntl_dupfd_cloexec;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, timeout};

use crate::image::Secret;
use crate::journal::Journal;
use crate::mend::mend_all;
use crate::plan::MARK;
use crate::process::{HELPER, first};

/// How often the tool says that it is well.
const BEAT: Duration = Duration::from_millis(250);
/// How long it may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// How long a guardian may take to take its post.
const READY_MAX: Duration = Duration::from_secs(10);
/// How long it may take to leave when all is done.
const LEAVE_MAX: Duration = Duration::from_secs(5);
/// How long it goes on trying.
const MEND_MAX: Duration = Duration::from_secs(20);

/// How our own program is started again, as a helper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reexec {
    /// The program.
    pub program: PathBuf,
    /// The arguments that make it this helper; ours follow.
    pub arguments: Vec<OsString>,
}

impl Reexec {
    /// The program that runs now, with this hidden verb.
    pub fn of_this_program(verb: &str) -> io::Result<Self> {
        Ok(Self { program: std::env::current_exe()?, arguments: vec![verb.into()] })
    }

    /// The command, marked as a helper that no fault may hit.
    pub(crate) fn command(&self, role: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_remove(MARK).env(HELPER, role);
        command
    }
}

/// Nice value of the guardian: nobody goes before it.
const FIRST: i32 = -20;

/// What the tool tells its guardian; one a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Message {
    Beat,
    Keep { id: usize, secret: Secret },
    Done,
}

/// The tool's end of its guardian.
#[derive(Debug)]
pub(crate) struct Guardian {
    child: Child,
    tell: mpsc::UnboundedSender<(Message, oneshot::Sender<()>)>,
    lost: watch::Receiver<bool>,
    speaker: AbortHandle,
}

/// Why there is no guardian.
#[derive(Debug, thiserror::Error)]
pub enum GuardianError {
    /// It cannot be started.
    #[error("cannot start the guardian `{program}`")]
    Spawn {
        /// What was started.
        program: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// It ended, or said something else, before it was ready.
    #[error("the guardian `{program}` did not take its post")]
    NotReady {
        /// What was started.
        program: PathBuf,
    },
    /// It is gone.
    #[error("the guardian is gone; without it nothing may be broken")]
    Lost,
}

impl Guardian {
    /// Starts it and waits until it is on its post. Whatever happens, it mends after `limit`.
    pub(crate) async fn spawn(
        reexec: &Reexec,
        journal: &Journal,
        limit: Duration,
    ) -> Result<Self, GuardianError> {
        let program = reexec.program.clone();
        let start = || {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            let mut command = reexec.command("guardian");
            command.arg(journal.path()).arg(limit.as_secs_f64().to_string());
            // Its input is the socket. Its output is the journal: the same open file as ours, which is
            // what keeps the lock when we are gone.
            command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::from(journal.share()?));
            command.stderr(Stdio::null()).current_dir("/");
            Ok((command.spawn()?, UnixStream::from_std(ours)?))
        };
        let started =
            start().map_err(|error| GuardianError::Spawn { program: program.clone(), error });
        let (child, socket) = started?;
        let (read, mut write) = socket.into_split();
        let mut heard = BufReader::new(read).lines();
        match timeout(READY_MAX, heard.next_line()).await {
            Ok(Ok(Some(line))) if line == "ready" => {}
            _ => return Err(GuardianError::NotReady { program }),
        }
        let (gone, lost) = watch::channel(false);
        let (tell, mut told) = mpsc::unbounded_channel();
        let speaker = tokio::spawn(async move {
            let mut beat = tokio::time::interval(BEAT);
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let speak = async {
                loop {
                    let (message, said) = tokio::select! {
                        it = told.recv() => match it {
                            Some((message, said)) => (message, Some(said)),
                            None => return Ok(()),
                        },
                        _ = beat.tick() => (Message::Beat, None),
                    };
                    let mut line = serde_json::to_vec(&message)?;
                    line.push(b'\n');
                    write.write_all(&line).await?;
                    if let Some(said) = said {
                        // Whoever has stopped waiting does not need to know.
                        oneshot::Sender::send(said, ()).unwrap_or_default();
                    }
                }
            };
            // First what was answered: a tool that was itself kept from running is not to blame its guardian.
            let listen = async {
                while let Ok(Ok(Some(_))) = timeout(SILENCE_MAX, heard.next_line()).await {}
                Ok(())
            };
            let ended: io::Result<()> = tokio::select! {
                it = speak => it,
                it = listen => it,
            };
            // However it ended, there is nobody to talk to.
            drop(ended);
            gone.send_replace(true);
        });
        Ok(Self { child, tell, lost, speaker: speaker.abort_handle() })
    }

    /// Gives it what must not be on disk: what starting a process again needs. When this returns it is in
    /// the socket, where the guardian finds it even if we are killed in the same moment.
    pub(crate) async fn keep(&self, id: usize, secret: &Secret) -> Result<(), GuardianError> {
        self.say(Message::Keep { id, secret: secret.clone() }).await
    }

    async fn say(&self, message: Message) -> Result<(), GuardianError> {
        let (said, heard) = oneshot::channel();
        self.tell.send((message, said)).map_err(|_| GuardianError::Lost)?;
        heard.await.map_err(|_| GuardianError::Lost)
    }

    pub(crate) fn is_lost(&self) -> bool {
        *self.lost.borrow()
    }

    /// Ends when the guardian is gone.
    pub(crate) fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut lost = self.lost.clone();
        async move {
            // A sender that is gone has said it, too.
            lost.wait_for(|it| *it).await.map(|_| ()).unwrap_or_default();
        }
    }

    /// Tells it that everything is mended, and waits until it has left.
    pub(crate) async fn dismiss(mut self) -> io::Result<()> {
        // One that does not listen has nothing more to mend.
        let patience =
            if self.say(Message::Done).await.is_ok() { LEAVE_MAX } else { Duration::ZERO };
        match timeout(patience, self.child.wait()).await {
            Ok(left) => left.map(|_| ()),
            Err(_) => self.child.kill().await,
        }
    }
}

impl Drop for Guardian {
    /// A tool that forgets its guardian is as good as gone: the socket closes, and all is mended.
    fn drop(&mut self) {
        self.speaker.abort();
    }
}

/// Main function of the guardian's process: `JOURNAL SECONDS`, on the socket and the file it was given.
pub fn run(arguments: &[String]) -> ExitCode {
    let [path, limit] = arguments else { return ExitCode::from(2) };
    let limit = limit.parse().ok().and_then(|it| Duration::try_from_secs_f64(it).ok());
    let Some(limit) = limit else { return ExitCode::from(2) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|it| it.block_on(stand_guard(PathBuf::from(path), limit))) {
        Ok(0) => ExitCode::SUCCESS,
        // Nobody reads our output; the journal says what could not be mended.
        Ok(_) | Err(_) => ExitCode::FAILURE,
    }
}

/// Why the guardian acts.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Cause {
    Done,
    Gone,
    Silent,
    Overdue,
}

async fn stand_guard(path: PathBuf, limit: Duration) -> io::Result<usize> {
    first::part();
    // Before every fault that burns CPU.
    first::go_first(FIRST);
    let quiet = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    // Once somebody listens for a signal it does not end the process, and here nobody acts on it.
    let _ignored: Vec<_> = quiet.into_iter().map(signal).collect::<io::Result<_>>()?;
    let descriptor = fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let socket = std::os::unix::net::UnixStream::from(descriptor);
    socket.set_nonblocking(true)?;
    let file = File::from(fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?);
    let mut journal = Journal::inherited(file, path);
    journal.guard()?;
    let (read, mut write) = UnixStream::from_std(socket)?.into_split();
    write.write_all(b"ready\n").await?;
    let mut secrets = BTreeMap::new();
    let tool = BufReader::new(read).lines();
    let cause = listen(tool, &mut write, limit, &mut secrets).await;
    let failed = mend_until_whole(&mut journal, &secrets).await?;
    // A tool that lives, even if it hangs, has the file open and removes it itself.
    let is_alone = cause == Cause::Gone || journal.read()?.tool.is_some_and(|it| !it.is_alive());
    if failed == 0 && is_alone {
        journal.remove()?;
    }
    Ok(failed)
}

async fn listen(
    mut tool: Lines<BufReader<OwnedReadHalf>>,
    answer: &mut OwnedWriteHalf,
    limit: Duration,
    secrets: &mut BTreeMap<usize, Secret>,
) -> Cause {
    let end = Instant::now() + limit;
    loop {
        let silence = Instant::now() + SILENCE_MAX;
        let line = tokio::select! {
            // First what was said: a guardian that was itself kept from running is not to blame the tool.
            biased;
            line = tool.next_line() => line,
            () = tokio::time::sleep_until(end) => return Cause::Overdue,
            () = tokio::time::sleep_until(silence) => return Cause::Silent,
        };
        match line {
            Ok(Some(line)) => match serde_json::from_str(&line) {
                // A tool that does not read is about to be silent; one that is gone is heard of next.
                Ok(Message::Beat) => answer.try_write(b"here\n").map(|_| ()).unwrap_or_default(),
                Err(_) => {}
                Ok(Message::Keep { id, secret }) => {
                    secrets.insert(id, secret);
                }
                Ok(Message::Done) => return Cause::Done,
            },
            Ok(None) | Err(_) => return Cause::Gone,
        }
    }
}

/// Mends, and tries again what did not work. Returns what is still broken.
async fn mend_until_whole(
    journal: &mut Journal,
    secrets: &BTreeMap<usize, Secret>,
) -> io::Result<usize> {
    let end = Instant::now() + MEND_MAX;
    let mut pause = Duration::from_millis(20);
    loop {
        let failed = mend_all(journal, |it| secrets.get(&it), |_, _| ()).await?;
        if failed == 0 || Instant::now() + pause > end {
            return Ok(failed);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}
