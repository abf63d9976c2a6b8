//! Names: labels with their lengths before them, and pointers to where a rest stands already
//! (RFC 1035 §3.1, §4.1.4).

use super::Malformed;

const LABEL_BYTES_MAX: usize = 63;
const NAME_BYTES_MAX: usize = 255;

/// Appends a name as people write it, with or without the dot at its end. `None` when it is not one; what was
/// appended is to be taken back then. Names in other scripts are to be given in their ASCII form (`xn--`).
pub(super) fn write(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let from = out.len();
    let labels = text.strip_suffix(b".").unwrap_or(text);
    if text.is_empty() {
        return None;
    }
    for label in labels.split(|it| *it == b'.').filter(|_| !labels.is_empty()) {
        let is_good = |it: &u8| it.is_ascii_graphic() && *it != b'\\';
        if label.is_empty() || label.len() > LABEL_BYTES_MAX || !label.iter().all(is_good) {
            return None;
        }
        out.push(label.len() as u8);
        out.extend_from_slice(label);
    }
    out.push(0);
    (out.len() - from <= NAME_BYTES_MAX).then_some(())
}

/// The labels of the name at `at` in a message, each given to `label`; says where it ends.
///
/// A pointer has to lead to before the place where it was followed from, so that following them ends.
pub(super) fn read<'m>(
    message: &'m [u8],
    mut at: usize,
    mut label: impl FnMut(&'m [u8]),
) -> Result<usize, Malformed> {
    let (mut end, mut before, mut passed) = (None, at, 0);
    loop {
        let length = *message.get(at).ok_or(Malformed)?;
        match length >> 6 {
            0 if length == 0 => return Ok(end.unwrap_or(at + 1)),
            0 => {
                let from = at + 1;
                at = from + usize::from(length);
                passed += 1 + usize::from(length);
                if passed >= NAME_BYTES_MAX {
                    return Err(Malformed);
                }
                label(message.get(from..at).ok_or(Malformed)?);
            }
            0b11 => {
                let low = *message.get(at + 1).ok_or(Malformed)?;
                end = end.or(Some(at + 2));
                at = usize::from(length & 0x3f) << 8 | usize::from(low);
                if at >= before {
                    return Err(Malformed);
                }
                before = at;
            }
            _ => return Err(Malformed),
        }
    }
}

/// Appends the name at `at` as people write it, with the dot at its end; says where it ends.
pub(super) fn show(message: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, Malformed> {
    let from = out.len();
    let end = read(message, at, |label| {
        for &byte in label {
            match byte {
                b'.' | b'\\' => out.extend([b'\\', byte]),
                it if it.is_ascii_graphic() => out.push(it),
                it => out.extend_from_slice(format!("\\{it:03}").as_bytes()),
            }
        }
        out.push(b'.');
    })?;
    if out.len() == from {
        out.push(b'.');
    }
    Ok(end)
}
