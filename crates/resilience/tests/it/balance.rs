//! Balancer: services behind it, and whole minutes of traffic in virtual time.

mod service;
mod traffic;
