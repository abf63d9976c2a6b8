//! Where a file system of ours may lie over a folder, and what it takes.

use std::path::{Path, PathBuf};

use evenkeel_model::document::FileOperation;
use evenkeel_units::Ratio;
use std::collections::BTreeSet;

use crate::holder::{Counters, Files, Meddling, Work};
use crate::journal::state_dir;
use crate::kind::Aim;
use crate::mount::{self, mounts};
use crate::need::{PlanError, SYS_ADMIN, program};
use crate::plan::{Op, Step, Undo};

/// Folders that a host cannot do without, and what is below some of them.
const NEVER: [&str; 17] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root",
    "/run", "/sbin", "/sys", "/tmp", "/usr", "/var",
];
const NEVER_BELOW: [&str; 4] = ["/boot", "/dev", "/proc", "/sys"];

/// One step: the mount, and what takes it away.
pub(super) fn step(
    aim: &Aim<'_>,
    path: &Path,
    what: Meddling,
    share: Ratio,
    operations: &BTreeSet<FileOperation>,
) -> Result<Vec<Step>, PlanError> {
    SYS_ADMIN.must_be_there()?;
    if !rustix::process::geteuid().is_root() {
        return Err(PlanError::Missing {
            what: "root".to_owned(),
            help: "files are read and made for everybody, with the rights of each".to_owned(),
        });
    }
    let fuse = "the kernel option CONFIG_FUSE_FS; in a container, `--device /dev/fuse`";
    if !Path::new("/dev/fuse").exists() {
        return Err(PlanError::Missing { what: "/dev/fuse".to_owned(), help: fuse.to_owned() });
    }
    program("fusermount3", "fuse3")?;
    let path = fit(path)?;
    let source = mount::source(aim.mark);
    let files = Files {
        path: path.clone(),
        source: source.clone(),
        what,
        share,
        operations: operations.clone(),
        seed: aim.seed,
    };
    Ok(vec![Step {
        apply: Op::Hold { work: Work::Files(files), limit: aim.limit },
        undo: Undo::Unmount { path, source },
    }])
}

/// The real path of a folder that may be covered.
fn fit(path: &Path) -> Result<PathBuf, PlanError> {
    let shown = path.display();
    let unfit = |why: &str| Err(PlanError::Unfit(format!("{shown} {why}")));
    let real = match path.canonicalize() {
        Ok(it) => it,
        Err(error) => return unfit(&format!("cannot be looked at: {error}")),
    };
    if !real.is_dir() {
        return unfit("is not a folder");
    }
    if NEVER.iter().any(|it| real == Path::new(it))
        || NEVER_BELOW.iter().any(|it| real.starts_with(it))
    {
        return unfit("is a folder that the host cannot do without: name one of the service's own");
    }
    let holds = |it: &Path| it.canonicalize().is_ok_and(|it| it.starts_with(&real));
    if holds(&state_dir()) {
        return unfit("holds the undo journals, which have to be written in any case");
    }
    if std::env::current_exe().is_ok_and(|it| holds(&it)) {
        return unfit("holds the program that runs");
    }
    let mounts = mounts()?;
    if mounts
        .iter()
        .any(|it| it.is_ours() && (real.starts_with(&it.at) || it.at.starts_with(&real)))
    {
        return unfit("is covered by another fault already: let one end before the other begins");
    }
    if let Some(it) = mounts.iter().find(|it| it.at != real && it.at.starts_with(&real)) {
        let why = format!(
            "has another file system mounted in it, at {}: name a folder beside it",
            it.at.display()
        );
        return unfit(&why);
    }
    Ok(real)
}

/// What was counted: those that were seen and met, and how many files were open in the end.
pub(super) struct Counted {
    pub(super) seen: f64,
    pub(super) met: f64,
    pub(super) open: f64,
}

impl Counted {
    pub(super) fn of(counted: &Counters) -> Self {
        let counter = crate::kind::reader(counted);
        let [seen, met, open] =
            ["operations_seen", "operations_met", "files_still_open"].map(counter);
        Self { seen, met, open }
    }

    /// What goes on when it is over.
    pub(super) fn rest(&self) -> String {
        match self.open as u64 {
            0 => String::new(),
            open => {
                let (files, are) =
                    (crate::kind::count(open, "file"), if open == 1 { "is" } else { "are" });
                format!("; {files} {are} still open, and served on until closed")
            }
        }
    }

    pub(super) fn counters(&self) -> [(&'static str, f64); 3] {
        let Self { seen, met, open } = *self;
        [("operations_seen", seen), ("operations_met", met), ("files_still_open", open)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_the_host_or_we_need_are_refused() {
        let why = |path: &str| fit(Path::new(path)).unwrap_err().to_string();
        assert!(why("/").ends_with("name one of the service's own"));
        assert!(why("/proc/self").contains("cannot do without"));
        assert!(why("/var/../usr/").contains("cannot do without"));
        assert!(why("/no/such/folder").contains("cannot be looked at: No such file"));
        assert!(why("/etc/passwd").ends_with("is not a folder"));
        let own = std::env::current_exe().unwrap();
        assert!(why(own.parent().unwrap().to_str().unwrap()).ends_with("the program that runs"));
    }
}
