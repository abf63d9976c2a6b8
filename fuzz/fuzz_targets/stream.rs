//! Answers over TCP, by every way in which they end.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_load::fuzzing::stream(bytes));
