//! Answer: what is asked for over HTTP, who may see how much of it, and what is said.
//!
//! Nothing here knows a framework: a question is a few borrowed words of a request, a reply is a status, a type and a body.

use std::borrow::Cow;
use std::net::IpAddr;

/// Which probe is asked.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/health`: how the service is, for people, pages and balancers.
    Overall,
    /// `/health/live`: whether a restart is needed.
    Live,
    /// `/health/ready`: whether requests are welcome.
    Ready,
    /// `/health/startup`: whether it has started.
    Startup,
}

impl Endpoint {
    /// All of them, each at its own number.
    pub(crate) const ALL: [Self; 4] = [Self::Overall, Self::Live, Self::Ready, Self::Startup];

    /// By its path, without the query; `None` for a path that is not ours.
    pub fn at(path: &str) -> Option<Self> {
        Self::below(path.strip_prefix("/health")?)
    }

    /// By what is left of its path below that of the health.
    pub(crate) fn below(rest: &str) -> Option<Self> {
        match rest {
            "" | "/" => Some(Self::Overall),
            "/live" => Some(Self::Live),
            "/ready" => Some(Self::Ready),
            "/startup" => Some(Self::Startup),
            _ => None,
        }
    }
}

/// What matters of a request.
///
/// ```
/// use evenkeel_health::Question;
///
/// let question = Question { path: "/health", ..Question::get("/health") };
/// assert_eq!(question.query, None);
/// ```
#[derive(Copy, Clone, Debug)]
pub struct Question<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// What stands behind the `?`.
    pub query: Option<&'a str>,
    /// The other end of the connection, where that is known. Without it nobody comes over loopback.
    pub peer: Option<IpAddr>,
    /// Whether a proxy says that it passes this on: a header `Forwarded`, `Via`, `X-Real-IP` or one that begins with `X-Forwarded-`
    /// is there.
    pub forwarded: bool,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
    /// The header `Accept`.
    pub accept: Option<&'a str>,
}

impl<'a> Question<'a> {
    /// A plain GET from nowhere.
    pub const fn get(path: &'a str) -> Self {
        Self {
            method: "GET",
            path,
            query: None,
            peer: None,
            forwarded: false,
            authorization: None,
            accept: None,
        }
    }

    /// What matters of a request that came from this peer: the other end of its socket, whatever its headers say.
    ///
    /// ```
    /// use evenkeel_health::Question;
    ///
    /// let request = http::Request::get("/health?verbose").header("X-Forwarded-For", "10.0.0.7").body(())?;
    /// let question = Question::of(&request, Some([127, 0, 0, 1].into()));
    /// assert_eq!((question.path, question.query, question.forwarded), ("/health", Some("verbose"), true));
    /// # Ok::<(), http::Error>(())
    /// ```
    #[cfg(feature = "http")]
    pub fn of<B>(request: &'a http::Request<B>, peer: Option<IpAddr>) -> Self {
        let headers = request.headers();
        let text = |name| headers.get(name).and_then(|it| it.to_str().ok());
        Self {
            method: request.method().as_str(),
            path: request.uri().path(),
            query: request.uri().query(),
            peer,
            forwarded: headers.keys().any(|it| is_of_a_proxy(it.as_str())),
            authorization: text(http::header::AUTHORIZATION),
            accept: text(http::header::ACCEPT),
        }
    }

    /// Whether the query has a word, such as `verbose` of `?verbose`.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.query.is_some_and(|it| it.split('&').any(|it| it == word))
    }

    /// Whether the draft's format is wanted.
    pub(crate) fn wants_draft(&self) -> bool {
        self.accept.is_some_and(|it| {
            it.split(',').any(|it| it.trim().split(';').next() == Some(HEALTH_JSON))
        })
    }
}

/// Whether a header of this name says that a proxy passes a request on. Some proxies of a mesh say where from to nobody, but all of
/// them how it came: `X-Forwarded-Proto`.
#[cfg(any(feature = "http", feature = "server"))]
pub(crate) fn is_of_a_proxy(header: &str) -> bool {
    let begins = |it: &str| header.get(..it.len()).is_some_and(|had| had.eq_ignore_ascii_case(it));
    begins("x-forwarded-")
        || ["forwarded", "via", "x-real-ip"].iter().any(|it| header.eq_ignore_ascii_case(it))
}

/// What is said. Nothing of it may be cached on the way: `Cache-Control: no-store` belongs to each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status of HTTP: 200 if all is well, 503 if not, 405 for a method that asks nothing.
    pub status: u16,
    /// The type of the body.
    pub content_type: &'static str,
    /// The body; constant bytes unless it has details.
    pub body: Cow<'static, str>,
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const HEALTH_JSON: &str = "application/health+json";

impl Reply {
    pub(crate) const fn wrong_method() -> Self {
        let body = Cow::Borrowed(r#"{"error":"only GET and HEAD ask for health"}"#);
        Self { status: 405, content_type: JSON, body }
    }
}

/// Who may see details: the names of dependencies, the errors of drivers, the numbers of the host. Whoever can reach a probe learns a
/// word; this is for those who work on the service.
///
/// A request that a proxy forwarded does not come over loopback, whatever its socket says.
#[derive(Clone, Default)]
pub struct Access {
    token: Option<String>,
    loopback: Loopback,
}

#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
enum Loopback {
    #[default]
    Sees,
    IsAStranger,
}

impl std::fmt::Debug for Access {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.token.as_ref().map(|_| "…");
        f.debug_struct("Access").field("token", &token).field("loopback", &self.loopback).finish()
    }
}

impl Access {
    /// Only who brings `Authorization: Bearer TOKEN`. An empty token lets nobody in.
    pub fn by_token(token: impl Into<String>) -> Self {
        Self {
            token: Some(token.into()).filter(|it| !it.is_empty()),
            loopback: Loopback::IsAStranger,
        }
    }

    /// Also who comes over loopback.
    pub const fn or_loopback(mut self) -> Self {
        self.loopback = Loopback::Sees;
        self
    }

    /// Nobody.
    pub const fn nobody() -> Self {
        Self { token: None, loopback: Loopback::IsAStranger }
    }

    /// Whether this one may.
    pub(crate) fn sees(&self, question: &Question<'_>) -> bool {
        let is_here =
            !question.forwarded && question.peer.is_some_and(|it| it.to_canonical().is_loopback());
        (is_here && self.loopback == Loopback::Sees) || self.knows(question.authorization)
    }

    fn knows(&self, authorization: Option<&str>) -> bool {
        let brought = authorization.and_then(|it| {
            let (scheme, token) = it.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        match (&self.token, brought) {
            (Some(ours), Some(theirs)) => is_same(ours.as_bytes(), theirs.as_bytes()),
            _ => false,
        }
    }
}

/// Compares in a time that does not say how much of it is right.
fn is_same(ours: &[u8], theirs: &[u8]) -> bool {
    let differs = ours.iter().zip(theirs).fold(0, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(differs) == 0 && ours.len() == theirs.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(question: Question<'_>) -> Question<'_> {
        Question { peer: Some("127.0.0.1".parse().unwrap()), ..question }
    }

    #[test]
    fn only_our_paths_are_ours() {
        assert_eq!(Endpoint::at("/health"), Some(Endpoint::Overall));
        assert_eq!(Endpoint::at("/health/ready"), Some(Endpoint::Ready));
        for path in ["/", "/healthy", "/health/else", "/health/ready/", "health", ""] {
            assert_eq!(Endpoint::at(path), None, "{path}");
        }
    }

    #[test]
    fn loopback_sees_unless_a_proxy_stands_between() {
        let access = Access::default();
        let question = here(Question::get("/health"));
        assert!(access.sees(&question));
        assert!(
            access.sees(&Question { peer: Some("::ffff:127.0.0.1".parse().unwrap()), ..question })
        );
        assert!(!access.sees(&Question { forwarded: true, ..question }));
        assert!(!access.sees(&Question { peer: Some("10.0.0.1".parse().unwrap()), ..question }));
        assert!(!access.sees(&Question::get("/health")));
        assert!(!Access::nobody().sees(&question));
    }

    #[test]
    fn a_token_is_compared_as_a_whole() {
        let access = Access::by_token("s3cret");
        let with = |it| Question { authorization: Some(it), ..here(Question::get("/health")) };
        assert!(access.sees(&with("Bearer s3cret")));
        assert!(access.sees(&with("bearer s3cret")));
        for wrong in ["Bearer s3cre", "Bearer s3cret2", "Bearer ", "Basic s3cret", "s3cret", ""] {
            assert!(!access.sees(&with(wrong)), "{wrong}");
        }
        assert!(!Access::by_token("").sees(&with("Bearer ")));
        assert!(access.or_loopback().sees(&here(Question::get("/health"))));
        assert!(!format!("{:?}", Access::by_token("s3cret")).contains("s3cret"));
    }
}
