//! The writer: what every field looks like, and that nothing is lost.

use std::time::Duration;

use evenkeel_import::to_yaml;
use evenkeel_model::document::LoadTest;
use proptest::prelude::*;

use crate::corpus::read_back;

/// A document of ours with everything in it, of each shape.
fn tests() -> Vec<LoadTest> {
    read_back(include_str!("../corpus/ours.yaml"))
}

#[test]
fn every_field_is_written_and_read_back() {
    let tests = tests();
    assert_eq!(read_back(&to_yaml(&tests)), tests);
}

#[test]
fn what_is_the_default_is_not_written() {
    let text = "apiVersion: evenkeel.dev/v1\nkind: LoadTest\nmetadata: {name: small}\nspec:\n  url: http://a:80\n  \
                shape:\n    constant: {rate: 5/s, duration: 1m}\n  routes: [{path: /}]\n";
    let written = to_yaml(&read_back(text));
    assert_eq!(
        written,
        "apiVersion: evenkeel.dev/v1\nkind: LoadTest\nmetadata: {name: small}\nspec:\n  url: \"http://a:80\"\n  \
         shape: {constant: {rate: 5/s, duration: 1m}}\n  routes: [{path: /}]\n"
    );
}

proptest! {
    #[test]
    fn times_and_rates_lose_nothing(nanos in 1u64..4_000_000_000_000, rate in 0.001f64..100_000.0) {
        let mut tests = tests();
        tests.truncate(1);
        tests[0].timeout = Duration::from_nanos(nanos);
        let rate = evenkeel_units::Rate::per_second(rate).unwrap();
        tests[0].shape = Some(evenkeel_model::document::Shape::Constant { rate, duration: Duration::from_nanos(nanos) });
        prop_assert_eq!(read_back(&to_yaml(&tests)), tests);
    }
}
