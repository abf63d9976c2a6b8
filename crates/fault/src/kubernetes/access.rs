//! Access: which cluster is meant, and where it says how we are let in.
//!
//! ```text
//! kubeconfig named in the document · $KUBECONFIG · ~/.kube/config · the account of the pod that this runs in
//! ```
//!
//! The first that is there counts. Of several files in `$KUBECONFIG` the first that has something counts, as for
//! kubectl. Contexts that log in through a program are refused: none is ever run here.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use evenkeel_model::decode::Findings;
use evenkeel_model::document;
use evenkeel_model::yaml::{self, Node, Sort};
use serde::{Deserialize, Serialize};

use super::ClusterError;
use super::client::Client;
use super::login::{Kept, Login, Server};

/// Names files, for every program that speaks to a cluster.
const KUBECONFIG: &str = "KUBECONFIG";
/// Where a pod finds its account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// A kubeconfig is no larger.
const BYTES_MAX: u64 = 4 << 20;

/// A cluster, and where it is kept how we are let in. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its URL.
    pub server: String,
    access: Access,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Access {
    /// A context of kubeconfigs, by their absolute paths.
    Config { files: Vec<PathBuf>, context: String },
    /// The account of the pod that this runs in.
    Account,
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.server)
    }
}

impl Cluster {
    /// The one that a document means.
    pub(crate) fn find(named: &document::Cluster) -> Result<Self, ClusterError> {
        let files = files(named.kubeconfig.as_deref());
        if files.is_empty() {
            return match named.context {
                None => Self::of_account(Path::new(ACCOUNT)).ok_or_else(none),
                Some(_) => Err(none()),
            };
        }
        let config = Config::read(&files)?;
        let context = match &named.context {
            Some(it) => it.clone(),
            None => config.text("current-context").map(str::to_owned).ok_or_else(|| {
                let reason = "no context is current: name one as `context`, or `kubectl config use-context` one";
                config.wrong(reason)
            })?,
        };
        let server = config.server(&context)?.url;
        Ok(Self { server, access: Access::Config { files, context } })
    }

    fn of_account(folder: &Path) -> Option<Self> {
        let host = env::var("KUBERNETES_SERVICE_HOST").ok().filter(|it| !it.is_empty())?;
        let port = env::var("KUBERNETES_SERVICE_PORT").unwrap_or_else(|_| "443".to_owned());
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let server = format!("https://{host}:{port}");
        folder.join("token").is_file().then_some(Self { server, access: Access::Account })
    }

    /// Reads how we are let in, and asks nothing yet. A context that leads elsewhere by now is refused.
    pub(crate) fn client(&self) -> Result<Client, ClusterError> {
        let login = match &self.access {
            Access::Account => {
                let folder = Path::new(ACCOUNT);
                Login {
                    server: Server::new(&self.server, None).map_err(|it| wrong(ACCOUNT, it))?,
                    authority: Some(Kept::File(folder.join("ca.crt"))),
                    identity: None,
                    token: Some(Kept::File(folder.join("token"))),
                }
            }
            Access::Config { files, context } => {
                let login = Config::read(files)?.login(context)?;
                if login.server.url != self.server {
                    let now = &login.server.url;
                    let reason =
                        format!("it leads to {now} now, and led to {} before", self.server);
                    return Err(wrong(&format!("the context `{context}`"), reason));
                }
                login
            }
        };
        Client::new(login)
    }

    /// What goes before a command of a person.
    pub(super) fn kubectl(&self) -> String {
        match &self.access {
            Access::Account => "kubectl".to_owned(),
            Access::Config { files, context } => {
                let files: Vec<_> = files.iter().map(|it| it.display().to_string()).collect();
                format!("KUBECONFIG='{}' kubectl --context '{context}'", files.join(":"))
            }
        }
    }
}

fn wrong(place: &str, reason: impl Into<String>) -> ClusterError {
    ClusterError::Config { place: place.to_owned(), reason: reason.into() }
}

fn none() -> ClusterError {
    ClusterError::None { looked_at: "`kubeconfig`, $KUBECONFIG or ~/.kube/config".to_owned() }
}

/// The kubeconfigs that count, by their absolute paths. One that is named has to be there; others may be missing.
fn files(named: Option<&Path>) -> Vec<PathBuf> {
    let absolute = |it: &Path| std::path::absolute(it).unwrap_or_else(|_| it.to_owned());
    if let Some(it) = named {
        return vec![absolute(it)];
    }
    if let Some(list) = env::var_os(KUBECONFIG).filter(|it| !it.is_empty()) {
        let paths = env::split_paths(&list).filter(|it| it.is_file());
        return paths.map(|it| absolute(&it)).collect();
    }
    let usual = env::home_dir().map(|it| it.join(".kube/config"));
    usual.filter(|it| it.is_file()).into_iter().collect()
}

/// Kubeconfigs, in the order in which they count.
struct Config(Vec<(PathBuf, Node)>);

impl Config {
    fn read(files: &[PathBuf]) -> Result<Self, ClusterError> {
        let mut read = Vec::new();
        for path in files {
            let place = path.display().to_string();
            let failed = |error: std::io::Error| wrong(&place, error.to_string());
            if std::fs::metadata(path).map_err(failed)?.len() > BYTES_MAX {
                return Err(wrong(&place, "it is larger than any kubeconfig"));
            }
            let mut found = Findings::default();
            let text = yaml::read(&place, std::fs::read(path).map_err(failed)?, &mut found);
            match (found.count(), text.roots.into_iter().next()) {
                (0, Some(root)) => read.push((path.clone(), root)),
                // What is wrong may be a secret, and is not shown.
                _ => return Err(wrong(&place, "it is no YAML: `kubectl config view` says where")),
            }
        }
        Ok(Self(read))
    }

    fn text(&self, path: &str) -> Option<&str> {
        let found = self.0.iter().filter_map(|(_, root)| root.at(path)?.text());
        found.into_iter().find(|it| !it.is_empty())
    }

    /// An entry of one of the lists, with the folder of its file.
    fn named(&self, list: &str, of: &str, name: &str) -> Result<(&Path, &Node), ClusterError> {
        for (path, root) in &self.0 {
            let items = match root.at(list).map(|it| &it.value) {
                Some(yaml::Value::List(items)) => items.as_slice(),
                _ => &[],
            };
            let fits = |it: &&Node| it.at("name").and_then(Node::text) == Some(name);
            if let Some(it) = items.iter().find(fits).and_then(|it| it.at(of)) {
                return Ok((path.parent().unwrap_or(Path::new("/")), it));
            }
        }
        Err(self.wrong(format!("there is no {of} `{name}`")))
    }

    fn wrong(&self, reason: impl Into<String>) -> ClusterError {
        let paths: Vec<_> = self.0.iter().map(|(path, _)| path.display().to_string()).collect();
        wrong(&paths.join(", "), reason)
    }

    fn server(&self, context: &str) -> Result<Server, ClusterError> {
        Ok(self.login_without_user(context)?.0.server)
    }

    fn login_without_user(&self, context: &str) -> Result<(Login, &Node), ClusterError> {
        let (_, chosen) = self.named("contexts", "context", context)?;
        let cluster = text(chosen, "cluster").unwrap_or_default();
        let (folder, cluster) = self.named("clusters", "cluster", cluster)?;
        let refuse = |reason: &str| Err(wrong(&format!("the context `{context}`"), reason));
        if cluster.at("insecure-skip-tls-verify").is_some_and(is_true) {
            return refuse(
                "it trusts any server (`insecure-skip-tls-verify`), which is not done here: name its `certificate-authority`",
            );
        }
        if text(cluster, "proxy-url").is_some() {
            return refuse("it leads through a proxy (`proxy-url`), which is not done here");
        }
        let url = text(cluster, "server").unwrap_or_default();
        let server = Server::new(url, text(cluster, "tls-server-name"));
        let server = server.map_err(|it| wrong(&format!("the context `{context}`"), it))?;
        let authority = kept(folder, cluster, "certificate-authority");
        Ok((Login { server, authority, identity: None, token: None }, chosen))
    }

    fn login(&self, context: &str) -> Result<Login, ClusterError> {
        let (login, chosen) = self.login_without_user(context)?;
        let Some(user) = text(chosen, "user") else { return Ok(login) };
        let (folder, user) = self.named("users", "user", user)?;
        let refuse = |reason: &str| Err(wrong(&format!("the context `{context}`"), reason));
        for field in ["exec", "auth-provider"] {
            if user.entry(field).is_some() {
                return refuse(&format!(
                    "it logs in through a program (`{field}`), and none is run here: use a context with a token \
                     (`kubectl create token`) or a client certificate"
                ));
            }
        }
        for field in ["username", "as", "as-uid", "as-groups"] {
            if user.entry(field).is_some() {
                return refuse(&format!(
                    "it says `{field}`, which is not done here: use a token or a certificate"
                ));
            }
        }
        let certificate = kept(folder, user, "client-certificate");
        let identity = match (certificate, kept(folder, user, "client-key")) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            _ => return refuse("a client certificate needs its key, and the key its certificate"),
        };
        let file = text(user, "tokenFile").map(|it| Kept::File(folder.join(it)));
        let token =
            file.or_else(|| text(user, "token").map(|it| Kept::Here(it.as_bytes().to_vec())));
        Ok(Login { identity, token, ..login })
    }
}

fn text<'a>(node: &'a Node, field: &str) -> Option<&'a str> {
    node.entry(field)?.value.text().filter(|it| !it.is_empty())
}

fn is_true(node: &Node) -> bool {
    node.sort() == Sort::Boolean(true)
}

/// What is written in base64, or else in a file; what is written counts first, as for kubectl.
fn kept(folder: &Path, node: &Node, field: &str) -> Option<Kept> {
    let data = text(node, &format!("{field}-data")).map(|it| Kept::Base64(it.to_owned()));
    data.or_else(|| text(node, field).map(|it| Kept::File(folder.join(it))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "\
apiVersion: v1
kind: Config
current-context: test
contexts:
  - {name: test, context: {cluster: here, user: me}}
  - {name: cloud, context: {cluster: here, user: program}}
  - {name: blind, context: {cluster: any, user: me}}
  - {name: lost, context: {cluster: nowhere}}
clusters:
  - {name: here, cluster: {server: 'https://10.0.0.1:6443', certificate-authority: ca.crt}}
  - {name: any, cluster: {server: 'https://10.0.0.2', insecure-skip-tls-verify: true}}
users:
  - {name: me, user: {token: s3cret}}
  - {name: program, user: {exec: {command: aws}}}
";

    fn cluster(text: &str, context: Option<&str>) -> Result<Cluster, ClusterError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, text).unwrap();
        let context = context.map(str::to_owned);
        let found = Cluster::find(&document::Cluster { kubeconfig: Some(path), context })?;
        found.client().map(|_| found)
    }

    #[test]
    fn what_cannot_be_used_says_what_to_do_and_no_secret() {
        for (context, expected) in [
            ("cloud", "logs in through a program (`exec`)"),
            ("blind", "trusts any server"),
            ("lost", "there is no cluster `nowhere`"),
            ("other", "there is no context `other`"),
            // The file of its authority is missing.
            ("test", "ca.crt"),
        ] {
            let error = cluster(WHOLE, Some(context)).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
        }
        let broken = cluster("token: [s3cret", None).unwrap_err().to_string();
        assert!(broken.contains("it is no YAML") && !broken.contains("s3cret"), "{broken}");
    }

    #[test]
    fn what_goes_into_a_journal_has_no_secret() {
        let plain = WHOLE.replace("https://10.0.0.1:6443", "http://127.0.0.1:9");
        let found = cluster(&plain, None).unwrap();
        assert_eq!(found.server, "http://127.0.0.1:9");
        let text =
            format!("{} {found:?} {}", serde_json::to_string(&found).unwrap(), found.kubectl());
        assert!(!text.contains("s3cret"), "{text}");
    }
}
