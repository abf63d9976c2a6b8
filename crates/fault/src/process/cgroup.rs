//! Which control groups a process is in.
//!
//! ```text
//! 0::/system.slice/nginx.service            version 2: one hierarchy for everything
//! 5:blkio:/docker/4f1d…                     version 1: one for each controller, or a few of them
//! 1:name=systemd:/system.slice/ssh.service  version 1: that of systemd, without a controller
//! ```
//!
//! Paths count from the root of our own namespace of groups, as the kernel tells them.

/// The paths of its groups, one for each hierarchy; none when it is gone.
pub(crate) fn paths(pid: u32) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    text.lines().filter_map(path).map(str::to_owned).collect()
}

/// Whether it runs in a unit of systemd.
pub(crate) fn in_unit(pid: u32, unit: &str) -> bool {
    paths(pid).iter().any(|it| names(it, unit))
}

/// Whether one group is another or below it.
pub(crate) fn below(path: &str, group: &str) -> bool {
    path.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn path(line: &str) -> Option<&str> {
    line.splitn(3, ':').nth(2)
}

/// systemd gives each unit a group of its name.
fn names(path: &str, unit: &str) -> bool {
    path.split('/').any(|it| it == unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_runs_in_the_unit_that_its_cgroup_names() {
        let path = path("1:name=systemd:/system.slice/nginx.service/worker").unwrap();
        assert!(names(path, "nginx.service") && names(path, "system.slice"));
        assert!(!names(path, "inx.service") && !names("", "nginx.service"));
    }

    #[test]
    fn a_group_holds_those_below_it_and_none_that_only_begins_alike() {
        let path = path("0::/docker/4f1d:a/init").unwrap();
        assert_eq!(path, "/docker/4f1d:a/init");
        assert!(below(path, "/docker") && below(path, path));
        assert!(!below(path, "/dock") && !below(path, "/docker/4f1d:a/init/x"));
    }
}
