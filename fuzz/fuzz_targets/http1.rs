//! Answers of HTTP/1.1.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_load::fuzzing::http1(bytes));
