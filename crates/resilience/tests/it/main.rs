//! It: what the patterns promise, from outside, in paused time.

mod breaker_oracle;
#[cfg(feature = "tower")]
mod bulkhead;
#[cfg(feature = "tower")]
mod limit;
#[cfg(feature = "tower")]
mod metastable;
mod oracle;
#[cfg(feature = "tower")]
mod shed;
