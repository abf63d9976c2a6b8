//! Position: where in the text of a query something stands, and what is wrong there.

use std::fmt;

/// From one byte to before another.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Position {
    /// From the start of one to the end of another.
    pub const fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }

    /// Line and column of its start, each from 1; columns are counted in bytes, as Prometheus counts them.
    pub fn line_and_column(self, text: &str) -> (usize, usize) {
        let before = text.as_bytes().get(..self.start).unwrap_or(text.as_bytes());
        let line = before.split(|byte| *byte == b'\n').count();
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        (line, column)
    }
}

/// What is wrong with a query: where, what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub at: Position,
    /// Its line and column, from 1.
    pub line_and_column: (usize, usize),
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_and_column;
        write!(to, "{line}:{column}: {}: {}", self.what, self.fix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_begin_at_one() {
        let at = |start| Position { start, end: start }.line_and_column("ab\ncd");
        assert_eq!((at(0), at(3), at(4), at(99)), ((1, 1), (2, 1), (2, 2), (2, 3)));
    }
}
