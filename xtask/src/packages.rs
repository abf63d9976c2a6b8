//! Packages: the Debian packages that tests and benches need, in tables, installed when they are missing.

use std::env;
use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::say;

/// A Debian package that something here needs.
pub(crate) struct Package {
    name: &'static str,
    /// The program it brings, or the path of another file, by which its presence is known.
    program: &'static str,
    /// What uses it.
    used_by: &'static str,
}

/// What `cargo xtask test` needs.
pub(crate) const FOR_TESTS: &[Package] = &[
    Package {
        name: "busybox-static",
        program: "busybox",
        used_by: "the tests of faults of containers, in crates/fault/tests: what runs in them",
    },
    Package {
        name: "chromium",
        program: "chromium",
        used_by: "the tests that open a report in a browser, in crates/evenkeel/tests",
    },
    Package {
        name: "curl",
        program: "curl",
        used_by: "the tests of faults of HTTP and TLS, in crates/fault/tests",
    },
    Package {
        name: "docker.io",
        program: "dockerd",
        used_by: "the tests of faults of containers, in crates/fault/tests",
    },
    Package {
        name: "fuse3",
        program: "fusermount3",
        used_by: "the tests of files that fail and wait, in crates/fault/tests",
    },
    Package {
        name: "iproute2",
        program: "ip",
        used_by: "the tests that break a network of their own, in crates/fault/tests and crates/evenkeel/tests",
    },
    Package {
        name: "iptables",
        program: "iptables-save",
        used_by: "the tests that disturb packets beside rules of others, in crates/fault/src/netlink",
    },
    Package {
        name: "kcat",
        program: "kcat",
        used_by: "the tests that send load to Kafka, in crates/load/tests",
    },
    Package {
        name: "nftables",
        program: "nft",
        used_by: "the tests of lost and blocked packets, in crates/fault/tests",
    },
    Package {
        name: "nginx",
        program: "nginx",
        used_by: "the tests that drill a service of another make, in crates/evenkeel/tests, and of probes, in crates/probe/tests",
    },
    Package {
        name: "postgresql",
        // The server itself is on nobody's path.
        program: "pg_ctlcluster",
        used_by: "the tests of agents that meet in a database, in crates/evenkeel/tests, and of faults and probes of one, in crates/fault/tests and crates/probe/tests",
    },
    Package {
        name: "prometheus",
        program: "prometheus",
        used_by: "the tests that write metrics and ask them back, in crates/metrics/tests, and that ask the same of both, in crates/promql/tests and crates/serve/tests",
    },
    Package {
        name: "prometheus-alertmanager",
        program: "prometheus-alertmanager",
        used_by: "the tests that tell one of alerts, in crates/serve/tests and crates/evenkeel/tests",
    },
    Package {
        name: "python3-pip",
        program: "pip3",
        used_by: "the test that asks the proxy as a client of Toxiproxy does, in crates/evenkeel/tests, and to fetch axe-core",
    },
    Package {
        name: "redis-server",
        program: "redis-server",
        used_by: "the tests of faults and probes of a Redis, in crates/fault/tests and crates/probe/tests",
    },
];

/// What `cargo xtask bench load` needs.
pub(crate) const FOR_BENCHES: &[Package] = &[Package {
    name: "util-linux",
    program: "taskset",
    used_by: "the benches, which give each program a core of its own",
}];

/// What it compares with; each is needed by some of its cases only.
pub(crate) const WRK: &[Package] =
    &[Package { name: "wrk", program: "wrk", used_by: "the bench of the load, as a peer" }];
pub(crate) const H2LOAD: &[Package] = &[Package {
    name: "nghttp2-client",
    program: "h2load",
    used_by: "the bench of the load, as a peer",
}];
pub(crate) const NGINX: &[Package] = &[Package {
    name: "nginx",
    program: "nginx",
    used_by: "the bench of the load, as a server of another make",
}];

/// What `cargo xtask guest` needs beside.
pub(crate) const FOR_GUEST: &[Package] = &[
    Package {
        name: "busybox-static",
        program: "busybox",
        used_by: "the guest, as its shell and for its modules",
    },
    Package { name: "cpio", program: "cpio", used_by: "the guest, whose files it packs" },
    Package {
        name: "qemu-system-x86",
        program: "qemu-system-x86_64",
        used_by: "the guest, which it runs",
    },
];

pub(crate) const HAPROXY: &[Package] = &[Package {
    name: "haproxy",
    program: "haproxy",
    used_by: "the bench of the faults, as a peer",
}];
pub(crate) const NGINX_STREAM: &[Package] = &[Package {
    name: "libnginx-mod-stream",
    program: "/usr/lib/nginx/modules/ngx_stream_module.so",
    used_by: "the bench of the faults, as a peer",
}];
/// What the metric store is compared with.
pub(crate) const PROMETHEUS: &[Package] = &[Package {
    name: "prometheus",
    program: "prometheus",
    used_by: "the bench of the metric store, as a peer",
}];
pub(crate) const VICTORIA_METRICS: &[Package] = &[Package {
    name: "victoria-metrics",
    program: "victoria-metrics",
    used_by: "the bench of the metric store, as a peer",
}];
/// What counts instructions.
pub(crate) const VALGRIND: &[Package] = &[Package {
    name: "valgrind",
    program: "valgrind",
    used_by: "the bench of resilience, which counts instructions with its cachegrind",
}];
/// What lays faults of packets, and shows them.
pub(crate) const NETWORK: &[Package] = &[
    Package { name: "iproute2", program: "ip", used_by: "the bench of the faults" },
    Package { name: "nftables", program: "nft", used_by: "the bench of the faults" },
];

/// Where daemons live on Debian, which is not on the path of an ordinary user.
const SBIN: &str = "/usr/sbin";

/// The path on which tests find every program of the tables.
pub(crate) fn search_path() -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    // Left as it is where possible: a build script that watches the path would run again.
    if folders.iter().any(|it| it == Path::new(SBIN)) {
        return Ok(path);
    }
    folders.push(SBIN.into());
    env::join_paths(folders).context("cannot extend PATH")
}

/// Where `program` is on that path.
pub(crate) fn find(program: &str) -> Result<Option<PathBuf>> {
    let path = search_path()?;
    Ok(env::split_paths(&path).map(|it| it.join(program)).find(|it| runs(it)))
}

/// Installs the packages of `table` whose programs are missing, and says so.
pub(crate) fn install_missing(table: &[Package]) -> Result<()> {
    let path = search_path()?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let missing = missing(table, |program| match Path::new(program) {
        file if file.is_absolute() => file.is_file(),
        program => folders.iter().any(|it| runs(&it.join(program))),
    });
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        say(&format!("missing: {}, needed by {}", package.name, package.used_by))?;
    }
    let install = install_command(&missing);
    let Some(before) = privileges(&folders)? else {
        bail!(
            "the packages above cannot be installed by this user: run this as root, then try again:\n  \
             apt-get update && apt-get {}",
            install.join(" ")
        );
    };
    if !folders.iter().any(|it| runs(&it.join("apt-get"))) {
        let programs: Vec<_> = missing.iter().map(|it| it.program).collect();
        bail!("there is no apt-get here: install {} by other means", programs.join(" and "));
    }
    say(&format!("installing: apt-get update && apt-get {}", install.join(" ")))?;
    // Old lists may still do, so only the installation decides.
    if let Err(error) = apt(before, &["update".to_owned()]) {
        say(&format!("warning: {error:#}"))?;
    }
    apt(before, &install)
}

fn missing(table: &[Package], has: impl Fn(&str) -> bool) -> Vec<&Package> {
    table.iter().filter(|it| !has(it.program)).collect()
}

fn install_command(packages: &[&Package]) -> Vec<String> {
    let head = ["install", "-y", "--no-install-recommends"].map(str::to_owned);
    head.into_iter().chain(packages.iter().map(|it| it.name.to_owned())).collect()
}

/// What to put before a command that needs root; `None` when this user cannot become root.
fn privileges(folders: &[PathBuf]) -> Result<Option<&'static [&'static str]>> {
    // This process belongs to whom it acts as.
    let user = Path::new("/proc/self").metadata().context("cannot read /proc/self")?.uid();
    if user == 0 {
        return Ok(Some(&[]));
    }
    let sudo = folders.iter().any(|it| runs(&it.join("sudo")))
        && Command::new("sudo").args(["-n", "true"]).status().is_ok_and(|it| it.success());
    Ok(sudo.then_some(&["sudo", "-n"]))
}

fn apt(before: &[&str], arguments: &[String]) -> Result<()> {
    // Through `env`, because `sudo` forgets the environment.
    let mut words = before.iter().copied().chain(["env", "DEBIAN_FRONTEND=noninteractive"]);
    let mut command = Command::new(words.next().unwrap_or("env"));
    // Somebody else may be installing right now.
    command.args(words).args(["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120"]).args(arguments);
    let status = command.status().context("cannot run apt-get")?;
    if !status.success() {
        bail!("apt-get {} failed ({status})", arguments.join(" "));
    }
    Ok(())
}

fn runs(file: &Path) -> bool {
    file.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_installed() {
        let found = missing(FOR_TESTS, |program| program == "chromium");
        let packages = [
            "install",
            "-y",
            "--no-install-recommends",
            "busybox-static",
            "curl",
            "docker.io",
            "fuse3",
            "iproute2",
            "iptables",
            "kcat",
            "nftables",
            "nginx",
            "postgresql",
            "prometheus",
            "prometheus-alertmanager",
            "python3-pip",
            "redis-server",
        ];
        assert_eq!(install_command(&found), packages);
        assert!(missing(FOR_TESTS, |_| true).is_empty());
    }

    #[test]
    fn tests_find_daemons_too() {
        let path = search_path().unwrap();
        assert!(env::split_paths(&path).any(|it| it == Path::new(SBIN)));
    }
}
