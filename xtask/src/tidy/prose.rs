//! What is written for people: commands that work, changes that are filed, no traces of machines.

use super::Violation;
use super::tree::Files;

/// Where a command of the README is run. A command that stands in one of these is tested.
const RUN_BY: &[&str] = &[".ci/run", "crates/evenkeel/tests/it/readme.rs"];

/// Kinds of a change, as in the names of their files.
const CHANGES: &[&str] = &["added", "changed", "fixed", "removed"];

/// Folders of machines on which the project was once built. In two parts, so that this file does not
/// match.
const MACHINES: &[&str] = &[concat!("/wo", "rk/"), concat!("/fa", "rm/")];

/// Files without which a rule of the house would silently not hold.
const NEEDED: &[(&str, &str)] = &[
    ("deny.toml", "it says which licences and sources dependencies may have"),
    ("clippy.toml", "it says which functions may not be called"),
    ("rustfmt.toml", "it says how code is laid out"),
    ("LICENSE", "nobody may use what has no licence"),
    ("CHANGELOG.md", "it says what a release brought"),
    (".ci/run", "it says what every change must pass"),
];

/// Finds commands of the README that no test runs.
pub(super) fn commands_of_readme(files: &Files) -> Vec<Violation> {
    let Some(readme) = files.get("README.md") else { return Vec::new() };
    let runners: Vec<&str> =
        RUN_BY.iter().filter_map(|it| files.get(*it)).map(|it| &**it).collect();
    commands(readme)
        .into_iter()
        .filter(|(_, command)| !runners.iter().any(|text| is_run_by(text, command)))
        .map(|(line, command)| {
            let message = format!("no test runs `{command}`: run it in {}", RUN_BY.join(" or "));
            Violation::new("README.md", line, message)
        })
        .collect()
}

/// The commands in the fenced blocks of a page: after `$ ` where a block shows a console, and every
/// line where it shows a script. A command that goes on in the next line is one command.
fn commands(page: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut block: Option<String> = None;
    let mut goes_on = false;
    for (number, line) in (1..).zip(page.lines().map(str::trim)) {
        if let Some(info) = line.strip_prefix("```") {
            let kind = info.split([',', ' ']).next().unwrap_or_default().to_owned();
            block = if block.is_some() { None } else { Some(kind) };
            goes_on = false;
            continue;
        }
        let script = match block.as_deref() {
            None => continue,
            Some("sh" | "bash" | "shell") => true,
            Some(_) => false,
        };
        let text = match line.strip_prefix("$ ") {
            Some(text) => text,
            None if goes_on => line.strip_prefix("> ").unwrap_or(line),
            None if script && !line.is_empty() && !line.starts_with('#') => line,
            None => continue,
        };
        let whole = text.strip_suffix('\\').unwrap_or(text).trim();
        match found.last_mut() {
            Some((_, command)) if goes_on => {
                command.push(' ');
                command.push_str(whole);
            }
            _ => found.push((number, whole.to_owned())),
        }
        goes_on = text.ends_with('\\');
    }
    found
}

/// Whether `command` stands in `text` as a whole, and not as the head of a longer one.
fn is_run_by(text: &str, command: &str) -> bool {
    let quoted = command.replace('"', "\\\"");
    [command, quoted.as_str()].iter().any(|wanted| {
        text.match_indices(wanted).any(|(at, _)| {
            let (before, rest) = text.split_at(at);
            let after = rest.strip_prefix(*wanted).unwrap_or_default();
            !before.ends_with(|it: char| it.is_alphanumeric() || "-_/.".contains(it))
                && (after.is_empty() || after.starts_with(['"', '\n', '`', '\\']))
        })
    })
}

/// Checks the name and the content of a file in `changes/`.
pub(super) fn fragment(path: &str, text: &str) -> Option<Violation> {
    let name = path.strip_prefix("changes/")?;
    if name == "README.md" {
        return None;
    }
    let is_slug = |it: &str| {
        !it.is_empty()
            && it.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let parts: Vec<&str> = name.split('.').collect();
    let named = matches!(parts[..], [slug, kind, "md"] if is_slug(slug) && CHANGES.contains(&kind));
    let message = match (named, text.trim().is_empty()) {
        (false, _) => format!("call it `<slug>.<type>.md`, with a type of {}", CHANGES.join(", ")),
        (true, true) => "say in a sentence what is true now for a user".to_owned(),
        (true, false) => return None,
    };
    Some(Violation::new(path, 1, message))
}

/// Finds absolute paths that exist on one machine only.
pub(super) fn paths_of_machines(path: &str, text: &str) -> Vec<Violation> {
    let starts = |line: &str, at: usize| {
        !line.split_at(at).0.ends_with(|it: char| it.is_alphanumeric() || "-_./}".contains(it))
    };
    (1..)
        .zip(text.lines())
        .filter_map(|(number, line)| {
            let machine = MACHINES
                .iter()
                .find(|it| line.match_indices(**it).any(|(at, _)| starts(line, at)))?;
            let message = format!("`{machine}` is a folder of one machine: write a relative path");
            Some(Violation::new(path, number, message))
        })
        .collect()
}

/// Finds what is missing from the root.
pub(super) fn must_exist(files: &Files) -> Vec<Violation> {
    NEEDED
        .iter()
        .filter(|(path, _)| files.get(*path).is_none_or(|text| text.trim().is_empty()))
        .map(|(path, why)| Violation::new(path, 1, format!("the file is missing: {why}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "\
# Evenkeel
$ not in a block
```console
$ evenkeel check drill.yaml
what it prints
$ evenkeel load run \\
    --rate 50/s
```
```sh
# a comment
cargo xtask test
```
```yaml
kind: Drill
```
";

    fn files(run: &str) -> Files {
        let files =
            [("README.md", README), (RUN_BY[0], "step cargo xtask test\n"), (RUN_BY[1], run)];
        files.map(|(path, text)| (path.to_owned(), text.to_owned())).into()
    }

    #[test]
    fn commands_are_found_where_people_would_copy_them() {
        let found: Vec<_> = commands(README);
        let expected = [
            (4, "evenkeel check drill.yaml"),
            (6, "evenkeel load run --rate 50/s"),
            (11, "cargo xtask test"),
        ];
        assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn a_command_that_no_test_runs_is_found() {
        let found = commands_of_readme(&files("\"evenkeel load run --rate 50/s\""));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 4);
        assert!(found[0].message.contains("no test runs `evenkeel check drill.yaml`"));
    }

    #[test]
    fn commands_that_tests_run_are_fine() {
        let run = "r(\"evenkeel check drill.yaml\");\nr(\"evenkeel load run --rate 50/s\");";
        assert_eq!(commands_of_readme(&files(run)), []);
        assert_eq!(commands_of_readme(&Files::new()), []);
    }

    #[test]
    fn the_head_of_a_longer_command_is_not_that_command() {
        assert!(!is_run_by("\"evenkeel check a.yaml\"", "evenkeel check"));
        assert!(!is_run_by("\"my-evenkeel check\"", "evenkeel check"));
        assert!(is_run_by("\"evenkeel check\"", "evenkeel check"));
        assert!(is_run_by(r#""evenkeel init \"a b\"""#, r#"evenkeel init "a b""#));
    }

    #[test]
    fn a_change_that_is_filed_wrongly_is_found() {
        for name in
            ["drill.md", "drill.new.md", "drill.added.txt", "My Drill.added.md", ".added.md"]
        {
            assert!(fragment(&format!("changes/{name}"), "Text.").is_some(), "{name}");
        }
        assert!(fragment("changes/drill.added.md", " \n").is_some());
        for kind in CHANGES {
            assert_eq!(fragment(&format!("changes/the-drill-2.{kind}.md"), "Text."), None);
        }
        assert_eq!(fragment("changes/README.md", "Text."), None);
    }

    #[test]
    fn a_path_of_a_machine_is_found() {
        for machine in MACHINES {
            let text = format!("fine\nsee {machine}x\n");
            assert_eq!(paths_of_machines("a.md", &text)[0].line, 2, "{machine}");
            let text = format!("..{machine}x target{machine}x https://example.org{machine}x");
            assert_eq!(paths_of_machines("a.md", &text), [], "{machine}");
        }
    }

    #[test]
    fn a_file_that_the_house_needs_is_missed() {
        assert_eq!(must_exist(&Files::new()).len(), NEEDED.len());
        let all = NEEDED.iter().map(|(path, _)| ((*path).to_owned(), "text".to_owned())).collect();
        assert_eq!(must_exist(&all), []);
    }
}
