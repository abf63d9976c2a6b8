//! A client of HTTP that survives its server's bad minute: limits of time, retries within a budget, a circuit.
//!
//! `cargo run -p evenkeel-resilience --example http_client -- http://127.0.0.1:8080/`

use std::{error::Error, io::Write as _, sync::Arc};

use evenkeel_resilience::layer::{BreakerLayer, RetryLayer};
use evenkeel_resilience::{Breaker, Deadlines, Http, Pipeline, Retry, breaker, deadline, retry};
use http_body_util::Empty;
use hyper::{Request, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{Layer as _, ServiceExt as _};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let retry = Retry::try_new(retry::Policy::default())?.classify(Http);
    let breaker = Arc::new(Breaker::try_new(breaker::Policy::default())?);
    let client = Pipeline::new()
        .deadlines(Arc::new(Deadlines::try_new(deadline::Limits::default())?))
        .retry(RetryLayer::new(Arc::new(retry)).repeat(Http))
        .breaker(BreakerLayer::new(breaker).judge(Http))
        .layer(Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>());
    let address = std::env::args().nth(1).ok_or("say which address")?;
    let answer = client.oneshot(Request::get(address).body(Empty::new())?).await?;
    Ok(writeln!(std::io::stdout(), "{}", answer.status())?)
}
