//! Web: HTTP and TLS, by an nginx.

use std::process::{Command, Stdio};
use std::time::Duration;

use evenkeel_probe::{Call, Phase, Trust, Verdict};

use crate::stage::{Authority, Server, ask, call, free_port, until_healthy};

struct Web {
    authority: Authority,
    plain: String,
    secure: String,
    wrong: String,
    expired: String,
    _nginx: Server,
}

impl Web {
    async fn start() -> Self {
        let authority = Authority::new();
        let folder = authority.folder.path().display();
        let ports = [(); 4].map(|()| free_port());
        let [plain, secure, wrong, expired] = ports;
        let shows = [("localhost", 2090), ("other.example", 2090), ("localhost", 2001)]
            .map(|(name, year)| authority.sign(name, year))
            .map(|(own, key)| {
                format!("ssl_certificate {}; ssl_certificate_key {};", own.display(), key.display())
            });
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|it| format!("{it}_temp_path {folder}/{it};"))
            .join(" ");
        let locations = "
            location = /health { default_type application/json; return 200 '{\"status\":\"healthy\",\"checks\":{\"db\":{\"up\":true}}}'; }
            location = /down { return 503 'no'; }
            location = /moved { return 301 /health; }
            location = /out { return 301 https://shop$request_uri; }
            location = /asked { return 200 '$http_authorization|$http_x_tenant|$http_host|$http_user_agent'; }";
        let [own, other, old] = shows;
        let configuration = format!(
            "daemon off; master_process off; pid {folder}/pid; events {{}}
             http {{
               access_log off; {temporary}
               server {{ listen 127.0.0.1:{plain}; {locations} }}
               server {{ listen 127.0.0.1:{secure} ssl; {own} {locations} }}
               server {{ listen 127.0.0.1:{wrong} ssl; {other} {locations} }}
               server {{ listen 127.0.0.1:{expired} ssl; {old} {locations} }}
             }}"
        );
        let file = authority.folder.path().join("nginx.conf");
        std::fs::write(&file, configuration).unwrap();
        let nginx = Command::new("nginx")
            .args(["-e", "stderr", "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is installed by `cargo xtask test`");
        let nginx = Server(nginx);
        let plain = format!("http://127.0.0.1:{plain}");
        until_healthy(&call(&[]), &format!("{plain}/health")).await;
        let [secure, wrong, expired] =
            [secure, wrong, expired].map(|it| format!("https://localhost:{it}/health"));
        Self { authority, plain, secure, wrong, expired, _nginx: nginx }
    }
}

#[tokio::test]
async fn what_an_http_server_answers_is_held_against_what_is_expected() {
    let web = Web::start().await;
    let health = format!("{}/health", web.plain);
    let good = [
        "status=200",
        "body~healthy",
        "json:/status=healthy",
        "json:/checks/db/up=true",
        "header:server~nginx",
        "time<1m",
    ];
    let reading = ask(&call(&good), &health).await;
    assert_eq!((reading.verdict, &*reading.detail), (Verdict::Healthy, "200"), "{reading:?}");
    let phases: Vec<_> = reading.phases.iter().map(|it| it.0).collect();
    assert_eq!(phases, [Phase::Resolve, Phase::Connect, Phase::FirstByte, Phase::Rest]);
    let sum: Duration = reading.phases.iter().map(|it| it.1).sum();
    assert_eq!(sum, reading.took);
    assert_eq!(reading.facts["body_bytes"], 48);
    for (path, expect, detail) in [
        ("/down", &[][..], "status is 503, and not 200-399"),
        ("/down", &["status=503"], "503"),
        ("/moved", &[], "301, to "),
        ("/health", &["json:/status=up"], "json:/status is healthy, and not up"),
        ("/health", &["body~nothing"], "`nothing` is not in the body"),
    ] {
        let reading = ask(&call(expect), &format!("{}{path}", web.plain)).await;
        assert!(reading.detail.starts_with(detail), "{path}: {reading:?}");
    }
}

#[tokio::test]
async fn headers_and_logins_reach_the_server_and_nobody_else() {
    let web = Web::start().await;
    let asked = format!("{}/asked", web.plain);
    let call = call(&["body~Bearer s3cret|acme|shop.internal|evenkeel-probe"])
        .with_header("authorization: Bearer s3cret")
        .and_then(|it| it.with_header("x-tenant: acme"))
        .and_then(|it| it.with_header("host: shop.internal"))
        .unwrap();
    let reading = ask(&call, &asked).await;
    assert_eq!(reading.verdict, Verdict::Healthy, "{reading:?}");
    // `me:s3cret` in base64.
    let login = crate::stage::call(&["body~Basic bWU6czNjcmV0|"]);
    let reading = ask(&login, &asked.replace("://", "://me:s3cret@")).await;
    assert_eq!(reading.verdict, Verdict::Healthy, "{reading:?}");
    assert!(!format!("{reading:?}").contains("s3cret"));
    let reading = ask(&crate::stage::call(&[]), &format!("{}/out?token=s3cret", web.plain)).await;
    assert_eq!(reading.detail, "301, to https://shop/out?token=***");
}

#[tokio::test]
async fn a_certificate_is_judged_and_its_end_is_told() {
    let web = Web::start().await;
    let trusting = Call { trust: web.authority.trust(), ..call(&[]) };
    let reading = ask(&trusting, &web.secure).await;
    assert_eq!(reading.verdict, Verdict::Healthy, "{reading:?}");
    assert!(reading.phases.iter().any(|it| it.0 == Phase::Tls));
    let ends = reading.certificate.unwrap().expires.to_string();
    assert_eq!((&*ends, &*reading.warnings), ("2090-12-31T00:00:00Z", &[][..]));
    for (url, detail, warned) in [
        (&web.wrong, "its certificate is for another name: ", ""),
        (&web.expired, "its certificate has expired", "the certificate expired on 2001-12-31"),
    ] {
        let reading = ask(&trusting, url).await;
        assert_eq!(reading.verdict, Verdict::Unhealthy, "{reading:?}");
        assert!(reading.detail.starts_with(detail), "{reading:?}");
        assert_eq!(reading.warnings.join(""), warned);
        assert!(reading.certificate.is_some());
    }
    let named = Call { server_name: Some("other.example".to_owned()), ..trusting };
    assert_eq!(ask(&named, &web.wrong).await.verdict, Verdict::Healthy);
}

#[tokio::test]
async fn nobody_is_trusted_without_a_reason() {
    let web = Web::start().await;
    let other = Call { trust: Authority::new().trust(), ..call(&[]) };
    let reading = ask(&other, &web.secure).await;
    assert_eq!(reading.detail, "its certificate is signed by nobody we trust");
    let anybody = Call { trust: Trust::Anybody, ..call(&[]) };
    let reading = ask(&anybody, &web.expired).await;
    assert_eq!(reading.verdict, Verdict::Healthy, "{reading:?}");
    assert!(reading.warnings[0].contains("nobody vouches"), "{reading:?}");
    let soon = Call {
        warn_before: Duration::from_hours(24 * 36_500),
        trust: web.authority.trust(),
        ..call(&[])
    };
    let reading = ask(&soon, &web.secure.replace("https", "tls").replace("/health", "")).await;
    assert_eq!((reading.verdict, &*reading.detail), (Verdict::Healthy, "TLS stands"));
    assert!(reading.warnings[0].starts_with("the certificate expires on 2090-12-31, in "));
    let plain = ask(&anybody, &web.plain.replace("http", "https")).await;
    assert_eq!(plain.detail, "what answers does not speak TLS");
}
