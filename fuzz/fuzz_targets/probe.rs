//! What servers say to a probe: HTTP, gRPC, PostgreSQL, Redis, certificates, echoes of ICMP.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_probe::fuzz(bytes));
