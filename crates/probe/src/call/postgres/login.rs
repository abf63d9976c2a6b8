//! Login: whoever asks a PostgreSQL shows who they are: in clear, by MD5, or by SCRAM-SHA-256.

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend::{
    password_message, sasl_initial_response, sasl_response,
};

use super::Cover;
use super::wire::{Wire, told};
use crate::call::Trouble;

const STRANGE: &str = "what it says during the login is not that of a PostgreSQL";
const NO_PASSWORD: &str = "it asks for a password: give one, as `PGPASSWORD` or in the URL";

/// Shows who it is until the server is content.
pub(super) async fn show(
    wire: &mut Wire,
    user: &str,
    password: Option<&str>,
    cover: Cover,
) -> Result<(), Trouble> {
    let password = password.map(str::as_bytes).ok_or(NO_PASSWORD);
    loop {
        match wire.hear().await? {
            Message::AuthenticationOk => return Ok(()),
            Message::AuthenticationCleartextPassword => {
                let password = password?;
                if cover != Cover::Verified {
                    let why = "it wants the password in clear over a line that nobody vouches for: use `sslmode=verify-full`";
                    return Err(why.into());
                }
                wire.say(|to| password_message(password, to)).await?;
            }
            Message::AuthenticationMd5Password(asked) => {
                let hash = md5_hash(user.as_bytes(), password?, asked.salt());
                wire.say(|to| password_message(hash.as_bytes(), to)).await?;
            }
            Message::AuthenticationSasl(offered) => {
                let password = password?;
                let known = offered.mechanisms().any(|it| Ok(it == SCRAM_SHA_256));
                if !known.map_err(|_| STRANGE)? {
                    return Err(format!("it does not take a password by {SCRAM_SHA_256}").into());
                }
                by_scram(wire, password).await?;
            }
            Message::AuthenticationGss
            | Message::AuthenticationSspi
            | Message::AuthenticationKerberosV5
            | Message::AuthenticationScmCredential => {
                return Err("it wants a login by Kerberos or the like, which is not spoken".into());
            }
            Message::ErrorResponse(why) => return Err(told(&why).into()),
            Message::NoticeResponse(_) | Message::ParameterStatus(_) => {}
            _ => return Err(STRANGE.into()),
        }
    }
}

async fn by_scram(wire: &mut Wire, password: &[u8]) -> Result<(), Trouble> {
    let mut scram = ScramSha256::new(password, ChannelBinding::unsupported());
    wire.say(|to| sasl_initial_response(SCRAM_SHA_256, scram.message(), to)).await?;
    match wire.hear().await? {
        Message::AuthenticationSaslContinue(challenge) => scram
            .update(challenge.data())
            .map_err(|error| format!("its challenge is none of {SCRAM_SHA_256}: {error}"))?,
        Message::ErrorResponse(why) => return Err(told(&why).into()),
        _ => return Err(STRANGE.into()),
    }
    wire.say(|to| sasl_response(scram.message(), to)).await?;
    match wire.hear().await? {
        // A server that does not know the password is another one than it says.
        Message::AuthenticationSaslFinal(proof) => scram
            .finish(proof.data())
            .map_err(|_| "it does not know the password that it asks for".into()),
        Message::ErrorResponse(why) => Err(told(&why).into()),
        _ => Err(STRANGE.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    fn asks(number: u32, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32 + 8).to_be_bytes();
        [b"R", &length[..], &number.to_be_bytes(), body].concat()
    }

    /// What comes of a server that does this.
    async fn shown<F: Future<Output = ()> + Send + 'static>(
        password: Option<&str>,
        server: impl FnOnce(DuplexStream) -> F,
    ) -> Result<(), Trouble> {
        let (ours, theirs) = duplex(1 << 16);
        let server = tokio::spawn(server(theirs));
        let shown = show(&mut Wire::new(Box::new(ours)), "app", password, Cover::None).await;
        server.await.unwrap();
        shown
    }

    async fn says(mut line: DuplexStream, all: Vec<Vec<u8>>) {
        for it in all {
            line.write_all(&it).await.unwrap();
            drop(line.read(&mut [0; 1_024]).await);
        }
    }

    #[tokio::test]
    async fn a_server_that_does_not_know_the_password_is_not_believed() {
        let shown = shown(Some("s3cret"), async |mut line| {
            line.write_all(&asks(10, b"SCRAM-SHA-256\0\0")).await.unwrap();
            let mut said = vec![0; 1_024];
            let length = line.read(&mut said).await.unwrap();
            let said = String::from_utf8_lossy(&said[..length]).into_owned();
            let (_, nonce) = said.split_once("n,,n=,r=").unwrap();
            let challenge = format!("r={nonce}more,s=AAAA,i=1");
            let proof = b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_vec();
            says(line, vec![asks(11, challenge.as_bytes()), asks(12, &proof)]).await;
        });
        assert_eq!(shown.await, Err("it does not know the password that it asks for".into()));
    }

    #[tokio::test]
    async fn a_login_that_is_none_or_not_safe_ends_the_question() {
        let scram = |challenge: &[u8]| vec![asks(10, b"SCRAM-SHA-256\0\0"), asks(11, challenge)];
        for (all, why) in [
            (vec![asks(3, b"")], "it wants the password in clear"),
            (vec![asks(7, b"")], "by Kerberos"),
            (vec![asks(10, b"SCRAM-SHA-512\0\0")], "does not take a password by SCRAM-SHA-256"),
            (vec![asks(10, b"SCRAM")], "not that of a PostgreSQL"),
            (vec![asks(12, b"v=AA==")], "not that of a PostgreSQL"),
            (scram(b""), "its challenge is none"),
            (scram(b"r=other,s=AA==,i=4096"), "its challenge is none"),
            (scram(b"\xff\xfe"), "its challenge is none"),
        ] {
            let Err(Trouble::Unhealthy(found)) = shown(Some("s3cret"), |it| says(it, all)).await
            else {
                panic!("{why}")
            };
            assert!(found.contains(why), "{found} for {why}");
        }
        let asked = shown(None, |it| says(it, vec![asks(5, b"salt")])).await;
        assert_eq!(asked, Err(NO_PASSWORD.into()));
    }
}
