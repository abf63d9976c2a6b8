//! Whether a container is the one that we run in: to break it would be to break ourselves.
//!
//! Told by the control groups of this process, by what is mounted for it (engines bring `/etc/hostname` from a folder
//! that is named after the container, also where control groups are hidden), and by the name of the host, which engines
//! make from the id.

use std::fs;

/// Names of hosts that are at least so long may be the beginning of an id.
const SHORT_ID: usize = 12;

/// What tells us where we run.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    cgroups: String,
    mounts: String,
    hostname: String,
}

impl Own {
    pub(super) fn read() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            cgroups: read("/proc/self/cgroup"),
            mounts: read("/proc/self/mountinfo"),
            hostname: read("/proc/sys/kernel/hostname").trim().to_owned(),
        }
    }

    /// Whether the container with this id holds us.
    pub(super) fn is(&self, id: &str) -> bool {
        let named = self.hostname.len() >= SHORT_ID && id.starts_with(&self.hostname);
        let mounted = self.mounts.lines().any(|it| {
            let mut words = it.split(' ').skip(3);
            let (from, to) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            // Others show where an engine keeps its own mounts of every container.
            matches!(to, "/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf") && from.contains(id)
        });
        named || mounted || holds(&self.cgroups, id)
    }
}

/// Whether these control groups are those of the container with this id, as engines name them: `/docker/ID`,
/// `docker-ID.scope`, `libpod-ID.scope`.
pub(super) fn holds(cgroups: &str, id: &str) -> bool {
    cgroups.lines().filter_map(|it| it.splitn(3, ':').nth(2)).any(|it| it.contains(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1b23d64ab392a9fb3f8990900802492aedf9c8a172c3c2d730b38b3a78be09d8";

    #[test]
    fn we_know_the_container_that_we_run_in_by_any_of_its_marks() {
        let cgroups = format!("9:pids:/docker/{ID}\n0::/docker/{ID}\n");
        let mounts = format!(
            "600 590 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"
        );
        for own in [
            Own { cgroups, ..Own::default() },
            Own { mounts, ..Own::default() },
            Own { hostname: "1b23d64ab392".to_owned(), ..Own::default() },
        ] {
            assert!(own.is(ID), "{own:?}");
        }
    }

    #[test]
    fn on_the_host_of_an_engine_nobody_is_ours() {
        let mounts = format!(
            "31 25 0:5 / /run/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw\n\
             32 25 0:6 / /var/lib/docker/containers/{ID}/etc/hosts rw - tmpfs shm rw\n"
        );
        for hostname in ["", "1b", "web"] {
            let own = Own {
                hostname: hostname.to_owned(),
                mounts: mounts.clone(),
                cgroups: "0::/user.slice\n".to_owned(),
            };
            assert!(!own.is(ID), "{own:?}");
        }
    }
}
