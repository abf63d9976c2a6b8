//! Shown: what of a URL, and of what is said, people may see.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Scheme;

/// What is shorter is found by chance in any text.
const SECRET_BYTES_MIN: usize = 4;

/// A URL without what is secret in it: `login` is what stands before the `@` of its authority, and `place` what stands after.
pub(super) fn without_secrets(
    scheme: Scheme,
    url: &str,
    authority: &str,
    login: Option<&str>,
    place: &str,
) -> String {
    let (name, rest) = url.split_once("://").unwrap_or_default();
    let mut shown = format!("{name}://");
    if let Some(login) = login {
        shown.push_str(&match login.split_once(':') {
            Some((user, _)) => format!("{user}:***@"),
            // To others a text alone is the password of a Redis.
            None if matches!(scheme, Scheme::Redis | Scheme::Rediss) => "***@".to_owned(),
            None => format!("{login}@"),
        });
    }
    shown.push_str(place);
    let rest = rest.strip_prefix(authority).unwrap_or_default();
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    shown.push_str(path);
    for (nth, pair) in query.split('&').filter(|it| !it.is_empty()).enumerate() {
        shown.push(if nth == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => shown.push_str(&format!("{name}=***")),
            _ => shown.push_str(pair),
        }
    }
    shown
}

/// A text without a secret that it may repeat, as it is or as a URL has it.
pub(super) fn hidden(text: &str, secret: &str) -> String {
    if secret.len() < SECRET_BYTES_MIN {
        return text.to_owned();
    }
    let escaped = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    text.replace(secret, "***").replace(&escaped, "***")
}

/// Whether a parameter of this name is told to nobody.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "secret", "token", "key", "sig", "auth", "cred"].iter().any(|it| name.contains(it))
}

/// A text that is no URL, without what stands where a URL has its credentials.
pub(super) fn masked(text: &str) -> String {
    let from = text.find("://").map_or(0, |it| it + 3);
    match text.rfind('@').and_then(|to| Some((text.get(..from)?, text.get(to..)?))) {
        Some((scheme, place)) if scheme.len() + place.len() <= text.len() => {
            format!("{scheme}***{place}")
        }
        _ => text.to_owned(),
    }
}
