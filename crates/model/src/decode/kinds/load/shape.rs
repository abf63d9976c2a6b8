//! Shapes: how many requests when.

use std::time::Duration;

use crate::decode::codec::{Any, Codec, Definitions, Integer, List, Long, Object, OneKey};
use crate::decode::fields::Fields;
use crate::decode::values::call::file;
use crate::decode::values::condition::conditions;
use crate::decode::values::{busy_rate, duration, length, rate, some_share};
use crate::decode::{Findings, codes};
use crate::document::{Criterion, Shape, Stage};
use crate::trace::MAX_STRETCHES;
use crate::yaml::{Node, Place};

/// How many requests when.
pub(in crate::decode::kinds) fn shape() -> OneKey<Shape> {
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
                "peak",
                "From nothing up to the peak of a day, held, and down again.",
                body("PeakShape", peak),
            ),
            (
                "volume",
                "A number of requests, however long they take: a volume test.",
                body("VolumeShape", volume),
            ),
            (
                "stages",
                "Straight lines, one after the other, each from where the last ended.",
                body("StagesShape", stages),
            ),
            ("trace", "As it was recorded, count by count.", body("TraceShape", trace)),
            (
                "max",
                "The highest rate at which the success criteria hold, found by search.",
                body("MaxShape", max),
            ),
            (
                "users",
                "The closed model: each user sends its next request when the last was answered.",
                body("UsersShape", users),
            ),
            (
                "userStages",
                "The closed model, with straight lines of users.",
                body("UserStagesShape", user_stages),
            ),
            (
                "scale",
                "The closed model in steps: how throughput grows with users.",
                body("ScaleShape", scale),
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
    let until = until(f);
    Some(Shape::Step {
        start: start?,
        step: step?,
        steps: steps? as u32,
        hold: hold?,
        until: until?,
    })
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
    ramp_fits(f, ramp_up, duration);
    Some(Shape::Soak { rate: rate?, ramp_up: ramp_up?, duration: duration? })
}

fn peak(f: &mut Fields<'_>) -> Option<Shape> {
    let rate = f.required("rate", "Rate at the peak.", busy_rate());
    let ramp_up = f.required("rampUp", "Time up to it.", duration());
    let hold = f.required("hold", "Time at it.", length());
    let ramp_down = f.required("rampDown", "Time down from it.", duration());
    Some(Shape::Peak { rate: rate?, ramp_up: ramp_up?, hold: hold?, ramp_down: ramp_down? })
}

fn volume(f: &mut Fields<'_>) -> Option<Shape> {
    let reason = "A volume is at least one request.";
    let requests = Integer { min: 1, max: 1_000_000_000_000, reason };
    let requests = f.required("requests", "How many requests.", requests);
    let rate = f.required("rate", "Arrivals a second.", busy_rate());
    Some(Shape::Volume { requests: requests?, rate: rate? })
}

fn stages(f: &mut Fields<'_>) -> Option<Shape> {
    let start = f.default("start", "Rate at the start.", rate(), "0/s");
    let stage = Object { title: "Stage", fields: |f| stage(f, "Rate at the end.", rate()) };
    let stages = f.required("stages", "The lines, in order.", List { of: stage, min: 1 });
    if let (Some(start), Some(stages)) = (start, &stages) {
        let idle = start.get() <= 0.0 && stages.iter().all(|it| it.to.get() <= 0.0);
        not_nothing(f, idle, stages);
    }
    Some(Shape::Stages { start: start?, stages: stages? })
}

/// A line up or down to a value.
fn stage<C: Codec>(f: &mut Fields<'_>, sentence: &str, to: C) -> Option<Stage<C::Value>> {
    let to = f.required("to", sentence, to);
    let sentence = "How long it takes; `0s` for a jump.";
    let duration = f.required("duration", sentence, duration());
    Some(Stage { to: to?, duration: duration? })
}

/// Refuses lines in which nothing could happen.
fn not_nothing<T>(f: &mut Fields<'_>, idle: bool, stages: &[Stage<T>]) {
    let message = match stages.iter().all(|it| it.duration.is_zero()) {
        true => "the stages take no time at all",
        false if idle => "the stages send nothing",
        false => return,
    };
    let help = "Give one of them a target and a duration.";
    f.refuse("stages", codes::RANGE, message, help);
}

fn trace(f: &mut Fields<'_>) -> Option<Shape> {
    let every = f.default("every", "How long each count lasted.", length(), "1s");
    let rates = Long { of: rate(), max: MAX_STRETCHES };
    let rates = f.optional("rates", "The counts, each as a rate, in order.", rates);
    let sentence =
        "A file with them: `seconds,rate`, a column `at`, one moment a line, or an access log.";
    let file = f.optional("file", sentence, file());
    f.exactly_one(&["rates", "file"]);
    if rates.as_ref().is_some_and(|it| it.iter().all(|it| it.get() <= 0.0)) {
        let help = "Give at least one rate above nothing.";
        f.refuse("rates", codes::RANGE, "the trace sends nothing", help);
    }
    let every = every?;
    match file {
        Some(file) => Some(Shape::Recorded { every, file }),
        None => Some(Shape::Trace { every, rates: rates? }),
    }
}

fn max(f: &mut Fields<'_>) -> Option<Shape> {
    let from = f.required("from", "The rate at which the search begins.", busy_rate());
    let to = f.required("to", "No rate above this is tried.", busy_rate());
    let hold = f.required("hold", "How long each rate is tried.", length());
    let sentence = "The search ends when the answer is known up to this share.";
    let precision = f.default("precision", sentence, some_share(), "5%");
    if from.zip(to).is_some_and(|(from, to)| from.get() >= to.get()) {
        let help = "Begin with a rate that the service surely bears.";
        f.refuse("from", codes::RANGE, "the search begins where it ends", help);
    }
    Some(Shape::Max { from: from?, to: to?, hold: hold?, precision: precision? })
}

/// When the service counts as broken down, where nobody says it.
fn until(f: &mut Fields<'_>) -> Option<Vec<Criterion>> {
    let sentence = "The service has broken down when one of these holds over a step; no further step is \
                    made. Default: `error_rate > 5%` and `response_time > 5s`.";
    match f.optional("until", sentence, conditions()) {
        Some(given) => Some(given),
        None if f.has("until") => None,
        None => Some(breakdown()),
    }
}

/// What counts as a breakdown, by default.
pub(in crate::decode::kinds) fn breakdown() -> Vec<Criterion> {
    let parse = |it| Criterion::parse(it).ok();
    ["error_rate > 5%", "response_time > 5s"].into_iter().filter_map(parse).collect()
}

const MANY_USERS: &str = "Each user is a connection; 65,535 is what a host can have.";
const THINK_TIME: &str = "How long a user waits between an answer and its next request.";

fn users(f: &mut Fields<'_>) -> Option<Shape> {
    let users = Integer { min: 1, max: 65_535, reason: MANY_USERS };
    let users = f.required("users", "How many users at once.", users);
    let sentence = "Time over which they arrive. Part of the duration.";
    let ramp_up = f.default("rampUp", sentence, duration(), "0s");
    let think_time = f.default("thinkTime", THINK_TIME, duration(), "0s");
    let duration = f.required("duration", "For how long, at most.", length());
    let reason = "A user that does nothing is none.";
    let iterations = Integer { min: 1, max: u64::from(u32::MAX), reason };
    let sentence = "How often each user does its work before it leaves. Default: until the end.";
    let iterations = f.optional("iterations", sentence, iterations);
    ramp_fits(f, ramp_up, duration);
    Some(Shape::Users {
        users: users? as u32,
        ramp_up: ramp_up?,
        think_time: think_time?,
        duration: duration?,
        iterations: iterations.map(|it| it as u32),
    })
}

/// Refuses a ramp that is longer than what it is a part of.
fn ramp_fits(f: &mut Fields<'_>, ramp_up: Option<Duration>, duration: Option<Duration>) {
    if ramp_up.zip(duration).is_some_and(|(ramp_up, duration)| ramp_up > duration) {
        let help = "The time of the ramp is part of the duration; make it shorter.";
        f.refuse("rampUp", codes::RANGE, "the ramp is longer than the whole", help);
    }
}

/// A number of users, which may be none.
struct Crowd;

impl Codec for Crowd {
    type Value = u32;

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<u32> {
        let number = Integer { min: 0, max: 65_535, reason: MANY_USERS };
        number.read(node, at, found).map(|it| it as u32)
    }

    fn schema(&self, definitions: &mut Definitions) -> serde_json::Value {
        Integer { min: 0, max: 65_535, reason: MANY_USERS }.schema(definitions)
    }
}

fn user_stages(f: &mut Fields<'_>) -> Option<Shape> {
    let start = f.default("start", "Users at the start.", Crowd, "0");
    let stage = Object { title: "UserStage", fields: |f| stage(f, "Users at the end.", Crowd) };
    let stages = f.required("stages", "The lines, in order.", List { of: stage, min: 1 });
    let think_time = f.default("thinkTime", THINK_TIME, duration(), "0s");
    if let (Some(start), Some(stages)) = (start, &stages) {
        not_nothing(f, start == 0 && stages.iter().all(|it| it.to == 0), stages);
    }
    Some(Shape::UserStages { start: start?, stages: stages?, think_time: think_time? })
}

fn scale(f: &mut Fields<'_>) -> Option<Shape> {
    let users = Integer { min: 1, max: 65_535, reason: MANY_USERS };
    let users = f.required("users", "Users of each step, in order.", List { of: users, min: 1 });
    let hold = f.required("hold", "Length of a step.", length());
    let think_time = f.default("thinkTime", THINK_TIME, duration(), "0s");
    let until = until(f);
    let users = users.map(|it| it.into_iter().map(|it| it as u32).collect());
    Some(Shape::Scale { users: users?, hold: hold?, think_time: think_time?, until: until? })
}
