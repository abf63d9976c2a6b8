//! Documents, and what is said about those that are wrong.
#![no_main]

use evenkeel_model::Library;
use evenkeel_model::lint::lint;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (library, _) = Library::read([("it.yaml".to_owned(), bytes.to_vec())]);
    lint(&library);
});
