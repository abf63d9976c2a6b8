//! Printf: texts with values in them, as `printf` of Go makes them.
//!
//! Source: <https://pkg.go.dev/fmt>.

use std::iter::Peekable;
use std::str::Chars;

use super::function::{Given, general, plain, scientific};

/// No width and no precision is larger.
const SIZE_MAX: usize = 200;

/// The verbs that there are, but for `%%`.
const VERBS: &str = "vsqdfFeEgG";

/// A piece of a format.
enum Piece {
    Letter(char),
    Verb(Verb),
    /// A `%` with nothing behind it.
    Open,
}

/// How a value is printed.
#[derive(Default)]
struct Verb {
    letter: char,
    /// Of `-`, `+`, `0` and a blank.
    flags: String,
    width: usize,
    precision: Option<usize>,
}

/// Whether a format is understood.
///
/// # Errors
/// What is not.
pub(super) fn check(format: &str) -> Result<(), String> {
    pieces(format).map(drop)
}

/// A format with values in it. What does not fit together is said in its place, as Go does.
///
/// # Errors
/// What of the format is not understood.
pub(super) fn printed(format: &str, values: &[Given]) -> Result<String, String> {
    let mut text = String::new();
    let mut values = values.iter();
    for piece in pieces(format)? {
        match piece {
            Piece::Letter(it) => text.push(it),
            Piece::Open => text.push_str("%!(NOVERB)"),
            Piece::Verb(verb) => text.push_str(&match values.next() {
                Some(value) => verb.of(value),
                None => format!("%!{}(MISSING)", verb.letter),
            }),
        }
    }
    let extra: Vec<_> = values.map(typed).collect();
    if !extra.is_empty() {
        text.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    Ok(text)
}

fn pieces(format: &str) -> Result<Vec<Piece>, String> {
    let mut all = Vec::new();
    let mut letters = format.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            all.push(Piece::Letter(letter));
            continue;
        }
        let mut verb = Verb::default();
        while let Some(flag) = letters.next_if(|it| "-+ 0".contains(*it)) {
            verb.flags.push(flag);
        }
        verb.width = size(&mut letters)?;
        if letters.next_if_eq(&'.').is_some() {
            verb.precision = Some(size(&mut letters)?);
        }
        all.push(match letters.next() {
            None => Piece::Open,
            Some('%') => Piece::Letter('%'),
            Some(letter) if VERBS.contains(letter) => Piece::Verb(Verb { letter, ..verb }),
            Some(other) => {
                let all: Vec<_> = VERBS.chars().map(|it| format!("%{it}")).collect();
                let there_is = all.join(", ");
                return Err(format!(
                    "`%{other}` is not supported in `printf`: there is {there_is}"
                ));
            }
        });
    }
    Ok(all)
}

/// The number that stands next; zero when there is none.
fn size(letters: &mut Peekable<Chars<'_>>) -> Result<usize, String> {
    let mut size = 0;
    while let Some(digit) = letters.peek().and_then(|it| it.to_digit(10)) {
        letters.next();
        size = size * 10 + digit as usize;
        if size > SIZE_MAX {
            return Err(format!("`printf` pads and rounds to {SIZE_MAX} places at most"));
        }
    }
    Ok(size)
}

impl Verb {
    fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    fn of(&self, value: &Given) -> String {
        match value {
            Given::Text(it) => self.text(it, value),
            Given::Number(it) => self.number(*it, value),
        }
    }

    fn text(&self, text: &str, value: &Given) -> String {
        let most = self.precision.unwrap_or(usize::MAX);
        let cut: String = text.chars().take(most).collect();
        match self.letter {
            'v' | 's' => self.padded("", &cut, self.has('0')),
            'q' => self.padded("", &format!("{cut:?}"), self.has('0')),
            other => format!("%!{other}({})", typed(value)),
        }
    }

    fn number(&self, number: f64, value: &Given) -> String {
        let written = match (self.letter, self.precision) {
            ('v' | 'g' | 'G' | 'f' | 'F' | 'e' | 'E', _) if !number.is_finite() => plain(number),
            ('v' | 'g' | 'G', None) => plain(number),
            ('v' | 'g' | 'G', Some(digits)) => general(number, digits),
            ('f' | 'F', places) => format!("{number:.*}", places.unwrap_or(6)),
            ('e' | 'E', places) => scientific(&format!("{number:.*e}", places.unwrap_or(6))),
            (other, _) => return format!("%!{other}({})", typed(value)),
        };
        let written = match self.letter {
            'E' | 'G' if number.is_finite() => written.to_uppercase(),
            _ => written,
        };
        let (sign, digits) = match written.strip_prefix(['-', '+']) {
            Some(digits) => (if written.starts_with('-') { "-" } else { "+" }, digits),
            None => ("", &*written),
        };
        let sign = match sign {
            "-" => "-",
            _ if self.has('+') => "+",
            _ if self.has(' ') => " ",
            other => other,
        };
        self.padded(sign, digits, self.has('0') && number.is_finite())
    }

    /// As wide as is asked for; zeros stand behind the sign.
    fn padded(&self, sign: &str, text: &str, with_zeros: bool) -> String {
        let missing = self.width.saturating_sub(sign.len() + text.chars().count());
        match (self.has('-'), with_zeros) {
            (true, _) => format!("{sign}{text}{}", " ".repeat(missing)),
            (false, true) => format!("{sign}{}{text}", "0".repeat(missing)),
            (false, false) => format!("{}{sign}{text}", " ".repeat(missing)),
        }
    }
}

/// A value with its type, as Go says what was given in vain.
fn typed(value: &Given) -> String {
    match value {
        Given::Number(it) => format!("float64={}", plain(*it)),
        Given::Text(it) => format!("string={it}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(format: &str, values: &[Given]) -> String {
        printed(format, values).unwrap()
    }

    #[test]
    fn numbers_are_rounded_and_padded_as_by_go() {
        let number = |format: &str, value| of(format, &[Given::Number(value)]);
        for (format, expected) in [
            ("%v", "21.5"),
            ("%f", "21.500000"),
            ("%.1f", "21.5"),
            ("%0.2f", "21.50"),
            ("%7.1f|", "   21.5|"),
            ("%-7.2f|", "21.50  |"),
            ("%+.1f", "+21.5"),
            ("%08.3f", "0021.500"),
            ("%+08.3f", "+021.500"),
            ("% .1f", " 21.5"),
            ("%.f", "22"),
            ("%.3g", "21.5"),
            ("%e", "2.150000e+01"),
            ("%.1E", "2.2E+01"),
            ("%.2f%%", "21.50%"),
        ] {
            assert_eq!(number(format, 21.5), expected, "{format}");
        }
        assert_eq!(number("%.2f", -0.015), "-0.01");
        assert_eq!(number("%06.1f", -2.5), "-002.5");
        assert_eq!(number("%G", 1e-7), "1E-07");
        assert_eq!(number("%05.1f", f64::INFINITY), " +Inf");
        assert_eq!(number("%5.1f", f64::NAN), "  NaN");
    }

    #[test]
    fn texts_are_cut_and_padded_as_by_go() {
        let text = |format: &str| of(format, &[Given::Text("añb\"".to_owned())]);
        assert_eq!([text("%6s|"), text("%-6v|")], ["  añb\"|", "añb\"  |"]);
        assert_eq!([text("%.2s"), text("%q")], ["añ", "\"añb\\\"\""]);
    }

    #[test]
    fn what_does_not_fit_is_said_in_its_place() {
        let one = [Given::Number(1e6)];
        let text = Given::Text("a".to_owned());
        for (said, expected) in [
            (of("%d", &one), "%!d(float64=1e+06)"),
            (of("%s of %s", &one), "%!s(float64=1e+06) of %!s(MISSING)"),
            (of("%.2f", std::slice::from_ref(&text)), "%!f(string=a)"),
            (of("a", &[text, Given::Number(1.0)]), "a%!(EXTRA string=a, float64=1)"),
            (of("100%", &[]), "100%!(NOVERB)"),
        ] {
            assert_eq!(said, expected);
        }
        for (format, why) in [("%x", "`%x` is not supported"), ("%9999s", "`printf` pads")] {
            assert!(check(format).unwrap_err().starts_with(why), "{format}");
        }
    }
}
