//! Where a database answers, and what it takes to be let in.
//!
//! `postgres://app:${env:APP_PASSWORD}@10.0.0.7/orders`: documents hold no password, only where it is kept, so plans,
//! journals and reports do not either. Whoever connects looks it up, just before.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::document::{FileName, Part, Reference, ResolveError, Template};

/// The URL of a database, in which every password is a reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct DatabaseUrl(Template);

/// A text is no URL of a database that may stand in a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// It has another form.
    #[error("it is no URL such as `SCHEME://USER@HOST:PORT/NAME`")]
    Form,
    /// A placeholder of another kind, or one that is not closed.
    #[error("{0}")]
    Placeholder(String),
    /// The message must not repeat it.
    #[error("a password stands in the document")]
    Password,
}

/// Stands for a reference while the rest is looked at; no URL holds it.
const HOLE: char = '\0';

impl DatabaseUrl {
    /// With every reference looked up. What stands within a URL is escaped; a URL that is kept whole is not.
    ///
    /// # Errors
    /// When `look_up` cannot read one.
    pub fn resolve(
        &self,
        look_up: impl Fn(&Reference) -> Result<String, ResolveError>,
    ) -> Result<String, ResolveError> {
        let mut text = String::new();
        for part in &self.0.parts {
            match part {
                Part::Literal(it) => text.push_str(it),
                Part::Reference(it) if self.0.parts.len() == 1 => text = look_up(it)?,
                Part::Reference(it) => text.push_str(&escaped(&look_up(it)?)),
                Part::Slot(_) => {}
            }
        }
        Ok(text)
    }

    /// Whether it begins with one of these, as far as the document says.
    pub fn is_of(&self, schemes: &[&str]) -> bool {
        let text = shape(&self.0);
        text.starts_with(HOLE) || schemes.iter().any(|it| scheme(&text) == Some(it))
    }

    /// The files that it refers to.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut FileName> {
        self.0.files_mut()
    }
}

/// The text with a hole for each reference.
fn shape(of: &Template) -> String {
    let text = of.parts.iter().map(|it| match it {
        Part::Literal(text) => text.clone(),
        Part::Reference(_) | Part::Slot(_) => HOLE.to_string(),
    });
    text.collect()
}

fn scheme(url: &str) -> Option<&str> {
    url.split_once("://").map(|(it, _)| it)
}

/// What may follow the first bytes of a URL and mean only itself, as in RFC 3986.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        // What may stand there otherwise is of no use here.
        let first = |it: String| it.split(": ").next().unwrap_or_default().to_owned();
        let read = Template::parse(text).map_err(|it| DatabaseUrlError::Placeholder(first(it)))?;
        if let Some(slot) = read.slots().next() {
            let message = format!("`{slot}` is a value of the moment, and a database has one URL");
            return Err(DatabaseUrlError::Placeholder(message));
        }
        let url = shape(&read);
        if url == HOLE.to_string() {
            return Ok(Self(read));
        }
        if text.contains(HOLE) || text.contains(char::is_whitespace) {
            return Err(DatabaseUrlError::Form);
        }
        let (_, rest) = url.split_once("://").ok_or(DatabaseUrlError::Form)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let authority = path.split('/').next().unwrap_or_default();
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let kept = |it: &str| it.chars().all(|it| it == HOLE);
        let password = user.split_once(':').map_or("", |(_, it)| it);
        let secrets = query.split('&').filter_map(|it| it.split_once('='));
        let mut secrets = secrets.filter(|(name, _)| name.contains("pass"));
        if !kept(password) || secrets.any(|(_, it)| !kept(it)) {
            return Err(DatabaseUrlError::Password);
        }
        // What looks like a port and is none may be the front of a password with a slash in it.
        let port = host.rsplit_once(':').filter(|_| !host.ends_with(']')).map_or("", |(_, it)| it);
        if port.chars().any(|it| !it.is_ascii_digit() && it != HOLE)
            || path.matches('@').count() > 1
        {
            return Err(DatabaseUrlError::Password);
        }
        if host.is_empty() && path == authority && query.is_empty() {
            return Err(DatabaseUrlError::Form);
        }
        Ok(Self(read))
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = DatabaseUrlError;

    fn try_from(text: String) -> Result<Self, DatabaseUrlError> {
        text.parse()
    }
}

impl From<DatabaseUrl> for String {
    fn from(it: DatabaseUrl) -> Self {
        it.0.to_string()
    }
}

impl fmt::Display for DatabaseUrl {
    /// For people: where it is, without who asks and how.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let rest = text.split_once("://").map_or(text.as_str(), |(_, it)| it);
        if rest.starts_with("${") && rest.ends_with('}') {
            return f.write_str(rest);
        }
        let place = rest.rsplit_once('@').map_or(rest, |(_, it)| it);
        f.write_str(place.split('?').next().unwrap_or(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look_up(_: &Reference) -> Result<String, ResolveError> {
        Ok("p@ss/wörd".to_owned())
    }

    #[test]
    fn what_is_kept_elsewhere_is_escaped_and_a_whole_url_is_not() {
        for (written, resolved) in [
            ("postgres://app:${env:IT}@db/shop", "postgres://app:p%40ss%2Fw%C3%B6rd@db/shop"),
            ("${env:IT}", "p@ss/wörd"),
            ("redis://10.0.0.7:6379", "redis://10.0.0.7:6379"),
        ] {
            let url: DatabaseUrl = written.parse().unwrap();
            assert_eq!(url.resolve(look_up).unwrap(), resolved);
            assert_eq!(String::from(url), written);
        }
    }

    #[test]
    fn people_see_where_it_is() {
        for (written, shown) in [
            ("postgres://app:${file:/run/secret}@db:5433/shop?sslmode=require", "db:5433/shop"),
            ("postgres://localhost/shop", "localhost/shop"),
            ("${env:DATABASE_URL}", "${env:DATABASE_URL}"),
        ] {
            assert_eq!(written.parse::<DatabaseUrl>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn no_password_stands_in_a_document() {
        for text in [
            "postgres://app:secret@db/shop",
            "postgres://app:se${env:CRET}@db/shop",
            "postgres://app@db/shop?password=secret",
            "postgres://app:se/cret@db/shop",
            "redis://:secret@db",
        ] {
            let error = text.parse::<DatabaseUrl>().unwrap_err();
            assert_eq!(error, DatabaseUrlError::Password, "{text}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for text in ["", "db:5432", "postgres://", "postgres://a b/c", "${run:time}", "${env:"] {
            assert!(text.parse::<DatabaseUrl>().is_err(), "{text}");
        }
    }
}
