//! Cookies: what the service asked a user to send back.
//!
//! A user talks to one service, so domain and path do not matter; expiry does only where it means deletion.

/// The cookies of one user, as the header that sends them back.
#[derive(Clone, Debug, Default)]
pub(super) struct Cookies {
    header: Vec<u8>,
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Cookies {
    /// Takes the value of a `set-cookie`.
    pub(super) fn set(&mut self, value: &[u8]) {
        let mut parts = value.split(|it| *it == b';').map(<[u8]>::trim_ascii);
        let pair = parts.next().unwrap_or_default();
        let Some(equals) = memchr::memchr(b'=', pair) else { return };
        let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        if name.is_empty() {
            return;
        }
        let lower = |it: &[u8]| it.to_ascii_lowercase();
        let is_gone = parts.any(|it| {
            let it = lower(it);
            it.strip_prefix(b"max-age=").is_some_and(|age| age == b"0" || age.starts_with(b"-"))
                || (it.starts_with(b"expires=") && memchr::memmem::find(&it, b"1970").is_some())
        });
        self.pairs.retain(|(it, _)| it != name);
        if !is_gone {
            self.pairs.push((name.to_vec(), value.to_vec()));
        }
        self.header.clear();
        for (name, value) in &self.pairs {
            if !self.header.is_empty() {
                self.header.extend_from_slice(b"; ");
            }
            self.header.extend_from_slice(name);
            self.header.push(b'=');
            self.header.extend_from_slice(value);
        }
    }

    /// The value of the header, when there is any cookie.
    pub(super) fn header(&self) -> Option<&[u8]> {
        (!self.header.is_empty()).then_some(&*self.header)
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.header.clear();
        self.pairs.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_replaced_and_deleted_by_name() {
        let mut cookies = Cookies::default();
        assert_eq!(cookies.header(), None);
        for value in ["a=1; Path=/; HttpOnly", "b=2", "a=3", "nonsense", "=x"] {
            cookies.set(value.as_bytes());
        }
        assert_eq!(cookies.header(), Some(&b"b=2; a=3"[..]));
        cookies.set(b"b=; Max-Age=0");
        cookies.set(b"a=gone; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(cookies.header(), None);
    }
}
