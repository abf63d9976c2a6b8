//! Answers of DNS: with the number and the question that were sent, or as they are.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_load::fuzzing::dns(bytes));
