//! Servers that objectives are counted on, behind what stands before them: TLS, passwords, tokens, tenants, and what goes wrong.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use evenkeel_serve::objectives::{Access, Ask as _, Source};
use evenkeel_slo::asking::{Question, When};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::world::World;

/// An nginx before a server, with a certificate that only its file vouches for.
struct Nginx {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
    _silent: TcpListener,
}

impl Nginx {
    fn before(world: &World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.path().join("own.pem"), own.cert.pem()).unwrap();
        fs::write(folder.path().join("own.key"), own.signing_key.serialize_pem()).unwrap();
        fs::write(folder.path().join("users"), "ada:{PLAIN}s3cr=t&+1\n").unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        // It takes connections, and never says anything.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = configuration(
            &folder.path().display().to_string(),
            address,
            world.address,
            silent.local_addr().unwrap(),
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, text).unwrap();
        let child = Command::new("nginx")
            .arg("-c")
            .arg(&file)
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is installed by `cargo xtask test`");
        let (_never, wait) = std::sync::mpsc::channel::<()>();
        let is_up = (0..400).any(|_| {
            TcpStream::connect(address).is_ok()
                || wait.recv_timeout(Duration::from_millis(25)).is_ok()
        });
        assert!(is_up, "nginx does not come up");
        Self { child, address, folder, _silent: silent }
    }

    fn ca(&self) -> Option<PathBuf> {
        Some(self.folder.path().join("own.pem"))
    }

    fn url(&self, credentials: &str, path: &str) -> String {
        format!("https://{credentials}localhost:{}{path}", self.address.port())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.child.kill().expect("it runs until it is killed");
        self.child.wait().expect("it is our child");
    }
}

fn configuration(here: &str, own: SocketAddr, behind: SocketAddr, silent: SocketAddr) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|it| format!("{it}_temp_path {here}/{it};"))
        .join(" ");
    let pass = format!("proxy_pass http://{behind}/; proxy_set_header Authorization '';");
    let said = |it: &str| format!("default_type application/json; return 200 '{it}';");
    let partial =
        said(r#"{"status":"success","isPartial":true,"data":{"resultType":"vector","result":[]}}"#);
    let warned = said(
        r#"{"status":"success","warnings":["store 3 is gone"],"data":{"resultType":"vector","result":[]}}"#,
    );
    let noted = said(
        r#"{"status":"success","warnings":["PromQL warning: x"],"data":{"resultType":"scalar","result":[1,"4"]}}"#,
    );
    format!(
        "daemon off; master_process off; pid {here}/pid; error_log {here}/error.log; events {{}}
         http {{
           access_log off; {temporary}
           server {{
             listen {own} ssl; ssl_certificate {here}/own.pem; ssl_certificate_key {here}/own.key;
             location /open/ {{ {pass} }}
             location /prometheus/ {{ auth_basic x; auth_basic_user_file {here}/users; {pass} }}
             location /token/ {{ if ($http_authorization != 'Bearer 0123456789') {{ return 401; }} {pass} }}
             location /tenant/ {{ if ($http_x_scope_orgid != 'team-a') {{ return 401 'no org id'; }} {pass} }}
             location /moved/ {{ return 302 https://elsewhere.example/login; }}
             location /page/ {{ default_type text/html; return 200 '<!doctype html><title>Log in</title>'; }}
             location /silent/ {{ proxy_pass http://{silent}/; }}
             location /gone/ {{ proxy_pass http://127.0.0.1:1/; }}
             location /partial/ {{ {partial} }}
             location /warned/ {{ {warned} }}
             location /noted/ {{ {noted} }}
             location / {{ default_type text/plain; return 404 '404 page not found'; }}
           }}
         }}"
    )
}

/// What `sum(up)` is at second 60, or why nobody knows.
async fn ask(url: &str, access: Access) -> Result<Option<f64>, String> {
    let source = Source::open(url, access).map_err(|it| it.to_string())?;
    let when = When::At(Timestamp::from_second(60).unwrap());
    let question = Question { query: "sum(up)".to_owned(), when };
    let answer = source.ask(&question).await.map_err(|it| it.to_string())?;
    Ok(answer[0])
}

#[tokio::test]
async fn a_server_is_reached_through_what_stands_before_it() {
    let (world, _folder) = World::with(&[(60, "up,job=a", 1.0), (60, "up,job=b", 2.0)]);
    let nginx = Nginx::before(&world);
    let access = |token: &str, tenant: &str| Access {
        token: Some(token.to_owned()).filter(|it| !it.is_empty()),
        tenant: Some(tenant.to_owned()).filter(|it| !it.is_empty()),
        ca: nginx.ca(),
        timeout: None,
    };
    for (credentials, path, access) in [
        ("", "/open", access("", "")),
        ("", "/open/api/v1/", access("", "")),
        ("ada:s3cr%3Dt%26%2B1@", "/prometheus/", access("", "")),
        ("ada:s3cr=t&+1@", "/prometheus", access("", "")),
        ("", "/token", access("0123456789", "")),
        ("", "/tenant", access("", "team-a")),
    ] {
        let url = nginx.url(credentials, path);
        assert_eq!(ask(&url, access).await, Ok(Some(3.0)), "{url}");
    }
}

#[tokio::test]
async fn what_goes_wrong_is_said_with_what_to_do() {
    let (world, _folder) = World::empty();
    let nginx = Nginx::before(&world);
    let ca = nginx.ca();
    for (credentials, path, why) in [
        (
            "ada:guess@",
            "/prometheus",
            "lets nobody in unknown (401: a page of HTML): give a name and a password",
        ),
        ("", "/token", "lets nobody in unknown (401"),
        ("", "/tenant", "(401: no org id)"),
        ("", "/moved", "answers 302: it is at https://elsewhere.example/login, so name that"),
        ("", "/page", "answers 200: a page of HTML, and not as the API of Prometheus does"),
        ("", "/gone", "answers 502: a page of HTML"),
        ("", "/partial", "answers with a part of the data: some of its parts do not answer"),
        ("", "/warned", "answers with a part of the data: store 3 is gone"),
        (
            "",
            "",
            "answers 404: 404 page not found, and not as the API of Prometheus does: is a part of its path missing",
        ),
        ("", "/open?x=1", "something stands behind its path"),
    ] {
        let url = nginx.url(credentials, path);
        let said = ask(&url, Access { ca: ca.clone(), ..Access::default() }).await.unwrap_err();
        assert!(said.contains(why), "{url}: {said}");
        assert!(!said.contains("guess"), "{said}");
    }
    let noted = ask(&nginx.url("", "/noted"), Access { ca: ca.clone(), ..Access::default() }).await;
    assert_eq!(noted, Ok(Some(4.0)));
    let timeout = Some(Duration::from_millis(200));
    let access = Access { ca: ca.clone(), timeout, ..Access::default() };
    let said = ask(&nginx.url("", "/silent"), access).await.unwrap_err();
    assert!(said.ends_with("does not answer: no answer within 200ms"), "{said}");
    let unknown = ask(&nginx.url("", "/open"), Access::default()).await.unwrap_err();
    assert!(unknown.contains("certificate"), "{unknown}");
    let both = Access { token: Some("0123456789".to_owned()), ca, ..Access::default() };
    let said = ask(&nginx.url("ada:x@", "/open"), both).await.unwrap_err();
    assert!(said.contains("it has a password, and there is a token beside it"), "{said}");
    let none = Access { ca: Some("/nowhere/ca.pem".into()), ..Access::default() };
    let said = ask(&nginx.url("", "/open"), none).await.unwrap_err();
    assert!(said.contains("/nowhere/ca.pem"), "{said}");
}
