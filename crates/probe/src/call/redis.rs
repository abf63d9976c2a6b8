//! Redis: `PING`, and what the server says of itself.
//!
//! Its protocol (RESP 2) has lines that end with CR LF: `+word`, `-error`, and `$length`, which announces so many bytes.

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use super::line::Stream;
use super::notes::{Notes, Phase};
use super::{Trouble, short};
use crate::address::Address;

const LINE_BYTES_MAX: u64 = 4 * 1_024;
/// `INFO` of a large server is some kilobytes.
const TEXT_BYTES_MAX: u64 = 256 * 1_024;

const NAME_ALONE: &str = "there is a name and no password: give it as `REDISCLI_AUTH`, or in the URL, where a password alone is \
     written `redis://:PASSWORD@HOST`";

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reply {
    Text(String),
    Error(String),
}

pub(super) async fn ask(
    address: &Address,
    stream: Stream,
    notes: &mut Notes,
) -> Result<String, Trouble> {
    let mut session = Session(BufReader::new(stream));
    if address.user.is_some() && address.password.is_none() {
        return Err(Trouble::Unasked(NAME_ALONE.to_owned()));
    }
    if let Some(password) = &address.password {
        notes.enter(Phase::Login);
        let login = [Some("AUTH"), address.user.as_deref(), Some(password)];
        session.must(&login.into_iter().flatten().collect::<Vec<_>>()).await?;
    }
    match address.name().as_deref() {
        None => return Err("the database in the URL is no text".into()),
        Some("") => {}
        Some(database) => {
            session.must(&["SELECT", database]).await?;
        }
    }
    notes.enter(Phase::FirstByte);
    let pong = session.must(&["PING"]).await?;
    notes.enter(Phase::Rest);
    if pong != "PONG" {
        return Err("what answers is no Redis".into());
    }
    // Whoever may not ask for it is still answered.
    let Reply::Text(info) = session.says(&["INFO"]).await? else { return Ok(pong) };
    learn(&info, notes);
    match notes.facts.get("role").and_then(|it| it.as_str()) {
        Some(role) => Ok(format!("{pong}, {role}")),
        None => Ok(pong),
    }
}

/// Lines `name:value`.
fn learn(info: &str, notes: &mut Notes) {
    let value = |name: &str| {
        info.lines().find_map(|it| it.trim_end().strip_prefix(name)?.strip_prefix(':').map(short))
    };
    for (name, fact) in
        [("role", "role"), ("redis_version", "version"), ("master_link_status", "link")]
    {
        if let Some(it) = value(name) {
            notes.fact(fact, it);
        }
    }
    if let Some(loading) = value("loading") {
        notes.fact("loading", loading != "0");
    }
    // Of a replica: since when it has heard nothing of its master.
    let silent = value("master_last_io_seconds_ago").and_then(|it| it.parse::<u64>().ok());
    if let Some(silent) = silent {
        notes.fact("lag_seconds", silent);
    }
    if value("master_link_status").is_some_and(|it| it != "up") {
        notes.warnings.push("its link to its master is down".to_owned());
    }
}

struct Session<S>(BufReader<S>);

impl<S: super::line::Duplex> Session<S> {
    /// What is answered; an error of the server is one here.
    async fn must(&mut self, words: &[&str]) -> Result<String, Trouble> {
        match self.says(words).await? {
            Reply::Text(text) => Ok(text),
            Reply::Error(why) => Err(refused(&why).into()),
        }
    }

    async fn says(&mut self, words: &[&str]) -> Result<Reply, Trouble> {
        // As strings with their lengths, so that a password may hold anything.
        let mut said = format!("*{}\r\n", words.len());
        for it in words {
            said.push_str(&format!("${}\r\n{it}\r\n", it.len()));
        }
        self.0.write_all(said.as_bytes()).await?;
        self.0.flush().await?;
        self.hear().await
    }

    async fn hear(&mut self) -> Result<Reply, Trouble> {
        let none = || Trouble::from("what answers is no Redis");
        let line = self.line().await?;
        let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
        match line.split_first().ok_or_else(none)? {
            (b'+', word) => Ok(Reply::Text(text(word))),
            (b'-', why) => Ok(Reply::Error(text(why))),
            (b'$', length) => {
                let length = text(length).parse::<u64>().map_err(|_| none())?;
                if length > TEXT_BYTES_MAX {
                    return Err("it says more than any Redis would".into());
                }
                let mut bytes = Vec::new();
                (&mut self.0).take(length + 2).read_to_end(&mut bytes).await?;
                match bytes.strip_suffix(b"\r\n") {
                    Some(it) if it.len() as u64 == length => Ok(Reply::Text(text(it))),
                    _ => Err("the connection was closed half-way".into()),
                }
            }
            _ => Err(none()),
        }
    }

    async fn line(&mut self) -> Result<Vec<u8>, Trouble> {
        let mut line = Vec::new();
        (&mut self.0).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
        match line.strip_suffix(b"\r\n") {
            Some(it) => Ok(it.to_vec()),
            None if line.is_empty() => Err("the connection was closed half-way".into()),
            None => Err("what answers is no Redis".into()),
        }
    }
}

/// With what to do about it.
fn refused(why: &str) -> String {
    let help = match why.split(' ').next() {
        Some("NOAUTH") => ": give a password, as `REDISCLI_AUTH` or in the URL",
        Some("NOPERM") => ": grant it to the user",
        _ => "",
    };
    // One without the command repeats what came with it, and that is a password.
    let why = why.split(", with args beginning with").next().unwrap_or_default();
    format!("{}{help}", short(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    /// What comes of a server that says this, whatever it hears.
    async fn said(url: &str, answer: &[u8]) -> (Result<String, Trouble>, Notes) {
        let (ours, mut theirs) = duplex(1 << 20);
        theirs.write_all(answer).await.unwrap();
        theirs.shutdown().await.unwrap();
        let server = tokio::spawn(async move {
            let mut heard = Vec::new();
            drop(theirs.read_to_end(&mut heard).await);
        });
        let mut notes = Notes::begin(std::time::Duration::MAX);
        let address = Address::parse(url).unwrap();
        let said = ask(&address, Box::new(ours), &mut notes).await;
        server.await.unwrap();
        (said, notes)
    }

    #[tokio::test]
    async fn a_replica_says_of_whom_and_since_when() {
        let info = "# Server\r\nredis_version:7.0.15\r\nloading:0\r\nrole:slave\r\nmaster_link_status:down\r\nmaster_last_io_seconds_ago:12\r\n";
        let answer = format!("+PONG\r\n${}\r\n{info}\r\n", info.len());
        let (said, notes) = said("redis://cache", answer.as_bytes()).await;
        assert_eq!(said, Ok("PONG, slave".to_owned()));
        let facts = serde_json::to_value(&notes.facts).unwrap();
        let expected = serde_json::json!({"role": "slave", "version": "7.0.15", "loading": false, "link": "down", "lag_seconds": 12});
        assert_eq!(facts, expected);
        assert_eq!(notes.warnings, ["its link to its master is down"]);
    }

    #[tokio::test]
    async fn whoever_is_not_let_in_is_told_why() {
        for (url, answer, why) in [
            (
                "redis://cache",
                "-NOAUTH Authentication required.\r\n",
                "NOAUTH Authentication required.: give a password",
            ),
            ("redis://:x@cache", "-WRONGPASS invalid\r\n", "WRONGPASS invalid"),
            (
                "redis://:hush@cache",
                "-ERR unknown command 'AUTH', with args beginning with: 'hush' \r\n",
                "ERR unknown command 'AUTH'",
            ),
            ("redis://cache", "-LOADING Redis is loading\r\n", "LOADING Redis is loading"),
            ("redis://cache/99", "-ERR DB index is out of range\r\n", "ERR DB index"),
            ("redis://cache", "HTTP/1.1 400 Bad Request\r\n\r\n", "no Redis"),
            ("redis://cache", "", "closed half-way"),
            ("redis://cache", "+PONG\r\n$999999999\r\n", "more than any Redis would"),
            ("redis://cache", "+PONG\r\n$9\r\nhalf", "closed half-way"),
        ] {
            let (said, _) = said(url, answer.as_bytes()).await;
            let Err(Trouble::Unhealthy(found)) = said else { panic!("{answer}") };
            assert!(found.contains(why) && !found.contains("hush"), "{answer}: {found}");
        }
    }

    #[tokio::test]
    async fn whoever_may_only_ping_is_answered() {
        let (said, notes) = said("redis://cache", b"+PONG\r\n-NOPERM this user\r\n").await;
        assert_eq!((said, notes.facts.len()), (Ok("PONG".to_owned()), 0));
    }

    #[tokio::test]
    async fn a_name_without_a_password_is_not_passed_over() {
        let (said, _) = said("redis://app@cache", b"+PONG\r\n").await;
        assert_eq!(said, Err(Trouble::Unasked(NAME_ALONE.to_owned())));
    }

    #[tokio::test]
    async fn a_line_without_end_ends_the_question() {
        let (said, _) = said("redis://cache", &vec![b'+'; 100_000]).await;
        assert_eq!(said, Err("what answers is no Redis".into()));
    }
}
