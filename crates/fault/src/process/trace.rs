//! Who may stop a process as a debugger does, and what its threads do.

use std::io;

use super::Process;
use super::stat::{Stat, field};
use crate::need::{PlanError, SYS_PTRACE};

/// How far the kernel lets one process trace another of the same user; not there without Yama.
const YAMA: &str = "/proc/sys/kernel/yama/ptrace_scope";
/// `SECCOMP_MODE_STRICT` of seccomp(2).
const SECCOMP_STRICT: u32 = 1;

impl Process {
    /// The threads of the process, by number, and how each is. None when it is gone.
    pub(crate) fn threads(&self) -> Vec<(i32, char)> {
        let folder = format!("/proc/{}/task", self.pid);
        let thread = |entry: io::Result<std::fs::DirEntry>| {
            let entry = entry.ok()?;
            let stat = Stat::read(&entry.path().join("stat"))?;
            Some((entry.file_name().to_str()?.parse().ok()?, stat.state))
        };
        let threads = std::fs::read_dir(folder).map(|it| it.filter_map(thread).collect());
        if self.stat().is_some() { threads.unwrap_or_default() } else { Vec::new() }
    }

    /// Whether we may trace it, as far as can be told without trying.
    /// `otherwise`: what helps as well.
    pub(crate) fn must_be_traceable(&self, otherwise: &str) -> Result<(), PlanError> {
        let status = self.status()?;
        let tracer = field(&status, "TracerPid:").first().copied().unwrap_or_default();
        if tracer != 0 {
            let tracer = Self::of(tracer).map_or("somebody else".to_owned(), |it| it.to_string());
            return Err(PlanError::Unfit(format!("{self} is traced by {tracer} already")));
        }
        let scope = std::fs::read_to_string(YAMA).unwrap_or_default();
        let own = rustix::process::geteuid().as_raw();
        let of_ours = field(&status, "Uid:").iter().take(3).all(|it| *it == own);
        may_trace(scope.trim(), of_ours, SYS_PTRACE.is_ours()?, otherwise)
    }

    /// Whether it has given up all system calls but those to read, to write and to end.
    pub(crate) fn is_strict(&self) -> io::Result<bool> {
        Ok(field(&self.status()?, "Seccomp:") == [SECCOMP_STRICT])
    }

    fn status(&self) -> io::Result<String> {
        std::fs::read_to_string(format!("/proc/{}/status", self.pid))
    }
}

fn may_trace(
    scope: &str,
    is_of_our_user: bool,
    is_privileged: bool,
    otherwise: &str,
) -> Result<(), PlanError> {
    let missing = |what: &str, help: &str| {
        Err(PlanError::Missing { what: what.to_owned(), help: format!("{help}{otherwise}") })
    };
    let setting = "the setting kernel.yama.ptrace_scope";
    match scope {
        "3" => missing(
            &format!("{setting} below 3"),
            "with it nobody may trace anybody until the next boot; remove it and boot",
        ),
        _ if is_privileged => Ok(()),
        "1" | "2" => missing(
            "CAP_SYS_PTRACE",
            &format!(
                "{setting} is {scope}; run it as root, or `setcap cap_sys_ptrace+ep` the binary"
            ),
        ),
        _ if !is_of_our_user => missing(
            "CAP_SYS_PTRACE",
            "the process is another user's; run it as root, or `setcap cap_sys_ptrace+ep` the binary",
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_traced_already_is_left_to_whoever_does_it() {
        let mut child = std::process::Command::new("sleep").arg("300").spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        process.must_be_traceable("").unwrap();
        let pid = nix::unistd::Pid::from_raw(i32::try_from(process.pid).unwrap());
        nix::sys::ptrace::seize(pid, nix::sys::ptrace::Options::empty()).unwrap();
        let error = process.must_be_traceable("").unwrap_err().to_string();
        assert!(error.contains("is traced by") && error.ends_with("already"), "{error}");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn whoever_may_not_trace_is_told_which_right_or_setting_is_missing() {
        let missing = |scope, ours, privileged| {
            may_trace(scope, ours, privileged, ", or not").unwrap_err().to_string()
        };
        assert!(may_trace("", true, false, "").is_ok() && may_trace("0", true, false, "").is_ok());
        assert!(may_trace("2", false, true, "").is_ok());
        assert!(missing("1", true, false).ends_with(", or not"));
        assert!(
            missing("0", false, false).contains("CAP_SYS_PTRACE: the process is another user's")
        );
        assert!(
            missing("1", true, false)
                .contains("CAP_SYS_PTRACE: the setting kernel.yama.ptrace_scope is 1")
        );
        assert!(missing("3", true, true).contains("kernel.yama.ptrace_scope below 3"));
    }
}
