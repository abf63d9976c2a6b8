//! Parsing, seen from the text: what binds how tight, and what is said about what is wrong.

use super::*;
use crate::ast::{At, Length};

fn tree(text: &str) -> String {
    fn show(expr: &Expr) -> String {
        match &expr.kind {
            Kind::Number(value) => value.to_string(),
            Kind::Binary(it) => {
                format!("({} {} {})", show(&it.left), it.operator.sign(), show(&it.right))
            }
            Kind::Sign { minus, of } => format!("{}{}", if *minus { "-" } else { "+" }, show(of)),
            Kind::Selector(it) => it.name.clone().unwrap_or_default(),
            Kind::Parentheses(of) => show(of),
            other => format!("{other:?}"),
        }
    }
    show(&parse(text).unwrap())
}

fn wrong(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn operators_bind_as_tight_as_in_prometheus() {
    assert_eq!(tree("a + b * c ^ d ^ e"), "(a + (b * (c ^ (d ^ e))))");
    assert_eq!(tree("a or b and c unless d"), "(a or ((b and c) unless d))");
    assert_eq!(tree("-a ^ b"), "-(a ^ b)");
    assert_eq!(tree("-a * b"), "(-a * b)");
    assert_eq!(tree("2 - -1 == 3"), "((2 - -1) == 3)");
    assert_eq!(tree("a atan2 b > c"), "((a atan2 b) > c)");
    assert_eq!(tree("foo offset -2 ^ 2"), "(foo ^ 2)");
}

#[test]
fn modifiers_belong_to_the_selector_before_them() {
    let Kind::Range(range) = parse("x[1h30m] offset 5m @ 1.5").unwrap().kind else { panic!() };
    assert_eq!(range.length, Length::Fixed(5_400_000));
    assert_eq!(range.selector.when.at, At::Moment(1500));
    assert_eq!(range.selector.when.offset, Some(Length::Fixed(300_000)));
}

#[test]
fn numbers_are_read_in_every_notation() {
    for (text, value) in [
        ("0x1F", 31.0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1_000", 1000.0),
        ("5m", 300.0),
        ("1h2ms", 3600.002),
    ] {
        assert_eq!(parse(text).unwrap().kind, Kind::Number(value), "{text}");
    }
}

#[test]
fn words_of_the_language_may_name_metrics() {
    assert_eq!(tree("sum + by + offset"), "((sum + by) + offset)");
}

#[test]
fn texts_are_read_with_their_escapes() {
    assert_eq!(quoted(r#""a\n\"\x41\u00e9""#).unwrap(), "a\n\"Aé");
    assert_eq!(quoted(r"`a\n`").unwrap(), r"a\n");
    assert!(quoted(r#""\xff""#).is_err());
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_what_to_do() {
    assert_eq!(wrong("sum(x"), "1:6: the end where `,` belongs, after an argument: put `,` here");
    assert!(wrong("rate(x[5m]))").starts_with("1:12: `)` after the end"));
    assert!(wrong("a +\n  foo(x)").starts_with("2:3: no function is called `foo`"));
    assert!(wrong("x[0s]").contains("not above zero"));
    assert!(wrong("x offset 5m [5m]").contains("put `offset` and `@` after the range"));
    assert!(wrong("(a + b)[5m]").contains("make it a subquery"));
    assert!(wrong("5x").contains("neither a number nor a duration"));
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    for (open, middle, close) in
        [("(", "1", ")"), ("-", "x", ""), ("", "x", " + 1"), ("abs(", "x", ")"), ("x[", "5m", ":]")]
    {
        let text = format!("{}{middle}{}", open.repeat(20_000), close.repeat(20_000));
        assert!(parse(&text).is_err(), "{open}{middle}{close}");
    }
    let chain = format!("x[{}1m]", "1m + ".repeat(20_000));
    assert!(parse(&chain).is_err());
}
