//! Manifests: versions are written once, in the workspace, and every crate takes its lints from there.

use super::Violation;

/// Every rule about a `Cargo.toml` of a member.
pub(super) fn rules(path: &str, text: &str) -> Vec<Violation> {
    let mut found = versions_are_the_workspaces(path, text);
    found.extend(lints_are_the_workspaces(path, text));
    found
}

fn versions_are_the_workspaces(path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut section = "";
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            // A table of its own would hide its `workspace` key from this rule and from the eye.
            if section.contains("dependencies.") {
                let message = "write the dependency on one line, with `workspace = true`";
                found.push(Violation::new(path, number, message));
            }
        } else if section.ends_with("dependencies")
            && !line.is_empty()
            && !line.starts_with('#')
            && !(line.contains("workspace = true"))
        {
            let message = "write `workspace = true`: versions stand in the root Cargo.toml alone";
            found.push(Violation::new(path, number, message));
        }
    }
    found
}

fn lints_are_the_workspaces(path: &str, text: &str) -> Option<Violation> {
    let message = "the crate has no lints: write `[lints]` and `workspace = true` below it";
    (!text.contains("[lints]\nworkspace = true")).then(|| Violation::new(path, 1, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_outside_the_workspace_is_found() {
        for line in ["serde = \"1\"", "serde = { version = \"1\" }", "serde = { path = \"../x\" }"]
        {
            for section in ["dependencies", "dev-dependencies", "target.'cfg(unix)'.dependencies"] {
                let text = format!("[package]\nname = \"x\"\n[{section}]\n{line}\n");
                assert_eq!(versions_are_the_workspaces("Cargo.toml", &text)[0].line, 4, "{text}");
            }
        }
    }

    #[test]
    fn a_version_of_the_workspace_is_fine() {
        let text =
            "[dependencies]\na.workspace = true\nb = { workspace = true, optional = true }\n";
        assert_eq!(versions_are_the_workspaces("Cargo.toml", text), []);
    }

    #[test]
    fn a_dependency_in_a_table_of_its_own_is_found() {
        let text = "[dependencies.serde]\nworkspace = true\n";
        assert_eq!(versions_are_the_workspaces("Cargo.toml", text).len(), 1);
    }

    #[test]
    fn a_crate_without_lints_is_found() {
        assert!(lints_are_the_workspaces("Cargo.toml", "[lints]\nworkspace = false\n").is_some());
        assert!(lints_are_the_workspaces("Cargo.toml", "[lints]\nworkspace = true\n").is_none());
    }
}
