//! Command lines, cut into words as a shell does it, and nothing run.
//!
//! A variable becomes `${env:NAME}`. What a shell would run (`$(…)`, backticks) stays a text and is noted.

use evenkeel_model::document::{Part, Reference, Template};

use crate::compose;
use crate::notes::Notes;

/// A command: its words, and the line it begins on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Command {
    pub(super) line: usize,
    pub(super) words: Vec<Template>,
}

struct Reader<'t, 'n> {
    rest: std::iter::Peekable<std::str::Chars<'t>>,
    line: usize,
    word: Option<Template>,
    command: Command,
    done: Vec<Command>,
    notes: &'n mut Notes,
}

/// Cuts a text into commands. The error is the line on which a quote begins that does not end.
pub(super) fn commands(text: &str, notes: &mut Notes) -> Result<Vec<Command>, usize> {
    let command = Command { line: 1, words: Vec::new() };
    let rest = text.chars().peekable();
    let mut reader = Reader { rest, line: 1, word: None, command, done: Vec::new(), notes };
    while let Some(it) = reader.next() {
        reader.plain(it)?;
    }
    reader.end_command();
    Ok(reader.done)
}

impl Reader<'_, '_> {
    fn next(&mut self) -> Option<char> {
        let it = self.rest.next();
        self.line += usize::from(it == Some('\n'));
        it
    }

    fn place(&self) -> String {
        format!("line {}", self.line)
    }

    fn push(&mut self, it: char) {
        compose::push_text(self.word.get_or_insert_default(), it.encode_utf8(&mut [0; 4]));
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take() {
            self.command.words.push(word);
        }
    }

    fn end_command(&mut self) {
        self.end_word();
        let line = self.line;
        let done = std::mem::replace(&mut self.command, Command { line, words: Vec::new() });
        if !done.words.is_empty() {
            self.done.push(done);
        }
    }

    /// A character outside quotes.
    fn plain(&mut self, it: char) -> Result<(), usize> {
        if self.command.words.is_empty() && self.word.is_none() {
            self.command.line = self.line - usize::from(it == '\n');
        }
        match it {
            '\n' | ';' | '&' => self.end_command(),
            '|' => {
                self.end_command();
                let mut rest = String::new();
                while let Some(it) = self.rest.next_if(|it| *it != '\n') {
                    rest.push(it);
                }
                self.notes.add(
                    self.place(),
                    format!("| {}", rest.trim()),
                    "what reads the answer is not run",
                );
            }
            '>' | '<' => {
                // The number before it is that of a stream.
                let digits = self.word.as_ref().and_then(compose::plain);
                if digits.is_some_and(|it| it.bytes().all(|it| it.is_ascii_digit())) {
                    self.word = None;
                }
                self.end_word();
                while self.rest.next_if(|it| " >&<".contains(*it)).is_some() {}
                while self.rest.next_if(|it| !it.is_whitespace() && !";|".contains(*it)).is_some() {
                }
            }
            '#' if self.word.is_none() => while self.rest.next_if(|it| *it != '\n').is_some() {},
            it if it.is_whitespace() => self.end_word(),
            '\\' => match self.next() {
                Some('\n') | None => {}
                Some('\r') if self.rest.peek() == Some(&'\n') => {
                    self.next();
                }
                Some(it) => self.push(it),
            },
            '\'' => self.single()?,
            '"' => self.double()?,
            '$' if self.rest.next_if_eq(&'\'').is_some() => self.ansi()?,
            '$' => self.dollar(),
            '`' => {
                self.notes.add(
                    self.place(),
                    "a command in backticks",
                    "commands are not run; write its result",
                );
                self.push(it);
            }
            it => self.push(it),
        }
        Ok(())
    }

    fn single(&mut self) -> Result<(), usize> {
        let start = self.line;
        self.word.get_or_insert_default();
        loop {
            match self.next() {
                Some('\'') => return Ok(()),
                Some(it) => self.push(it),
                None => return Err(start),
            }
        }
    }

    fn double(&mut self) -> Result<(), usize> {
        let start = self.line;
        self.word.get_or_insert_default();
        loop {
            match self.next() {
                Some('"') => return Ok(()),
                Some('$') => self.dollar(),
                Some('\\') => match self.next() {
                    Some('\n') => {}
                    Some(it @ ('"' | '\\' | '$' | '`')) => self.push(it),
                    Some(it) => {
                        self.push('\\');
                        self.push(it);
                    }
                    None => return Err(start),
                },
                Some(it) => self.push(it),
                None => return Err(start),
            }
        }
    }

    /// `$'…'`, as browsers write bodies with line breaks.
    fn ansi(&mut self) -> Result<(), usize> {
        let start = self.line;
        self.word.get_or_insert_default();
        loop {
            let it = match self.next() {
                Some('\'') => return Ok(()),
                Some('\\') => self.next().ok_or(start)?,
                Some(it) => {
                    self.push(it);
                    continue;
                }
                None => return Err(start),
            };
            let meant = match it {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'a' => '\u{7}',
                'b' => '\u{8}',
                'e' | 'E' => '\u{1b}',
                'f' => '\u{c}',
                'v' => '\u{b}',
                'x' => self.digits(16, 2),
                'u' => self.utf16(),
                'U' => self.digits(16, 8),
                '0'..='7' => self.octal(it),
                other => other,
            };
            self.push(meant);
        }
    }

    /// `\uD83D\uDE00` is one character in two halves.
    fn utf16(&mut self) -> char {
        let first = self.number(16, 4);
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER);
        }
        if self.rest.next_if_eq(&'\\').is_none() || self.rest.next_if_eq(&'u').is_none() {
            return char::REPLACEMENT_CHARACTER;
        }
        let second = self.number(16, 4);
        match (0xdc00..0xe000).contains(&second) {
            true => char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)),
            false => None,
        }
        .unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn digits(&mut self, radix: u32, most: usize) -> char {
        char::from_u32(self.number(radix, most)).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    /// Up to three digits, of which this is the first.
    fn octal(&mut self, first: char) -> char {
        let mut number = first.to_digit(8).unwrap_or_default();
        for _ in 0..2 {
            let Some(it) = self.rest.next_if(|it| it.is_digit(8)) else { break };
            number = number * 8 + it.to_digit(8).unwrap_or_default();
        }
        char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn number(&mut self, radix: u32, most: usize) -> u32 {
        let mut number = 0;
        for _ in 0..most {
            let Some(digit) =
                self.rest.next_if(|it| it.is_digit(radix)).and_then(|it| it.to_digit(radix))
            else {
                break;
            };
            number = number * radix + digit;
        }
        number
    }

    /// What follows a `$`.
    fn dollar(&mut self) {
        let braces = self.rest.next_if_eq(&'{').is_some();
        let mut name = String::new();
        while let Some(it) = self.rest.next_if(|it| it.is_ascii_alphanumeric() || *it == '_') {
            name.push(it);
        }
        let is_name = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
        let closed = !braces || self.rest.next_if_eq(&'}').is_some();
        if is_name && closed {
            let word = self.word.get_or_insert_default();
            compose::push(word, Part::Reference(Reference::Env(name)));
            return;
        }
        if self.rest.peek() == Some(&'(') {
            self.notes.add(
                self.place(),
                "a command in `$(…)`",
                "commands are not run; write its result",
            );
        }
        let word = self.word.get_or_insert_default();
        compose::push_text(word, if braces { "${" } else { "$" });
        compose::push_text(word, &name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let commands = commands(text, &mut Notes::default()).unwrap();
        commands.iter().flat_map(|it| it.words.iter().map(ToString::to_string)).collect()
    }

    #[test]
    fn quotes_and_escapes_are_those_of_a_shell() {
        assert_eq!(words("a 'b c' \"d \\\" e\" f\\ g"), ["a", "b c", "d \" e", "f g"]);
        assert_eq!(words("a \\\n  b\\\r\n c"), ["a", "b", "c"]);
        assert_eq!(words("'it'\\''s' ''"), ["it's", ""]);
        assert_eq!(words(r"$'a\nb\u0021\'\x41\101' x"), ["a\nb!'AA", "x"]);
        assert_eq!(words("$'\\uD83D\\uDE00'"), ["😀"]);
        assert_eq!(words("a > out.txt 2>&1 b # c"), ["a", "b"]);
    }

    #[test]
    fn variables_are_looked_up_later_and_nothing_is_run() {
        assert_eq!(
            words("\"Bearer $TOKEN\" '$X' ${Y}z $ $1"),
            ["Bearer ${env:TOKEN}", "$X", "${env:Y}z", "$", "$1"]
        );
        let mut notes = Notes::default();
        commands("curl http://a/$(rm -rf /)", &mut notes).unwrap();
        assert_eq!(notes.finish().len(), 1);
    }

    #[test]
    fn a_quote_that_does_not_end_is_refused_with_its_line() {
        assert_eq!(commands("curl a\ncurl 'b", &mut Notes::default()), Err(2));
    }
}
