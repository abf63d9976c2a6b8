//! Frames of WebSocket, after a handshake that was answered well or instead of its answer.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_load::fuzzing::websocket(bytes));
