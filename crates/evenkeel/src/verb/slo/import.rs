//! `slo import`: objectives and policies out of what other tools say.

use evenkeel_import::slo::{Format, ImportError, import};
use evenkeel_model::document::Document;

use super::super::documents::wrong;
use super::super::import::{Documents, named, names, nothing, read};
use crate::args::slo::SloImportArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Turns a file of another tool into documents about objectives.
pub(crate) fn run(args: &SloImportArgs, screen: &Screen) -> Result<Exit, Failure> {
    let (name, bytes) = read(&args.file)?;
    let format = args.format.as_deref().map(|it| named(it, &Format::NAMES)).transpose()?;
    let imported = import(format, &name, &bytes).map_err(|error| match &error {
        ImportError::Wrong(findings) => wrong(findings, screen),
        ImportError::Unknown => Failure::usage(format!("cannot import {name}: {error}"))
            .help(format!("say it with `--as`: {}", names(&Format::NAMES))),
        ImportError::Rules => Failure::usage(format!("cannot import {name}: {error}")),
        ImportError::Nothing(left_out) => {
            let message = format!("cannot import {name}: {error}");
            nothing("documents", left_out, message, screen)
        }
    })?;
    let names = imported.documents.iter().map(Document::name).collect();
    let (yaml, left_out) = (imported.to_yaml(), &imported.left_out);
    Documents { key: "documents", names, yaml, left_out }.give(args.out.as_deref(), screen)
}
