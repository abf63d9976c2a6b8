//! Secrets that other tools wrote down: `${env:NAME}` stands in their place.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use evenkeel_model::document::{Part, Reference, Template};
use regex::Regex;

use crate::compose;
use crate::notes::Notes;

/// Words by which a header is one that holds a secret.
const HEADERS: [&str; 12] = [
    "authorization",
    "cookie",
    "token",
    "secret",
    "api-key",
    "api_key",
    "apikey",
    "password",
    "session",
    "csrf",
    "xsrf",
    "x-auth",
];

const FIELDS: &str = "password|passwd|passphrase|pwd|secret|client_secret|access_token|refresh_token|id_token|\
                      auth_token|token|api_key|apikey|api-key|private_key";

static IN_JSON: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = format!(r#"(?i)"({FIELDS})"\s*:\s*"((?:[^"\\]|\\.)+)""#);
    Regex::new(&pattern).expect("the pattern is fixed")
});

static IN_FORM: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = format!(r"(?i)(?:^|[?&])({FIELDS})=([^&#\s]+)");
    Regex::new(&pattern).expect("the pattern is fixed")
});

/// The names that were given to secrets so far. The same secret has the same name.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    names: BTreeMap<String, Vec<String>>,
}

/// Whether a header of this name holds a secret.
pub(crate) fn is_secret(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    HEADERS.iter().any(|it| header.contains(it))
}

impl Secrets {
    /// The value of a header, without what must stay secret.
    pub(crate) fn header(
        &mut self,
        place: &str,
        name: &str,
        value: Template,
        notes: &mut Notes,
    ) -> Template {
        let Some(text) = compose::plain(&value).filter(|it| !it.is_empty() && is_secret(name))
        else {
            return value;
        };
        let scheme = text.split_once(' ').map(|(scheme, _)| scheme).filter(|it| {
            name.to_ascii_lowercase().ends_with("authorization")
                && it.len() <= 16
                && it.bytes().all(|it| it.is_ascii_alphabetic())
        });
        let (base, secret) = match scheme {
            Some(it) if it.eq_ignore_ascii_case("bearer") => {
                ("BEARER_TOKEN".to_owned(), "the token")
            }
            Some(it) if it.eq_ignore_ascii_case("basic") => {
                ("BASIC_CREDENTIALS".to_owned(), "`name:password` in Base64")
            }
            _ => (screaming(name), "its value"),
        };
        let rest = scheme.map_or(text, |it| text.get(it.len() + 1..).unwrap_or_default());
        let variable = self.name(&base, rest);
        let why = format!(
            "secrets are not written down; set the environment variable `{variable}` to {secret}"
        );
        notes.add(place, format!("the value of the header `{name}`"), why);
        let mut kept = Template::default();
        if let Some(scheme) = scheme {
            compose::push_text(&mut kept, &format!("{scheme} "));
        }
        compose::push(&mut kept, Part::Reference(Reference::Env(variable)));
        kept
    }

    /// A body or a path, without the values of fields such as `password`.
    pub(crate) fn fields(&mut self, place: &str, text: Template, notes: &mut Notes) -> Template {
        let mut kept = Template::default();
        for part in text.parts {
            match part {
                Part::Literal(text) => {
                    compose::append(&mut kept, self.literal(place, &text, notes));
                }
                other => compose::push(&mut kept, other),
            }
        }
        kept
    }

    fn literal(&mut self, place: &str, text: &str, notes: &mut Notes) -> Template {
        let mut found: Vec<(usize, usize, String)> = Vec::new();
        for pattern in [&*IN_JSON, &*IN_FORM] {
            for groups in pattern.captures_iter(text) {
                if let (Some(field), Some(value)) = (groups.get(1), groups.get(2)) {
                    found.push((value.start(), value.end(), field.as_str().to_owned()));
                }
            }
        }
        found.sort();
        let mut kept = Template::default();
        let mut at = 0;
        for (start, end, field) in found {
            let (Some(before), Some(value)) = (text.get(at..start), text.get(start..end)) else {
                continue;
            };
            let variable = self.name(&screaming(&field), value);
            let why = format!(
                "secrets are not written down; set the environment variable `{variable}` to it, escaped as it was"
            );
            notes.add(place, format!("the value of the field `{field}`"), why);
            compose::push_text(&mut kept, before);
            compose::push(&mut kept, Part::Reference(Reference::Env(variable)));
            at = end;
        }
        compose::push_text(&mut kept, text.get(at..).unwrap_or_default());
        kept
    }

    /// The environment variable for a secret.
    pub(crate) fn name(&mut self, base: &str, secret: &str) -> String {
        let known = self.names.entry(base.to_owned()).or_default();
        let at = known.iter().position(|it| it == secret).unwrap_or_else(|| {
            known.push(secret.to_owned());
            known.len() - 1
        });
        if at == 0 { base.to_owned() } else { format!("{base}_{}", at + 1) }
    }
}

/// `x-api-key` → `X_API_KEY`.
fn screaming(name: &str) -> String {
    let upper = |it: char| if it.is_ascii_alphanumeric() { it.to_ascii_uppercase() } else { '_' };
    name.chars().take(64).map(upper).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_has_a_variable_of_its_own() {
        let (mut secrets, mut notes) = (Secrets::default(), Notes::default());
        let mut header = |name: &str, value: &str| {
            secrets.header("line 1", name, Template::literal(value), &mut notes).to_string()
        };
        assert_eq!(header("Authorization", "Bearer abc"), "Bearer ${env:BEARER_TOKEN}");
        assert_eq!(header("authorization", "Bearer abc"), "Bearer ${env:BEARER_TOKEN}");
        assert_eq!(header("authorization", "Bearer xyz"), "Bearer ${env:BEARER_TOKEN_2}");
        assert_eq!(header("cookie", "sid=1; a b=2"), "${env:COOKIE}");
        assert_eq!(header("accept", "text/html"), "text/html");
    }

    #[test]
    fn passwords_in_bodies_are_not_kept() {
        let (mut secrets, mut notes) = (Secrets::default(), Notes::default());
        let mut body =
            |text: &str| secrets.fields("line 1", Template::literal(text), &mut notes).to_string();
        assert_eq!(
            body(r#"{"user": "a", "password": "p\"q", "n": 1}"#),
            r#"{"user": "a", "password": "${env:PASSWORD}", "n": 1}"#
        );
        assert_eq!(body("user=a&password=hunter2&go=1"), "user=a&password=${env:PASSWORD_2}&go=1");
        assert_eq!(body("tokens=3"), "tokens=3");
    }
}
