//! A control group of a test's own.

use std::fs::{read_to_string, remove_dir, write};
use std::path::{Path, PathBuf};

/// It goes with the test, after whoever is in it: make it first.
pub(crate) struct Group {
    pub(crate) folder: PathBuf,
    /// Its name, as the kernel tells it.
    pub(crate) path: String,
}

impl Group {
    pub(crate) fn new(name: &str) -> Self {
        let one = Path::new("/sys/fs/cgroup/blkio");
        let root =
            if one.join("cgroup.procs").exists() { one } else { Path::new("/sys/fs/cgroup") };
        if root != one {
            write(root.join("cgroup.subtree_control"), "+io").unwrap();
        }
        // Numbers of processes are not enough: those in namespaces of their own are alike.
        let prefix = format!("evenkeel-{name}-");
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(root).unwrap().keep();
        let path = format!("/{}", folder.strip_prefix(root).unwrap().display());
        Self { folder, path }
    }

    pub(crate) fn add(&self, pid: u32) {
        write(self.folder.join("cgroup.procs"), pid.to_string()).unwrap();
    }

    pub(crate) fn limits(&self) -> String {
        let files = ["blkio.throttle.write_bps_device", "io.max"].map(|it| self.folder.join(it));
        files.iter().find_map(|it| read_to_string(it).ok()).unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        remove_dir(&self.folder).unwrap_or_default();
    }
}
