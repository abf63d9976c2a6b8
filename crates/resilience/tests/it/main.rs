//! It: what the patterns promise, from outside.

mod breaker_oracle;
mod oracle;
