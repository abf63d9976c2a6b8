//! What a URL of a Redis says: `redis://USER:PASSWORD@HOST:PORT`, of which only the host is a must.

use std::str::FromStr;

/// Where a Redis answers, and as whom it is asked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// None of its own: the user `default`.
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

/// A text is no URL of a Redis. The message does not repeat it: a password may stand in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its URL is not of the form `redis://USER:PASSWORD@HOST:PORT`, without TLS")]
pub(crate) struct AddressError;

const PORT: u16 = 6379;

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let rest = text.strip_prefix("redis://").ok_or(AddressError)?;
        // What follows is the number of a database, which clients do not belong to.
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let (who, place) = match authority.rsplit_once('@') {
            Some((who, place)) => (Some(who), place),
            None => (None, authority),
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(it) => it.split_once(']').ok_or(AddressError)?,
            None => place.split_at(place.find(':').unwrap_or(place.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(it) => it.parse().map_err(|_| AddressError)?,
            None if port.is_empty() => PORT,
            None => return Err(AddressError),
        };
        if host.is_empty() {
            return Err(AddressError);
        }
        let (user, password) = match who.map(|it| it.split_once(':').unwrap_or((it, ""))) {
            Some((user, password)) => (some(user)?, some(password)?),
            None => (None, None),
        };
        Ok(Self { host: host.to_owned(), port, user, password })
    }
}

/// What a part of a URL stands for, if for anything.
fn some(part: &str) -> Result<Option<String>, AddressError> {
    let mut bytes = Vec::new();
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|it| char::from(it).to_digit(16));
        let (high, low) = digit().zip(digit()).ok_or(AddressError)?;
        bytes.push((high * 16 + low) as u8);
    }
    let text = String::from_utf8(bytes).map_err(|_| AddressError)?;
    Ok(Some(text).filter(|it| !it.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_url_says_where_and_as_whom() {
        for (url, host, port, user, password) in [
            ("redis://10.0.0.7", "10.0.0.7", 6379, None, None),
            ("redis://db:6380/3", "db", 6380, None, None),
            ("redis://:p%40ss%2Fw@[::1]:7", "::1", 7, None, Some("p@ss/w")),
            ("redis://chaos:it@db?x=y", "db", 6379, Some("chaos"), Some("it")),
        ] {
            let [user, password] = [user, password].map(|it| it.map(str::to_owned));
            let expected = Address { host: host.to_owned(), port, user, password };
            assert!(url.parse::<Address>() == Ok(expected), "{url}");
        }
    }

    proptest! {
        #[test]
        fn what_is_no_url_is_refused_without_its_password(text in "(rediss?://)?[a:@%\\[\\]/é0]{0,12}") {
            if let Err(error) = text.parse::<Address>() {
                prop_assert_eq!(error, AddressError);
            }
        }
    }
}
