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
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::plan::MARK;
use crate::process::namespace::{Namespace, Place};
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
    /// Where its standard output and error went, if that were files.
    output: [Option<Output>; 2],
}

/// A file that a process wrote to: its path may lead elsewhere by the time it is opened again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Output {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Output {
    /// What a descriptor leads to.
    fn of(descriptor: &Path) -> Option<Self> {
        let found = std::fs::metadata(descriptor).ok().filter(std::fs::Metadata::is_file)?;
        let path = std::fs::read_link(descriptor).ok()?;
        Some(Self { path, device: found.dev(), inode: found.ino() })
    }

    /// The same file, to be written on.
    fn open(&self) -> Option<File> {
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().append(true).custom_flags(flags).open(&self.path).ok()?;
        let found = file.metadata().ok()?;
        (found.is_file() && (found.dev(), found.ino()) == (self.device, self.inode)).then_some(file)
    }
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
        let status = std::fs::read(path("status"))?;
        let status = String::from_utf8_lossy(&status);
        let [user, group] = ["Uid:", "Gid:"].map(|it| stat::field(&status, it));
        let environment = std::fs::read(path("environ"))?;
        let environment = String::from_utf8(environment).map_err(io::Error::other)?;
        let arguments = stat::arguments(pid);
        if is_title(&arguments)
            || !environment.is_empty() && !environment.split('\0').any(|it| it.contains('='))
        {
            return Err(unknown("it has written another title over its command line"));
        }
        let is_one = |ids: &[u32]| ids.iter().take(3).all(|it| Some(it) == ids.first());
        let (Some(&user), Some(&group), true) =
            (user.first(), group.first(), is_one(&user) && is_one(&group))
        else {
            return Err(unknown("it has changed its user"));
        };
        // The kernel hides who was more before from those who are less now.
        let owner = std::fs::metadata(path("stat"))?;
        if (owner.uid(), owner.gid()) != (user, group) {
            return Err(unknown("it has changed its user, or hides its memory"));
        }
        let environment: BTreeMap<String, String> = environment
            .split('\0')
            .filter_map(|it| it.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let arguments = arguments.into_iter().map(OsString::into_string);
        let output = ["fd/1", "fd/2"].map(|it| Output::of(&path(it)));
        let program = stat::executable(pid).ok_or(io::ErrorKind::NotFound)?;
        let directory = std::fs::read_link(path("cwd"))?;
        let (here, there) = (Place::here(), Place::of(pid));
        if ![Namespace::Pid, Namespace::Mount, Namespace::Network]
            .iter()
            .all(|it| here.shares(&there, *it))
        {
            return Err(unknown("it runs in namespaces of its own"));
        }
        if !program.is_file() || !directory.is_dir() {
            return Err(unknown("its program or its directory is there no more"));
        }
        Ok(Self {
            program,
            arguments: arguments
                .collect::<Result<_, _>>()
                .map_err(|_| io::Error::other("its arguments are not text"))?,
            directory,
            is_ours: environment.contains_key(MARK),
            secret: Secret { environment, user, group, output },
        })
    }
}

/// Whether these are no arguments but one line for people, such as `nginx: master process …`.
fn is_title(arguments: &[OsString]) -> bool {
    let Some((first, rest)) = arguments.split_first() else { return false };
    let is_text = first.as_bytes().contains(&b' ') && !Path::new(first).is_file();
    is_text && rest.iter().all(|it| it.is_empty())
}

/// Nobody can tell how a process was started.
fn unknown(why: &str) -> io::Error {
    io::Error::other(format!(
        "{why}, so nobody can tell how to start it again: restart its container, its unit with `stopUnit`, \
         or by a `command`"
    ))
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
    let [out, err] = secret.output.each_ref().map(|it| sink(it.as_ref()));
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

/// Pipes and terminals may have nobody at their other end by now, and writing there would end or stop the process.
fn sink(output: Option<&Output>) -> Stdio {
    output.and_then(Output::open).map_or_else(Stdio::null, Stdio::from)
}
