//! Frames of HTTP/2, after the settings of a server or without them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_load::fuzzing::http2(bytes));
