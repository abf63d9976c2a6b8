//! Access: what a connection is opened with, once its secrets have been looked up.

use evenkeel_model::diagnostic::in_one_line;
use evenkeel_model::document::{self, Mechanism, Part, Reference, ResolveError, Sasl};
use rskafka::client::{Credentials, SaslConfig};

use crate::LoadError;
use crate::protocol::{CallError, websocket};
use crate::target::Opening;

/// What WebSockets are opened with.
pub(crate) fn opening(
    opening: &document::Opening,
    look_up: &impl Fn(&Reference) -> Result<String, ResolveError>,
) -> Result<Opening, LoadError> {
    let wrong = |error: CallError| LoadError::Scenario {
        reason: format!("a WebSocket cannot be opened like this: {error}"),
    };
    let mut headers = Vec::new();
    for (name, value) in &opening.headers {
        let value = steady(value, look_up)?;
        websocket::check_header(name, &value).map_err(wrong)?;
        headers.push((name.clone(), value));
    }
    let path = opening.path.as_ref().map(|it| steady(it, look_up)).transpose()?;
    if path.as_ref().is_some_and(|it| !websocket::is_path(it)) {
        let reason = "a path does not start with `/`, or holds characters that no path has";
        return Err(LoadError::Scenario {
            reason: format!("a WebSocket cannot be opened: {reason}"),
        });
    }
    let protocols = opening.protocols.clone();
    if let Some(it) = protocols.iter().find(|it| !websocket::is_name(it)) {
        let reason = format!("`{}` is not the name of a subprotocol", it.escape_default());
        return Err(LoadError::Scenario { reason });
    }
    Ok(Opening { path, headers, protocols })
}

/// As whom we come to brokers.
pub(crate) fn credentials(
    sasl: &Sasl,
    look_up: &impl Fn(&Reference) -> Result<String, ResolveError>,
) -> Result<SaslConfig, LoadError> {
    let who = Credentials::new(steady(&sasl.user, look_up)?, steady(&sasl.password, look_up)?);
    Ok(match sasl.mechanism {
        Mechanism::Plain => SaslConfig::Plain(who),
        Mechanism::ScramSha256 => SaslConfig::ScramSha256(who),
        Mechanism::ScramSha512 => SaslConfig::ScramSha512(who),
    })
}

/// A text that is the same for every connection.
fn steady(
    template: &document::Template,
    look_up: &impl Fn(&Reference) -> Result<String, ResolveError>,
) -> Result<String, LoadError> {
    let wrong = |reason: String| LoadError::Scenario { reason };
    let mut text = String::new();
    for part in template.resolve(look_up).map_err(|it| wrong(in_one_line(&it)))?.parts {
        match part {
            Part::Literal(it) => text.push_str(&it),
            Part::Reference(it) => return Err(wrong(format!("`{it}` was not looked up"))),
            Part::Slot(it) => {
                let reason =
                    format!("a connection serves many requests, and cannot be opened with `{it}`");
                return Err(wrong(reason));
            }
        }
    }
    Ok(text)
}
