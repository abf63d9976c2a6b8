//! What it takes to start a process again that we ended: program, arguments, directory, environment.
//!
//! The environment of somebody else's process holds secrets. It stays in memory and goes to the guardian
//! through a socket; it is never written to disk and never shown. So when tool and guardian are both
//! killed, it is lost, and `recover` can only say what has to be started by hand. Lost in any case:
//! resource limits, namespaces, cgroup, capabilities, and open sockets that were handed over at the start.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;

use serde::{Deserialize, Serialize};

use crate::plan::MARK;
use crate::process::{Process, stat};

/// Everything beside the environment; everybody on the host can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) directory: PathBuf,
    pub(crate) secret: Secret,
    /// Whether the run itself started it, so that it ends with the run and is not started again.
    pub(crate) is_ours: bool,
}

/// What must not reach a disk.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Secret {
    environment: BTreeMap<String, String>,
    user: u32,
    group: u32,
    /// Where its standard output and error went.
    output: [PathBuf; 2],
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} variables)", self.environment.len())
    }
}

impl Image {
    /// Reads it while the process is still there.
    pub(crate) fn of(process: &Process) -> io::Result<Self> {
        let pid = process.pid;
        let path = |it: &str| PathBuf::from(format!("/proc/{pid}/{it}"));
        let owner = std::fs::metadata(path("stat"))?;
        let environment = std::fs::read(path("environ"))?;
        let environment = String::from_utf8(environment).map_err(io::Error::other)?;
        let environment: BTreeMap<String, String> = environment
            .split('\0')
            .filter_map(|it| it.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let arguments = stat::arguments(pid).into_iter().map(OsString::into_string);
        let output = ["fd/1", "fd/2"].map(|it| std::fs::read_link(path(it)).unwrap_or_default());
        let program = stat::executable(pid).ok_or(io::ErrorKind::NotFound)?;
        Ok(Self {
            program,
            arguments: arguments
                .collect::<Result<_, _>>()
                .map_err(|_| io::Error::other("its arguments are not text"))?,
            directory: std::fs::read_link(path("cwd"))?,
            is_ours: environment.contains_key(MARK),
            secret: Secret { environment, user: owner.uid(), group: owner.gid(), output },
        })
    }
}

/// Starts the program again, in a process group of its own, with its output going where it went if that
/// was a file.
pub(crate) fn start(
    program: &PathBuf,
    arguments: &[String],
    directory: &PathBuf,
    secret: &Secret,
) -> io::Result<Process> {
    let mut command = std::process::Command::new(program);
    if let Some((name, rest)) = arguments.split_first() {
        command.arg0(name).args(rest);
    }
    let [out, err] = secret.output.each_ref().map(sink);
    command.env_clear().envs(&secret.environment).current_dir(directory);
    command.stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
    if secret.user != rustix::process::geteuid().as_raw() {
        command.uid(secret.user).gid(secret.group);
    }
    // Tokio looks after its children even when nobody waits for them any more.
    let child = tokio::process::Command::from(command).spawn()?;
    let pid = child.id().ok_or(io::ErrorKind::NotFound)?;
    Process::of(pid).ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn sink(path: &PathBuf) -> Stdio {
    // Pipes and terminals may have nobody at their other end by now, and writing there would end or
    // stop the process.
    let file = std::fs::metadata(path).is_ok_and(|it| it.is_file());
    let opened: Option<File> =
        file.then(|| OpenOptions::new().append(true).open(path).ok()).flatten();
    opened.map_or_else(Stdio::null, Stdio::from)
}
