//! Calls: what tonic makes of unary calls, one after another, as the peer of our own gRPC in the bench.
//!
//! ```text
//! grpc-calls http://ADDRESS CONNECTIONS CALLS_PER_CONNECTION SECONDS
//! ```
//!
//! One thread; each connection has so many calls under way. Prints how many were answered.

use std::cell::Cell;
use std::error::Error;
use std::io::{self, Write as _};
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

const METHOD: &str = "/bench.Sink/Call";

/// What is sent, and what comes back.
#[derive(Clone, PartialEq, prost::Message)]
struct Note {
    #[prost(string, tag = "1")]
    text: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, connections, calls, seconds] = arguments.as_slice() else {
        return Err("usage: grpc-calls URL CONNECTIONS CALLS_PER_CONNECTION SECONDS".into());
    };
    let (connections, calls): (usize, usize) = (connections.parse()?, calls.parse()?);
    let length = Duration::from_secs(seconds.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    let (requests, passed) = tasks.block_on(&runtime, run(url, connections, calls, length))?;
    writeln!(io::stdout(), "{}", json!({ "requests": requests, "seconds": passed.as_secs_f64() }))?;
    Ok(())
}

async fn run(
    url: &str,
    connections: usize,
    calls: usize,
    length: Duration,
) -> Result<(u64, Duration), Box<dyn Error>> {
    let answered = Rc::new(Cell::new(0));
    let start = Instant::now();
    let mut callers = Vec::new();
    for _ in 0..connections {
        let channel = Endpoint::from_shared(url.to_owned())?.connect().await?;
        for _ in 0..calls {
            let call = call(channel.clone(), start + length, Rc::clone(&answered));
            callers.push(tokio::task::spawn_local(call));
        }
    }
    for caller in callers {
        caller.await??;
    }
    Ok((answered.get(), start.elapsed()))
}

async fn call(channel: Channel, end: Instant, answered: Rc<Cell<u64>>) -> Result<(), String> {
    let mut client = Grpc::new(channel);
    let note = Note { text: "0123456789abcdef".repeat(4) };
    while Instant::now() < end {
        client.ready().await.map_err(|it| it.to_string())?;
        let codec = ProstCodec::<Note, Note>::default();
        let path = PathAndQuery::from_static(METHOD);
        let answer = client.unary(tonic::Request::new(note.clone()), path, codec).await;
        let answer = answer.map_err(|it| it.to_string())?.into_inner();
        if answer != note {
            return Err(format!("an answer that nobody sent: {answer:?}"));
        }
        answered.set(answered.get() + 1);
    }
    Ok(())
}
