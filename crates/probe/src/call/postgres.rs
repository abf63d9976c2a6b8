//! PostgreSQL: a session, a query, and what the server says of itself.
//!
//! The query runs in a transaction that may write nothing, and the server ends it when we have given up: a probe changes nothing,
//! and leaves no work behind.
//!
//! Messages and logins are those of `postgres-protocol`, which rust-postgres is built on; a whole client would hide how long each
//! part takes, and read without bounds.
//!
//! ```text
//! wire   a session: messages both ways, within bounds
//! login  whoever asks shows who they are: in clear, MD5, SCRAM
//! ```

mod login;
mod wire;

use bytes::BytesMut;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::line::Stream;
use super::notes::{Notes, Phase};
use super::{Call, Trouble, short};
use crate::address::Address;
use crate::tls::Trust;

use wire::{Rows, Wire, statement, told};

const NO_POSTGRES: &str = "what answers is no PostgreSQL";

/// Whether it is a standby, whether it takes writes, and how far a standby is behind: nothing when all that was received is applied
/// and more would be received.
const STATE: &str = "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only'), \
     CASE WHEN NOT pg_is_in_recovery() THEN NULL \
     WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0 \
     ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END";

/// Who sees and changes what is said.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Cover {
    /// Everybody on the way.
    None,
    /// Nobody who only listens; whoever answers may be anybody.
    Unverified,
    /// Nobody.
    Verified,
}

pub(super) async fn ask(
    call: &Call,
    address: &Address,
    (stream, cover): (Stream, Cover),
    notes: &mut Notes,
) -> Result<String, Trouble> {
    notes.fact(
        "tls",
        match cover {
            Cover::None => "none",
            Cover::Unverified => "unverified",
            Cover::Verified => "verified",
        },
    );
    notes.enter(Phase::Login);
    let mut wire = Wire::new(stream);
    let user = address.user.as_deref().unwrap_or("postgres");
    let database = address.name().ok_or("the database in the URL is no text")?;
    let database = if database.is_empty() { user } else { &database };
    let session = [
        ("user", user),
        ("database", database),
        ("application_name", "evenkeel"),
        ("client_encoding", "UTF8"),
    ];
    wire.say(|to| frontend::startup_message(session, to)).await?;
    login::show(&mut wire, user, address.password.as_deref(), cover).await?;
    loop {
        match wire.hear().await? {
            Message::ReadyForQuery(_) => break,
            Message::ParameterStatus(it) if it.name().is_ok_and(|it| it == "server_version") => {
                // `16.3 (Debian 16.3-1)`: what follows says who packed it.
                let version = it.value().unwrap_or_default().split(' ').next();
                notes.fact("version", short(version.unwrap_or_default()));
            }
            Message::ErrorResponse(why) => return Err(told(&why).into()),
            _ => {}
        }
    }
    wire.let_in();
    notes.enter(Phase::FirstByte);
    let limit = notes.left().as_millis().clamp(1, 86_400_000);
    let begin = format!("BEGIN READ ONLY; SET LOCAL statement_timeout = {limit}");
    let say = |to: &mut BytesMut| {
        frontend::query(&begin, to)?;
        statement(&call.query, to)?;
        frontend::query(STATE, to)
    };
    wire.say(say).await?;
    wire.rows().await??;
    wire.begins().await?;
    notes.enter(Phase::Rest);
    let said = wire.rows().await??;
    let value = said.first.first().cloned().flatten().map(|it| short(&it));
    notes.fact("value", value.clone());
    notes.fact("rows", said.many);
    // Whatever stands between us and the server may not know what is asked here.
    let state = wire.rows().await?.unwrap_or_default();
    wire.end().await;
    let role = learn(&state, notes);
    let value = value.unwrap_or_else(|| "nothing".to_owned());
    Ok(role.map_or_else(|| value.clone(), |role| format!("{value}, {role}")))
}

fn learn(state: &Rows, notes: &mut Notes) -> Option<&'static str> {
    let column = |nth: usize| state.first.get(nth).cloned().flatten();
    let is_standby = column(0)? == "t";
    let role = if is_standby { "standby" } else { "primary" };
    notes.fact("role", role);
    notes.fact("read_only", is_standby || column(1).as_deref() == Some("on"));
    if let Some(lag) = column(2).and_then(|it| it.parse::<f64>().ok()) {
        notes.fact("lag_seconds", lag);
    }
    Some(role)
}

/// A connection with TLS or without, by `sslmode` in the sense of libpq.
pub(super) async fn cover(
    call: &Call,
    address: &Address,
    notes: &mut Notes,
) -> Result<(Stream, Cover), Trouble> {
    let mut stream = call.connect(address, notes).await?;
    let mode = address.parameter("sslmode").unwrap_or_default();
    let trust = match (mode.as_str(), &call.trust) {
        ("disable", _) => return Ok((Box::new(stream), Cover::None)),
        ("verify-ca" | "verify-full", trust) => trust.clone(),
        // As libpq has it: without a file of certificates, that there is TLS is all that is asked for.
        (_, Trust::System) => Trust::Anybody,
        (_, named) => named.clone(),
    };
    let is_anybody = matches!(trust, Trust::Anybody);
    notes.enter(Phase::Tls);
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await?;
    match stream.read_u8().await? {
        b'S' => {}
        // Who names certificates does not want to meet somebody without one.
        b'N' if is_anybody && matches!(mode.as_str(), "" | "allow" | "prefer") => {
            return Ok((Box::new(stream), Cover::None));
        }
        b'N' => return Err("it has no TLS, and `sslmode` or `--ca` wants it".into()),
        _ => return Err(NO_POSTGRES.into()),
    }
    let stream = call.secure(stream, address, &[b"postgresql"], &trust, notes).await?;
    Ok((stream, if is_anybody { Cover::Unverified } else { Cover::Verified }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_server_says_of_itself_is_learned() {
        let row = |it: [Option<&str>; 3]| Rows {
            many: 1,
            first: it.map(|it| it.map(str::to_owned)).to_vec(),
        };
        let mut notes = Notes::begin(std::time::Duration::MAX);
        assert_eq!(learn(&row([Some("t"), Some("off"), Some("2.5")]), &mut notes), Some("standby"));
        let expected =
            serde_json::json!({"role": "standby", "read_only": true, "lag_seconds": 2.5});
        assert_eq!(serde_json::to_value(&notes.facts).unwrap(), expected);
        let mut notes = Notes::begin(std::time::Duration::MAX);
        assert_eq!(learn(&row([Some("f"), Some("on"), None]), &mut notes), Some("primary"));
        assert_eq!(notes.facts["read_only"], true);
        assert_eq!(learn(&Rows::default(), &mut notes), None);
    }
}
