//! Token: what a coordinator and its agents both know, and how each shows that it does without saying it.
//!
//! A proof is an HMAC over keying material that TLS exports for this one connection. Whoever stands in between has
//! two connections with different material, so that no proof of one side is worth anything on the other; and the
//! two roles are told apart, so that none can be sent back.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// Whoever talks to us once may try tokens as fast as it can: a short one would be found.
const CHARACTERS_MIN: usize = 16;

/// More than anybody writes.
const BYTES_MAX: u64 = 4 * 1024;

/// What TLS exports for a proof.
pub(super) type Binding = [u8; 32];

/// Which side of a connection proves itself.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Coordinator,
    Agent,
}

impl Role {
    /// The side that it talks to.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Coordinator => Self::Agent,
            Self::Agent => Self::Coordinator,
        }
    }

    const fn label(self) -> &'static [u8] {
        match self {
            Self::Coordinator => b"evenkeel fleet: coordinator",
            Self::Agent => b"evenkeel fleet: agent",
        }
    }
}

/// A secret that a coordinator and its agents share. Never shown.
#[derive(Clone)]
pub struct Token(hmac::Key);

/// Why something cannot be a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It could not be read.
    #[error("cannot read the token from {file}")]
    Read {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is too easy to find by trying.
    #[error("the token has fewer than 16 characters")]
    Short,
}

impl Token {
    /// A token; white space around it does not count.
    ///
    /// # Errors
    /// When it has fewer than 16 characters.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        match text.chars().count() < CHARACTERS_MIN {
            true => Err(TokenError::Short),
            false => Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()))),
        }
    }

    /// The token that a file holds.
    ///
    /// # Errors
    /// When it cannot be read, or is too short.
    pub fn from_file(file: &Path) -> Result<Self, TokenError> {
        let wrong = |source| TokenError::Read { file: file.display().to_string(), source };
        let mut text = String::new();
        let opened = File::open(file).map_err(wrong)?;
        opened.take(BYTES_MAX).read_to_string(&mut text).map_err(wrong)?;
        Self::new(&text)
    }

    /// Shows that `role` knows the token, on the connection of this binding.
    pub(super) fn proof(&self, role: Role, binding: &Binding) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(role.label());
        context.update(binding);
        STANDARD.encode(context.sign().as_ref())
    }

    /// Whether `proof` shows it. Takes as long for any proof.
    pub(super) fn is_proven(&self, role: Role, binding: &Binding, proof: &str) -> bool {
        let Ok(proof) = STANDARD.decode(proof) else { return false };
        let message = [role.label(), binding].concat();
        hmac::verify(&self.0, &message, &proof).is_ok()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINDING: Binding = [7; 32];

    #[test]
    fn a_proof_holds_for_one_token_one_role_and_one_connection() {
        let token = Token::new("correct horse battery\n").unwrap();
        let other = Token::new("correct horse battery!").unwrap();
        let proof = token.proof(Role::Agent, &BINDING);
        let same = Token::new("correct horse battery").unwrap();
        assert!(same.is_proven(Role::Agent, &BINDING, &proof));
        assert!(!other.is_proven(Role::Agent, &BINDING, &proof));
        assert!(!token.is_proven(Role::Coordinator, &BINDING, &proof));
        assert!(!token.is_proven(Role::Agent, &[8; 32], &proof));
        let cut = proof.replacen('=', "", 1);
        for garbage in ["", "AAAA", "\u{e9}", &cut] {
            assert!(!token.is_proven(Role::Agent, &BINDING, garbage), "{garbage}");
        }
    }

    #[test]
    fn a_token_that_could_be_guessed_is_refused_and_none_is_shown() {
        assert!(matches!(Token::new("  fifteen chars..  "), Err(TokenError::Short)));
        assert_eq!(format!("{:?}", Token::new("sixteen chars...").unwrap()), "Token");
        let error = Token::from_file(Path::new("/nowhere/token")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the token from /nowhere/token");
    }
}
