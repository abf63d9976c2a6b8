//! Wire: messages of the protocol of PostgreSQL: a letter, a length that counts itself, and what they hold.
//!
//! Source: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use crate::call::line::Stream;
use crate::call::{Trouble, short};

/// No message of an answer that anybody wants to read in one line is longer.
const MESSAGE_BYTES_MAX: u64 = 1 << 20;
/// Nor is all of it.
const HEARD_BYTES_MAX: u64 = 4 << 20;
const VERSION: [u8; 4] = [0, 3, 0, 0];

const NO_POSTGRES: &str = "what answers is no PostgreSQL";

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Who it wants us to show to be, or that it is content: a number, and what goes with it.
    Login(u32, Vec<u8>),
    /// A setting of the session.
    Parameter(String, String),
    /// It is our turn.
    Ready,
    /// A row: the text of each column.
    Row(Vec<Option<String>>),
    /// It wants the content of a table, or is about to send one.
    Copy,
    /// What is wrong, for people.
    Error(String),
    /// Something that nobody waits for.
    Other,
}

/// What came of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    /// How many.
    pub(super) many: u64,
    /// The columns of the first.
    pub(super) first: Vec<Option<String>>,
}

/// One session.
pub(super) struct Wire {
    stream: BufReader<Stream>,
    heard: u64,
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream: BufReader::new(stream), heard: 0 }
    }

    /// Says who asks for which database.
    pub(super) async fn greet(&mut self, user: &str, database: &str) -> Result<(), Trouble> {
        let mut body = VERSION.to_vec();
        for (name, value) in [
            ("user", user),
            ("database", database),
            ("application_name", "evenkeel"),
            ("client_encoding", "UTF8"),
        ] {
            body.extend(text(name));
            body.extend(text(value));
        }
        body.push(0);
        self.write(&[&length(&body), &body[..]].concat()).await
    }

    /// Shows who it is.
    pub(super) async fn say_login(&mut self, body: &[u8]) -> Result<(), Trouble> {
        self.write(&[b"p", &length(body)[..], body].concat()).await
    }

    /// Asks several, without a wait in between.
    pub(super) async fn say_queries(&mut self, queries: &[&str]) -> Result<(), Trouble> {
        let mut said = Vec::new();
        for it in queries {
            let body = text(it);
            said.extend([b"Q", &length(&body)[..], &body].concat());
        }
        self.write(&said).await
    }

    /// Says goodbye, which nobody waits for.
    pub(super) async fn end(&mut self) {
        drop(self.write(b"X\0\0\0\x04").await);
    }

    async fn write(&mut self, said: &[u8]) -> Result<(), Trouble> {
        self.stream.write_all(said).await?;
        Ok(self.stream.flush().await?)
    }

    /// What comes of one query: the inner error is that of the query.
    pub(super) async fn rows(&mut self) -> Result<Result<Rows, Trouble>, Trouble> {
        let mut rows = Rows::default();
        let mut error = None;
        loop {
            match self.hear().await? {
                Message::Row(row) => {
                    rows.many += 1;
                    if rows.many == 1 {
                        rows.first = row;
                    }
                }
                Message::Error(why) => error = Some(why),
                Message::Copy => {
                    return Err("a query that copies a table is none to probe with".into());
                }
                Message::Ready => return Ok(error.map_or(Ok(rows), |it| Err(it.into()))),
                _ => {}
            }
        }
    }

    /// The next message.
    pub(super) async fn hear(&mut self) -> Result<Message, Trouble> {
        let kind = self.stream.read_u8().await?;
        let length = u64::from(self.stream.read_u32().await?);
        let length = length.checked_sub(4).ok_or(NO_POSTGRES)?;
        if !b"ACDEGHIKNRSTVWZcdnstv123".contains(&kind) {
            return Err(NO_POSTGRES.into());
        }
        self.heard += length;
        if length > MESSAGE_BYTES_MAX || self.heard > HEARD_BYTES_MAX {
            return Err("the answer is larger than 1 MiB: ask for one value".into());
        }
        let mut body = Vec::new();
        (&mut self.stream).take(length).read_to_end(&mut body).await?;
        if body.len() as u64 != length {
            return Err("the connection was closed half-way".into());
        }
        read(kind, &body).ok_or_else(|| NO_POSTGRES.into())
    }
}

fn read(kind: u8, body: &[u8]) -> Option<Message> {
    Some(match kind {
        b'R' => {
            let (number, rest) = body.split_at_checked(4)?;
            Message::Login(u32::from_be_bytes(number.try_into().ok()?), rest.to_vec())
        }
        b'S' => {
            let mut parts = body.split(|it| *it == 0).map(lossy);
            Message::Parameter(parts.next()?, parts.next()?)
        }
        b'Z' => Message::Ready,
        b'D' => Message::Row(row(body)?),
        b'G' | b'H' | b'W' => Message::Copy,
        b'E' => Message::Error(error(body)),
        _ => Message::Other,
    })
}

/// A number of columns, and each with its length, which is -1 for none.
fn row(body: &[u8]) -> Option<Vec<Option<String>>> {
    let (many, mut rest) = body.split_at_checked(2)?;
    let many = u16::from_be_bytes(many.try_into().ok()?);
    let mut columns = Vec::new();
    for _ in 0..many {
        let (length, after) = rest.split_at_checked(4)?;
        let length = i32::from_be_bytes(length.try_into().ok()?);
        let Ok(length) = usize::try_from(length) else {
            columns.push(None);
            rest = after;
            continue;
        };
        let (value, after) = after.split_at_checked(length)?;
        columns.push(Some(lossy(value)));
        rest = after;
    }
    Some(columns)
}

/// Fields of a letter and a text: of them the message and the code.
fn error(body: &[u8]) -> String {
    let field = |letter: u8| {
        let mut fields = body.split(|it| *it == 0);
        fields
            .find_map(|it| it.split_first().filter(|it| *it.0 == letter))
            .map(|it| short(&lossy(it.1)))
    };
    let message = field(b'M').unwrap_or_else(|| "an error without a text".to_owned());
    field(b'C').map_or_else(|| message.clone(), |code| format!("{message} ({code})"))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Ended by a zero, so it cannot hold one.
pub(super) fn text(it: &str) -> Vec<u8> {
    it.bytes().filter(|it| *it != 0).chain([0]).collect()
}

fn length(body: &[u8]) -> [u8; 4] {
    (body.len() as u32 + 4).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::duplex;

    async fn heard(bytes: &[u8]) -> Wire {
        let (ours, mut theirs) = duplex(1 << 16);
        theirs.write_all(bytes).await.unwrap();
        theirs.shutdown().await.unwrap();
        // It stays, so that what is said to it does not fail.
        tokio::spawn(async move { drop(theirs.read_to_end(&mut Vec::new()).await) });
        Wire::new(Box::new(ours))
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind][..], &length(body), body].concat()
    }

    #[tokio::test]
    async fn the_first_row_is_kept_and_all_are_counted() {
        let one = message(b'D', b"\0\x02\0\0\0\x01a\xff\xff\xff\xff");
        let other = message(b'D', b"\0\0");
        let all =
            [message(b'T', b"\0\0"), one, other, message(b'C', b"SELECT 2\0"), message(b'Z', b"T")];
        let rows = heard(&all.concat()).await.rows().await.unwrap().unwrap();
        assert_eq!(rows, Rows { many: 2, first: vec![Some("a".to_owned()), None] });
    }

    #[tokio::test]
    async fn an_error_is_told_with_its_code() {
        let error = message(b'E', b"SFATAL\0C57P03\0Mthe database system is starting up\0\0");
        let said = heard(&error).await.hear().await;
        let expected = "the database system is starting up (57P03)".to_owned();
        assert_eq!(said, Ok(Message::Error(expected)));
    }

    #[tokio::test]
    async fn whoever_speaks_otherwise_or_without_end_is_not_listened_to() {
        for (bytes, why) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], "larger than 1 MiB"),
            (b"SSH-2.0-OpenSSH", "larger than 1 MiB"),
            (b"+PONG\r\n", "no PostgreSQL"),
            (b"R\0\0\0\x03", "no PostgreSQL"),
            (b"D\0\0\0\x08\0\x01\0\0", "no PostgreSQL"),
            (b"D\0\x0f\xff\xff", "closed half-way"),
            (b"Z\0", "closed half-way"),
            (b"", "closed half-way"),
        ] {
            let Err(Trouble::Unhealthy(found)) = heard(bytes).await.hear().await else {
                panic!("{why}")
            };
            assert!(found.contains(why), "{found} for {why}");
        }
        let copy = message(b'G', b"\0\0\0");
        assert!(heard(&copy).await.rows().await.is_err());
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(kind in prop_oneof![any::<u8>(), Just(b'D'), Just(b'E'), Just(b'S'), Just(b'R')], body in prop::collection::vec(any::<u8>(), 0..64)) {
            drop(read(kind, &body));
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            drop(runtime.block_on(async { heard(&message(kind, &body)).await.rows().await }));
        }
    }
}
