//! Wire: one session with a PostgreSQL, as messages both ways, within bounds.

use std::io;
use std::iter::empty;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::{DataRowBody, ErrorResponseBody, Header, Message};
use postgres_protocol::message::frontend::{self, BindError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::NO_POSTGRES;
use crate::call::line::Stream;
use crate::call::{Trouble, short};

/// All that a server has to say before it lets somebody in; what says more is something else.
const LOGIN_BYTES_MAX: usize = 64 << 10;
/// An answer that anybody wants to read in one line is not longer.
const ANSWER_BYTES_MAX: usize = 4 << 20;

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
    stream: Stream,
    heard: BytesMut,
    is_let_in: bool,
    /// How much more is listened to.
    left: usize,
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, heard: BytesMut::new(), is_let_in: false, left: LOGIN_BYTES_MAX }
    }

    /// From here on it answers queries.
    pub(super) fn let_in(&mut self) {
        (self.is_let_in, self.left) = (true, ANSWER_BYTES_MAX);
    }

    /// Says what is written into the buffer.
    pub(super) async fn say(
        &mut self,
        write: impl FnOnce(&mut BytesMut) -> io::Result<()>,
    ) -> Result<(), Trouble> {
        let mut said = BytesMut::new();
        // Texts end with a zero on the wire, so that none can hold one.
        let unsaid = |error| Trouble::Unasked(format!("no PostgreSQL can be told this: {error}"));
        write(&mut said).map_err(unsaid)?;
        self.stream.write_all(&said).await?;
        Ok(self.stream.flush().await?)
    }

    /// Says goodbye, which nobody waits for.
    pub(super) async fn end(&mut self) {
        let said = |to: &mut BytesMut| {
            frontend::terminate(to);
            Ok(())
        };
        drop(self.say(said).await);
    }

    /// Waits for the first byte of the next message.
    pub(super) async fn begins(&mut self) -> Result<(), Trouble> {
        match self.heard.is_empty() {
            true => self.read().await,
            false => Ok(()),
        }
    }

    /// The next message.
    pub(super) async fn hear(&mut self) -> Result<Message, Trouble> {
        let none = |_| Trouble::from(NO_POSTGRES);
        loop {
            if let Some(header) = Header::parse(&self.heard).map_err(none)? {
                let length = header.len().unsigned_abs() as usize;
                let Some(left) = self.left.checked_sub(length) else {
                    return Err(match self.is_let_in {
                        true => "the answer is larger than 4 MiB: ask for one value".into(),
                        false => NO_POSTGRES.into(),
                    });
                };
                if let Some(message) = Message::parse(&mut self.heard).map_err(none)? {
                    self.left = left;
                    return Ok(message);
                }
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), Trouble> {
        match self.stream.read_buf(&mut self.heard).await? {
            0 => Err("the connection was closed half-way".into()),
            _ => Ok(()),
        }
    }

    /// What comes of one query: the inner error is that of the query.
    pub(super) async fn rows(&mut self) -> Result<Result<Rows, Trouble>, Trouble> {
        let mut rows = Rows::default();
        let mut error = None;
        loop {
            match self.hear().await? {
                Message::DataRow(row) => {
                    rows.many += 1;
                    if rows.many == 1 {
                        rows.first = columns(&row).map_err(|_| NO_POSTGRES)?;
                    }
                }
                Message::ErrorResponse(why) => error = Some(told(&why)),
                Message::CopyInResponse(_) | Message::CopyOutResponse(_) => {
                    return Err("a query that copies a table is none to probe with".into());
                }
                Message::ReadyForQuery(_) => return Ok(error.map_or(Ok(rows), |it| Err(it.into()))),
                _ => {}
            }
        }
    }
}

/// One statement by itself: of several the server refuses all, so that none ends the transaction in which the next one runs.
pub(super) fn statement(it: &str, to: &mut BytesMut) -> io::Result<()> {
    frontend::parse("", it, empty(), to)?;
    let nothing = |(), _: &mut BytesMut| Ok(IsNull::Yes);
    frontend::bind("", "", empty(), empty(), nothing, empty(), to).map_err(
        |error| match error {
            BindError::Serialization(error) => error,
            BindError::Conversion(error) => io::Error::other(error),
        },
    )?;
    frontend::execute("", 0, to)?;
    frontend::sync(to);
    Ok(())
}

fn columns(row: &DataRowBody) -> io::Result<Vec<Option<String>>> {
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    row.ranges().map(|it| Ok(it.and_then(|it| row.buffer().get(it)).map(text))).collect()
}

/// The message of an error, and its code.
pub(super) fn told(error: &ErrorResponseBody) -> String {
    let field = |letter: u8| {
        let found = error.fields().find(|it| Ok(it.type_() == letter)).ok().flatten();
        found.map(|it| short(&String::from_utf8_lossy(it.value_bytes())))
    };
    let message = field(b'M').unwrap_or_else(|| "an error without a text".to_owned());
    field(b'C').map_or_else(|| message.clone(), |code| format!("{message} ({code})"))
}

#[cfg(test)]
mod tests {
    use super::*;
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
        [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
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
    async fn what_cannot_be_said_is_not_asked() {
        let said = heard(b"").await.say(|to| statement("select '\0'", to)).await;
        assert!(matches!(said, Err(Trouble::Unasked(_))), "{said:?}");
    }

    #[tokio::test]
    async fn an_error_is_told_with_its_code() {
        let error = message(b'E', b"SFATAL\0C57P03\0Mthe database system is starting up\0\0");
        let Ok(Message::ErrorResponse(said)) = heard(&error).await.hear().await else { panic!() };
        assert_eq!(told(&said), "the database system is starting up (57P03)");
        let Ok(Message::ErrorResponse(said)) = heard(&message(b'E', b"Mhalf")).await.hear().await
        else {
            panic!()
        };
        assert_eq!(told(&said), "an error without a text");
    }

    #[tokio::test]
    async fn whoever_speaks_otherwise_or_without_end_is_not_listened_to() {
        for (bytes, why) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], "no PostgreSQL"),
            (b"SSH-2.0-OpenSSH", "no PostgreSQL"),
            (b"+PONG\r\n", "no PostgreSQL"),
            (b"J\0\0\0\x0a8.0.36", "no PostgreSQL"),
            (b"R\0\0\0\x03", "no PostgreSQL"),
            (b"R\xff\xff\xff\xff", "no PostgreSQL"),
            (b"D\0\x01\0\x01", "no PostgreSQL"),
            (b"D\0\0\xff\xff", "closed half-way"),
            (b"Z\0", "closed half-way"),
            (b"", "closed half-way"),
        ] {
            let Err(Trouble::Unhealthy(found)) = heard(bytes).await.hear().await else {
                panic!("{why}")
            };
            assert!(found.contains(why), "{found} for {why}");
        }
        let mut wire = heard(b"D\0\x40\0\x01").await;
        wire.let_in();
        assert_eq!(
            wire.rows().await,
            Err("the answer is larger than 4 MiB: ask for one value".into())
        );
        assert!(heard(&message(b'G', b"\0\0\0")).await.rows().await.is_err());
        assert!(heard(&message(b'D', b"\0\x01\0\0")).await.rows().await.is_err());
    }
}
