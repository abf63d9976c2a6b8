//! The schema and the decoder agree, whatever stands in a document.
//!
//! Documents are made from the schema itself, then bent: keys go, come and change, values are swapped.
//! Two promises are kept: what the schema refuses the decoder refuses as well, so an editor never marks
//! what `check` would take; and what the decoder refuses for its structure or its units, an editor marks.

use evenkeel_model::decode::codes;
use evenkeel_model::schema::{kinds, schema};
use evenkeel_model::{Library, render};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

/// Choices from a seed, so that proptest can shrink and repeat them.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // SplitMix64: small, and good enough to choose by.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((it ^ (it >> 31)) % sides.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}

/// A value that a schema allows, but for rules that span fields.
fn instance(part: &Json, whole: &Json, dice: &mut Dice) -> Json {
    if let Some(reference) = part.get("$ref").and_then(Json::as_str) {
        let target = whole.pointer(reference.strip_prefix('#').unwrap()).unwrap();
        return instance(target, whole, dice);
    }
    if let Some(value) = part.get("const") {
        return value.clone();
    }
    for (key, take) in [("enum", true), ("examples", true), ("anyOf", false)] {
        if let Some(choices) = part.get(key).and_then(Json::as_array) {
            let chosen = dice.pick(choices);
            return if take { chosen.clone() } else { instance(chosen, whole, dice) };
        }
    }
    let kind = match &part["type"] {
        Json::Array(kinds) => dice.pick(kinds).clone(),
        kind => kind.clone(),
    };
    match kind.as_str() {
        Some("object") => object(part, whole, dice),
        Some("array") => {
            let count = part["minItems"].as_u64().unwrap_or(0) + dice.roll(2) as u64;
            let count = count.min(part["maxItems"].as_u64().unwrap_or(u64::MAX));
            (0..count).map(|_| instance(&part["items"], whole, dice)).collect()
        }
        Some("integer") => {
            let (min, max) = (part["minimum"].as_u64().unwrap(), part["maximum"].as_u64());
            json!(*dice.pick(&[min, max.unwrap_or(7), min + 1]))
        }
        Some("number") => json!(2.5),
        Some("boolean") => json!(true),
        Some("null") => Json::Null,
        _ => json!("some text"),
    }
}

fn object(part: &Json, whole: &Json, dice: &mut Dice) -> Json {
    let mut made = Map::new();
    let empty = Map::new();
    let properties = part["properties"].as_object().unwrap_or(&empty);
    if part["maxProperties"] == json!(1) {
        let names: Vec<_> = properties.keys().collect();
        let name = *dice.pick(&names);
        made.insert(name.clone(), instance(&properties[name], whole, dice));
        return Json::Object(made);
    }
    let required = part["required"].as_array().cloned().unwrap_or_default();
    // Of fields that exclude each other one is chosen.
    let rules = part["allOf"].as_array().cloned().unwrap_or_default();
    let exclusive: Vec<String> = rules
        .iter()
        .filter_map(|it| it["oneOf"].as_array())
        .flatten()
        .filter_map(|it| it["required"][0].as_str().map(str::to_owned))
        .collect();
    let chosen = if exclusive.is_empty() { None } else { Some(dice.pick(&exclusive).clone()) };
    for (name, schema) in properties {
        let wanted = match exclusive.contains(name) {
            true => chosen.as_ref() == Some(name),
            false => required.contains(&json!(name)) || dice.roll(3) == 0,
        };
        if wanted {
            made.insert(name.clone(), instance(schema, whole, dice));
        }
    }
    // Nor is a field chosen beside one that it has no meaning beside.
    for rule in rules.iter().filter_map(|it| it["not"]["required"].as_array()) {
        if rule.iter().all(|it| made.contains_key(it.as_str().unwrap())) {
            made.remove(rule[0].as_str().unwrap());
        }
    }
    if let Some(values) = part["additionalProperties"].as_object() {
        let key = instance(&part["propertyNames"], whole, dice);
        if dice.roll(2) == 0 {
            let value = instance(&json!(values), whole, dice);
            made.insert(key.as_str().unwrap().to_owned(), value);
        }
    }
    if let Some(patterns) = part["patternProperties"].as_object() {
        let known = [
            ("throughput", "> 5/s"),
            ("p95", "< 1s"),
            ("error_rate", "< 1%"),
            ("breakdown_users", "> 300 users"),
        ];
        let (name, limit) = *dice.pick(&known);
        assert_eq!(patterns.len(), known.len());
        made.insert(name.to_owned(), json!(limit));
    }
    Json::Object(made)
}

/// Scalars of which some fit some fields.
fn scalar(dice: &mut Dice) -> Json {
    let pool = [
        json!("30s"),
        json!("30"),
        json!(30),
        json!(0),
        json!(-1),
        json!(2.5),
        json!(true),
        Json::Null,
        json!(""),
        json!("5%"),
        json!("120%"),
        json!("5 %"),
        json!("100/s"),
        json!("100 / s"),
        json!("1MiB"),
        json!("1MiB/s"),
        json!("p99"),
        json!("p100"),
        json!("p0"),
        json!("all"),
        json!("one"),
        json!("shop"),
        json!("Shop"),
        json!("a b"),
        json!("-a"),
        json!("latency"),
        json!("availability"),
        json!("GET"),
        json!("get"),
        json!("/a"),
        json!("a"),
        json!("/${env:A}"),
        json!("/${vault:A}"),
        json!("${env:A"),
        json!("$${"),
        json!("$$${env:A}"),
        json!("2xx"),
        json!("200"),
        json!("200-204"),
        json!("9xx"),
        json!(99),
        json!(600),
        json!("p95 < 500ms"),
        json!("p95 < 500"),
        json!("breakdown_threshold > 300 users"),
        json!("${data:users.id}"),
        json!("${var:id}"),
        json!("$.items[0].id"),
        json!("(["),
        json!("tcp://a"),
        json!("kafka://a:9092"),
        json!("precise"),
        json!("hex"),
        json!("line"),
        json!("error_rate > 10% for 3s"),
        json!("error_rate > 10% for 3"),
        json!("< 5%"),
        json!("< 5s"),
        json!("> 5/s"),
        json!("~ 5%"),
        json!("18:00-06:00"),
        json!("6:00-7:00"),
        json!("http://127.0.0.1:80"),
        json!("http://a/b c"),
        json!("https://a"),
        json!("127.0.0.1:80"),
        json!("[::1]:80"),
        json!("host"),
        json!("1m30s"),
        json!("1m 30s"),
        json!("1.5.2s"),
        json!("5d "),
        json!(" 5ms"),
        json!("1_000ms"),
        json!(".5s"),
        json!("5.s"),
        json!("evenkeel.dev/v1"),
        json!("evenkeel.dev/v2"),
        json!("Drill"),
        json!("gateway-*"),
        json!("3"),
        json!("abort"),
        json!("load"),
        json!("none"),
        json!("month"),
        json!("hold"),
        json!("page"),
        json!("review"),
        json!("up{job=\"shop\"}"),
        json!("sum(rate(a[$window]))"),
        json!("rate(a[5m])"),
        json!(">= 1"),
        json!("2026-03-01T02:00"),
        json!("FREQ=DAILY"),
    ];
    dice.pick(&pool).clone()
}

/// Every path of a value.
fn paths(value: &Json, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Json::Object(map) => map.iter().for_each(|(key, it)| {
            paths(it, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), all);
        }),
        Json::Array(items) => {
            items.iter().enumerate().for_each(|(n, it)| paths(it, &format!("{at}/{n}"), all));
        }
        _ => {}
    }
}

fn bend(value: &mut Json, dice: &mut Dice) {
    let mut all = Vec::new();
    paths(value, "", &mut all);
    let other = value.pointer(dice.pick(&all).as_str()).unwrap().clone();
    let target = value.pointer_mut(dice.pick(&all).as_str()).unwrap();
    let new_key = *dice.pick(&[
        "duration",
        "at",
        "service",
        "pid",
        "port",
        "instances",
        "mode",
        "objective",
        "name",
        "kill",
        "latency",
        "rate",
        "unknown",
        "max_duration",
        "p95",
        "error_rate",
        "description",
        "p99.9",
        "recovery_time",
        "routes",
        "scenarios",
        "path",
        "grpc",
        "think",
        "repeat",
        "if",
        "body",
        "json",
        "status",
        "exists",
        "sli",
        "shape",
        "Bad Name",
        "content-type",
        "p95_latency",
        "total",
        "good",
        "bad",
        "histogram",
        "until",
        "rrule",
        "factor",
        "budget",
        "alerting",
        "window",
    ]);
    match (dice.roll(6), target) {
        (0, Json::Object(map)) if !map.is_empty() => {
            let keys: Vec<_> = map.keys().cloned().collect();
            map.remove(dice.pick(&keys));
        }
        (1, Json::Object(map)) => {
            map.insert(new_key.to_owned(), scalar(dice));
        }
        (2, Json::Object(map)) => {
            map.insert(new_key.to_owned(), other);
        }
        (1 | 2, Json::Array(items)) => items.push(other),
        (0, Json::Array(items)) => {
            items.pop();
        }
        (3, target) => *target = json!([target.clone()]),
        (4, target) => *target = other,
        (_, target) => *target = scalar(dice),
    }
}

/// Findings that the schema has to make as well.
fn structural(text: &str) -> (usize, Vec<String>) {
    let (_, found) = Library::read([("it.yaml".to_owned(), text.as_bytes().to_vec())]);
    let of_schema = |code: &str| codes::ALL.iter().any(|it| it.name() == code && it.in_schema());
    let listed = found.iter().filter(|it| of_schema(&it.code));
    (found.len(), listed.map(|it| render(std::slice::from_ref(it), false)).collect())
}

fn agree(document: &Json, one: &Validator, all: &Validator) -> Result<(), TestCaseError> {
    let text = serde_json::to_string_pretty(document).unwrap();
    let (count, structural) = structural(&text);
    let refused: Vec<_> = one.iter_errors(document).map(|it| it.to_string()).collect();
    prop_assert_eq!(refused.is_empty(), all.is_valid(document), "kind and whole differ: {}", text);
    match refused.is_empty() {
        true => {
            prop_assert!(structural.is_empty(), "only the decoder refuses {text}\n{structural:?}");
        }
        false => prop_assert!(count > 0, "only the schema refuses {text}\n{refused:?}"),
    }
    Ok(())
}

fn validators() -> &'static [(Json, Validator)] {
    static ALL: std::sync::OnceLock<Vec<(Json, Validator)>> = std::sync::OnceLock::new();
    ALL.get_or_init(|| {
        let named = kinds().map(Some).chain([None]);
        named
            .map(|kind| {
                let schema = schema(kind).unwrap();
                let validator = jsonschema::draft202012::new(&schema).unwrap();
                (schema, validator)
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn what_the_schema_makes_the_decoder_reads(kind in 0usize..10, seed in any::<u64>()) {
        let (schema, one) = &validators()[kind];
        let document = instance(schema, schema, &mut Dice(seed));
        agree(&document, one, &validators()[10].1)?;
    }

    #[test]
    fn what_is_bent_is_refused_by_both_or_by_none(kind in 0usize..10, seed in any::<u64>(), times in 1usize..4) {
        let (schema, one) = &validators()[kind];
        let mut dice = Dice(seed);
        let mut document = instance(schema, schema, &mut dice);
        let kind = document["kind"].clone();
        for _ in 0..times {
            bend(&mut document, &mut dice);
        }
        // Of another kind, or of none, there is nothing to compare.
        if document.get("kind") == Some(&kind) {
            agree(&document, one, &validators()[10].1)?;
        }
    }
}

#[test]
fn what_is_wrong_within_a_structure_is_said_by_the_decoder_alone() {
    for body in [
        serde_json::json!({"path": "/", "json": ["${vault:A}", 2]}),
        serde_json::json!({"grpc": {"method": "a.B/C", "message": {"id": "${vault:A}"}}}),
    ] {
        let document = serde_json::json!({
            "apiVersion": "evenkeel.dev/v1",
            "kind": "LoadTest",
            "metadata": {"name": "shop"},
            "spec": {"url": "http://127.0.0.1:80", "routes": [body]},
        });
        agree(&document, &validators()[5].1, &validators()[10].1).unwrap();
        assert_eq!(structural(&document.to_string()).0, 1, "{document}");
    }
}

#[test]
fn documents_from_the_schema_are_often_valid_so_that_the_property_means_something() {
    for (schema, validator) in &validators()[..10] {
        let valid =
            (0..200).filter(|it| validator.is_valid(&instance(schema, schema, &mut Dice(*it))));
        assert!(valid.count() > 20, "{}", schema["title"]);
    }
}

#[test]
fn every_schema_is_a_schema() {
    for (schema, _) in validators() {
        assert!(jsonschema::meta::is_valid(schema), "{}", schema["title"]);
    }
    assert_eq!(schema(Some("Banana")), None);
}

#[test]
fn every_field_is_described() {
    for kind in kinds() {
        let schema = schema(Some(kind)).unwrap();
        for (title, definition) in schema["$defs"].as_object().unwrap() {
            for (name, field) in definition["properties"].as_object().unwrap() {
                let sentence = field["description"].as_str().unwrap_or_default();
                assert!(sentence.contains(' ') && sentence.ends_with('.'), "{title}: {name}");
            }
        }
    }
}
