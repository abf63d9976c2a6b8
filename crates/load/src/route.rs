//! Routes: what is requested, ready to be sent, and when its answer is right.

use std::sync::Arc;

use evenkeel_model::diagnostic::in_one_line;
use evenkeel_model::document::{self, LoadTest};

use crate::answer::{Extractor, Judge};
use crate::call::{Call, Headers, What};
use crate::protocol::Protocol;
use crate::protocol::grpc::Descriptors;
use crate::scenario::{Compiler, ProgramError};
use crate::template::Template;
use crate::{LoadError, protocol};

/// One kind of request, ready to be sent.
pub(crate) struct Route<P: Protocol> {
    /// As the protocol wants it.
    pub(crate) ready: P::Ready,
    /// When its answer is right.
    pub(crate) judge: Arc<Judge>,
    /// What later steps want of it.
    pub(crate) extract: Arc<[Extractor]>,
    /// Whether its body has to be kept until it is whole.
    pub(crate) keeps_body: bool,
    /// Whether sending it twice does the same as once, so that it may be tried again.
    pub(crate) idempotent: bool,
}

impl<P: Protocol> Clone for Route<P> {
    fn clone(&self) -> Self {
        Self {
            ready: self.ready.clone(),
            judge: Arc::clone(&self.judge),
            extract: Arc::clone(&self.extract),
            keeps_body: self.keeps_body,
            idempotent: self.idempotent,
        }
    }
}

/// A route as the document says it, with its references looked up and its slots numbered.
pub(crate) struct Compiled {
    pub(crate) name: String,
    pub(crate) call: Call,
    judge: Judge,
    extract: Vec<Extractor>,
    keeps_body: bool,
    idempotent: bool,
    /// Whether it is always the same, and gives nothing to later steps.
    pub(crate) is_plain: bool,
}

/// Compiles every route of a test.
pub(crate) fn compile(
    test: &LoadTest,
    compiler: &mut Compiler<'_>,
    described: Option<&Descriptors>,
) -> Result<Vec<Compiled>, LoadError> {
    let cookies = test.scenarios.iter().any(|it| it.cookies);
    let mut routes = Vec::new();
    for (n, route) in test.routes.iter().enumerate() {
        let wrong = |reason: String| LoadError::Request { route: route.name.clone(), reason };
        let what = what(&route.call, n as u32, compiler, described).map_err(wrong)?;
        let good = match &route.call {
            document::Call::Http { .. } => 200..=399,
            _ => 0..=0,
        };
        let judge = Judge::new(&route.checks, good).map_err(wrong)?;
        let extract: Vec<_> = route
            .extract
            .iter()
            .map(|it| {
                let variable = compiler.variable(&it.var);
                Extractor::new(it, variable)
            })
            .collect::<Result<_, _>>()
            .map_err(wrong)?;
        let keeps_body = judge.wants_body() || extract.iter().any(Extractor::wants_body);
        let all_headers = judge.wants_headers() || extract.iter().any(Extractor::wants_headers);
        let wants_headers = match (all_headers, cookies) {
            (true, _) => Headers::All,
            (false, true) => Headers::Cookies,
            (false, false) => Headers::None,
        };
        let is_plain =
            extract.is_empty() && route.call.templates().all(|it| it.slots().next().is_none());
        let idempotent = matches!(&route.call, document::Call::Http { method, .. }
            if matches!(&**method, "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE"));
        let call = Call { what, wants_headers, wants_body: keeps_body };
        let name = route.name.clone();
        routes.push(Compiled { name, call, judge, extract, keeps_body, idempotent, is_plain });
    }
    Ok(routes)
}

impl Compiled {
    /// As `P` wants it.
    pub(crate) fn ready<P: Protocol>(
        self,
        host: &str,
        secure: bool,
    ) -> Result<Route<P>, LoadError> {
        let Self { name, call, judge, extract, keeps_body, idempotent, .. } = self;
        let ready = P::ready(host, secure, &call).map_err(|error: protocol::CallError| {
            LoadError::Request { route: name, reason: error.to_string() }
        })?;
        Ok(Route { ready, judge: Arc::new(judge), extract: extract.into(), keeps_body, idempotent })
    }
}

impl Compiled {
    /// Name, call, checks, and whether later steps want something of it: for what speaks no [`Protocol`].
    pub(crate) fn into_parts(self) -> (String, Call, Judge, bool) {
        (self.name, self.call, self.judge, !self.extract.is_empty())
    }
}

fn what(
    call: &document::Call,
    route: u32,
    compiler: &mut Compiler<'_>,
    described: Option<&Descriptors>,
) -> Result<What, String> {
    let mut text = |it: &document::Template| {
        compiler.template(it, Some(route)).map_err(|it: ProgramError| in_one_line(&it))
    };
    Ok(match call {
        document::Call::Http { method, path, headers, body } => What::Http {
            method: method.clone(),
            path: text(path)?,
            headers: pairs(headers, &mut text)?,
            body: body.as_ref().map(&mut text).transpose()?,
        },
        document::Call::Message { payload, encoding, until } => {
            What::Message { payload: text(payload)?, encoding: *encoding, until: until.clone() }
        }
        document::Call::Produce { topic, key, value } => {
            let value = text(value)?;
            What::Produce {
                topic: topic.clone(),
                key: key.as_ref().map(&mut text).transpose()?,
                value,
            }
        }
        document::Call::Consume { topic } => What::Consume { topic: topic.clone() },
        document::Call::Query { name, record } => {
            What::Query { name: text(name)?, record: record.clone() }
        }
        document::Call::Grpc { method, messages, metadata, pacing } => {
            let described = described.ok_or("its messages are not described")?;
            What::Grpc {
                method: described.method(method).map_err(|it| in_one_line(&it))?,
                metadata: pairs(metadata, &mut text)?,
                messages: messages.iter().map(&mut text).collect::<Result<_, _>>()?,
                pacing: *pacing,
            }
        }
    })
}

fn pairs(
    pairs: &[(String, document::Template)],
    text: &mut impl FnMut(&document::Template) -> Result<Template, String>,
) -> Result<Vec<(String, Template)>, String> {
    pairs.iter().map(|(name, value)| Ok((name.clone(), text(value)?))).collect()
}
