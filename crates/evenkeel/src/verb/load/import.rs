//! `load import` and `load plan`: load tests out of what other tools, or a capacity, say.

use std::path::Path;

use evenkeel_import::{
    Capacity, Format, ImportError, Imported, LeftOut, capacity_plan, import, to_yaml,
};
use evenkeel_model::document::LoadTest;

use super::super::import::{Documents, named, names, nothing, read};
use crate::args::load::{ImportArgs, LoadPlanArgs};
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Turns a file of another tool into load tests.
pub(crate) fn run(args: &ImportArgs, screen: &Screen) -> Result<Exit, Failure> {
    let (name, bytes) = read(&args.file)?;
    let format = match &args.format {
        Some(it) => named(it, &Format::NAMES)?,
        None => Format::guess(&name, &bytes).ok_or_else(|| {
            Failure::usage(format!("cannot tell what {name} is"))
                .help(format!("say it with `--format`: {}", names(&Format::NAMES)))
        })?,
    };
    let Imported { tests, left_out } = import(format, &name, &bytes).map_err(|error| {
        let message = format!("cannot import {name}: {error}");
        match &error {
            ImportError::Nothing { left_out, .. } => nothing("tests", left_out, message, screen),
            _ => Failure::usage(message),
        }
    })?;
    written(&tests, &left_out, args.out.as_deref(), screen)
}

/// Writes the load tests of a capacity.
pub(crate) fn plan(args: &LoadPlanArgs, screen: &Screen) -> Result<Exit, Failure> {
    let (name, bytes) = read(&args.from)?;
    let capacity = Capacity::read(&name, &bytes)
        .map_err(|error| Failure::usage(format!("cannot read the capacity: {name}: {error}")))?;
    written(&capacity_plan(&capacity), &capacity.left_out(), args.out.as_deref(), screen)
}

fn written(
    tests: &[LoadTest],
    left_out: &[LeftOut],
    out: Option<&Path>,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let names = tests.iter().map(|it| it.name.as_str()).collect();
    Documents { key: "tests", names, yaml: to_yaml(tests), left_out }.give(out, screen)
}
