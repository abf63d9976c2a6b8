//! Requests: written once, before the load, and then only copied to the socket.

/// A request cannot be written. Says what, never the text, which may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("its method is not one word of letters")]
    Method,
    #[error("its path does not start with `/`, or holds spaces or control characters")]
    Path,
    #[error("`{name}` is not the name of a header")]
    HeaderName { name: String },
    #[error("the value of its header `{name}` holds a line break or another control character")]
    HeaderValue { name: String },
    #[error("its header `{name}` is ours to send; leave it out")]
    HeaderOurs { name: String },
}

/// The bytes of a request.
pub(crate) fn encode(
    host: &str,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: Option<&str>,
) -> Result<Vec<u8>, RequestError> {
    if method.is_empty() || !method.bytes().all(is_token) {
        return Err(RequestError::Method);
    }
    if !path.starts_with('/') || path.bytes().any(|it| it <= b' ' || it == 0x7f) {
        return Err(RequestError::Path);
    }
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
    let given = |name: &str| headers.iter().any(|(it, _)| it.eq_ignore_ascii_case(name));
    if !given("user-agent") {
        request.push_str(concat!("user-agent: evenkeel/", env!("CARGO_PKG_VERSION"), "\r\n"));
    }
    if !given("connection") {
        request.push_str("connection: keep-alive\r\n");
    }
    // A body of nothing is said where a server would otherwise wait for one (RFC 9110 §8.6).
    if body.is_some() || matches!(method, "POST" | "PUT" | "PATCH") {
        let length = body.map_or(0, str::len);
        request.push_str(&format!("content-length: {length}\r\n"));
    }
    for (name, value) in headers {
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(RequestError::HeaderName { name: name.clone() });
        }
        if ["host", "content-length", "transfer-encoding"].contains(&&*name.to_ascii_lowercase()) {
            return Err(RequestError::HeaderOurs { name: name.clone() });
        }
        if value.bytes().any(|it| (it < b' ' && it != b'\t') || it == 0x7f) {
            return Err(RequestError::HeaderValue { name: name.clone() });
        }
        request.extend([name, ": ", value.trim(), "\r\n"]);
    }
    request.push_str("\r\n");
    request.push_str(body.unwrap_or_default());
    Ok(request.into_bytes())
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
