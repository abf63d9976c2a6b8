//! `Resilience`: the policies of the calls to services, for those who make them.
//!
//! ```yaml
//! apiVersion: evenkeel.dev/v1
//! kind: Resilience
//! metadata: {name: shop}
//! spec:
//!   services:
//!     payment:
//!       deadlines: {total: 2s, attempt: 500ms, connect: 100ms, read: 500ms}
//!       retry: {attempts: 3}
//! ```
//!
//! The policies are those of a library that knows nothing of documents. Whoever knows the library reads them, by
//! [`Library::look_into`](crate::Library::look_into); here they are maps.

use serde::{Deserialize, Serialize};

/// The policies of the calls to services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resilience {
    /// `metadata.name`.
    pub name: String,
    /// The services that are called.
    pub services: Vec<String>,
}
