//! `load import` and `load plan`: load tests out of what other tools, or a capacity, say.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use evenkeel_import::{
    Capacity, Format, ImportError, Imported, LeftOut, MAX_BYTES, capacity_plan, import, to_yaml,
};
use evenkeel_model::document::LoadTest;
use serde_json::json;

use crate::args::load::{ImportArgs, LoadPlanArgs};
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Turns a file of another tool into load tests.
pub(crate) fn run(args: &ImportArgs, screen: &Screen) -> Result<Exit, Failure> {
    let (name, bytes) = read(&args.file)?;
    let names = || Format::NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let format = match &args.format {
        Some(named) => {
            let found = Format::NAMES.iter().find(|(name, _)| name == named);
            found.map(|(_, format)| *format).ok_or_else(|| {
                Failure::usage(format!("`{named}` is no format that can be imported"))
                    .help(format!("there is {}", names()))
            })?
        }
        None => Format::guess(&name, &bytes).ok_or_else(|| {
            Failure::usage(format!("cannot tell what {name} is"))
                .help(format!("say it with `--format`: {}", names()))
        })?,
    };
    let Imported { tests, left_out } = import(format, &name, &bytes).map_err(|error| {
        if let ImportError::Nothing { left_out, .. } = &error {
            warn(left_out, screen);
        }
        Failure::usage(format!("cannot import {name}: {error}"))
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

fn read(path: &Path) -> Result<(String, Vec<u8>), Failure> {
    let name = path.display().to_string();
    let limit = MAX_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => io::stdin().lock().take(limit).read_to_end(&mut bytes),
        false => File::open(path).and_then(|it| it.take(limit).read_to_end(&mut bytes)),
    };
    read.map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?;
    Ok((name, bytes))
}

/// Says what did not carry over.
fn warn(left_out: &[LeftOut], screen: &Screen) {
    for LeftOut { place, what, why } in left_out {
        screen.warn(&format!("left out: {what} ({place}): {why}"));
    }
}

/// Gives the documents out, and says what did not carry over.
fn written(
    tests: &[LoadTest],
    left_out: &[LeftOut],
    out: Option<&Path>,
    screen: &Screen,
) -> Result<Exit, Failure> {
    let yaml = to_yaml(tests);
    if let Some(path) = out {
        File::create_new(path)
            .and_then(|mut file| file.write_all(yaml.as_bytes()))
            .map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?;
    }
    let names: Vec<_> = tests.iter().map(|it| it.name.as_str()).collect();
    let left: Vec<_> = left_out
        .iter()
        .map(|it| json!({"place": it.place, "what": it.what, "why": it.why}))
        .collect();
    let document = out.is_none().then_some(&yaml);
    if !screen.is_json() {
        warn(left_out, screen);
    }
    screen.show(
        &json!({"tests": names, "left_out": left, "document": document}),
        || match out {
            Some(path) => format!("wrote {}: {}", path.display(), names.join(", ")),
            None => yaml.clone(),
        },
    )?;
    Ok(Exit::OK)
}
