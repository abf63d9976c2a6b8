//! Literals: numbers and texts in quotes, as Go writes them.

/// How many bytes at the start look like a number.
pub(super) fn number_length(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let digits = |from: usize, hex: bool| {
        let is =
            |it: &u8| *it == b'_' || if hex { it.is_ascii_hexdigit() } else { it.is_ascii_digit() };
        from + bytes.get(from..).unwrap_or_default().iter().take_while(|it| is(it)).count()
    };
    if matches!(bytes, [b'0', b'x' | b'X', ..]) {
        return digits(2, true);
    }
    let mut end = digits(0, false);
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1, false);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1 + sign, false);
        }
    }
    end
}

/// A number in decimals, or in hexadecimals after `0x`, or in octals after a zero.
pub(crate) fn number(text: &str) -> Option<f64> {
    let plain: String = text.chars().filter(|it| *it != '_').collect();
    if let Some(hex) = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok().map(|value| value as f64);
    }
    if plain.len() > 1
        && plain.starts_with('0')
        && plain.bytes().all(|it| matches!(it, b'0'..=b'7'))
    {
        return u64::from_str_radix(&plain, 8).ok().map(|value| value as f64);
    }
    plain.parse().ok()
}

/// What is wrong, and what to do.
type Wrong = (&'static str, &'static str);

/// The text in quotes with which another begins, and how many bytes it takes with its quotes.
pub(super) fn quoted(rest: &str) -> Result<(String, usize), Wrong> {
    const OPEN: Wrong = ("a text without an end", "close it with the quote that opened it");
    let mut characters = rest.char_indices();
    let quote = characters.next().ok_or(OPEN)?.1;
    let mut bytes = Vec::new();
    while let Some((at, character)) = characters.next() {
        if character == quote {
            let text = String::from_utf8(bytes)
                .map_err(|_| ("a text that is no UTF-8", "mend its escapes"))?;
            return Ok((text, at + 1));
        }
        if quote == '`' || character != '\\' {
            if character == '\n' && quote != '`' {
                return Err(OPEN);
            }
            let mut buffer = [0; 4];
            bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        let escaped = characters.next().ok_or(OPEN)?.1;
        escape(escaped, quote, &mut characters, &mut bytes)?;
    }
    Err(OPEN)
}

fn escape(
    escaped: char,
    quote: char,
    rest: &mut std::str::CharIndices<'_>,
    into: &mut Vec<u8>,
) -> Result<(), Wrong> {
    const UNKNOWN: Wrong = ("an escape that is none", r"write \\ for a backslash");
    let mut digits = |first: u32, many: usize, radix: u32| {
        (0..many).try_fold(first, |value, _| {
            let digit = rest.next().and_then(|(_, it)| it.to_digit(radix)).ok_or(UNKNOWN)?;
            Ok::<u32, Wrong>(value * radix + digit)
        })
    };
    let byte = match escaped {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '0'..='7' => {
            let value = digits(escaped.to_digit(8).ok_or(UNKNOWN)?, 2, 8)?;
            u8::try_from(value).map_err(|_| UNKNOWN)?
        }
        'x' => u8::try_from(digits(0, 2, 16)?).map_err(|_| UNKNOWN)?,
        'u' | 'U' => {
            let value = digits(0, if escaped == 'u' { 4 } else { 8 }, 16)?;
            let character = char::from_u32(value).ok_or(UNKNOWN)?;
            into.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(());
        }
        _ if escaped == quote => u8::try_from(quote).map_err(|_| UNKNOWN)?,
        _ => return Err(UNKNOWN),
    };
    into.push(byte);
    Ok(())
}
