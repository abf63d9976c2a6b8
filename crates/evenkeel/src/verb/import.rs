//! What the imports of load and of chaos have in common: a file in, documents out, and what is left out.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use evenkeel_import::{LeftOut, MAX_BYTES};
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Reads the file that is to be imported, with its name.
pub(super) fn read(path: &Path) -> Result<(String, Vec<u8>), Failure> {
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

/// The format of this name.
pub(super) fn named<T: Copy>(name: &str, formats: &[(&'static str, T)]) -> Result<T, Failure> {
    let found = formats.iter().find(|(it, _)| *it == name);
    found.map(|(_, format)| *format).ok_or_else(|| {
        Failure::usage(format!("`{name}` is no format that can be imported"))
            .help(format!("there is {}", names(formats)))
    })
}

/// The names of all formats.
pub(super) fn names<T>(formats: &[(&'static str, T)]) -> String {
    formats.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// Says what did not carry over.
fn warn(left_out: &[LeftOut], screen: &Screen) {
    for LeftOut { place, what, why } in left_out {
        screen.warn(&format!("left out: {what} ({place}): {why}"));
    }
}

/// That nothing of a file carries over, and why not. Programs read that where they read results.
pub(super) fn nothing(
    key: &'static str,
    left_out: &[LeftOut],
    message: String,
    screen: &Screen,
) -> Failure {
    let failure = Failure::usage(message);
    let none = Documents { key, names: Vec::new(), yaml: String::new(), left_out };
    match screen.is_json() {
        true => {
            none.give(None, screen).err().unwrap_or(Failure { message: String::new(), ..failure })
        }
        false => {
            warn(left_out, screen);
            failure
        }
    }
}

/// Documents that came of an import.
pub(super) struct Documents<'a> {
    /// What programs call them.
    pub(super) key: &'static str,
    /// The name of each.
    pub(super) names: Vec<&'a str>,
    /// All of them.
    pub(super) yaml: String,
    /// What did not carry over.
    pub(super) left_out: &'a [LeftOut],
}

impl Documents<'_> {
    /// Gives the documents out, and says what did not carry over.
    pub(super) fn give(&self, out: Option<&Path>, screen: &Screen) -> Result<Exit, Failure> {
        let Self { key, names, yaml, left_out } = self;
        if let Some(path) = out {
            File::create_new(path).and_then(|mut file| file.write_all(yaml.as_bytes())).map_err(
                |error| Failure::usage(format!("cannot write {}: {error}", path.display())),
            )?;
        }
        let left: Vec<_> = left_out
            .iter()
            .map(|it| json!({"place": it.place, "what": it.what, "why": it.why}))
            .collect();
        let document = out.is_none().then_some(yaml);
        if !screen.is_json() {
            warn(left_out, screen);
        }
        screen.show(
            &json!({*key: names, "left_out": left, "document": document}),
            || match out {
                Some(path) => format!("wrote {}: {}", path.display(), names.join(", ")),
                None => yaml.clone(),
            },
        )?;
        Ok(Exit::OK)
    }
}
