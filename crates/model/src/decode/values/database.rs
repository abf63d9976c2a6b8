//! Values of databases: where they are, and what is in them.

use serde_json::json;

use super::cut;
use crate::decode::codec::{Naming, Problem, Takes, Word};
use crate::decode::codes;
use crate::document::{DatabaseUrl, DatabaseUrlError};

/// The URL of a server of PostgreSQL.
pub(in crate::decode) fn postgres_url() -> Naming<Word<DatabaseUrl>> {
    let parse =
        |text: &str| url(text, &["postgres", "postgresql"], "postgres://app@10.0.0.7/orders");
    let schema = || {
        let example = "postgres://app:${env:APP_PASSWORD}@10.0.0.7:5432/orders";
        json!({"pattern": r"^(?:postgres(?:ql)?://\S+|\$\{(?:env|file):[^}]+\}\S*)$", "examples": [example]})
    };
    Naming(Word { expected: "a URL of PostgreSQL", takes: Takes::Text, parse, schema })
}

/// The URL of a server of Redis.
pub(in crate::decode) fn redis_url() -> Naming<Word<DatabaseUrl>> {
    let parse = |text: &str| url(text, &["redis"], "redis://10.0.0.7:6379");
    let schema = || {
        let example = "redis://chaos:${env:REDIS_PASSWORD}@10.0.0.7:6379";
        json!({"pattern": r"^(?:redis://\S+|\$\{(?:env|file):[^}]+\}\S*)$", "examples": [example]})
    };
    Naming(Word { expected: "a URL of Redis", takes: Takes::Text, parse, schema })
}

fn url(text: &str, schemes: &[&str], example: &str) -> Result<DatabaseUrl, Problem> {
    let wrong = |code, message: String, help: &str| Err(Problem::new(code, message, help));
    match text.parse::<DatabaseUrl>() {
        Ok(url) if url.is_of(schemes) => Ok(url),
        Ok(_) | Err(DatabaseUrlError::Form) => {
            // It is not repeated: a password may stand in it.
            let message = "this is no URL of such a database".to_owned();
            wrong(codes::ADDRESS, message, &format!("Write it such as `{example}`."))
        }
        Err(error @ DatabaseUrlError::Placeholder(_)) => {
            let help = "Write `${env:NAME}` or `${file:PATH}`.";
            wrong(codes::REFERENCE, error.to_string(), help)
        }
        Err(error @ DatabaseUrlError::Password) => {
            let help = "Write `${env:NAME}` or `${file:PATH}` in its place: documents and reports are shown around.";
            wrong(codes::REFERENCE, error.to_string(), help)
        }
    }
}

/// The name of a role, a database or an application.
pub(in crate::decode) fn identifier() -> Word<String> {
    let parse = |text: &str| named(text, 63, "a role, a database or an application");
    let schema = || json!({"pattern": PRINTABLE, "examples": ["app"]});
    Word { expected: "a name", takes: Takes::Text, parse, schema }
}

/// The name of a table, with or without its schema.
pub(in crate::decode) fn table() -> Word<String> {
    let parse = |text: &str| named(text, 255, "a table");
    let schema = || json!({"pattern": PRINTABLE, "examples": ["public.orders"]});
    Word { expected: "the name of a table", takes: Takes::Text, parse, schema }
}

const PRINTABLE: &str = r"^(?!\s)[^\u0000-\u001f\u007f-\u009f]+(?<!\s)$";

fn named(text: &str, max: usize, what: &str) -> Result<String, Problem> {
    let fits = (1..=max).contains(&text.len())
        && !text.chars().any(char::is_control)
        && text.trim() == text;
    if fits {
        return Ok(text.to_owned());
    }
    let help = format!("Use 1 to {max} printable characters, without blanks at the ends.");
    Err(Problem::new(codes::NAME, format!("`{}` is not the name of {what}", cut(text)), help))
}
