//! Remote: whether something at the other end of a connection works: TCP, HTTP, Redis, PostgreSQL.
//!
//! Each opens a fresh connection, which is what a new client meets, and asks the one question that costs the other end least. A
//! service with a pool asks through its pool instead, in a closure: that also says whether the pool has a connection to give.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{Check, Finding};

/// No more of an answer is read: its beginning says it all.
const ANSWER_MAX: usize = 4 * 1_024;

/// Whether somebody accepts connections at an address, `host:port`.
///
/// **When**: nothing better is spoken there. **When not**: a proxy or a balancer stands in between, which accepts whether or not
/// anybody is behind it.
#[derive(Clone, Debug)]
pub struct Tcp(String);

impl Tcp {
    /// At `host:port`; a name is looked up each time.
    pub fn at(address: impl Into<String>) -> Self {
        Self(address.into())
    }
}

impl Check for Tcp {
    async fn ask(&self) -> Finding {
        TcpStream::connect(&self.0).await.into()
    }
}

/// Whether a GET is answered with 200 to 399, what a kubelet takes for success. Plain HTTP; redirects are not followed.
///
/// **When**: another service without which this one can do nothing, at a path that costs it little (`/health/live`, and not `/health`).
/// **When not**: that service asks this one in turn: in a ring, one failure takes out all, and none comes back first.
#[derive(Clone, Debug)]
pub struct Http {
    address: String,
    request: String,
}

impl Http {
    /// A path of `host:port`. Of what cannot stand in a request (spaces, line breaks) nothing is sent.
    pub fn at(address: impl Into<String>, path: &str) -> Self {
        let address = address.into();
        let is_sound = |it: &str| it.bytes().all(|it| it.is_ascii_graphic());
        let request = match path.starts_with('/') && is_sound(path) && is_sound(&address) {
            true => format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"),
            false => String::new(),
        };
        Self { address, request }
    }

    async fn over<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Finding {
        if self.request.is_empty() {
            return Finding::fail("the path must begin with a slash and hold no spaces");
        }
        let line = first_line(stream, self.request.as_bytes()).await;
        let status = line.map(|it| {
            let mut words = it.split(' ');
            let is_http = words.next().is_some_and(|it| it.starts_with("HTTP/1."));
            words.next().filter(|_| is_http).and_then(|it| it.parse::<u16>().ok())
        });
        match status {
            Ok(Some(200..=399)) => Finding::pass(),
            Ok(Some(status)) => Finding::fail(format!("status {status}")),
            Ok(None) => Finding::fail("the answer is not HTTP"),
            Err(error) => Finding::fail(error),
        }
    }
}

impl Check for Http {
    async fn ask(&self) -> Finding {
        match TcpStream::connect(&self.address).await {
            Ok(stream) => self.over(stream).await,
            Err(error) => Finding::fail(error),
        }
    }
}

/// Whether a Redis answers `PING`. One that loads its data, or waits for its master, does not.
///
/// **When**: there is no pool, or checks must not use it up. **When not**: it is a cache and the policy is critical: without a cache
/// a service is slower, and without any instance it is gone.
#[derive(Clone)]
pub struct Redis {
    address: String,
    password: Option<String>,
}

impl std::fmt::Debug for Redis {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Redis {
    /// At `host:port`.
    pub fn at(address: impl Into<String>) -> Self {
        Self { address: address.into(), password: None }
    }

    /// Says this password first.
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// As arrays of strings with their lengths, so that a password may hold anything.
    async fn over<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) -> Finding {
        if let Some(password) = &self.password {
            let auth = format!("*2\r\n$4\r\nAUTH\r\n${}\r\n{password}\r\n", password.len());
            match first_line(&mut stream, auth.as_bytes()).await {
                Ok(line) if line == "+OK" => {}
                other => return complain(other),
            }
        }
        match first_line(&mut stream, b"*1\r\n$4\r\nPING\r\n").await {
            Ok(line) if line == "+PONG" => Finding::pass(),
            other => complain(other),
        }
    }
}

fn complain(line: io::Result<String>) -> Finding {
    match line {
        Ok(line) if line.starts_with('-') => Finding::fail(line.trim_start_matches('-')),
        Ok(_) => Finding::fail("the answer is not that of a Redis"),
        Err(error) => Finding::fail(error),
    }
}

impl Check for Redis {
    async fn ask(&self) -> Finding {
        match TcpStream::connect(&self.address).await {
            Ok(stream) => self.over(stream).await,
            Err(error) => Finding::fail(error),
        }
    }
}

/// Whether a PostgreSQL takes sessions, much as `pg_isready` asks: it is greeted, and asks who we are. No password is needed, and no
/// query is run; for that ask through your pool. Unlike there, one that refuses us fails: it is full, or takes nobody without TLS.
///
/// **When**: there is no pool, or checks must not use it up. **When not**: it matters that a query works: a password that expired, a
/// schema that is gone and a disk that is full go unseen.
#[derive(Clone, Debug)]
pub struct Postgres {
    address: String,
    user: String,
}

impl Postgres {
    /// At `host:port`, for a user; the database is that of the user's name.
    pub fn at(address: impl Into<String>, user: impl Into<String>) -> Self {
        Self { address: address.into(), user: user.into() }
    }

    /// Version 3.0 of the protocol: a length, the version, names and values that end with zero, and a zero.
    fn greeting(&self) -> Vec<u8> {
        let user: Vec<u8> = self.user.bytes().filter(|it| *it != 0).take(63).collect();
        let body = [&[0, 3, 0, 0], b"user\0".as_slice(), &user, &[0, 0]].concat();
        let length = (body.len() as u32 + 4).to_be_bytes();
        [length.as_slice(), &body].concat()
    }

    async fn over<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) -> Finding {
        match self.greet(&mut stream).await {
            Ok(finding) => finding,
            Err(error) => Finding::fail(error),
        }
    }

    async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
    ) -> io::Result<Finding> {
        stream.write_all(&self.greeting()).await?;
        let kind = stream.read_u8().await?;
        let length = stream.read_u32().await?.saturating_sub(4) as usize;
        match kind {
            b'R' => Ok(Finding::pass()),
            b'E' => {
                let mut body = vec![0; length.min(ANSWER_MAX)];
                stream.read_exact(&mut body).await?;
                Ok(Finding::fail(message(&body)))
            }
            _ => Ok(Finding::fail("the answer is not that of a PostgreSQL")),
        }
    }
}

/// The text for people of an error: fields of one letter and a text, each ended by a zero.
fn message(body: &[u8]) -> String {
    let mut fields = body.split(|it| *it == 0);
    let text = fields.find_map(|it| it.strip_prefix(b"M"));
    text.map_or_else(
        || "an error without a text".to_owned(),
        |it| String::from_utf8_lossy(it).into_owned(),
    )
}

impl Check for Postgres {
    async fn ask(&self) -> Finding {
        match TcpStream::connect(&self.address).await {
            Ok(stream) => self.over(stream).await,
            Err(error) => Finding::fail(error),
        }
    }
}

/// Says something, and hears the first line of the answer without its end.
async fn first_line<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    said: &[u8],
) -> io::Result<String> {
    stream.write_all(said).await?;
    let mut heard = Vec::new();
    while heard.len() < ANSWER_MAX {
        match stream.read_u8().await? {
            b'\n' => break,
            byte => heard.push(byte),
        }
    }
    Ok(String::from_utf8_lossy(&heard).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    /// The other end of a pipe that answers with this and hangs up.
    async fn says(answer: &[u8]) -> tokio::io::DuplexStream {
        let (ours, mut theirs) = tokio::io::duplex(8 * 1_024);
        theirs.write_all(answer).await.unwrap();
        tokio::spawn(async move {
            let mut rest = Vec::new();
            theirs.shutdown().await.unwrap();
            theirs.read_to_end(&mut rest).await.unwrap();
        });
        ours
    }

    #[tokio::test]
    async fn http_holds_for_what_a_kubelet_takes_for_success() {
        let check = Http::at("shop:80", "/health");
        for (answer, detail) in [
            (&b"HTTP/1.1 200 OK\r\n\r\n"[..], None),
            (b"HTTP/1.0 302 Found\r\n\r\n", None),
            (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", Some("status 503")),
            (b"SSH-2.0-OpenSSH\r\n", Some("the answer is not HTTP")),
        ] {
            let found = check.over(says(answer).await).await;
            assert_eq!(
                (found.status().is_up(), found.detail()),
                (detail.is_none(), detail.unwrap_or(""))
            );
        }
        for path in ["health", "/a b", "/a\r\nx: y"] {
            let found = Http::at("shop:80", path).over(says(b"HTTP/1.1 200 OK\r\n").await).await;
            assert_eq!(found.status(), Status::Fail, "{path}");
        }
    }

    #[tokio::test]
    async fn redis_must_say_pong() {
        let plain = Redis::at("cache:6379");
        assert!(plain.over(says(b"+PONG\r\n").await).await.status().is_up());
        let loading = plain.over(says(b"-LOADING Redis is loading the dataset\r\n").await).await;
        assert_eq!(loading.detail(), "LOADING Redis is loading the dataset");
        let with = plain.with_password("s3cret");
        assert!(with.over(says(b"+OK\r\n+PONG\r\n").await).await.status().is_up());
        let wrong = with.over(says(b"-WRONGPASS invalid\r\n").await).await;
        assert_eq!(wrong.detail(), "WRONGPASS invalid");
        assert!(!format!("{with:?}").contains("s3cret"));
        assert_eq!(with.over(says(b"").await).await.status(), Status::Fail);
    }

    #[tokio::test]
    async fn postgres_holds_once_it_asks_who_we_are() {
        let check = Postgres::at("db:5432", "app");
        assert_eq!(check.greeting(), b"\0\0\0\x12\0\x03\0\0user\0app\0\0");
        let asks = b"R\0\0\0\x08\0\0\0\x05";
        assert!(check.over(says(asks).await).await.status().is_up());
        let fields = b"SFATAL\0C57P03\0Mthe database system is starting up\0\0";
        let starting = [b"E".as_slice(), &(fields.len() as u32 + 4).to_be_bytes(), fields].concat();
        let found = check.over(says(&starting).await).await;
        assert_eq!(found.detail(), "the database system is starting up");
        let other = check.over(says(b"HTTP/1.1 400 Bad Request\r\n").await).await;
        assert_eq!(other.status(), Status::Fail);
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_fails_every_question() {
        // Bound but not listening: the port refuses, and nobody else can take it meanwhile.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap().to_string();
        assert_eq!(Tcp::at(&address).ask().await.status(), Status::Fail);
        assert_eq!(Http::at(&address, "/").ask().await.status(), Status::Fail);
        assert_eq!(Redis::at(&address).ask().await.status(), Status::Fail);
        assert_eq!(Postgres::at(&address, "app").ask().await.status(), Status::Fail);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert!(Tcp::at(&address).ask().await.status().is_up());
    }
}
