//! Diagnostics for people, in the form that compilers have taught everybody to read.
//!
//! ```text
//! error[EK-D006]: `300` has no unit
//!   --> drill.yaml:12:16
//!    |
//! 12 |       duration: 300
//!    |                 ^^^
//!    = help: Write `300ms` or `300s`.
//! ```
//!
//! Whatever a file holds, what is shown of it is a window of one line, without control characters.

use std::fmt::Write;

use crate::Diagnostic;

/// How many characters of a line are shown, and how many of them before the place that is meant.
const WINDOW: usize = 110;
const BEFORE: usize = 60;

/// Escapes for a terminal; empty without colour.
struct Paint {
    error: &'static str,
    warning: &'static str,
    frame: &'static str,
    strong: &'static str,
    plain: &'static str,
}

const COLOURS: Paint = Paint {
    error: "\x1b[1;31m",
    warning: "\x1b[1;33m",
    frame: "\x1b[34m",
    strong: "\x1b[1m",
    plain: "\x1b[0m",
};
const NO_COLOURS: Paint = Paint { error: "", warning: "", frame: "", strong: "", plain: "" };

impl Diagnostic {
    /// Whether it stops the document from being used; advice does not.
    pub fn is_error(&self) -> bool {
        !self.code.starts_with("EK-W")
    }
}

/// Shows diagnostics one after the other, with an empty line after each. What quotes a file is escaped;
/// the frame is plain ASCII.
pub fn render(diagnostics: &[Diagnostic], color: bool) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        // Writing to a string does not fail.
        write(&mut text, diagnostic, if color { &COLOURS } else { &NO_COLOURS })
            .unwrap_or_default();
    }
    text
}

fn write(text: &mut String, it: &Diagnostic, paint: &Paint) -> std::fmt::Result {
    let Paint { error, warning, frame, strong, plain } = paint;
    let (word, word_paint) = if it.is_error() { ("error", error) } else { ("warning", warning) };
    let message = visible(&it.message);
    writeln!(text, "{word_paint}{word}[{}]{plain}{strong}: {message}{plain}", it.code)?;
    let file = visible(&it.file);
    let gutter = " ".repeat(it.line.to_string().len());
    if it.line == 0 {
        writeln!(text, " {frame}-->{plain} {file}")?;
    } else {
        writeln!(text, "{gutter}{frame}-->{plain} {file}:{}:{}", it.line, it.column)?;
    }
    if let Some((line, skip, carets)) = window(it) {
        writeln!(text, "{gutter} {frame}|{plain}")?;
        writeln!(text, "{frame}{} |{plain} {line}", it.line)?;
        let (skip, carets) = (" ".repeat(skip), "^".repeat(carets));
        writeln!(text, "{gutter} {frame}|{plain} {skip}{word_paint}{carets}{plain}")?;
    }
    if !it.help.is_empty() {
        writeln!(text, "{gutter} {frame}={plain} help: {}", visible(&it.help))?;
    }
    writeln!(text)
}

/// The part of the line to show, how far its place is in, and how many carets to put there.
fn window(it: &Diagnostic) -> Option<(String, usize, usize)> {
    let all: Vec<char> = it.source_line.chars().collect();
    let column = (it.column as usize).checked_sub(1)?;
    if it.line == 0 || all.is_empty() || column > all.len() {
        return None;
    }
    let start = if all.len() <= WINDOW { 0 } else { column.saturating_sub(BEFORE) };
    let end = all.len().min(start + WINDOW);
    let escaped = |from: usize, to: usize| -> String {
        let part = all.get(from..to).unwrap_or_default();
        part.iter().map(|it| visible_character(*it)).collect()
    };
    let meant = (column + it.length.max(1) as usize).min(end).max(column);
    let (head, tail) =
        (if start > 0 { "..." } else { "" }, if end < all.len() { "..." } else { "" });
    let line = format!("{head}{}{tail}", escaped(start, end));
    let skip = head.len() + escaped(start, column).chars().count();
    let carets = escaped(column, meant).chars().count().max(1);
    Some((line, skip, carets))
}

/// What a terminal could take for a command is shown as what it is; a tab is one blank.
fn visible_character(character: char) -> String {
    match character {
        '\t' => " ".to_owned(),
        // Marks that turn the direction of writing hide what a line says.
        '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}' => character.escape_unicode().to_string(),
        it if it.is_control() => it.escape_default().to_string(),
        it => it.to_string(),
    }
}

fn visible(text: &str) -> String {
    text.chars().map(visible_character).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic(source_line: &str, column: u32, length: u32) -> Diagnostic {
        Diagnostic {
            file: "drill.yaml".to_owned(),
            line: 12,
            column,
            code: "EK-D006".to_owned(),
            message: "`300` has no unit".to_owned(),
            help: "Write `300s`.".to_owned(),
            source_line: source_line.to_owned(),
            length,
        }
    }

    #[test]
    fn the_place_is_underlined() {
        insta::assert_snapshot!(render(&[diagnostic("  duration: 300", 13, 3)], false), @r"
        error[EK-D006]: `300` has no unit
          --> drill.yaml:12:13
           |
        12 |   duration: 300
           |             ^^^
           = help: Write `300s`.
        ");
    }

    #[test]
    fn a_long_line_is_cut_to_a_window_around_the_place() {
        let long = format!("{}300{}", "x".repeat(3_000), "y".repeat(3_000));
        let shown = render(&[diagnostic(&long, 3_001, 3)], false);
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines.iter().all(|it| it.len() < 140));
        let at = lines[4].find('^').unwrap();
        assert_eq!(lines[3].get(at..at + 3), Some("300"));
    }

    #[test]
    fn control_characters_of_a_file_never_reach_a_terminal() {
        let hostile = diagnostic("a: \u{1b}[2J\u{202e}\u{7}x", 4, 2);
        let hostile = Diagnostic { message: "bad \u{1b}]0;x\u{7}".to_owned(), ..hostile };
        let shown = render(&[hostile], false);
        assert!(!shown.chars().any(|it| it.is_control() && it != '\n'), "{shown:?}");
        assert!(!shown.contains('\u{202e}'));
    }

    #[test]
    fn a_finding_about_a_whole_file_shows_no_line() {
        let whole =
            Diagnostic { line: 0, column: 0, source_line: String::new(), ..diagnostic("", 0, 1) };
        assert_eq!(
            render(&[whole], false),
            "error[EK-D006]: `300` has no unit\n --> drill.yaml\n  = help: Write `300s`.\n\n"
        );
    }
}
