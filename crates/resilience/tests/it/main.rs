//! It: what the patterns promise, from outside, in paused time.

mod breaker_oracle;
#[cfg(feature = "tower")]
mod bulkhead;
mod oracle;
