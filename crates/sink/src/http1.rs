//! HTTP/1.1 as a machine: finds where requests end, and answers each with a page that was written ahead.

use std::rc::Rc;

use memchr::memmem;

use crate::serving::{Answers, Refused};

/// Of the small pages; what the clients of the bench are compared on.
pub(crate) const BODY_BYTES: usize = 128;

const LARGE_BODY_BYTES: usize = 16 * 1024;

/// A head that is longer is none.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Every answer there is, with its head.
pub(crate) struct Pages {
    plain: Page,
    large: Page,
    json: Page,
    end: memmem::Finder<'static>,
}

struct Page {
    bytes: Vec<u8>,
    head_length: usize,
}

/// Which of them.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// `/`: 128 bytes of text.
    Plain,
    /// `/16k`: 16 KiB of text.
    Large,
    /// `/json`: 128 bytes of JSON, with a `token` in it.
    Json,
}

/// What is asked for: a page, or only its head.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    which: Which,
    only_head: bool,
}

impl Pages {
    pub(crate) fn new() -> Self {
        let text = |length| "0123456789abcdef".repeat(length / 16);
        let start = r#"{"token":"5f0c9a1e7b","items":[{"sku":"A-17","cents":1990}],"note":""#;
        let json = format!("{start}{}\"}}", "n".repeat(BODY_BYTES - start.len() - 2));
        Self {
            plain: Page::of("text/plain", &text(BODY_BYTES)),
            large: Page::of("text/plain", &text(LARGE_BODY_BYTES)),
            json: Page::of("application/json", &json),
            end: memmem::Finder::new(b"\r\n\r\n"),
        }
    }

    pub(crate) fn answer(&self, asked: Asked) -> &[u8] {
        let page = match asked.which {
            Which::Plain => &self.plain,
            Which::Large => &self.large,
            Which::Json => &self.json,
        };
        match asked.only_head {
            true => &page.bytes[..page.head_length],
            false => &page.bytes,
        }
    }
}

impl Page {
    fn of(kind: &str, body: &str) -> Self {
        let length = body.len();
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
        Self { head_length: head.len(), bytes: [head.as_bytes(), body.as_bytes()].concat() }
    }
}

/// One connection.
pub(crate) struct Http1 {
    pages: Rc<Pages>,
    /// The start of a head that has not come whole.
    carry: Vec<u8>,
    /// What is to be answered when so many bytes of its body have come.
    owed: Option<(Asked, usize)>,
}

impl Http1 {
    pub(crate) fn new(pages: Rc<Pages>) -> Self {
        Self { pages, carry: Vec::new(), owed: None }
    }

    /// Appends an answer for each request that ends in `bytes`.
    pub(crate) fn answer(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        let pages = Rc::clone(&self.pages);
        self.requests(bytes, |asked| out.extend_from_slice(pages.answer(asked)))
    }

    /// Says of each request that ends in `bytes` what it asks for.
    pub(crate) fn requests(
        &mut self,
        bytes: &[u8],
        each: impl FnMut(Asked),
    ) -> Result<(), Refused> {
        if self.carry.is_empty() {
            let used = self.read(bytes, each)?;
            self.carry.extend_from_slice(&bytes[used..]);
        } else {
            let mut carry = std::mem::take(&mut self.carry);
            carry.extend_from_slice(bytes);
            let used = self.read(&carry, each)?;
            carry.drain(..used);
            self.carry = carry;
        }
        if self.carry.len() > HEAD_BYTES_MAX {
            return Err(Refused("a head that does not end"));
        }
        Ok(())
    }

    /// How many bytes were needed.
    fn read(&mut self, bytes: &[u8], mut each: impl FnMut(Asked)) -> Result<usize, Refused> {
        let mut at = 0;
        loop {
            if let Some((asked, length)) = self.owed {
                let come = length.min(bytes.len() - at);
                at += come;
                self.owed = Some((asked, length - come));
                if come < length {
                    return Ok(at);
                }
                self.owed = None;
                each(asked);
            }
            let Some(end) = self.pages.end.find(&bytes[at..]) else { return Ok(at) };
            let head = &bytes[at..at + end + 2];
            at += end + 4;
            let asked = asked(head).ok_or(Refused("no request of HTTP/1.1"))?;
            // Nobody sends a body with the methods of which there are millions.
            match head.starts_with(b"GET ") || asked.only_head {
                true => each(asked),
                false => self.owed = Some((asked, body_length(head)?)),
            }
        }
    }
}

impl Answers for Http1 {
    fn hear(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) -> Result<(), Refused> {
        self.answer(bytes, out)
    }
}

fn asked(head: &[u8]) -> Option<Asked> {
    let target = &head[memchr::memchr(b' ', head)? + 1..];
    let which = match target {
        [b'/', b'1', b'6', b'k', ..] => Which::Large,
        [b'/', b'j', b's', b'o', b'n', ..] => Which::Json,
        [b'/', ..] => Which::Plain,
        _ => return None,
    };
    Some(Asked { which, only_head: head.starts_with(b"HEAD ") })
}

fn body_length(head: &[u8]) -> Result<usize, Refused> {
    let head = std::str::from_utf8(head).map_err(|_| Refused("a head that is no text"))?;
    for (name, value) in head.lines().skip(1).filter_map(|it| it.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            return value.trim().parse().map_err(|_| Refused("a length that is no number"));
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Refused("a body in chunks, which the sink does not read"));
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TALK: &[u8] =
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\nPOST /json?x=1 HTTP/1.1\r\nContent-Length: 5\r\n\r\n\
        GET /GET /16k HTTP/1.1\r\n\r\nHEAD / HTTP/1.1\r\n\r\nDELETE /json HTTP/1.1\r\n\r\n";

    fn heard(parts: &[&[u8]]) -> Result<Vec<(Which, bool)>, Refused> {
        let mut machine = Http1::new(Rc::new(Pages::new()));
        let mut asked = Vec::new();
        for part in parts {
            machine.requests(part, |it| asked.push((it.which, it.only_head)))?;
        }
        Ok(asked)
    }

    #[test]
    fn requests_are_the_same_wherever_their_bytes_are_split() {
        let whole = heard(&[TALK]).unwrap();
        let (plain, large, json) = (Which::Plain, Which::Large, Which::Json);
        assert_eq!(
            whole,
            [(plain, false), (json, false), (large, false), (plain, true), (json, false)]
        );
        for at in 0..TALK.len() {
            assert_eq!(heard(&[&TALK[..at], &TALK[at..]]).unwrap(), whole, "split at {at}");
        }
    }

    #[test]
    fn a_body_is_waited_for_and_never_read_as_a_request() {
        let head = b"POST / HTTP/1.1\r\ncontent-length: 18\r\n\r\n";
        assert_eq!(heard(&[head, b"GET / HTTP/1.1\r\n\r"]).unwrap(), []);
        assert_eq!(heard(&[head, b"GET / HTTP/1.1\r\n\r", b"\n"]).unwrap().len(), 1);
    }

    #[test]
    fn what_has_no_answer_is_refused() {
        for bytes in [
            &b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"[..],
            b"POST / HTTP/1.1\r\ncontent-length: many\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\n",
            &vec![b'x'; HEAD_BYTES_MAX + 1],
        ] {
            assert!(heard(&[bytes]).is_err());
        }
    }

    #[test]
    fn each_page_is_as_long_as_its_head_says() {
        let pages = Pages::new();
        for (which, length) in [(Which::Plain, 128), (Which::Large, 16_384), (Which::Json, 128)] {
            let page = pages.answer(Asked { which, only_head: false });
            let head = pages.answer(Asked { which, only_head: true });
            assert_eq!(page.len() - head.len(), length);
            let text = String::from_utf8_lossy(head);
            assert!(text.contains(&format!("content-length: {length}\r\n\r\n")), "{text}");
        }
        let json = pages.answer(Asked { which: Which::Json, only_head: false });
        let value: serde_json::Value = serde_json::from_slice(&json[json.len() - 128..]).unwrap();
        assert_eq!(value["token"], "5f0c9a1e7b");
    }
}
