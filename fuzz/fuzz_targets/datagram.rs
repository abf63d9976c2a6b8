//! Datagrams.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_load::fuzzing::datagram(bytes));
