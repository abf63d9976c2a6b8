//! What a `LoadTest` is made of: shapes and routes.

use crate::decode::codec::{Any, Forms, Integer, List, Mapped, Named, Object, OneKey};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::values::condition::conditions;
use crate::decode::values::{busy_rate, duration, length, name, prose, rate, request, text, title};
use crate::document::{LoadTest, Route, Shape, StatusCheck};

pub(super) const SPEC: Object<LoadTest> = Object { title: "LoadTest", fields: load };

fn load(f: &mut Fields<'_>) -> Option<LoadTest> {
    let description = f.optional("description", "For people.", prose());
    let service = f.optional("service", "The service whose `url` is loaded.", name());
    let sentence =
        "Where requests go, when no service says it: `http://host:port`, without a path.";
    let url = f.optional("url", sentence, request::base_url());
    let sentence = "How many requests when. A drill's phases may bring their own.";
    let shape = f.optional("shape", sentence, shape());
    let routes = List { of: Object { title: "Route", fields: route }, min: 1 };
    let routes = f.required("routes", "What is requested; at least one.", routes);
    let sentence = "A request is given up after this time, counted from when it was due.";
    let timeout = f.default("timeout", sentence, length(), "10s");
    let reason = "Each connection is a file of the system; 65,535 is what it can have.";
    let connections = Integer { min: 1, max: 65_535, reason };
    let sentence = "The most connections at a time.";
    let connections = f.default("connections", sentence, connections, "64");
    let success = f.or_empty("success", "What must hold.", conditions());

    let routes = routes?;
    for (n, route) in routes.iter().enumerate() {
        if routes.iter().take(n).any(|it| it.name == route.name) {
            let message = format!("two routes are called `{}`", route.name);
            let help = "Give each route a `name` of its own, so that reports can tell them apart.";
            f.refuse(&format!("routes/{n}/name"), codes::AMBIGUOUS, message, help);
        }
    }
    Some(LoadTest {
        name: String::new(),
        description,
        service,
        url,
        shape,
        routes,
        timeout: timeout?,
        connections: connections? as u32,
        success: success?,
    })
}

fn route(f: &mut Fields<'_>) -> Option<Route> {
    let sentence = "Its name in reports. Default: method and path.";
    let name = f.optional("name", sentence, title());
    let reason = "A route of weight 0 would never be requested.";
    let weight = Integer { min: 1, max: 1_000_000, reason };
    let sentence = "Its share among the routes: weight by the sum of weights.";
    let weight = f.default("weight", sentence, weight, "1");
    let method = f.default("method", "HTTP method.", request::method(), "GET");
    let path = f.required("path", "Path and query, starting with `/`.", request::path());
    let headers = Named { key: request::header_name(), of: request::header_value() };
    let sentence = "Headers beside `host` and `content-length`, which are ours.";
    let headers = f.or_empty("headers", sentence, headers);
    let body = f.optional("body", "Body, as it stands.", text());
    let sentence = "What a right answer looks like.";
    let checks = f.optional("checks", sentence, Object { title: "Checks", fields: checks });

    let (method, path) = (method?, path?);
    let (status, body_contains) = checks.unwrap_or_else(|| (default_status(), Vec::new()));
    Some(Route {
        name: name.unwrap_or_else(|| format!("{method} {path}")),
        weight: weight? as u32,
        method,
        path,
        headers: headers?,
        body,
        status,
        body_contains,
    })
}

fn default_status() -> Vec<StatusCheck> {
    vec![StatusCheck { from: 200, to: 399 }]
}

fn checks(f: &mut Fields<'_>) -> Option<(Vec<StatusCheck>, Vec<String>)> {
    let one: Any<Vec<StatusCheck>> =
        Box::new(Mapped { of: request::status(), into: |it| vec![it] });
    let status = Forms {
        expected: "a status such as `200` or `2xx`, or a list of them",
        scalar: Some(one),
        list: Some(Box::new(List { of: request::status(), min: 1 })),
        map: None,
    };
    let sentence =
        "Which status codes are right, such as `200`, `2xx` or `200-204`. Default 200-399.";
    let status = f.optional("status", sentence, status);
    let one: Any<Vec<String>> = Box::new(Mapped { of: prose(), into: |it| vec![it] });
    let body = Forms {
        expected: "a text or a list of texts",
        scalar: Some(one),
        list: Some(Box::new(List { of: prose(), min: 0 })),
        map: None,
    };
    let body = f.or_empty("body", "Texts which the body of an answer must contain.", body);
    Some((status.unwrap_or_else(default_status), body?))
}

/// How many requests when.
pub(super) fn shape() -> OneKey<Shape> {
    let body = |title, fields| -> Any<Shape> { Box::new(Object { title, fields }) };
    OneKey {
        expected: "a shape of load",
        kinds: vec![
            ("constant", "The same rate all the time.", body("ConstantShape", constant)),
            ("ramp", "From one rate to another in a straight line.", body("RampShape", ramp)),
            ("step", "A staircase, up to where it breaks: a stress test.", body("StepShape", step)),
            (
                "spike",
                "Steady, then suddenly much more, then steady again.",
                body("SpikeShape", spike),
            ),
            (
                "soak",
                "Ramped up, then the same rate for long: an endurance test.",
                body("SoakShape", soak),
            ),
            (
                "users",
                "The closed model: each user sends its next request when the last was answered.",
                body("UsersShape", users),
            ),
        ],
    }
}

fn constant(f: &mut Fields<'_>) -> Option<Shape> {
    let rate = f.required("rate", "Arrivals a second.", busy_rate());
    let duration = f.required("duration", "For how long.", length());
    Some(Shape::Constant { rate: rate?, duration: duration? })
}

fn ramp(f: &mut Fields<'_>) -> Option<Shape> {
    let from = f.required("from", "Rate at the start.", rate());
    let to = f.required("to", "Rate at the end.", rate());
    let duration = f.required("duration", "For how long.", length());
    Some(Shape::Ramp { from: from?, to: to?, duration: duration? })
}

fn step(f: &mut Fields<'_>) -> Option<Shape> {
    let start = f.required("start", "Rate of the first step.", rate());
    let step = f.required("step", "Added at each further step.", rate());
    let steps = Integer { min: 1, max: 1_000, reason: "A staircase has at least one step." };
    let steps = f.required("steps", "How many steps.", steps);
    let hold = f.required("hold", "Length of a step.", length());
    Some(Shape::Step { start: start?, step: step?, steps: steps? as u32, hold: hold? })
}

fn spike(f: &mut Fields<'_>) -> Option<Shape> {
    let base = f.required("base", "Rate before and after.", rate());
    let peak = f.required("peak", "Rate during the spike.", busy_rate());
    let lead = f.required("lead", "Steady time before.", duration());
    let hold = f.required("hold", "Length of the spike.", length());
    let tail = f.required("tail", "Steady time after.", duration());
    Some(Shape::Spike { base: base?, peak: peak?, lead: lead?, hold: hold?, tail: tail? })
}

fn soak(f: &mut Fields<'_>) -> Option<Shape> {
    let rate = f.required("rate", "Arrivals a second.", busy_rate());
    let sentence = "Time to reach the rate from nothing. Part of the duration.";
    let ramp_up = f.default("rampUp", sentence, duration(), "0s");
    let duration = f.required("duration", "For how long in all.", length());
    if ramp_up.zip(duration).is_some_and(|(ramp_up, duration)| ramp_up > duration) {
        let help = "The time of the ramp is part of the duration; make it shorter.";
        f.refuse("rampUp", codes::RANGE, "the ramp is longer than the whole", help);
    }
    Some(Shape::Soak { rate: rate?, ramp_up: ramp_up?, duration: duration? })
}

fn users(f: &mut Fields<'_>) -> Option<Shape> {
    let reason = "Each user is a connection; 65,535 is what a host can have.";
    let users = Integer { min: 1, max: 65_535, reason };
    let users = f.required("users", "How many users at once.", users);
    let sentence = "How long a user waits between an answer and its next request.";
    let think_time = f.default("thinkTime", sentence, duration(), "0s");
    let duration = f.required("duration", "For how long.", length());
    Some(Shape::Users { users: users? as u32, think_time: think_time?, duration: duration? })
}
