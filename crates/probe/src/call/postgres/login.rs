//! Login: whoever asks a PostgreSQL shows who they are: in clear, by MD5, or by SCRAM-SHA-256.
//!
//! Source: <https://www.postgresql.org/docs/current/sasl-authentication.html>, RFC 5802 and RFC 7677.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest as _, Md5};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{hmac, pbkdf2};

use super::Cover;
use super::wire::{Message, Wire, text};
use crate::call::{Trouble, short};

const CONTENT: u32 = 0;
const IN_CLEAR: u32 = 3;
const BY_MD5: u32 = 5;
const BY_SASL: u32 = 10;
const SASL_GOES_ON: u32 = 11;
const SASL_ENDS: u32 = 12;

const SCRAM: &str = "SCRAM-SHA-256";
/// As many as a sane server asks for: each costs time here.
const ITERATIONS_MAX: u32 = 1_000_000;
const STRANGE: &str = "what it says during the login is not that of a PostgreSQL";
const NO_PASSWORD: &str = "it asks for a password: give one, as `PGPASSWORD` or in the URL";

/// Shows who it is until the server is content.
pub(super) async fn show(
    wire: &mut Wire,
    user: &str,
    password: Option<&str>,
    cover: Cover,
) -> Result<(), Trouble> {
    loop {
        match wire.hear().await? {
            Message::Login(CONTENT, _) => return Ok(()),
            Message::Login(IN_CLEAR, _) => {
                let password = password.ok_or(NO_PASSWORD)?;
                if cover != Cover::Verified {
                    let why = "it wants the password in clear over a line that nobody vouches for: use `sslmode=verify-full`";
                    return Err(why.into());
                }
                wire.say_login(&text(password)).await?;
            }
            Message::Login(BY_MD5, salt) => {
                let password = password.ok_or(NO_PASSWORD)?;
                wire.say_login(&text(&by_md5(user, password, &salt))).await?;
            }
            Message::Login(BY_SASL, offered) => {
                let password = password.ok_or(NO_PASSWORD)?;
                let mut offered = offered.split(|it| *it == 0);
                if !offered.any(|it| it == SCRAM.as_bytes()) {
                    return Err(format!("it does not take a password by {SCRAM}").into());
                }
                by_scram(wire, password).await?;
            }
            Message::Login(other, _) => {
                let why = format!("it wants a login of a kind that is not spoken (number {other})");
                return Err(why.into());
            }
            Message::Error(why) => return Err(why.into()),
            Message::Other | Message::Parameter(..) => {}
            Message::Ready | Message::Row(_) | Message::Copy => return Err(STRANGE.into()),
        }
    }
}

fn by_md5(user: &str, password: &str, salt: &[u8]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect::<String>();
    let inner = hex(&Md5::digest([password.as_bytes(), user.as_bytes()].concat()));
    format!("md5{}", hex(&Md5::digest([inner.as_bytes(), salt].concat())))
}

async fn by_scram(wire: &mut Wire, password: &str) -> Result<(), Trouble> {
    let mut nonce = [0; 18];
    let failed = |_| Trouble::Unasked("this system has no chance to give".to_owned());
    SystemRandom::new().fill(&mut nonce).map_err(failed)?;
    let proof = Scram::new(BASE64_STANDARD.encode(nonce));
    let first = proof.first();
    let mut said = text(SCRAM);
    said.extend((first.len() as u32).to_be_bytes());
    said.extend(first.as_bytes());
    wire.say_login(&said).await?;
    let challenge = expected(wire, SASL_GOES_ON).await?;
    let (answer, signature) = proof.answer(password, &challenge).ok_or(STRANGE)??;
    wire.say_login(answer.as_bytes()).await?;
    let last = expected(wire, SASL_ENDS).await?;
    // A server that does not know the password is another one than it says.
    match last.strip_prefix("v=") {
        Some(it) if it == signature => Ok(()),
        _ => Err("it does not know the password that it asks for".into()),
    }
}

async fn expected(wire: &mut Wire, number: u32) -> Result<String, Trouble> {
    match wire.hear().await? {
        Message::Login(it, said) if it == number => {
            String::from_utf8(said).map_err(|_| STRANGE.into())
        }
        Message::Error(why) => Err(why.into()),
        _ => Err(STRANGE.into()),
    }
}

/// One conversation, by the nonce of this side.
struct Scram {
    nonce: String,
}

impl Scram {
    const fn new(nonce: String) -> Self {
        Self { nonce }
    }

    /// Without a name, which the server has heard, and without a binding to the channel.
    fn first(&self) -> String {
        format!("n,,{}", self.bare())
    }

    fn bare(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// The answer to a challenge, and what the server then has to say. Nothing when it is no challenge.
    fn answer(&self, password: &str, challenge: &str) -> Option<Result<(String, String), Trouble>> {
        let field = |name: &str| challenge.split(',').find_map(|it| it.strip_prefix(name));
        let nonce = field("r=").filter(|it| it.starts_with(&self.nonce))?;
        let salt = BASE64_STANDARD.decode(field("s=")?).ok()?;
        let iterations = field("i=")?.parse::<NonZeroU32>().ok()?;
        if iterations.get() > ITERATIONS_MAX {
            let said = short(&iterations.to_string());
            return Some(Err(format!("it wants {said} rounds of SCRAM, which is too much").into()));
        }
        let prepared = stringprep::saslprep(password);
        let password = prepared.as_deref().unwrap_or(password);
        let mut salted = [0; 32];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            iterations,
            &salt,
            password.as_bytes(),
            &mut salted,
        );
        let client = signed(&salted, b"Client Key");
        let stored = digest(&SHA256, client.as_ref());
        let unproved = format!("c=biws,r={nonce}");
        let all = format!("{},{challenge},{unproved}", self.bare());
        let signature = signed(stored.as_ref(), all.as_bytes());
        let proof: Vec<u8> = client
            .as_ref()
            .iter()
            .zip(signature.as_ref())
            .map(|(one, other)| one ^ other)
            .collect();
        let server = signed(&salted, b"Server Key");
        let theirs = signed(server.as_ref(), all.as_bytes());
        let answer = format!("{unproved},p={}", BASE64_STANDARD.encode(proof));
        Some(Ok((answer, BASE64_STANDARD.encode(theirs.as_ref()))))
    }
}

fn signed(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CHALLENGE: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    /// The challenge of RFC 7677, section 3. Its user is named and that of PostgreSQL is not, so the proofs are others: those of
    /// `hashlib` of Python, which gives those of the RFC for its user.
    #[test]
    fn an_answer_proves_the_password_and_asks_for_a_proof() {
        let scram = Scram::new("rOprNGfwEbeRWgbNEkqO".to_owned());
        assert_eq!(scram.first(), "n,,n=,r=rOprNGfwEbeRWgbNEkqO");
        let (answer, theirs) = scram.answer("pencil", CHALLENGE).unwrap().unwrap();
        let head = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=";
        assert_eq!(answer, format!("{head}qvT2SWdEH5Q06albL+hjSYuUhCG7VndFyzIb7CK4n9k="));
        assert_eq!(theirs, "3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg=");
    }

    #[test]
    fn what_is_no_challenge_is_not_answered() {
        let scram = Scram::new("abc".to_owned());
        for challenge in
            ["", "r=other,s=AA==,i=1", "r=abcd,s=!,i=1", "r=abcd,s=AA==,i=0", "r=abcd,s=AA=="]
        {
            assert!(scram.answer("x", challenge).is_none(), "{challenge}");
        }
        let slow = scram.answer("x", "r=abcd,s=AA==,i=4000000000").unwrap();
        assert!(slow.is_err());
    }

    #[test]
    fn md5_is_of_the_password_the_user_and_the_salt() {
        // As `md5(md5('secret' || 'app') || salt)` has it.
        let expected = "md5911f527656472583a006e7727877b33e";
        assert_eq!(by_md5("app", "secret", b"\x01\x02\x03\x04"), expected);
    }

    proptest! {
        #[test]
        fn no_challenge_makes_it_panic(text in "(r=a)?[,=a-z0-9]{0,30}") {
            drop(Scram::new("a".to_owned()).answer("x", &text));
        }
    }
}
