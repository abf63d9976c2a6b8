//! Cgroup: the groups that this process is in, as the kernel tells of them. Each may have a limit of its own, and all of them bind.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Where the one hierarchy of version 2 is, below the root of the host.
pub(super) const VERSION_2: &str = "sys/fs/cgroup";

/// Our group and those around it, innermost first, in the hierarchy that is found at `mount`. In version 1 each controller has one of
/// its own; that of version 2 has no name.
pub(super) fn groups(root: &Path, mount: &str, controller: &str) -> Vec<PathBuf> {
    let top = root.join(mount);
    let own = own(root, controller).unwrap_or_default();
    let own = own.trim_start_matches('/');
    // What lies outside of a namespace is written with `..`, and cannot be seen: its own root is all there is.
    let is_seen = Path::new(own).components().all(|it| matches!(it, Component::Normal(_)));
    let own = if is_seen { top.join(own) } else { top.clone() };
    own.ancestors().take_while(|it| it.starts_with(&top)).map(Path::to_owned).collect()
}

fn own(root: &Path, controller: &str) -> Option<String> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let path = text.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|it| it == controller).then_some(path)
    })?;
    Some(path.to_owned())
}

/// The number in a file of a group; `None` also for `max`.
pub(super) fn number<T: std::str::FromStr>(group: &Path, file: &str) -> Option<T> {
    fs::read_to_string(group.join(file)).ok()?.trim().parse().ok()
}

/// The number behind a name at the start of a line.
pub(super) fn field(text: &str, name: &str) -> Option<u64> {
    let mut words = text.lines().map(str::split_ascii_whitespace);
    words.find_map(|mut it| (it.next() == Some(name)).then(|| it.next()?.parse().ok()).flatten())
}

/// A root with these files.
#[cfg(test)]
pub(super) fn world(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_told_from_the_innermost_to_the_root_and_none_outside_of_it() {
        let told = |cgroup: &str, mount: &str, controller: &str| {
            let root = world(&[("proc/self/cgroup", cgroup)]);
            let groups = groups(root.path(), mount, controller);
            let below = groups.iter().map(|it| it.strip_prefix(root.path().join(mount)).unwrap());
            below.map(|it| it.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(told("0::/pods/a\n", VERSION_2, ""), ["pods/a", "pods", ""]);
        assert_eq!(told("0::/\n", VERSION_2, ""), [""]);
        assert_eq!(told("0::/../elsewhere\n", VERSION_2, ""), [""]);
        assert_eq!(told("", VERSION_2, ""), [""]);
        let both = "5:cpu,cpuacct:/b\n0::/c\n";
        assert_eq!(told(both, "sys/fs/cgroup/cpu", "cpu"), ["b", ""]);
    }
}
