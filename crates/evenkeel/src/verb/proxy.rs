//! `proxy`: links with toxics on them, under the API of Toxiproxy.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use evenkeel_fault::toxiproxy::{Answer, Request as Asked, Spec, Toxiproxy, Why, Wrong};
use evenkeel_model::decode::{Findings, codes};
use evenkeel_model::yaml::{self, Node};
use evenkeel_serve::door::{Door, Guard, Patience, plain, with};
use evenkeel_units::Seed;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode, header};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Mutex;
use tokio::task::LocalSet;

use super::documents::{fresh_seed, gather, wrong};
use crate::args::proxy::ProxyArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Clients keep connections for the next request as long as Toxiproxy does.
const PATIENCE: Patience = Patience {
    first: Duration::from_secs(10),
    next: Duration::from_mins(1),
    connection: Duration::from_hours(1),
    connections: 32,
};
/// Bytes of a request's body.
const BODY_MAX: usize = 8 << 20;
/// A body that is not whole by then never will be.
const BODY_TIME: Duration = Duration::from_secs(15);

/// Serves until somebody asks it to end.
pub(crate) async fn run(args: ProxyArgs, screen: &Screen) -> Result<Exit, Failure> {
    let watched = |kind| {
        signal(kind).map_err(|it| Failure::could_not_run(format!("cannot watch for signals: {it}")))
    };
    let mut interrupt = watched(SignalKind::interrupt())?;
    let mut terminate = watched(SignalKind::terminate())?;
    let mut hangup = watched(SignalKind::hangup())?;
    let specs = match &args.config {
        Some(file) => config(file, screen).await?,
        None => Vec::new(),
    };
    let failed = |it: std::io::Error| {
        let at = args.listen.address();
        Failure::could_not_run(format!("cannot serve the API at {at}: {it}"))
            .help("give another port: `--listen 127.0.0.1:8475`")
    };
    let (listener, address) = args.listen.listen().map_err(failed)?;
    let seed = args.seed.map_or_else(fresh_seed, Seed);
    let started = Toxiproxy::start(seed);
    let mut toxiproxy = started.map_err(|it| Failure::could_not_run(it.to_string()))?;
    let populated = toxiproxy.populate(&specs).await;
    populated.map_err(|it| Failure::could_not_run(it.text))?;
    screen.say(&format!("the API of Toxiproxy is at http://{address}; seed {}", seed.0));

    let toxiproxy = Rc::new(Mutex::new(toxiproxy));
    let answer = move |request| answer(Rc::clone(&toxiproxy), request);
    let serve = async {
        let mut door = Door::open(listener, Guard::Host, PATIENCE, answer).map_err(failed)?;
        tokio::select! {
            never = door.serve() => match never {},
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        door.close().await;
        Ok(Exit::OK)
    };
    LocalSet::new().run_until(serve).await
}

/// The proxies of a file, which may listen where they ask to.
async fn config(file: &Path, screen: &Screen) -> Result<Vec<Spec>, Failure> {
    let (files, mut diagnostics) = gather(&[file.to_owned()])?.into_parts();
    let mut specs = Vec::new();
    for (name, bytes) in files {
        let mut found = Findings::default();
        for root in yaml::read(&name, bytes, &mut found).roots {
            specs.extend(listed(&root, &mut found).await);
        }
        diagnostics.extend(found.into_parts().1);
    }
    if diagnostics.is_empty() { Ok(specs) } else { Err(wrong(&diagnostics, screen)) }
}

async fn listed(root: &Node, found: &mut Findings) -> Vec<Spec> {
    let (specs, wrongs) = Spec::read_all(&root.to_json());
    for Wrong { path, why } in wrongs {
        let (code, message) = match why {
            Why::Missing(field) => (codes::MISSING_FIELD, format!("missing: {field}")),
            Why::Unfit(why) => (codes::TYPE, why),
        };
        let help = r#"A proxy is {"name": "db", "listen": "127.0.0.1:15432", "upstream": "127.0.0.1:5432"}."#;
        found.report(code, root.locate(&path), message, help);
    }
    for (index, spec) in specs.iter().enumerate() {
        let place = root.locate(&format!("{index}/listen"));
        match spec.address().await {
            Ok(it) if it.ip().is_loopback() => {}
            Ok(it) => {
                let message = format!("others can reach {}, where the link would listen", it.ip());
                found.report(codes::LOOPBACK, place, message, "Write 127.0.0.1 and the port.");
            }
            Err(it) => found.report(codes::ADDRESS, place, it.text, "Write 127.0.0.1 and a port."),
        }
    }
    specs
}

async fn answer(
    toxiproxy: Rc<Mutex<Toxiproxy>>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_MAX).collect();
    let body = match tokio::time::timeout(BODY_TIME, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return plain(StatusCode::PAYLOAD_TOO_LARGE, "That is too much.\n"),
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT, "That took too long.\n"),
    };
    // On its own, so that a client that goes away leaves nothing half done.
    let answered = tokio::task::spawn_local(async move {
        let agent = head.headers.get(header::USER_AGENT).and_then(|it| it.to_str().ok());
        let asked = Asked {
            method: head.method.as_str(),
            path: head.uri.path(),
            agent: agent.unwrap_or_default(),
            body: &body,
        };
        toxiproxy.lock().await.answer(&asked).await
    });
    let Ok(Answer { status, content, body }) = answered.await else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "That went wrong here.\n");
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    with(status, content, body)
}
