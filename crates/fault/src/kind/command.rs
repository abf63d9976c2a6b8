//! `command`: a program of yours breaks something, and another one mends it.
//!
//! For everything that has no fault of its own here. Both are programs with arguments, never a line for a shell.
//!
//! ```yaml
//! - command:
//!     run: [/usr/local/bin/feature, "off", search]
//!     undo: [/usr/local/bin/feature, "on", search]
//!     at: 10s
//!     duration: 30s
//! ```
//!
//! The undo is in the journal before the program is run, and is run at the end, by whoever mends: it has to be harmless
//! when there is nothing to undo, and when it is run twice. Both run in the folder from which the experiment was
//! started, and may take 30 s; what does not end with status 0 has failed. Needs: what the program needs. Release class
//! C: the guardian runs the undo when we are gone. Evidence: the program said that it worked.

use evenkeel_model::document::Fault;

use super::{Aim, Kind, evidence};
use crate::act::Did;
use crate::need::{PlanError, named};
use crate::plan::{Argv, Op, Release, Step, Undo};

pub(super) const KIND: Kind = Kind {
    name: "command",
    release: Release::Guardian,
    needs: "what the program needs",
    about: "- command: {run: [/usr/bin/feature, off], undo: [/usr/bin/feature, on], at: 10s, duration: 30s}",
    plan,
    evidence: |past| match past.did {
        [Did::Ran { said }] => {
            let said = if said.is_empty() { String::new() } else { format!(": {said}") };
            evidence(true, format!("the program ended with status 0{said}"), &[])
        }
        _ => past.nothing(),
    },
};

fn plan(aim: &Aim<'_>) -> Result<Vec<Step>, PlanError> {
    let Fault::Command { run, undo } = aim.fault else { return Ok(Vec::new()) };
    let directory = std::env::current_dir()?;
    let argv = |words: &[String]| -> Result<Argv, PlanError> {
        let (program, arguments) = words
            .split_first()
            .ok_or_else(|| PlanError::Unfit("a command without a program".to_owned()))?;
        let program = named(program)?;
        Ok(Argv { program, arguments: arguments.to_vec(), directory: directory.clone() })
    };
    Ok(vec![Step { apply: Op::Run(argv(run)?), undo: Undo::Run(argv(undo)?) }])
}
