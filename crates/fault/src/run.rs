//! Running a program to its end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use tokio::process::Command;

use crate::plan::{Argv, MARK};
use crate::process::HELPER;

/// How long a program may take.
const RUN_MAX: Duration = Duration::from_secs(30);
/// So much of what it said is worth telling.
const SAID_MAX: usize = 200;
/// And no more of it is looked through.
const READ_MAX: u64 = 64 * 1024;

/// Why a program did not do as told.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It is not there, or cannot be run.
    #[error("cannot run `{program}`: {error}")]
    Start {
        /// With its arguments.
        program: String,
        /// Why not.
        error: io::Error,
    },
    /// It said that it failed.
    #[error("`{program}` ended with {status}: {said}")]
    Failed {
        /// With its arguments.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it said.
        said: String,
    },
    /// It came to no end.
    #[error("`{program}` did not end within {}s", RUN_MAX.as_secs())]
    Late {
        /// With its arguments.
        program: String,
    },
}

impl Argv {
    /// Runs it to its end, and returns the last line of what it said. With a mark, what it leaves running ends with the
    /// run.
    pub(crate) async fn run(&self, mark: Option<&str>) -> Result<String, RunError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.directory).kill_on_drop(true);
        command
            .env_remove(HELPER)
            .env_remove(MARK)
            .envs(mark.map(|it| (MARK, it)))
            .process_group(0);
        let program = || self.to_string();
        let failed = |error| RunError::Start { program: program(), error };
        let mut said = Paper::new().map_err(failed)?;
        let (out, err) = (said.pen().map_err(failed)?, said.pen().map_err(failed)?);
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let mut child = command.spawn().map_err(failed)?;
        let ended = tokio::time::timeout(RUN_MAX, child.wait()).await;
        let status = ended.map_err(|_| RunError::Late { program: program() })?.map_err(failed)?;
        let said = said.last_line().map_err(failed)?;
        match status.success() {
            true => Ok(said),
            false => Err(RunError::Failed { program: program(), status, said }),
        }
    }
}

/// What a program writes to, in memory. Unlike a pipe it needs no reader, and what a program leaves running may keep it.
struct Paper(File);

impl Paper {
    fn new() -> io::Result<Self> {
        Ok(Self(memfd_create("evenkeel-output", MemfdFlags::CLOEXEC)?.into()))
    }

    fn pen(&self) -> io::Result<File> {
        self.0.try_clone()
    }

    fn last_line(&mut self) -> io::Result<String> {
        let start = self.0.metadata()?.len().saturating_sub(READ_MAX);
        self.0.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        (&mut self.0).take(READ_MAX).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().rfind(|it| !it.trim().is_empty()).unwrap_or_default();
        Ok(line.trim().chars().take(SAID_MAX).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Argv {
        let arguments = words[1..].iter().map(|it| (*it).to_owned()).collect();
        Argv { program: words[0].into(), arguments, directory: "/".into() }
    }

    #[tokio::test]
    async fn what_it_said_last_is_told() {
        assert_eq!(argv(&["/usr/bin/printf", "a\nb\n\n"]).run(None).await.unwrap(), "b");
        let error = argv(&["/bin/ls", "/no-such-thing"]).run(None).await.unwrap_err().to_string();
        assert!(
            error.starts_with("`/bin/ls /no-such-thing` ended with exit status: 2: "),
            "{error}"
        );
        let error = argv(&["/no-such-program"]).run(None).await.unwrap_err().to_string();
        assert!(error.starts_with("cannot run `/no-such-program`: "), "{error}");
    }

    #[test]
    fn arguments_are_shown_as_they_would_be_typed() {
        let shown = argv(&["/bin/echo", "plain", "two words", "it's", ""]).to_string();
        assert_eq!(shown, r"/bin/echo plain 'two words' 'it'\''s' ''");
    }
}
