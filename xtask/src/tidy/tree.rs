//! Tree: the files of the project, as text, by their path from the root.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Text by path, with `/` between folders.
pub(super) type Files = BTreeMap<String, String>;

/// Hidden folders that belong to the project.
const HIDDEN: &[&str] = &[".ci", ".cargo", ".github"];

/// Reads every file that is not ignored. Git is not asked: the rules hold in an archive too.
pub(super) fn files(root: &Path) -> Result<Files> {
    let ignore = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    let ignored: Vec<&str> = ignore.lines().map(|it| it.trim_matches('/')).collect();
    let mut files = Files::new();
    walk(root, "", &ignored, &mut files)?;
    Ok(files)
}

fn walk(folder: &Path, prefix: &str, ignored: &[&str], files: &mut Files) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {prefix}"))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        let hidden = name.starts_with('.') && !HIDDEN.contains(&&*name);
        if ignored.contains(&&*path) || (kind.is_dir() && hidden) {
            continue;
        }
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), ignored, files)?;
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).with_context(|| format!("cannot read {path}"))?;
            files.insert(path, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    Ok(())
}
