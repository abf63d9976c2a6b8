//! Services of the tests' own, asked as they are in earnest: PostgreSQL, Redis, nginx, gRPC, and such as behave badly.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod grpc;
mod postgres;
mod redis;
mod stage;
mod strange;
mod udp;
mod web;
