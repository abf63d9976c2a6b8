//! Position: how far each database has got, in a file beside the store.
//!
//! It is small: a place in the log, and the spans of time of which samples are still to be read from the store. What it says is never
//! ahead of what a database has: after a fault something is sent again rather than not at all.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use evenkeel_tsdb::Position;
use serde_json::{Value, json};

use super::backlog::{Left, Part};

/// The name of the file, in the folder of the store.
const NAME: &str = "forward.json";
/// No file of ours is larger.
const BYTES_MAX: u64 = 64 << 20;

pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

/// What each database has left, by name; nothing where nobody has written it down yet.
///
/// # Errors
/// When the file is there and cannot be understood.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Left>, String> {
    let wrong = |why: String| {
        format!(
            "{}: {why}: it says what remote_write is still to send; without it, that is what comes from now on",
            path.display()
        )
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(cause) => return Err(wrong(cause.to_string())),
    };
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text).map_err(|it| wrong(it.to_string()))?;
    let all: Value = serde_json::from_str(&text).map_err(|it| wrong(it.to_string()))?;
    understood(&all).ok_or_else(|| wrong("this is not what was written".to_owned()))
}

fn understood(all: &Value) -> Option<BTreeMap<String, Left>> {
    let part = |it: &Value| match it.as_array()?.as_slice() {
        [first, last, samples] => {
            let (first, last, samples) = (first.as_i64()?, last.as_i64()?, samples.as_u64()?);
            (first <= last).then_some(Part { first, last, samples })
        }
        _ => None,
    };
    let left = |it: &Value| {
        let position = Position { log: it["log"].as_u64()?, bytes: it["bytes"].as_u64()? };
        let parts = it["parts"].as_array()?.iter().map(part).collect::<Option<_>>()?;
        Some(Left { position, since: it["since"].as_i64()?, parts })
    };
    let databases = all["databases"].as_object()?.iter();
    databases.map(|(name, it)| Some((name.clone(), left(it)?))).collect()
}

/// What the file says.
pub(super) fn text(all: &BTreeMap<&str, Left>) -> String {
    let part = |it: &Part| json!([it.first, it.last, it.samples]);
    let left = |it: &Left| {
        json!({
            "log": it.position.log,
            "bytes": it.position.bytes,
            "since": it.since,
            "parts": it.parts.iter().map(part).collect::<Vec<_>>(),
        })
    };
    let databases: BTreeMap<_, _> = all.iter().map(|(name, it)| (*name, left(it))).collect();
    json!({ "databases": databases }).to_string()
}

/// Brings it to disk: afterwards the file says this, or what it said before.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    // The store removes what ends so and was left over.
    let new = path.with_extension("json.new");
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_broken_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path());
        assert_eq!(read(&path), Ok(BTreeMap::new()));
        let left = Left {
            position: Position { log: 7, bytes: 1 << 40 },
            since: -3,
            parts: vec![Part { first: -9, last: 12, samples: 4 }],
        };
        write(&path, &text(&[("far", left.clone())].into())).unwrap();
        assert_eq!(read(&path), Ok([("far".to_owned(), left)].into()));
        for broken in ["", "{}", r#"{"databases": {"far": {"log": 1}}}"#] {
            std::fs::write(&path, broken).unwrap();
            let why = read(&path).unwrap_err();
            assert!(why.contains("forward.json: ") && why.contains("from now on"), "{why}");
        }
    }
}
