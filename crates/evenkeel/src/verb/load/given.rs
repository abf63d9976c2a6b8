//! What the command line says about a load: a test of its own, or changes to a document's.

use std::time::Duration;

use evenkeel_model::document::{
    Call, FileName, LoadTest, Pacing, Route, Shape, Template, Threshold,
};

use evenkeel_units::Ratio;

use crate::args::load::LoadRunArgs;
use crate::exit::Failure;

/// How long load is sent unless told otherwise.
const DURATION: Duration = Duration::from_secs(10);

/// How precisely the highest rate is searched for.
const PRECISION: Ratio = Ratio::percent(5);

/// How long a number of requests may take unless told otherwise.
const REQUESTS_WITHIN: Duration = Duration::from_hours(1);

/// The test that a URL and options make.
pub(crate) fn of_url(url: &str, args: &LoadRunArgs) -> Result<LoadTest, Failure> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (authority, path) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let path = match path {
        "" => "/".to_owned(),
        query if query.starts_with('?') => format!("/{query}"),
        path => path.split('#').next().unwrap_or_default().to_owned(),
    };
    let call = call(scheme, &path, args)?;
    let mut test = LoadTest::of(authority, vec![Route::of(call)]);
    test.url = Some(format!("{scheme}://{authority}"));
    if let "ws" | "wss" = scheme {
        let opening = &mut test.sending.websocket;
        opening.path = Some(template("the path", &path)?);
        opening.headers = headers(args)?;
    }
    change(&mut test, args)?;
    Ok(test)
}

fn call(scheme: &str, path: &str, args: &LoadRunArgs) -> Result<Call, Failure> {
    let body = match args.body.as_deref().map(|it| it.strip_prefix('@').ok_or(it)) {
        None => None,
        Some(Err(text)) => Some(template("the body", text)?),
        Some(Ok(file)) => {
            let text = std::fs::read_to_string(file)
                .map_err(|it| Failure::usage(format!("cannot read the body from {file}: {it}")))?;
            Some(template("the body", &text)?)
        }
    };
    Ok(match scheme {
        "ws" | "wss" | "tcp" | "tls" | "udp" => Call::Message {
            payload: body.unwrap_or_default(),
            encoding: evenkeel_model::document::Encoding::Text,
            until: evenkeel_model::document::Until::Message,
        },
        "dns" => Call::Query {
            name: Template::literal(path.trim_start_matches('/')),
            record: "A".to_owned(),
        },
        "grpc" | "grpcs" => Call::Grpc {
            method: path.trim_start_matches('/').to_owned(),
            messages: vec![body.unwrap_or_else(|| Template::literal("{}"))],
            metadata: headers(args)?,
            pacing: Pacing::default(),
        },
        "kafka" | "kafkas" => Call::Produce {
            topic: path.trim_start_matches('/').to_owned(),
            key: None,
            value: body.unwrap_or_else(|| Template::literal("evenkeel")),
        },
        _ => Call::Http {
            method: args.method.clone().unwrap_or_else(|| match body {
                Some(_) => "POST".to_owned(),
                None => "GET".to_owned(),
            }),
            path: template("the path", path)?,
            headers: headers(args)?,
            body,
        },
    })
}

fn headers(args: &LoadRunArgs) -> Result<Vec<(String, Template)>, Failure> {
    let one = |header: &String| {
        let (name, value) = header.split_once(':').ok_or_else(|| {
            Failure::usage("a header has no colon").help("write `--header \"name: value\"`")
        })?;
        Ok((name.trim().to_owned(), template("a header", value.trim())?))
    };
    args.headers.iter().map(one).collect()
}

fn template(what: &str, text: &str) -> Result<Template, Failure> {
    Template::parse(text).map_err(|it| Failure::usage(format!("{what} cannot be used: {it}")))
}

/// Changes a test as the options say.
pub(crate) fn change(test: &mut LoadTest, args: &LoadRunArgs) -> Result<(), Failure> {
    if let Some(connections) = args.connections.or(args.users) {
        test.connections = connections;
    }
    if let Some(timeout) = args.timeout {
        test.timeout = timeout;
    }
    let sending = &mut test.sending;
    sending.http2 |= args.http2;
    sending.threads = args.threads.unwrap_or(sending.threads);
    sending.pace = args.pace.map_or(sending.pace, Into::into);
    sending.tls.insecure |= args.insecure;
    for (given, to) in [
        (&args.ca, &mut sending.tls.ca),
        (&args.cert, &mut sending.tls.certificate),
        (&args.key, &mut sending.tls.key),
    ] {
        if let Some(file) = given {
            *to = Some(FileName::new(file));
        }
    }
    if args.server_name.is_some() {
        sending.tls.server_name.clone_from(&args.server_name);
    }
    if let Some(shape) = shape(test, args) {
        test.shape = Some(shape);
    }
    let users = test.shape.as_ref().and_then(Shape::users);
    test.sending.streams = match (args.streams, users) {
        (Some(streams), _) => streams,
        // Users spread over the connections that were asked for.
        (None, Some(users)) => users.div_ceil(test.connections).max(1),
        (None, None) => test.sending.streams,
    };
    test.success.extend(args.success.iter().map(|it| Threshold::from(*it)));
    Ok(())
}

/// The shape that options ask for; `None` leaves the document's.
fn shape(test: &LoadTest, args: &LoadRunArgs) -> Option<Shape> {
    if let Some((from, to)) = args.max {
        let hold = args.duration.unwrap_or(DURATION);
        return Some(Shape::Max { from, to, hold, precision: PRECISION });
    }
    let asked = args.rate.is_some()
        || args.users.is_some()
        || args.duration.is_some()
        || args.requests.is_some();
    if !asked && test.shape.is_some() {
        return None;
    }
    let of_document = test.shape.as_ref();
    let rate = args.rate.or(match of_document {
        Some(Shape::Constant { rate, .. }) if args.users.is_none() => Some(*rate),
        _ => None,
    });
    let duration = args.duration.or(of_document.map(Shape::length));
    if let Some(rate) = rate {
        let requests = args.requests.map(|requests| Shape::Volume { requests, rate });
        let limit = args.duration.unwrap_or(Duration::MAX);
        return Some(
            requests.filter(|it| it.length() <= limit).unwrap_or_else(|| Shape::Constant {
                rate,
                duration: duration.unwrap_or(DURATION),
            }),
        );
    }
    let users = args.users.or(of_document.and_then(Shape::users)).unwrap_or(test.connections);
    let each =
        |requests: u64| u32::try_from(requests.div_ceil(u64::from(users))).unwrap_or(u32::MAX);
    let usual = if args.requests.is_some() { REQUESTS_WITHIN } else { DURATION };
    Some(Shape::Users {
        users,
        ramp_up: Duration::ZERO,
        think_time: Duration::ZERO,
        duration: duration.unwrap_or(usual),
        iterations: args.requests.map(each),
    })
}
