//! Checks and extracts as documents write them, and paths against a full reader of JSON.

use std::borrow::Cow;

use evenkeel_model::Answer;
use evenkeel_model::document::{Checks, Extract, JsonPath, Source, StatusCheck};
use proptest::prelude::*;
use serde_json::Value;

use super::json_path::find;
use super::*;

fn judge(checks: &Checks, status: Option<u16>, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut kept = Headers::default();
    headers.iter().for_each(|(name, value)| kept.push(name.as_bytes(), value.as_bytes()));
    Judge::new(checks, 200..=399).unwrap().judge(status, &kept, body.as_bytes())
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&it| it.to_owned()).collect()
}

fn found<'b>(path: &str, body: &'b str) -> Option<Cow<'b, str>> {
    find(&JsonPath::parse(path).unwrap(), body.as_bytes())
}

#[test]
fn a_status_is_right_by_default_or_as_said() {
    let default = Checks::default();
    let said = Checks { status: vec![StatusCheck { from: 404, to: 404 }], ..Checks::default() };
    for (checks, status, answer) in [
        (&default, Some(302), Answer::Ok),
        (&default, Some(404), Answer::Status),
        (&default, None, Answer::Ok),
        (&said, Some(404), Answer::Ok),
        (&said, Some(200), Answer::Status),
        (&said, None, Answer::Status),
    ] {
        assert_eq!(judge(checks, status, &[], ""), answer, "{status:?}");
    }
}

#[test]
fn every_check_must_hold() {
    let checks = Checks {
        contains: texts(&["order", "id"]),
        lacks: texts(&["error"]),
        matches: texts(&[r"\d{2}"]),
        json: vec![("$.order.id".to_owned(), "17".to_owned())],
        headers: vec![("Content-Type".to_owned(), "json".to_owned())],
        ..Checks::default()
    };
    let json = [("x", "y"), ("content-type", "text/html"), ("content-type", "application/json")];
    let answer = |headers: &[(&str, &str)], body| judge(&checks, Some(200), headers, body);
    assert_eq!(answer(&json, r#"{"order": {"id": 17}}"#), Answer::Ok);
    assert_eq!(answer(&json[..2], r#"{"order": {"id": 17}}"#), Answer::Body);
    assert_eq!(answer(&json, r#"{"order": {"id": 18}}"#), Answer::Body);
    assert_eq!(answer(&json, r#"{"order": {"id": 17}, "error": 1}"#), Answer::Body);
    assert_eq!(answer(&json, "order id 17"), Answer::Body);
}

#[test]
fn a_judge_wants_only_what_it_looks_at() {
    let wants = |checks: Checks| {
        let judge = Judge::new(&checks, 0..=0).unwrap();
        (judge.wants_headers(), judge.wants_body())
    };
    assert_eq!(wants(Checks::default()), (false, false));
    assert_eq!(wants(Checks { lacks: texts(&["x"]), ..Checks::default() }), (false, true));
    let headers = vec![("a".to_owned(), "b".to_owned())];
    assert_eq!(wants(Checks { headers, ..Checks::default() }), (true, false));
}

#[test]
fn a_wrong_expression_or_path_is_said_in_one_line() {
    let wrong = |checks: Checks| Judge::new(&checks, 0..=0).unwrap_err();
    let error = wrong(Checks { matches: texts(&["a(b"]), ..Checks::default() });
    assert_eq!(error, "`a(b` is not a regular expression: unclosed group");
    let error = wrong(Checks { json: vec![("items".into(), "1".into())], ..Checks::default() });
    assert!(error.contains("does not begin with `$`"), "{error}");
}

#[test]
fn an_extract_finds_its_part_or_its_default() {
    let mut headers = Headers::default();
    headers.push(b"Location", b"/orders/9");
    headers.push(b"location", b"/second");
    let body = br#"{"id": "a\n1"} token=[abc] rest"#;
    let find = |from: Source, default: Option<&str>| {
        let extract = Extract { var: "v".into(), from, default: default.map(str::to_owned) };
        let extractor = Extractor::new(&extract, 3).unwrap();
        extractor
            .find(Some(201), &headers, body)
            .map(|it| String::from_utf8(it.into_owned()).unwrap())
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(find(Source::Json("$.id".into()), None), some("a\n1"));
    assert_eq!(find(Source::Header("location".into()), None), some("/orders/9"));
    assert_eq!(find(Source::Regex(r"token=\[(\w+)".into()), None), some("abc"));
    assert_eq!(find(Source::Regex(r"token=\[\w+".into()), None), some("token=[abc"));
    assert_eq!(find(Source::Between("token=[".into(), "]".into()), None), some("abc"));
    assert_eq!(find(Source::Between("] ".into(), String::new()), None), some("rest"));
    assert_eq!(find(Source::Status, None), some("201"));
    assert_eq!(find(Source::Body, None).unwrap().len(), body.len());
    for from in [
        Source::Json("$.no".into()),
        Source::Header("no".into()),
        Source::Regex("no".into()),
        Source::Between("token=[".into(), "no".into()),
    ] {
        assert_eq!(find(from.clone(), None), None);
        assert_eq!(find(from, Some("0")), some("0"));
    }
}

#[test]
fn headers_are_forgotten_and_bounded() {
    let mut headers = Headers::default();
    for _ in 0..100_000 {
        headers.push(b"name", b"value");
    }
    assert!(headers.bytes.len() <= KEPT_BYTES_MAX);
    headers.clear();
    headers.push(b"a", b"");
    assert_eq!(headers.get(b"A").collect::<Vec<_>>(), [b""]);
    assert_eq!(headers.get(b"name").count(), 0);
}

#[test]
fn a_path_leads_to_a_value_as_it_is_written() {
    let body = r#" {"skip": {"a": ["}", 1]}, "a": [1.50e3, {"x y": "t\u00e9\ud83d\ude00\/", "n": null}, [ ]], "é\n": -0} "#;
    let some = |text: &'static str| Some(Cow::Borrowed(text));
    assert_eq!(found("$.a[0]", body), some("1.50e3"));
    assert_eq!(found(r#"$.a[1]["x y"]"#, body), some("té😀/"));
    assert_eq!(found("$['a'][1].n", body), some("null"));
    assert_eq!(found("$.a[2]", body), some("[ ]"));
    assert_eq!(found("$.skip", body), some(r#"{"a": ["}", 1]}"#));
    assert_eq!(found("$.é\n", body), some("-0"));
    assert_eq!(found("$", body), Some(body.trim().into()));
    for path in ["$.b", "$.a[3]", "$.a[2][0]", "$.a.x", "$[0]", "$.a[0].x", "$.x"] {
        assert_eq!(found(path, body), None, "{path}");
    }
}

#[test]
fn what_is_broken_up_to_the_value_has_none() {
    for body in ["", "{", r#"{"a""#, r#"{"a":"#, r#"{"a": [1, 2"#, r#"{"a": "x"#, r#"{"a": "\q"}"#]
        .into_iter()
        .chain([
            r#"{"a": nul}"#,
            r#"{"a": 01}"#,
            r#"{"a": 1.}"#,
            r#"{"a": "\u12"}"#,
            r#"{"a": "\u+123"}"#,
        ])
    {
        assert_eq!(found("$.a", body), None, "{body}");
    }
    assert_eq!(find(&JsonPath::parse("$.a").unwrap(), b"{\"a\": \"\xff\"}"), None);
    assert_eq!(found("$", r#""\ud800x""#).as_deref(), Some("\u{fffd}x"));
}

/// Trees of JSON.
fn json() -> impl Strategy<Value = Value> {
    let text = || {
        proptest::collection::vec(any::<char>(), 0..5)
            .prop_map(|it| it.into_iter().collect::<String>())
    };
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((text(), inner), 0..5)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

/// Every value of a tree, with its path.
fn places<'v>(path: &str, value: &'v Value, all: &mut Vec<(String, &'v Value)>) {
    all.push((path.to_owned(), value));
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(&format!("{path}[{index}]"), item, all);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('\\', "\\\\").replace('"', "\\\"");
                places(&format!("{path}[\"{name}\"]"), member, all);
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn a_path_finds_what_a_full_reader_finds(tree in json(), pretty in any::<bool>()) {
        let body = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) };
        let body = body.unwrap();
        // Read back, since writing may round the last digit of a number.
        let tree: Value = serde_json::from_str(&body).unwrap();
        let mut all = Vec::new();
        places("$", &tree, &mut all);
        for (path, value) in all {
            let text = found(&path, &body);
            let text = text.as_deref().unwrap_or_else(|| panic!("{path} in {body}"));
            match value {
                Value::String(it) => prop_assert_eq!(text, it.as_str()),
                it => prop_assert_eq!(&serde_json::from_str::<Value>(text).unwrap(), it),
            }
            prop_assert_eq!(found(&format!("{path}[5]"), &body), None);
            prop_assert_eq!(found(&format!("{path}.absent-name"), &body), None);
        }
    }

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(prop_oneof![
        any::<u8>(),
        proptest::sample::select(b"{}[]\",:\\u0 a".to_vec()),
    ], 0..80)) {
        for path in ["$", "$.a", "$[1]", "$.a[0].a", "$[0][0]"] {
            let found = find(&JsonPath::parse(path).unwrap(), &bytes);
            prop_assert!(found.is_none_or(|it| it.len() <= 3 * bytes.len()));
        }
    }
}
