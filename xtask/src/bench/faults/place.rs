//! Places: a network of the bench's own, cores, and programs that run there until they are not needed any more.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CloneFlags, CpuSet, sched_setaffinity, unshare};
use nix::unistd::Pid;

/// Real time, so that nobody else on the machine is asked: whoever wakes up runs.
const FIRST: [&str; 3] = ["-f", "-p", "1"];

/// Leaves the network of the host, with all programs that are started from now on: no rule is ever laid on the host.
pub(super) fn own_network() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)
        .context("cannot have a network of its own: run this as root")?;
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
    ensure!(up.context("cannot run ip")?.success(), "cannot raise the loopback");
    // As many ports as there are, and again after a second: thousands of connections are made in one.
    for (name, value) in [("ip_local_port_range", "1024 65535"), ("tcp_tw_reuse", "1")] {
        let file = format!("/proc/sys/net/ipv4/{name}");
        fs::write(&file, value).with_context(|| format!("cannot write {file}"))?;
    }
    Ok(())
}

/// Keeps this program, and what it starts without saying otherwise, on one core.
pub(super) fn stay_on(core: &str) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core.parse().context("a core has no number")?).context("no such core")?;
    sched_setaffinity(Pid::from_raw(0), &cores).context("cannot stay on a core")
}

/// Lets this program, and what it starts without saying otherwise, go before everybody else. `false`: it may not.
pub(super) fn go_first() -> Result<bool> {
    let process = std::process::id().to_string();
    let first = Command::new("chrt").args(FIRST).arg(process).output();
    Ok(first.context("cannot run chrt")?.status.success())
}
