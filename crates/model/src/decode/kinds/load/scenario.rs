//! Scenarios, as they are written: steps that hold their requests.

use std::time::Duration;

use super::route::{self, Request};
use crate::decode::codec::{Any, ByKey, Codec, Flag, Forms, Integer, List, Mapped, Object, Pair};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::values::call::variable;
use crate::decode::values::{duration, some_share, text, title};
use crate::document::Condition;

/// A scenario whose steps hold their requests.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) weight: u32,
    pub(super) cookies: bool,
    pub(super) steps: Vec<Step>,
}

/// A step that holds its request, or further steps.
pub(super) enum Step {
    Request(Box<Request>),
    Think(Duration, Duration),
    Repeat(u32, Vec<Self>),
    While(Condition, u32, Vec<Self>),
    If(Condition, Vec<Self>, Vec<Self>),
    Transaction(String, Vec<Self>),
}

pub(super) const SCENARIO: Object<Draft> = Object { title: "Scenario", fields: scenario };

fn scenario(f: &mut Fields<'_>) -> Option<Draft> {
    let name = f.required("name", "Its name in reports.", title());
    let reason = "A scenario of weight 0 would never be chosen.";
    let weight = Integer { min: 1, max: 1_000_000, reason };
    let sentence = "Its share among the scenarios: weight by the sum of weights.";
    let weight = f.default("weight", sentence, weight, "1");
    let sentence = "Whether cookies that the service sets are sent back, as a browser does.";
    let cookies = f.default("cookies", sentence, Flag, "true");
    let steps = steps(f, "steps", "What one user does, in order.");
    Some(Draft { name: name?, weight: weight? as u32, cookies: cookies?, steps: steps? })
}

fn steps(f: &mut Fields<'_>, name: &'static str, sentence: &str) -> Option<Vec<Step>> {
    f.required(name, sentence, List { of: step(), min: 1 })
}

fn step() -> ByKey<Step> {
    let object = |title, fields| -> Any<Step> { Box::new(Object { title, fields }) };
    ByKey {
        expected: "a step",
        kinds: vec![
            ("think", object("ThinkStep", think)),
            ("repeat", object("RepeatStep", repeat)),
            ("while", object("WhileStep", repeat_while)),
            ("if", object("IfStep", only_if)),
            ("transaction", object("TransactionStep", transaction)),
            ("grpc", object("GrpcStep", |f| route::grpc::<true>(f).map(boxed))),
            ("message", object("MessageStep", |f| route::message::<true>(f).map(boxed))),
            ("produce", object("ProduceStep", |f| route::produce::<true>(f).map(boxed))),
            ("consume", object("ConsumeStep", |f| route::consume::<true>(f).map(boxed))),
            ("query", object("QueryStep", |f| route::query::<true>(f).map(boxed))),
        ],
        otherwise: object("RequestStep", |f| route::http::<true>(f).map(boxed)),
    }
}

fn boxed(request: Request) -> Step {
    Step::Request(Box::new(request))
}

fn think(f: &mut Fields<'_>) -> Option<Step> {
    let same: Any<(Duration, Duration)> = Box::new(Mapped { of: duration(), into: |it| (it, it) });
    let pause = Forms {
        expected: "a duration such as `1s`, or `{from: 1s, to: 3s}`",
        scalar: Some(same),
        list: None,
        map: Some(Box::new(Object { title: "Pause", fields: pause })),
    };
    let (from, to) = f.required("think", "A pause, as a reader makes.", pause)?;
    Some(Step::Think(from, to))
}

fn pause(f: &mut Fields<'_>) -> Option<(Duration, Duration)> {
    let from = f.required("from", "The shortest.", duration());
    let to = f.required("to", "The longest.", duration());
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        let help = "Swap the two; every length between them is as likely.";
        f.refuse("from", codes::RANGE, "the shortest pause is longer than the longest", help);
    }
    from.zip(to)
}

/// How often steps may be done.
fn times() -> Integer {
    Integer { min: 1, max: 1_000_000, reason: "Steps that are never done need not be written." }
}

fn repeat(f: &mut Fields<'_>) -> Option<Step> {
    let body = Object { title: "Repeat", fields: repeat_body };
    f.required("repeat", "Steps that are done several times.", body)
}

fn repeat_body(f: &mut Fields<'_>) -> Option<Step> {
    let times = f.required("times", "How often.", times());
    let steps = steps(f, "steps", "What is done.");
    Some(Step::Repeat(times? as u32, steps?))
}

fn repeat_while(f: &mut Fields<'_>) -> Option<Step> {
    let body = Object { title: "While", fields: while_body };
    f.required("while", "Steps that are done as long as a condition holds before them.", body)
}

fn while_body(f: &mut Fields<'_>) -> Option<Step> {
    let condition = condition(f);
    let at_most = f.default("atMost", "At most so often.", times(), "100");
    let steps = steps(f, "steps", "What is done.");
    Some(Step::While(condition?, at_most? as u32, steps?))
}

fn only_if(f: &mut Fields<'_>) -> Option<Step> {
    let body = Object { title: "If", fields: if_body };
    f.required("if", "Steps that are done when a condition holds.", body)
}

fn if_body(f: &mut Fields<'_>) -> Option<Step> {
    let condition = condition(f);
    let then = steps(f, "then", "What is done when it holds.");
    let otherwise = List { of: step(), min: 0 };
    let otherwise = f.or_empty("else", "What is done when it does not.", otherwise);
    Some(Step::If(condition?, then?, otherwise?))
}

/// The fields that are a question; exactly one of them.
fn condition(f: &mut Fields<'_>) -> Option<Condition> {
    let exists = f.optional("exists", "This variable has been extracted.", variable());
    let equal = f.optional("equal", "Both texts are the same.", Pair(text()));
    let different = f.optional("different", "Both texts are not the same.", Pair(text()));
    let chance = f.optional("chance", "By chance, in this share of cases.", some_share());
    f.exactly_one(&["exists", "equal", "different", "chance"]);
    exists
        .map(Condition::Exists)
        .or(equal.map(|(a, b)| Condition::Equal(a, b)))
        .or(different.map(|(a, b)| Condition::Different(a, b)))
        .or(chance.map(Condition::Chance))
}

fn transaction(f: &mut Fields<'_>) -> Option<Step> {
    let body = Object { title: "Transaction", fields: transaction_body };
    f.required("transaction", "Steps that are timed together; think time is left out.", body)
}

fn transaction_body(f: &mut Fields<'_>) -> Option<Step> {
    let name = f.required("name", "Its name in reports.", title());
    let steps = steps(f, "steps", "What is timed.");
    Some(Step::Transaction(name?, steps?))
}

/// The scenarios of a load.
pub(super) fn scenarios() -> impl Codec<Value = Vec<Draft>> {
    List { of: SCENARIO, min: 1 }
}
