//! Screen: results go to stdout, progress and complaints to stderr, and nothing moves where nobody looks.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::args::{Color, Global, Output};
use crate::exit::Failure;
use crate::live::is_in_front;

/// Where a verb says what it has to say.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    output: Output,
    quiet: bool,
    /// Whether results are coloured.
    pub(crate) color: bool,
    color_err: bool,
}

impl Screen {
    pub(crate) fn new(global: &Global) -> Self {
        let wanted = |is_terminal: bool| match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let dumb = std::env::var_os("TERM").is_some_and(|it| it == "dumb");
                is_terminal && !dumb && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
            }
        };
        Self {
            output: global.output,
            quiet: global.quiet,
            color: wanted(io::stdout().is_terminal()),
            color_err: wanted(io::stderr().is_terminal()),
        }
    }

    /// Whether results are for programs.
    pub(crate) const fn is_json(&self) -> bool {
        matches!(self.output, Output::Json)
    }

    /// Whether somebody watches stderr on a terminal that can redraw and is ours.
    pub(crate) fn is_live(&self) -> bool {
        !self.quiet
            && io::stderr().is_terminal()
            && is_in_front()
            && std::env::var_os("TERM").is_none_or(|it| it != "dumb")
    }

    /// Columns of the terminal that results go to; 100 where there is none.
    #[expect(clippy::unused_self, reason = "everything about the screen is asked of it")]
    pub(crate) fn width(&self) -> usize {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        size.map(|it| usize::from(it.ws_col)).filter(|it| *it > 0).unwrap_or(100)
    }

    /// Whether progress is coloured.
    pub(crate) const fn colors_progress(&self) -> bool {
        self.color_err
    }

    /// Prints a result.
    #[expect(clippy::unused_self, reason = "everything that is said is said by the screen")]
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        let text = text.trim_end_matches('\n');
        written(writeln!(io::stdout().lock(), "{text}"))
    }

    /// Prints a result: `value` for programs, `text` for people.
    pub(crate) fn show(
        &self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.is_json() {
            let json =
                serde_json::to_string_pretty(value).map_err(|it| Failure::bug(it.to_string()))?;
            self.print(&json)
        } else {
            self.print(&text())
        }
    }

    /// Says a line of progress.
    pub(crate) fn say(&self, line: &str) {
        if !self.quiet {
            // Progress that cannot be written is progress nobody reads.
            drop(writeln!(io::stderr().lock(), "{line}"));
        }
    }

    /// Says what must be heard, also by those who asked for quiet.
    #[expect(clippy::unused_self, reason = "everything that is said is said by the screen")]
    pub(crate) fn warn(&self, text: &str) {
        drop(writeln!(io::stderr().lock(), "{}", text.trim_end_matches('\n')));
    }

    /// Says why a verb ended.
    pub(crate) fn complain(&self, failure: &Failure) {
        if failure.message.is_empty() {
            return;
        }
        if self.is_json() {
            let Failure { exit, message, help } = failure;
            let value =
                serde_json::json!({"error": message, "help": help, "exit_code": exit.code()});
            // The result of a verb that failed is why.
            drop(writeln!(io::stdout().lock(), "{value:#}"));
        }
        let (red, off) = if self.color_err { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
        let mut text = format!("{red}error{off}: {}\n", failure.message);
        if !failure.help.is_empty() {
            text.push_str(&format!("  = help: {}\n", failure.help));
        }
        drop(io::stderr().lock().write_all(text.as_bytes()));
    }
}

/// How somebody is, in a column of its own, and where there are colours in that of its number: 31 is red, 32 green, 33 yellow.
pub(crate) fn verdict(word: &str, paint: &str, color: bool) -> String {
    if color { format!("\u{1b}[{paint}m{word:<9}\u{1b}[0m") } else { format!("{word:<9}") }
}

/// A reader that went away has read enough.
fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::could_not_run(format!("cannot write the result: {error}")))
        }
        _ => Ok(()),
    }
}
