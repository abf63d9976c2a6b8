//! Lexemes: the text of a query cut into words, numbers, texts and signs.

use std::fmt;

use super::{Parsed, duration, literal, problem};
use crate::position::Position;

/// A piece of text that stands for one thing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Lexeme<'a> {
    /// `1.5`
    Number(f64),
    /// `5m`, in seconds
    Duration(f64),
    /// `"text"`, without quotes
    Text(String),
    /// `up`
    Name(&'a str),
    /// `+`
    Sign(&'static str),
    /// The end of the text.
    End,
}

impl fmt::Display for Lexeme<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => write!(to, "the number {value}"),
            Self::Duration(seconds) => write!(to, "a duration of {seconds} s"),
            Self::Text(text) => write!(to, "the text {text:?}"),
            Self::Name(name) => write!(to, "`{name}`"),
            Self::Sign(sign) => write!(to, "`{sign}`"),
            Self::End => to.write_str("the end"),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) lexeme: Lexeme<'a>,
    pub(super) at: Position,
}

/// Longer ones first, so that none hides another.
const SIGNS: [&str; 25] = [
    "==", "!=", "<=", ">=", "=~", "!~", "</", ">/", "+", "-", "*", "/", "%", "^", "=", "<", ">",
    "(", ")", "{", "}", "[", "]", ",", "@",
];

pub(super) fn tokens(text: &str) -> Parsed<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    // In brackets a colon is a sign of its own, elsewhere it is part of a name.
    let mut brackets = 0_usize;
    while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
        let first = rest.chars().next().unwrap_or(' ');
        let (lexeme, length) = if first.is_ascii_whitespace() {
            start += 1;
            continue;
        } else if first == '#' {
            start += rest.find('\n').unwrap_or(rest.len());
            continue;
        } else if first.is_ascii_digit()
            || (first == '.' && rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit))
        {
            number(text, start, rest)?
        } else if matches!(first, '"' | '\'' | '`') {
            let (value, length) = literal::quoted(rest)
                .map_err(|(what, fix)| problem(text, to_end(start, rest), what, fix))?;
            (Lexeme::Text(value), length)
        } else if let Some(length) = name(rest, brackets > 0) {
            (Lexeme::Name(rest.get(..length).unwrap_or_default()), length)
        } else if first == ':' {
            (Lexeme::Sign(":"), 1)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Lexeme::Sign(sign), sign.len())
        } else {
            let at = Position { start, end: start + first.len_utf8() };
            let what = format!("{first:?} means nothing here");
            return Err(problem(text, at, what, "take it away, or put it in quotes"));
        };
        match lexeme {
            Lexeme::Sign("[") => brackets += 1,
            Lexeme::Sign("]") => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        tokens.push(Token { lexeme, at: Position { start, end: start + length } });
        start += length;
    }
    tokens.push(Token { lexeme: Lexeme::End, at: Position { start: text.len(), end: text.len() } });
    Ok(tokens)
}

const fn to_end(start: usize, rest: &str) -> Position {
    Position { start, end: start + rest.len() }
}

/// How long the name is with which the text begins.
fn name(rest: &str, in_brackets: bool) -> Option<usize> {
    let fits = |byte: u8, first: bool| {
        byte.is_ascii_alphabetic()
            || byte == b'_'
            || (byte == b':' && !in_brackets)
            || (!first && byte.is_ascii_digit())
    };
    let bytes = rest.as_bytes();
    let length = bytes.iter().enumerate().take_while(|(at, byte)| fits(**byte, *at == 0)).count();
    (length > 0).then_some(length)
}

fn number<'a>(text: &str, start: usize, rest: &str) -> Parsed<(Lexeme<'a>, usize)> {
    let (lexeme, length) = match duration::at_start(rest) {
        Some((seconds, length)) => (Lexeme::Duration(seconds), length),
        None => {
            let length = literal::number_length(rest);
            let value = rest.get(..length).and_then(literal::number);
            (Lexeme::Number(value.unwrap_or(f64::NAN)), if value.is_some() { length } else { 0 })
        }
    };
    let goes_on =
        rest.as_bytes().get(length).is_some_and(|it| it.is_ascii_alphanumeric() || *it == b'_');
    if length == 0 || goes_on {
        let end = rest
            .bytes()
            .take_while(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'.'))
            .count();
        let at = Position { start, end: start + end.max(1) };
        let what = format!(
            "`{}` is neither a number nor a duration",
            text.get(at.start..at.end).unwrap_or_default()
        );
        return Err(problem(text, at, what, "write it like 1.5, 1e3, 0x1f, or 1h30m"));
    }
    Ok((lexeme, length))
}
