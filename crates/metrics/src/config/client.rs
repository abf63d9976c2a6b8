//! Client: how a target is reached. TLS, and who we say we are.

use std::fmt;
use std::path::PathBuf;

use evenkeel_model::decode::codes;

use super::fields::{Fields, Reading};

/// What nobody else should see. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// As it stands in the configuration.
    Given(String),
    /// What a file holds at the time, without the blanks around it.
    File(PathBuf),
}

impl fmt::Debug for Secret {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => to.write_str("Given(…)"),
            Self::File(file) => to.debug_tuple("File").field(file).finish(),
        }
    }
}

/// Who we say we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A name and a password.
    Basic {
        /// The name.
        name: String,
        /// The password.
        password: Secret,
    },
    /// Something that is shown, and of which kind it is, such as `Bearer`.
    Shown {
        /// Its kind.
        scheme: String,
        /// Itself.
        secret: Secret,
    },
}

/// How a target is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Who we say we are.
    pub credentials: Option<Credentials>,
    /// File with the certificates that are trusted. Default: those of the system.
    pub ca: Option<PathBuf>,
    /// Files with our own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name on the other's certificate, when it is not that of its address.
    pub server_name: Option<String>,
    /// Whether any certificate will do.
    pub insecure: bool,
    /// Whether TLS 1.2 is not good enough.
    pub only_13: bool,
}

impl Client {
    /// Reads what stands beside the other fields of a job.
    pub(super) fn read(fields: &mut Fields<'_>, to: &mut Reading) -> Self {
        let mut client = Self { credentials: credentials(fields, to), ..Self::default() };
        if let Some(tls) = fields.map("tls_config", to) {
            client.read_tls(tls, to);
        }
        let why = "targets are asked over a connection of their own";
        for key in ["proxy_url", "proxy_from_environment", "no_proxy", "proxy_connect_header"] {
            fields.refuse(key, why, to);
        }
        fields.refuse("oauth2", "give `authorization` with a token", to);
        fields.refuse("http_headers", "give `authorization` or `basic_auth`", to);
        let place = fields.place_of("follow_redirects");
        if fields.flag("follow_redirects", to) == Some(true) {
            let problem = "`follow_redirects: true` is not supported: it would lead to wherever a target says";
            to.wrong(
                codes::UNSUPPORTED,
                place,
                problem,
                "Name the address where the metrics are now.",
            );
        }
        fields.note("enable_http2", "targets are asked by HTTP/1.1", to);
        client
    }

    /// The files that it names.
    pub(super) fn files(&mut self) -> Vec<&mut PathBuf> {
        let secret = match &mut self.credentials {
            Some(
                Credentials::Basic { password: Secret::File(file), .. }
                | Credentials::Shown { secret: Secret::File(file), .. },
            ) => Some(file),
            _ => None,
        };
        let identity = self.identity.iter_mut().flat_map(|(certificate, key)| [certificate, key]);
        identity.chain(&mut self.ca).chain(secret).collect()
    }

    fn read_tls(&mut self, mut tls: Fields<'_>, to: &mut Reading) {
        let file =
            |key, tls: &mut Fields<'_>, to: &mut Reading| tls.text(key, to).map(PathBuf::from);
        self.ca = file("ca_file", &mut tls, to);
        let place = tls.place();
        let certificate = file("cert_file", &mut tls, to);
        self.identity = match (certificate, file("key_file", &mut tls, to)) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                let problem = "a certificate needs its key, and a key its certificate";
                to.wrong(codes::MISSING_FIELD, place, problem, "Give `cert_file` and `key_file`.");
                None
            }
        };
        self.server_name = tls.text("server_name", to).map(str::to_owned);
        self.insecure = tls.flag("insecure_skip_verify", to).unwrap_or(false);
        let version = |key, tls: &mut Fields<'_>, to: &mut Reading| {
            tls.value(key, "`TLS12` or `TLS13`", to, |it| match it {
                "TLS12" => Some(12),
                "TLS13" => Some(13),
                _ => None,
            })
        };
        self.only_13 = version("min_version", &mut tls, to) == Some(13);
        let place = tls.place_of("max_version");
        if version("max_version", &mut tls, to) == Some(12) {
            let problem = "`max_version: TLS12` is not supported: it would only be less safe";
            to.wrong(codes::UNSUPPORTED, place, problem, "Take it out.");
        }
        for key in ["ca", "cert", "key", "ca_ref", "cert_ref", "key_ref"] {
            tls.refuse(key, "name a file instead", to);
        }
        tls.finish(to);
    }
}

fn credentials(fields: &mut Fields<'_>, to: &mut Reading) -> Option<Credentials> {
    let mut all = Vec::new();
    if let Some(mut basic) = fields.map("basic_auth", to) {
        let name = basic.text("username", to).unwrap_or_default().to_owned();
        basic.refuse("username_file", "give `username`", to);
        let password = secret(&mut basic, "password", "password_file", to);
        let password = password.unwrap_or_else(|| Secret::Given(String::new()));
        basic.finish(to);
        all.push(Credentials::Basic { name, password });
    }
    if let Some(mut shown) = fields.map("authorization", to) {
        let scheme = shown.text("type", to).unwrap_or("Bearer").trim().to_owned();
        if scheme.eq_ignore_ascii_case("basic") {
            let problem = "`authorization` has no type `Basic`";
            let help = "Give `basic_auth` with `username` and `password`.";
            to.wrong(codes::RANGE, shown.place_of("type"), problem, help);
        }
        let place = shown.place();
        match secret(&mut shown, "credentials", "credentials_file", to) {
            Some(secret) => all.push(Credentials::Shown { scheme, secret }),
            None => to.wrong(
                codes::MISSING_FIELD,
                place,
                "the field `credentials` is missing",
                "Give `credentials` or `credentials_file`.",
            ),
        }
        shown.finish(to);
    }
    if let Some(secret) = secret(fields, "bearer_token", "bearer_token_file", to) {
        all.push(Credentials::Shown { scheme: "Bearer".to_owned(), secret });
    }
    if all.len() > 1 {
        let problem = "credentials are given twice";
        let help = "Give one of `basic_auth`, `authorization` and `bearer_token`.";
        to.wrong(codes::EXCLUSIVE, fields.place(), problem, help);
    }
    all.pop()
}

fn secret(
    fields: &mut Fields<'_>,
    given: &'static str,
    file: &'static str,
    to: &mut Reading,
) -> Option<Secret> {
    let text = fields.text(given, to).map(|it| Secret::Given(it.to_owned()));
    let named = fields.text(file, to).map(|it| Secret::File(PathBuf::from(it)));
    if text.is_some() && named.is_some() {
        let problem = format!("`{file}` beside `{given}`");
        to.wrong(codes::EXCLUSIVE, fields.place_of(file), problem, "Give one of them.");
    }
    text.or(named)
}
