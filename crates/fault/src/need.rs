//! What a fault needs of the host, and why there is none of it: a program, a capability.

use std::io;
use std::path::{Path, PathBuf};

/// Why a fault cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The host, or the user, lacks something.
    #[error("this needs {what}: {help}")]
    Missing {
        /// What, such as `CAP_NET_ADMIN`.
        what: String,
        /// How to get it.
        help: String,
    },
    /// It makes no sense, or would do more harm than was asked for.
    #[error("{0}")]
    Unfit(String),
    /// Something that has to be looked at cannot be.
    #[error(transparent)]
    Look(#[from] io::Error),
}

/// A right that root has, and others may be given: its name, and its bit in `CapEff` of `/proc/self/status`, as in
/// capabilities(7).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Capability {
    name: &'static str,
    bit: u32,
}

/// To change the network.
pub(crate) const NET_ADMIN: Capability = Capability { name: "CAP_NET_ADMIN", bit: 12 };

/// To mount, to go into the network of a container, and much else.
pub(crate) const SYS_ADMIN: Capability = Capability { name: "CAP_SYS_ADMIN", bit: 21 };

/// To look into, and to stop, processes of others.
pub(crate) const SYS_PTRACE: Capability = Capability { name: "CAP_SYS_PTRACE", bit: 19 };

impl Capability {
    /// Whether this process has it.
    pub(crate) fn is_ours(self) -> io::Result<bool> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let line = status.lines().find_map(|it| it.strip_prefix("CapEff:"));
        let mask = line.and_then(|it| u64::from_str_radix(it.trim(), 16).ok());
        Ok(mask.is_some_and(|it| it >> self.bit & 1 == 1))
    }

    /// Without it a fault cannot be planned.
    pub(crate) fn must_be_there(self) -> Result<(), PlanError> {
        if self.is_ours()? {
            return Ok(());
        }
        let lower = self.name.to_lowercase();
        let help = format!("run it as root, or give the binary the right to (`setcap {lower}+ep`)");
        Err(PlanError::Missing { what: self.name.to_owned(), help })
    }
}

/// Where system programs are; the search path of a user often lacks the second half.
const FOLDERS: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// The absolute path of a system program.
pub(crate) fn program(name: &str, package: &str) -> Result<PathBuf, PlanError> {
    let found = FOLDERS.iter().map(|it| Path::new(it).join(name)).find(|it| it.is_file());
    found.ok_or_else(|| PlanError::Missing {
        what: format!("the program `{name}`"),
        help: format!("install it (Debian: `apt install {package}`)"),
    })
}

/// The absolute path of a program that a document names, as a shell would find it.
pub(crate) fn named(name: &str) -> Result<PathBuf, PlanError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = match name.contains('/') {
        true => std::path::absolute(name).ok().filter(|it| it.is_file()),
        false => std::env::split_paths(&path).map(|it| it.join(name)).find(|it| it.is_file()),
    };
    found.ok_or_else(|| PlanError::Missing {
        what: format!("the program `{name}`"),
        help: "it is in no folder of PATH; write its absolute path".to_owned(),
    })
}
