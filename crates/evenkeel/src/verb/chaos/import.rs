//! `chaos import`: experiments out of what other tools say.

use evenkeel_import::chaos::{Format, ImportError, Imported, import};

use super::super::documents::wrong;
use super::super::import::{Documents, named, names, nothing, read};
use crate::args::ChaosImportArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Turns a file of another tool into experiments.
pub(crate) fn run(args: &ChaosImportArgs, screen: &Screen) -> Result<Exit, Failure> {
    let (name, bytes) = read(&args.file)?;
    let format = args.format.as_deref().map(|it| named(it, &Format::NAMES)).transpose()?;
    let imported: Imported = import(format, &name, &bytes).map_err(|error| match &error {
        ImportError::Wrong(findings) => wrong(findings, screen),
        ImportError::Unknown => Failure::usage(format!("cannot import {name}: {error}"))
            .help(format!("say it with `--as`: {}", names(&Format::NAMES))),
        ImportError::Program => Failure::usage(format!("cannot import {name}: {error}")),
        ImportError::Nothing(left_out) => {
            let message = format!("cannot import {name}: {error}");
            nothing("experiments", left_out, message, screen)
        }
    })?;
    let names = imported.experiments.iter().map(|it| it.name.as_str()).collect();
    let (yaml, left_out) = (imported.to_yaml(), &imported.left_out);
    let documents = Documents { key: "experiments", names, yaml, left_out };
    documents.give(args.out.as_deref(), screen)
}
