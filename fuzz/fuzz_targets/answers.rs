//! Parts of bodies, by paths and between texts.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_load::fuzzing::answers(bytes));
