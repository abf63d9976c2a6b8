//! Faults of TLS.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What is wrong with a certificate.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// Its time is over.
    Expired,
    /// It is for another name.
    WrongName,
    /// Nobody trusts who signed it.
    Untrusted,
}

impl Flaw {
    /// As documents name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::WrongName => "wrongName",
            Self::Untrusted => "untrusted",
        }
    }
}

/// An authority that clients trust, such as that of a test environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    /// Its certificate, a file in PEM.
    pub certificate: PathBuf,
    /// Its key, a file in PEM.
    pub key: PathBuf,
}
