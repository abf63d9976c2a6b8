//! Service: started for a drill when its document says how, and stopped with it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use evenkeel_model::document::Start;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// How long a service may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);

/// A service that the drill started, in a process group of its own.
#[derive(Debug)]
pub(crate) struct Started {
    child: Child,
    group: Pid,
    has_ended: bool,
}

impl Started {
    /// Starts the command in its folder, its output going to `log`. The program `evenkeel` is `own_binary`.
    /// The `mark` goes into its environment: by it the guardian finds whatever the service starts in turn.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(crate) fn new(
        start: &Start,
        own_binary: &Path,
        log: File,
        mark: (&str, &str),
    ) -> io::Result<Self> {
        let (program, arguments) =
            start.command.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
        let folder = std::path::absolute(start.folder.path())?;
        let program = match program.as_str() {
            "evenkeel" => own_binary.to_owned(),
            // One without a folder is looked for in the PATH.
            named if named.contains('/') => folder.join(named),
            found => PathBuf::from(found),
        };
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .env(mark.0, mark.1)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().and_then(|it| i32::try_from(it).ok()).and_then(Pid::from_raw);
        let group = pid.ok_or_else(|| io::Error::other("the service ended at once"))?;
        Ok(Self { child, group, has_ended: false })
    }

    /// Number of the process that leads the group.
    pub(crate) fn pid(&self) -> u32 {
        self.group.as_raw_nonzero().get().unsigned_abs()
    }

    /// Resolves when the process has ended by itself, with how.
    pub(crate) async fn ended(&mut self) -> String {
        let status = self.child.wait().await;
        self.has_ended = true;
        status.map_or_else(|error| format!("it cannot be watched: {error}"), |it| it.to_string())
    }

    /// Whether it is known to have ended.
    pub(crate) const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Asks the whole group to end, and ends what does not.
    pub(crate) async fn stop(mut self) -> io::Result<()> {
        if self.has_ended {
            // The number of its group may be another's by now; whoever is left of it is told by the mark.
            return Ok(());
        }
        let sent = kill_process_group(self.group, Signal::TERM);
        let ended = tokio::time::timeout(GRACE, self.child.wait()).await;
        // Whoever is left of the group did not listen.
        let killed = kill_process_group(self.group, Signal::KILL);
        ended.unwrap_or_else(|_| Ok(std::process::ExitStatus::default()))?;
        match (sent, killed) {
            (Ok(()) | Err(rustix::io::Errno::SRCH), Ok(()) | Err(rustix::io::Errno::SRCH)) => {
                Ok(())
            }
            (Err(error), _) | (_, Err(error)) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_model::document::FileName;

    use super::*;

    #[tokio::test]
    async fn it_runs_in_its_folder_and_is_found_from_there() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/bin/sh", folder.path().join("serve")).unwrap();
        let start = Start {
            command: ["./serve", "-c", "pwd -P"].map(str::to_owned).to_vec(),
            folder: FileName::new(folder.path().to_str().unwrap()),
            ready: String::new(),
            timeout: GRACE,
        };
        let log = folder.path().join("log");
        let to = File::create(&log).unwrap();
        let mut started = Started::new(&start, Path::new("/"), to, ("MARK", "1")).unwrap();
        assert_eq!(started.ended().await, "exit status: 0");
        let said = std::fs::read_to_string(log).unwrap();
        assert_eq!(Path::new(said.trim()), folder.path().canonicalize().unwrap());
    }
}
