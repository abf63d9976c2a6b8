//! HTTP: a GET, held to a status, a body and headers.

use hyper::header::{AUTHORIZATION, HeaderValue, LOCATION};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::line::Stream;
use super::notes::{Notes, Phase};
use super::{Call, Trouble, short};
use crate::address::Address;
use crate::exchange;

pub(super) async fn ask(
    call: &Call,
    address: &Address,
    stream: Stream,
    notes: &mut Notes,
) -> Result<String, Trouble> {
    notes.enter(Phase::FirstByte);
    let mut headers = call.headers.clone();
    if address.user.is_some() || address.password.is_some() {
        let part = |it: &Option<String>| it.clone().unwrap_or_default();
        let login = format!("{}:{}", part(&address.user), part(&address.password));
        let value = format!("Basic {}", BASE64_STANDARD.encode(login));
        let mut value = HeaderValue::from_str(&value).map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let broken = |error: hyper::Error| exchange::broken(&error);
    let mut answer = exchange::send(stream, address, headers).await.map_err(broken)?;
    notes.enter(Phase::Rest);
    let status = answer.status;
    notes.fact("status", status);
    notes.headers = std::mem::take(&mut answer.headers);
    let body = answer.read().await.map_err(|it| format!("{status}, but {}", broken(it)))?;
    notes.fact("body_bytes", body.bytes.len());
    if body.is_cut {
        notes.warnings.push("no more than the first 1 MiB of the body was read".to_owned());
    }
    notes.body = body.bytes;
    Ok(match notes.headers.get(LOCATION) {
        Some(to) if (300..400).contains(&status) => {
            format!("{status}, to {}", short(&String::from_utf8_lossy(to.as_bytes())))
        }
        _ => status.to_string(),
    })
}
