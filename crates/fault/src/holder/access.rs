//! Access to a server: its address, which may hold a password. It goes to a holder on its standard input only.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a server is reached, and what people are told of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// For people: without who asks, and how.
    pub shown: String,
    /// With whatever it takes to be let in.
    url: String,
}

impl Access {
    pub(crate) const fn new(shown: String, url: String) -> Self {
        Self { shown, url }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Access").field(&self.shown).finish()
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_shown_a_password() {
        let access = Access::new("db/shop".to_owned(), "postgres://app:secret@db/shop".to_owned());
        assert!(!format!("{access} {access:?}").contains("secret"));
    }
}
