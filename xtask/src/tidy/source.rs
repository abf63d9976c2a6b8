//! Source files: they say what they are, have names that mean something, and stay short.

use super::Violation;
use super::tree::Files;

/// Lines after which a file is two files.
const LINES_MAX: usize = 500;

/// Files that are longer, with the lines they may have. The list may only shrink: a reader who makes
/// one shorter lowers its number, and nobody raises one.
pub(super) const LONGER: &[(&str, usize)] = &[];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["common", "utils", "util", "helpers", "helper", "types"];

/// What is not finished, and what does not run. In two parts, so that this file does not match.
const UNFINISHED: &[(&str, &str)] = &[
    (concat!("todo", "!("), "finish it, or take it out"),
    (concat!("unimplemented", "!("), "finish it, or take it out"),
    (concat!("#[ign", "ore"), "mend the test, or take it out"),
];

const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "zsh", "ksh", "fish"];

/// Every rule about a source file.
pub(super) fn rules(path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    found.extend(says_what_it_is(path, text));
    found.extend(says_what_is_absent(path, text));
    found.extend(length(path, text, LONGER));
    found.extend(names(path, text));
    found.extend(unfinished(path, text));
    found.extend(shells(path, text));
    found
}

fn says_what_it_is(path: &str, text: &str) -> Option<Violation> {
    let message = "open with a `//!` line that says what the file is, in words an SRE uses";
    (!text.starts_with("//! ")).then(|| Violation::new(path, 1, message))
}

fn says_what_is_absent(path: &str, text: &str) -> Option<Violation> {
    let header: String = text.lines().take_while(|it| it.starts_with("//!")).collect();
    let message = "say in the header what is deliberately absent from the crate";
    (path.ends_with("/src/lib.rs") && !header.to_lowercase().contains("absent"))
        .then(|| Violation::new(path, 1, message))
}

fn length(path: &str, text: &str, longer: &[(&str, usize)]) -> Option<Violation> {
    let lines = text.lines().count();
    let allowed = longer.iter().find(|(it, _)| *it == path).map_or(LINES_MAX, |(_, lines)| *lines);
    (lines > allowed).then(|| {
        let message = format!("{lines} lines, and {allowed} are allowed: make two files of it");
        Violation::new(path, allowed + 1, message)
    })
}

/// Exceptions that have become useless; without this the list would only ever grow.
pub(super) fn stale_exceptions(longer: &[(&str, usize)], files: &Files) -> Vec<Violation> {
    let stale = longer.iter().filter(|(path, allowed)| {
        let lines = files.get(*path).map_or(0, |text| text.lines().count());
        lines <= LINES_MAX || lines < *allowed
    });
    stale
        .map(|(path, allowed)| {
            let message = format!(
                "`{path}` no longer needs {allowed} lines: lower its number, or take it off the list"
            );
            Violation::new("xtask/src/tidy/source.rs", 1, message)
        })
        .collect()
}

fn names(path: &str, text: &str) -> Vec<Violation> {
    let message = |name: &str| format!("`{name}` says nothing: name it after what is inside");
    let of_path = path
        .trim_end_matches(".rs")
        .split('/')
        .filter(|part| EMPTY_NAMES.contains(part))
        .map(|name| Violation::new(path, 1, message(name)));
    let of_modules = code(text).filter_map(|(number, line)| {
        let (_, after) = line.split_once("mod ")?;
        let name = after.trim_end_matches([';', '{', ' ']);
        EMPTY_NAMES.contains(&name).then(|| Violation::new(path, number, message(name)))
    });
    of_path.chain(of_modules).collect()
}

fn unfinished(path: &str, text: &str) -> Vec<Violation> {
    code(text)
        .flat_map(|(number, line)| {
            UNFINISHED.iter().filter(move |(mark, _)| line.contains(mark)).map(
                move |(mark, advice)| {
                    Violation::new(path, number, format!("`{mark}` is left: {advice}"))
                },
            )
        })
        .collect()
}

/// No text of a user may reach a shell, so none is started, except by tests.
fn shells(path: &str, text: &str) -> Vec<Violation> {
    if !(path.starts_with("crates/") && path.contains("/src/")) {
        return Vec::new();
    }
    let product = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    code(product)
        .filter(|(_, line)| {
            line.split("Command::new(").skip(1).any(|after| {
                let program = after.trim_start_matches('"').split('"').next().unwrap_or_default();
                let name = program.rsplit('/').next().unwrap_or_default();
                after.starts_with('"') && SHELLS.contains(&name)
            })
        })
        .map(|(number, _)| {
            let message =
                "a shell is started: run the program itself, with its arguments in a list";
            Violation::new(path, number, message)
        })
        .collect()
}

/// The lines that are not comments, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_does_not_say_what_it_is_is_found() {
        for text in ["fn main() {}\n", "// what it is\n", "//!\n", ""] {
            assert!(says_what_it_is("a.rs", text).is_some(), "{text}");
        }
        assert!(says_what_it_is("a.rs", "//! What it is.\n").is_none());
    }

    #[test]
    fn a_crate_that_hides_what_is_absent_is_found() {
        let silent = "//! A crate.\n\nfn absent() {}\n";
        assert!(says_what_is_absent("crates/a/src/lib.rs", silent).is_some());
        assert!(says_what_is_absent("crates/a/src/other.rs", silent).is_none());
        let open = "//! A crate.\n//!\n//! Deliberately absent: sockets.\n";
        assert!(says_what_is_absent("crates/a/src/lib.rs", open).is_none());
    }

    #[test]
    fn a_long_file_is_found_unless_it_is_on_the_list() {
        let text = "//! x\n".repeat(LINES_MAX + 1);
        assert_eq!(length("a.rs", &text, &[]).unwrap().line, LINES_MAX + 1);
        assert_eq!(length("a.rs", &text, &[("a.rs", LINES_MAX + 1)]), None);
        assert!(length("a.rs", &text, &[("b.rs", 9999)]).is_some());
        assert_eq!(length("a.rs", &"//! x\n".repeat(LINES_MAX), &[]), None);
    }

    #[test]
    fn an_exception_that_is_no_longer_needed_is_found() {
        let files = Files::from([("a.rs".to_owned(), "//! x\n".repeat(600))]);
        assert_eq!(stale_exceptions(&[("a.rs", 600)], &files), []);
        assert_eq!(stale_exceptions(&[("a.rs", 700), ("gone.rs", 600)], &files).len(), 2);
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        for name in EMPTY_NAMES {
            assert_eq!(names(&format!("crates/a/src/{name}.rs"), "").len(), 1, "{name}");
            assert_eq!(names(&format!("crates/{name}/src/a.rs"), "").len(), 1, "{name}");
            assert_eq!(names("a.rs", &format!("//! x\n\npub mod {name};\n"))[0].line, 3);
            assert_eq!(names("a.rs", &format!("mod {name} {{\n")).len(), 1, "{name}");
        }
        assert_eq!(names("crates/a/src/prototypes.rs", "mod subtypes;\n// mod types;\n"), []);
    }

    #[test]
    fn what_is_left_unfinished_is_found() {
        for (mark, _) in UNFINISHED {
            assert_eq!(unfinished("a.rs", &format!("//! x\n    {mark}"))[0].line, 2, "{mark}");
            assert_eq!(unfinished("a.rs", &format!("// {mark}")), [], "{mark}");
        }
    }

    #[test]
    fn a_shell_is_found_except_in_tests() {
        for program in ["sh", "/bin/sh", "bash", "/usr/bin/env/bash"] {
            let line = format!("std::process::Command::new(\"{program}\")\n");
            assert_eq!(shells("crates/a/src/b.rs", &line).len(), 1, "{program}");
            assert_eq!(shells("crates/a/tests/it/b.rs", &line), [], "{program}");
            let tests = format!("#[cfg(test)]\nmod tests {{\n{line}}}\n");
            assert_eq!(shells("crates/a/src/b.rs", &tests), [], "{program}");
        }
        assert_eq!(shells("crates/a/src/b.rs", "Command::new(\"ssh\")\nCommand::new(sh)"), []);
    }
}
