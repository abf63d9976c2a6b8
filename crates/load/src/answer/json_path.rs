//! JSON path: one value in a JSON body, such as `$.items[0]["unit price"]`.
//!
//! The body is read up to the end of the value and no further, and nothing is built: a body of a megabyte
//! costs what skipping over its text costs. What is skipped is only looked at for where it ends, so a body
//! that is broken elsewhere may still yield a value. Of members with the same name, the first counts.

use std::borrow::Cow;

use evenkeel_model::document::{JsonPath, JsonStep};

/// The value: numbers, `true`, `false` and `null` as written, strings without quotes and escapes, objects and arrays
/// as their text. `None` when it is not there.
pub(super) fn find<'b>(path: &JsonPath, body: &'b [u8]) -> Option<Cow<'b, str>> {
    let mut scan = Scan { rest: body };
    for step in &path.steps {
        match step {
            JsonStep::Member(name) => scan.enter_member(name)?,
            JsonStep::Item(index) => scan.enter_item(*index)?,
        }
    }
    scan.value()
}

/// Reads a body from left to right.
struct Scan<'b> {
    rest: &'b [u8],
}

impl<'b> Scan<'b> {
    /// To before the value of a member of the object that comes next.
    fn enter_member(&mut self, wanted: &str) -> Option<()> {
        self.take(b'{')?;
        while self.peek()? != b'}' {
            let name = self.string()?;
            self.take(b':')?;
            let found = match memchr::memchr(b'\\', name) {
                None => name == wanted.as_bytes(),
                Some(_) => unescape(name)? == wanted,
            };
            if found {
                return Some(());
            }
            self.skip()?;
            if self.peek()? == b',' {
                self.take(b',')?;
            }
        }
        None
    }

    /// To before an item of the array that comes next.
    fn enter_item(&mut self, index: usize) -> Option<()> {
        self.take(b'[')?;
        for _ in 0..index {
            self.skip()?;
            self.take(b',')?;
        }
        (self.peek()? != b']').then_some(())
    }

    /// The value that comes next.
    fn value(&mut self) -> Option<Cow<'b, str>> {
        if self.peek()? == b'"' {
            return unescape(self.string()?);
        }
        let text = std::str::from_utf8(self.skip()?).ok()?;
        let known = text.starts_with(['{', '[']) || ["true", "false", "null"].contains(&text);
        (known || is_number(text.as_bytes())).then_some(Cow::Borrowed(text))
    }

    /// Passes over the value that comes next, and gives its text.
    fn skip(&mut self) -> Option<&'b [u8]> {
        let first = self.peek()?;
        let start = self.rest;
        match first {
            b'"' => {
                self.string()?;
            }
            b'{' | b'[' => {
                let mut depth = 0u64;
                loop {
                    // Between brackets only quotes and brackets matter.
                    let at = self
                        .rest
                        .iter()
                        .position(|it| matches!(it, b'"' | b'{' | b'}' | b'[' | b']'))?;
                    let byte = self.rest[at];
                    self.rest = &self.rest[at..];
                    match byte {
                        b'"' => {
                            self.string()?;
                            continue;
                        }
                        b'{' | b'[' => depth += 1,
                        _ => depth -= 1,
                    }
                    self.rest = &self.rest[1..];
                    if depth == 0 {
                        break;
                    }
                }
            }
            _ => {
                let end = |it: &u8| matches!(it, b',' | b'}' | b']' | b':' | b'"') || is_blank(*it);
                let length = self.rest.iter().position(end).unwrap_or(self.rest.len());
                if length == 0 {
                    return None;
                }
                self.rest = &self.rest[length..];
            }
        }
        Some(&start[..start.len() - self.rest.len()])
    }

    /// Passes over the string that comes next, and gives what is between its quotes.
    fn string(&mut self) -> Option<&'b [u8]> {
        self.take(b'"')?;
        let mut length = 0;
        loop {
            length += memchr::memchr2(b'"', b'\\', self.rest.get(length..)?)?;
            if self.rest[length] == b'"' {
                let (text, rest) = self.rest.split_at(length);
                self.rest = &rest[1..];
                return Some(text);
            }
            length += 2;
        }
    }

    /// The first byte that is no blank.
    fn peek(&mut self) -> Option<u8> {
        let at = self.rest.iter().position(|it| !is_blank(*it))?;
        self.rest = &self.rest[at..];
        Some(self.rest[0])
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.rest = &self.rest[1..])
    }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// RFC 8259 §6.
fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|it| it.is_ascii_digit()).count();
    let mut rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let signed = usize::from(matches!(exponent, [b'+' | b'-', ..]));
        let length = digits(&exponent[signed..]);
        if length == 0 {
            return false;
        }
        rest = &exponent[signed + length..];
    }
    rest.is_empty()
}

/// The text of a string; halves of surrogate pairs that stand alone become U+FFFD.
fn unescape(raw: &[u8]) -> Option<Cow<'_, str>> {
    let raw = std::str::from_utf8(raw).ok()?;
    let Some((plain, mut rest)) = raw.split_once('\\') else { return Some(Cow::Borrowed(raw)) };
    let mut text = String::with_capacity(raw.len());
    text.push_str(plain);
    loop {
        let mut chars = rest.chars();
        match chars.next()? {
            it @ ('"' | '\\' | '/') => text.push(it),
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'u' => {
                let (unit, after) = unit(chars.as_str())?;
                chars = after.chars();
                let low = (0xd800..0xdc00)
                    .contains(&unit)
                    .then(|| after.strip_prefix("\\u").and_then(self::unit))
                    .flatten()
                    .filter(|(low, _)| (0xdc00..0xe000).contains(low));
                let code = match low {
                    Some((low, after)) => {
                        chars = after.chars();
                        0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
                    }
                    None => unit,
                };
                text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            _ => return None,
        }
        rest = chars.as_str();
        match rest.split_once('\\') {
            Some((plain, after)) => {
                text.push_str(plain);
                rest = after;
            }
            None => {
                text.push_str(rest);
                return Some(Cow::Owned(text));
            }
        }
    }
}

/// The four hexadecimal digits at the front, and what follows.
fn unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let all = digits.bytes().all(|it| it.is_ascii_hexdigit());
    Some((u32::from_str_radix(digits, 16).ok().filter(|_| all)?, rest))
}
