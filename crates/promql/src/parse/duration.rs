//! Durations: `1h30m`, and lengths that are reckoned out (experimental).

use super::lexer::Lexeme;
use super::{NESTING, Parsed, Parser};
use crate::ast::{Arithmetic, Length, Reckoning};
use crate::position::Position;

/// The longest duration: what fits into nanoseconds of 64 bits.
const SECONDS_MAX: f64 = 9_223_372_036.0;

const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The duration with which a text begins, in seconds, and how many bytes it takes.
pub(super) fn at_start(text: &str) -> Option<(f64, usize)> {
    let (ms, length) = sum(text)?;
    (length > 0).then(|| (ms as f64 / 1000.0, length))
}

/// A duration in milliseconds: `1h30m`, or `0`. Units go from large to small, each once.
pub fn duration_ms(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let (ms, length) = sum(text)?;
    (length == text.len() && length > 0).then_some(ms)
}

fn sum(text: &str) -> Option<(u64, usize)> {
    let (mut ms, mut length, mut units) = (0_u64, 0, &UNITS[..]);
    loop {
        let rest = text.get(length..)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest.bytes().skip(digits).take_while(u8::is_ascii_alphabetic).count();
        let unit = rest.get(digits..digits + letters)?;
        // `5m30` is none: what follows the last unit is said to be wrong by whoever reads on.
        let at = units.iter().position(|(name, _)| *name == unit);
        let (Some(at), Ok(value)) = (at, rest.get(..digits)?.parse::<u64>()) else {
            return Some((ms, length));
        };
        ms = ms.checked_add(value.checked_mul(units.get(at)?.1)?)?;
        units = units.get(at + 1..)?;
        length += digits + letters;
    }
}

impl Parser<'_> {
    /// The length of a range or the step of a subquery: anything that can be reckoned out.
    pub(super) fn positive_length(&mut self) -> Parsed<Length> {
        let (start, nesting) = (self.here(), self.nesting);
        let reckoning = self.reckoning(0)?;
        self.nesting = nesting;
        let at = start.to(self.behind());
        let length = self.length(at, reckoning)?;
        match length {
            Length::Fixed(..=0) => {
                Err(self.wrong_at(at, "a length of time that is not above zero", "make it longer"))
            }
            _ => Ok(length),
        }
    }

    /// What `offset` takes: one term, which ends before an operator.
    pub(super) fn offset(&mut self) -> Parsed<Length> {
        let (start, nesting) = (self.here(), self.nesting);
        let minus = self.is_sign("-");
        if minus || self.is_sign("+") {
            self.advance();
        }
        let term = self.reckoning_term()?;
        self.nesting = nesting;
        let term = if minus { Reckoning::Minus(Box::new(term)) } else { term };
        self.length(start.to(self.behind()), term)
    }

    fn length(&self, at: Position, reckoning: Reckoning) -> Parsed<Length> {
        let seconds = match &reckoning {
            Reckoning::Number(value) => *value,
            Reckoning::Minus(of) => match **of {
                Reckoning::Number(value) => -value,
                _ => return Ok(Length::Reckoned(at, Box::new(reckoning))),
            },
            _ => return Ok(Length::Reckoned(at, Box::new(reckoning))),
        };
        if seconds.is_nan() || seconds.abs() > SECONDS_MAX {
            return Err(self.wrong_at(at, "a length of time beyond all bounds", "make it shorter"));
        }
        // To nanoseconds first, as Prometheus does, so that 0.0009999999999 is a millisecond.
        Ok(Length::Fixed(((seconds * 1e9).round() / 1e6).trunc() as i64))
    }

    fn reckoning(&mut self, tight: u8) -> Parsed<Reckoning> {
        self.nesting += 1;
        if self.nesting > NESTING {
            return Err(self.too_deep(self.here()));
        }
        let mut left = if self.is_sign("-") || self.is_sign("+") {
            let minus = self.is_sign("-");
            self.advance();
            let of = self.reckoning(6)?;
            if minus { Reckoning::Minus(Box::new(of)) } else { of }
        } else {
            self.reckoning_term()?
        };
        while let Some(crate::ast::Operator::Arithmetic(arithmetic)) = self.operator() {
            let precedence = crate::ast::Operator::Arithmetic(arithmetic).precedence();
            if precedence < tight || arithmetic == Arithmetic::Atan2 {
                break;
            }
            // Each operator is one deeper than the one before, until the length of time ends.
            self.nesting += 1;
            if self.nesting > NESTING {
                return Err(self.too_deep(self.here()));
            }
            let sign = self.advance();
            let next = if arithmetic == Arithmetic::Power { precedence } else { precedence + 1 };
            let right = self.reckoning(next)?;
            let by_zero = matches!(right, Reckoning::Number(value) if value.abs() <= 0.0);
            if by_zero && matches!(arithmetic, Arithmetic::Divide | Arithmetic::Modulo) {
                return Err(self.wrong_at(sign, "a division by zero", "divide by something else"));
            }
            left = Reckoning::Of(arithmetic, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn reckoning_term(&mut self) -> Parsed<Reckoning> {
        match self.peek().clone() {
            Lexeme::Number(value) | Lexeme::Duration(value) => {
                self.advance();
                if value > SECONDS_MAX {
                    return Err(self.wrong_at(
                        self.behind(),
                        "a length of time beyond all bounds",
                        "make it shorter",
                    ));
                }
                Ok(Reckoning::Number(value))
            }
            Lexeme::Sign("(") => {
                self.advance();
                let inner = self.reckoning(0)?;
                self.expect(")", "a length of time in parentheses")?;
                // What stands in parentheses is known only when it is reckoned out, even when it is a number.
                Ok(Reckoning::Of(
                    Arithmetic::Add,
                    Box::new(Reckoning::Number(0.0)),
                    Box::new(inner),
                ))
            }
            Lexeme::Name(name) => {
                let name = name.to_ascii_lowercase();
                let known = matches!(&*name, "step" | "range" | "min_of" | "max_of");
                if !known {
                    let what = format!("`{name}` where a length of time belongs");
                    return Err(self.wrong(&what, "write a duration like 5m, step() or range()"));
                }
                self.advance();
                self.expect("(", "the name of a function")?;
                let reckoning = match &*name {
                    "step" => Reckoning::Step,
                    "range" => Reckoning::Range,
                    _ => {
                        let one = Box::new(self.reckoning(0)?);
                        self.expect(",", "a length of time")?;
                        let other = Box::new(self.reckoning(0)?);
                        match &*name {
                            "min_of" => Reckoning::Least(one, other),
                            _ => Reckoning::Greatest(one, other),
                        }
                    }
                };
                self.expect(")", "lengths of time")?;
                Ok(reckoning)
            }
            other => {
                let what = format!("{other} where a length of time belongs");
                Err(self.wrong(&what, "write a duration like 5m"))
            }
        }
    }
}
