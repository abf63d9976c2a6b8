//! Units of systemd: whether one runs, stopping it, and starting it again.
//!
//! Which run of a unit it is, is told by its invocation: systemd keeps it for the journal as a link in
//! `/run/systemd/units` for as long as the unit runs. Reading it asks nobody, so it cannot hang.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::need::{PlanError, program};
use crate::plan::Argv;
use crate::process::{Process, cgroup, stat};
use crate::run::RunError;

/// There when PID 1 is systemd, as in sd_booted(3).
const BOOTED: &str = "/run/systemd/system";
const UNITS: &str = "/run/systemd/units";

/// A run of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// The program that asks systemd, by its absolute path.
    pub systemctl: PathBuf,
    /// Such as `nginx.service`.
    pub name: String,
    /// Names this run of it.
    pub invocation: String,
}

impl Unit {
    /// The run of a unit that goes on now.
    pub(crate) fn running(name: &str) -> Result<Self, PlanError> {
        if !Path::new(BOOTED).is_dir() {
            return Err(PlanError::Missing {
                what: "systemd as PID 1".to_owned(),
                help: "stop the processes themselves with `kill`, or your service manager with `command`"
                    .to_owned(),
            });
        }
        let systemctl = program("systemctl", "systemd")?;
        let Some(invocation) = invocation(name)? else {
            return Err(PlanError::Unfit(format!("the unit {name} does not run")));
        };
        Ok(Self { systemctl, name: name.to_owned(), invocation })
    }

    /// Whether it is this run of it that goes on.
    pub(crate) fn runs(&self) -> io::Result<bool> {
        Ok(invocation(&self.name)?.as_ref() == Some(&self.invocation))
    }

    /// Whether no run of it goes on.
    pub(crate) fn is_down(&self) -> io::Result<bool> {
        Ok(invocation(&self.name)?.is_none())
    }

    /// The program that does this to it.
    pub(crate) fn argv(&self, verb: &str) -> Argv {
        let arguments = [verb, "--", &self.name].map(str::to_owned).to_vec();
        Argv { program: self.systemctl.clone(), arguments, directory: "/".into() }
    }

    pub(crate) async fn stop(&self, mark: &str) -> Result<(), RunError> {
        self.argv("stop").run(Some(mark)).await.map(drop)
    }

    pub(crate) async fn start(&self) -> Result<(), RunError> {
        self.argv("start").run(None).await.map(drop)
    }

    /// The processes that run in it.
    pub(crate) fn processes(&self) -> io::Result<Vec<Process>> {
        let of_it = |pid: &u32| cgroup::in_unit(*pid, &self.name);
        Ok(stat::pids()?.into_iter().filter(of_it).filter_map(Process::of).collect())
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn invocation(name: &str) -> io::Result<Option<String>> {
    match std::fs::read_link(Path::new(UNITS).join(format!("invocation:{name}"))) {
        Ok(it) => Ok(Some(it.display().to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_systemd_does_not_run_it_is_missing() {
        // Wherever the tests run; most containers and build hosts have no systemd.
        if !Path::new(BOOTED).is_dir() {
            let error = Unit::running("nginx.service").unwrap_err().to_string();
            assert!(
                error.starts_with("this needs systemd as PID 1: stop the processes"),
                "{error}"
            );
        }
    }
}
