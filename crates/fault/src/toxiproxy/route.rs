//! Where requests lead.

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Reset,
    Populate,
    Version,
    Proxies,
    Proxy(String),
    Toxics(String),
    Toxic(String, String),
}

impl Route {
    /// The route of a path, without its query.
    pub(super) fn of(path: &str) -> Option<Self> {
        let path = decoded(path);
        let parts: Vec<_> = path.strip_prefix('/')?.split('/').collect();
        if parts.iter().any(|it| it.is_empty()) {
            return None;
        }
        Some(match parts.as_slice() {
            ["reset"] => Self::Reset,
            ["populate"] => Self::Populate,
            ["version"] => Self::Version,
            ["proxies"] => Self::Proxies,
            ["proxies", proxy] => Self::Proxy((*proxy).to_owned()),
            ["proxies", proxy, "toxics"] => Self::Toxics((*proxy).to_owned()),
            ["proxies", proxy, "toxics", toxic] => {
                Self::Toxic((*proxy).to_owned(), (*toxic).to_owned())
            }
            _ => return None,
        })
    }
}

/// With `%20` and the like as what they stand for.
fn decoded(path: &str) -> String {
    let mut bytes = path.bytes().peekable();
    let mut plain = Vec::with_capacity(path.len());
    let digit = |it: Option<u8>| it.and_then(|it| char::from(it).to_digit(16));
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                plain.push((high * 16 + low) as u8);
                bytes = ahead;
            }
            _ => plain.push(byte),
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_toxiproxy_leads_them() {
        let proxy = |it: &str| Some(Route::Proxy(it.to_owned()));
        assert_eq!(Route::of("/proxies/a%20b"), proxy("a b"));
        assert_eq!(Route::of("/proxies/100%"), proxy("100%"));
        assert_eq!(Route::of("/proxies/%C3%A9"), proxy("é"));
        let toxic = Route::Toxic("a".to_owned(), "b".to_owned());
        assert_eq!(Route::of("/proxies/a/toxics/b"), Some(toxic));
        for none in ["", "/", "proxies", "/proxies/", "//proxies", "/proxies/a/b", "/metrics"] {
            assert_eq!(Route::of(none), None, "{none}");
        }
    }
}
