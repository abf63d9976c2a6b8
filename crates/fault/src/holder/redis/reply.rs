//! What a Redis says, in its protocol of version 2, which every server speaks to whoever asks for nothing else.
//!
//! ```text
//! +OK\r\n             a word
//! -ERR reason\r\n     an error
//! :7\r\n              a number
//! $2\r\nab\r\n        bytes; a length of -1 is nothing
//! *2\r\n:1\r\n:2\r\n  so many replies; -1 is nothing
//! ```

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A word, or bytes.
    Text(Vec<u8>),
    /// Why not.
    Error(String),
    Number(i64),
    Nothing,
    Many(Vec<Reply>),
}

/// Whoever speaks there is no Redis, or says more than we want to hear.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what answers there does not speak as a Redis does")]
pub(super) struct Malformed;

/// A list of ten thousands of clients is a few megabytes.
const BYTES_MAX: usize = 256 << 20;
const LINE_MAX: usize = 64 << 10;
/// No reply that we ask for is deeper.
const DEPTH_MAX: u32 = 8;

impl Reply {
    /// The first reply in these bytes, and how many it takes; `None` while there is more of it to come.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let mut rest = bytes;
        let read = Self::take(&mut rest, DEPTH_MAX)?;
        Ok(read.map(|it| (it, bytes.len() - rest.len())))
    }

    fn take(rest: &mut &[u8], depth: u32) -> Result<Option<Self>, Malformed> {
        let Some(line) = line(rest)? else { return Ok(None) };
        let (&kind, line) = line.split_first().ok_or(Malformed)?;
        let text = || String::from_utf8_lossy(line).into_owned();
        let number = || text().parse::<i64>().map_err(|_| Malformed);
        match kind {
            b'+' => Ok(Some(Self::Text(line.to_vec()))),
            b'-' => Ok(Some(Self::Error(text()))),
            b':' => Ok(Some(Self::Number(number()?))),
            b'$' => match length(number()?)? {
                None => Ok(Some(Self::Nothing)),
                Some(length) => {
                    let Some((bytes, after)) = rest.split_at_checked(length) else {
                        return Ok(None);
                    };
                    let Some((end, after)) = after.split_at_checked(2) else { return Ok(None) };
                    if end != b"\r\n" {
                        return Err(Malformed);
                    }
                    *rest = after;
                    Ok(Some(Self::Text(bytes.to_vec())))
                }
            },
            b'*' => match length(number()?)? {
                None => Ok(Some(Self::Nothing)),
                Some(_) if depth == 0 => Err(Malformed),
                Some(length) => {
                    // Not made as large as it claims to be: only what is there takes room.
                    let mut many = Vec::new();
                    for _ in 0..length {
                        match Self::take(rest, depth - 1)? {
                            Some(it) => many.push(it),
                            None => return Ok(None),
                        }
                    }
                    Ok(Some(Self::Many(many)))
                }
            },
            _ => Err(Malformed),
        }
    }
}

/// The next line, without its end.
fn line<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
    let Some(end) = rest.windows(2).position(|it| it == b"\r\n") else {
        return if rest.len() > LINE_MAX { Err(Malformed) } else { Ok(None) };
    };
    let (line, after) = rest.split_at(end);
    *rest = after.split_at(2).1;
    Ok(Some(line))
}

fn length(number: i64) -> Result<Option<usize>, Malformed> {
    match number {
        -1 => Ok(None),
        it => usize::try_from(it).ok().filter(|it| *it <= BYTES_MAX).map(Some).ok_or(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(it: &str) -> Reply {
        Reply::Text(it.as_bytes().to_vec())
    }

    #[test]
    fn every_kind_of_reply_is_read() {
        for (bytes, reply) in [
            ("+OK\r\n", text("OK")),
            ("-NOPERM no\r\n", Reply::Error("NOPERM no".to_owned())),
            (":-7\r\n", Reply::Number(-7)),
            ("$4\r\na\r\nb\r\n", text("a\r\nb")),
            ("$-1\r\n", Reply::Nothing),
            ("*2\r\n:1\r\n$0\r\n\r\n", Reply::Many(vec![Reply::Number(1), text("")])),
        ] {
            let more = format!("{bytes}+later\r\n");
            assert_eq!(Reply::read(more.as_bytes()), Ok(Some((reply, bytes.len()))));
            for short in 0..bytes.len() {
                assert_eq!(Reply::read(&bytes.as_bytes()[..short]), Ok(None), "{bytes} {short}");
            }
        }
    }

    #[test]
    fn what_speaks_otherwise_is_no_redis() {
        for bytes in
            ["HTTP/1.1 400\r\n", "\r\n", ":x\r\n", "$-2\r\n", "$1\r\nabc\r\n", "$9999999999\r\n"]
        {
            assert_eq!(Reply::read(bytes.as_bytes()), Err(Malformed), "{bytes}");
        }
        assert_eq!(Reply::read("*1\r\n".repeat(100).as_bytes()), Err(Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop_oneof![
            any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'*'), Just(b'$'), Just(b':'), Just(b'1'), Just(b'9')
        ], 0..64)) {
            if let Ok(Some((_, taken))) = Reply::read(&bytes) {
                prop_assert!(taken <= bytes.len());
            }
        }
    }
}
