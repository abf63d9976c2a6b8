//! Sink: a server that answers at once whatever it is asked, so that generators are compared and not servers.
//!
//! ```text
//! sink                              HTTP/1.1, HTTPS, HTTP/2 and gRPC, each at an address of its own
//! sink stall SERVICE AT LENGTH      HTTP/1.1 that takes SERVICE ms to answer and, AT ms after the first
//!                                   request, stands still for LENGTH ms
//! sink certificate                  prints a certificate and its key, for a server of another make
//! ```
//!
//! Prints its addresses as one JSON object, and ends when standard input does, so that it never outlives who
//! started it; a sink that stalls then says when each request came and was answered.
//!
//! ```text
//! serving  one thread, one epoll, every connection
//! http1    requests in, whole answers out
//! http2    the same in frames, and gRPC
//! tls      HTTP/1.1 within TLS
//! stall    the server that stands still
//! ```
//!
//! Deliberately absent: looking at what is asked further than the first bytes of a path, and more than one core.

mod http1;
mod http2;
mod serving;
mod stall;
mod tls;

use std::error::Error;
use std::io::{self, Write as _};
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

use crate::http1::{Http1, Pages};
use crate::http2::{Answer, Http2};
use crate::serving::{Answers, Door};
use crate::tls::Tls;

const USAGE: &str = "usage: sink [stall SERVICE_MS AT_MS LENGTH_MS | certificate]";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => sink(),
        ["certificate"] => {
            let made = tls::certificate()?;
            Ok(write!(io::stdout(), "{}{}", made.cert.pem(), made.signing_key.serialize_pem())?)
        }
        ["stall", service, at, length] => {
            let [service, at, length] = [service.parse()?, at.parse()?, length.parse()?];
            let [service, at, length] = [service, at, length].map(Duration::from_millis);
            stall::serve(stall::Course { service, at, length })
        }
        _ => Err(USAGE.into()),
    }
}

fn sink() -> Result<(), Box<dyn Error>> {
    let pages = Rc::new(Pages::new());
    let for_tls = Rc::clone(&pages);
    let config = tls::config()?;
    let [plain, grpc] = [Answer::page(), Answer::grpc()].map(Rc::new);
    let doors = vec![
        Door::open(move || Box::new(Http1::new(Rc::clone(&pages))) as Box<dyn Answers>)?,
        Door::open(move || {
            Box::new(Tls::new(&config, Http1::new(Rc::clone(&for_tls)))) as Box<dyn Answers>
        })?,
        Door::open(move || Box::new(Http2::new(Rc::clone(&plain))) as Box<dyn Answers>)?,
        Door::open(move || Box::new(Http2::new(Rc::clone(&grpc))) as Box<dyn Answers>)?,
    ];
    let addresses = doors.iter().map(Door::address).collect::<io::Result<Vec<_>>>()?;
    let [http, https, h2c, grpc] = addresses.as_slice() else {
        unreachable!("four doors have been opened")
    };
    let said = json!({ "http": http, "https": https, "h2c": h2c, "grpc": grpc });
    writeln!(io::stdout(), "{said}")?;
    Ok(serving::serve(&doors)?)
}
