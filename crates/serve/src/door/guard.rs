//! Guard: who may ask.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::answer::plain;

/// A token that can be guessed is none.
const TOKEN_MIN: usize = 16;
/// No token is longer.
const TOKEN_MAX: usize = 4 << 10;

/// What a request must bring to be let in. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Token(…)")
    }
}

/// A token that is none.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It could be guessed.
    #[error("a token of {0} characters can be guessed")]
    Short(usize),
    /// It cannot stand in a header.
    #[error("a token is at most {TOKEN_MAX} letters, digits and signs, without blanks")]
    Form,
}

impl Token {
    /// What a file holds, without the blanks around it.
    pub fn from_file(file: &Path) -> Result<Self, TokenError> {
        let unreadable = |cause| TokenError::Unreadable { file: file.to_owned(), cause };
        Self::new(std::fs::read_to_string(file).map_err(unreadable)?.trim())
    }

    /// A token of at least 16 characters.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        match text.len() {
            length if length < TOKEN_MIN => Err(TokenError::Short(length)),
            length if length > TOKEN_MAX => Err(TokenError::Form),
            _ if !text.bytes().all(|it| it.is_ascii_graphic()) => Err(TokenError::Form),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// Whether a header brings it; how long that takes says nothing of where it differs.
    fn is_in(&self, header: Option<&HeaderValue>) -> bool {
        let said = header.map_or(&[][..], HeaderValue::as_bytes);
        let given = match said.split_at_checked(7) {
            Some((scheme, given)) if scheme.eq_ignore_ascii_case(b"bearer ") => given,
            _ => return false,
        };
        let own = self.0.as_bytes();
        given.len() == own.len()
            && given.iter().zip(own).fold(0, |sum, (one, other)| sum | (one ^ other)) == 0
    }
}

/// Who is let in.
#[derive(Clone, Debug)]
pub enum Guard {
    /// Whoever is on this machine, and names the address as the host.
    Host,
    /// Whoever brings the token.
    Token(Token),
}

impl Guard {
    /// What is answered to a request at an address when it is not let in.
    pub(super) fn refusal(
        &self,
        address: SocketAddr,
        request: &Request<Incoming>,
    ) -> Option<Response<Full<Bytes>>> {
        let authority = request.uri().authority().map(hyper::http::uri::Authority::as_str);
        let (method, headers) = (request.method(), request.headers());
        match self {
            Self::Host if !is_own(address, authority.or_else(|| text(headers, header::HOST))) => {
                let text = format!("This is {address}, and answers to no other name.\n");
                Some(plain(StatusCode::MISDIRECTED_REQUEST, text))
            }
            Self::Host if is_of_another_page(address, method, headers) => {
                let text = "Pages of other servers are not answered.\n";
                Some(plain(StatusCode::FORBIDDEN, text))
            }
            Self::Host => None,
            Self::Token(token) if token.is_in(headers.get(header::AUTHORIZATION)) => None,
            Self::Token(_) => {
                let text = "Bring the token: `Authorization: Bearer TOKEN`.\n";
                let mut refusal = plain(StatusCode::UNAUTHORIZED, text);
                let scheme = HeaderValue::from_static("Bearer");
                refusal.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
                Some(refusal)
            }
        }
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether what a request names as its host is this address.
fn is_own(address: SocketAddr, named: Option<&str>) -> bool {
    let (is_usual, local) = (address.port() == 80, format!("localhost:{}", address.port()));
    let name = |it: &str| it.rsplit_once(':').map(|it| it.0.to_owned()).unwrap_or_default();
    named.is_some_and(|it| {
        let whole = address.to_string();
        let is_short = is_usual && (it == name(&whole) || it.eq_ignore_ascii_case("localhost"));
        it == whole || it.eq_ignore_ascii_case(&local) || is_short
    })
}

/// Whether a browser sends it for a page of another server, other than to go here by a link.
///
/// `Origin` comes with whatever a page sends elsewhere but reading, `Sec-Fetch-Site` with everything; who is no browser
/// sends neither. Source: <https://www.w3.org/TR/fetch-metadata/>.
fn is_of_another_page(address: SocketAddr, method: &Method, headers: &HeaderMap) -> bool {
    let is_foreign = |origin: &str| !is_own(address, origin.strip_prefix("http://"));
    let site = text(headers, HeaderName::from_static("sec-fetch-site"));
    let mode = text(headers, HeaderName::from_static("sec-fetch-mode"));
    let is_link = method == Method::GET && mode == Some("navigate");
    headers.get(header::ORIGIN).is_some_and(|it| it.to_str().map_or(true, is_foreign))
        || matches!(site, Some("cross-site" | "same-site")) && !is_link
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_brought_by_a_header_and_by_nothing_else() {
        let token = Token::new("0123456789abcdef").unwrap();
        let is_in = |text: &'static str| token.is_in(Some(&HeaderValue::from_static(text)));
        assert!(is_in("Bearer 0123456789abcdef") && is_in("bearer 0123456789abcdef"));
        for wrong in ["", "Bearer", "Bearer ", "0123456789abcdef", "Basic 0123456789abcdef"] {
            assert!(!is_in(wrong), "{wrong}");
        }
        assert!(!is_in("Bearer 0123456789abcdeF") && !is_in("Bearer 0123456789abcdef0"));
        assert!(!token.is_in(None));
    }

    #[test]
    fn pages_of_others_are_known_by_what_browsers_say_of_them() {
        let address: SocketAddr = "127.0.0.1:9090".parse().unwrap();
        let is_of_another = |method: &Method, said: &[(&'static str, &'static str)]| {
            let named = |it: &(&'static str, &'static str)| {
                (HeaderName::from_static(it.0), HeaderValue::from_static(it.1))
            };
            let headers: HeaderMap = said.iter().map(named).collect();
            is_of_another_page(address, method, &headers)
        };
        let (get, post) = (Method::GET, Method::POST);
        let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert!(!is_of_another(&get, &[]) && !is_of_another(&get, &link));
        assert!(is_of_another(&post, &link));
        for (name, value, expected) in [
            ("origin", "http://127.0.0.1:9090", false),
            ("origin", "http://localhost:9090", false),
            ("origin", "http://127.0.0.1:3000", true),
            ("origin", "https://127.0.0.1:9090", true),
            ("origin", "null", true),
            ("sec-fetch-site", "same-origin", false),
            ("sec-fetch-site", "none", false),
            ("sec-fetch-site", "same-site", true),
        ] {
            assert_eq!(is_of_another(&get, &[(name, value)]), expected, "{name}: {value}");
        }
    }

    #[test]
    fn the_usual_port_need_not_be_named() {
        let is_own = |at: &str, named| is_own(at.parse().unwrap(), Some(named));
        assert!(is_own("127.0.0.1:80", "127.0.0.1") && is_own("127.0.0.1:80", "localhost"));
        assert!(is_own("[::1]:80", "[::1]") && is_own("[::1]:81", "[::1]:81"));
        assert!(!is_own("127.0.0.1:81", "127.0.0.1") && !is_own("127.0.0.1:80", "localhost:81"));
    }

    #[test]
    fn a_token_that_can_be_guessed_or_sent_by_no_header_is_refused() {
        assert!(matches!(Token::new("secret"), Err(TokenError::Short(6))));
        assert!(matches!(Token::new("0123456789 abcdef"), Err(TokenError::Form)));
        assert!(matches!(Token::new(&"x".repeat(5_000)), Err(TokenError::Form)));
        assert_eq!(format!("{:?}", Token::new("0123456789abcdef").unwrap()), "Token(…)");
    }
}
