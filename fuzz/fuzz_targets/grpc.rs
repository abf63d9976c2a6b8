//! Frames of HTTP/2 with answers of gRPC.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_load::fuzzing::grpc(bytes));
