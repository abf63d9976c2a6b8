//! What a configuration means, what is refused and where, and what is noted.

use std::time::Duration;

use super::*;

/// What people begin with.
const PLAIN: &str = "\
# prometheus.yml
global:
  scrape_interval: 15s
  evaluation_interval: 15s

rule_files:
  - \"alert_rules.yml\"

alerting:
  alertmanagers:
    - static_configs:
        - targets: [\"alertmanager:9093\"]

scrape_configs:
  - job_name: 'api-service'
    static_configs:
      - targets: ['api-service:8080']
    metrics_path: '/metrics'
    scrape_interval: 5s
";

fn read(text: &str) -> Result<Config, Vec<String>> {
    let read = Config::read("prometheus.yml", text.as_bytes().to_vec());
    let shown = |it: Diagnostic| format!("{}:{}: {}: {}", it.line, it.column, it.code, it.message);
    read.map_err(|all| all.into_iter().map(shown).collect())
}

#[test]
fn what_people_begin_with_is_read() {
    let config = read(PLAIN).unwrap();
    let scrape = &config.scrapes[0];
    assert_eq!((&*scrape.job, scrape.every.as_secs()), ("api-service", 5));
    assert_eq!(scrape.timeout, Duration::from_secs(5), "no longer than the interval");
    assert_eq!(scrape.groups[0].targets, ["api-service:8080"]);
    assert_eq!(config.rule_files, [PathBuf::from("alert_rules.yml")]);
    assert_eq!(config.alertmanagers[0].addresses, ["alertmanager:9093"]);
    assert_eq!((config.evaluation_every, config.notes), (Duration::from_secs(15), vec![]));
}

#[test]
fn every_field_of_a_job_is_read() {
    let config = read(
        "global: {external_labels: {zone: eu}, sample_limit: 7}\n\
         storage: {tsdb: {out_of_order_time_window: 10m, retention: {time: 30d}}}\n\
         scrape_configs:\n\
         - {job_name: a, scheme: https, params: {module: [x, y]}, honor_labels: true, honor_timestamps: false,\n\
         \x20  basic_auth: {username: me, password_file: p}, body_size_limit: 1MB, label_limit: 30,\n\
         \x20  tls_config: {ca_file: ca.pem, cert_file: c.pem, key_file: k.pem, insecure_skip_verify: true, min_version: TLS13},\n\
         \x20  file_sd_configs: [{files: ['t/*.json'], refresh_interval: 1m}],\n\
         \x20  metric_relabel_configs: [{source_labels: [__name__], regex: 'go_.*', action: drop}]}\n\
         - {job_name: b, authorization: {credentials: hunter2}}\n",
    )
    .unwrap();
    let [a, b] = &config.scrapes[..] else { panic!() };
    assert_eq!(a.parameters[1], ("module".to_owned(), "y".to_owned()));
    assert!(a.honor_labels && !a.honor_timestamps && a.client.insecure && a.client.only_13);
    let limits =
        Limits { body: Some(1 << 20), samples: Some(7), labels: Some(30), ..Limits::default() };
    assert_eq!(a.limits, limits);
    assert_eq!((a.files[0].every.as_secs(), a.metric_relabel.len()), (60, 1));
    assert_eq!(
        a.client.credentials,
        Some(Credentials::Basic { name: "me".to_owned(), password: Secret::File("p".into()) })
    );
    assert!(!format!("{b:?}").contains("hunter2"), "{b:?}");
    assert_eq!(config.out_of_order, Some(Duration::from_mins(10)));
    assert_eq!(config.retention, Some(Duration::from_hours(720)));
    assert_eq!(config.external_labels["zone"], "eu");
}

#[test]
fn every_mistake_is_said_at_once_and_with_its_place() {
    let found = read(
        "global:\n  scrape_intervall: 15s\nscrape_configs:\n\
         - job_name: a\n  scrape_interval: 15\n  kubernetes_sd_configs: [{role: pod}]\n\
         - job_name: a\n  scrape_timeout: 2m\n  static_configs: [{targets: ['http://a:1/metrics']}]\n\
         \x20 relabel_configs: [{action: keep, regex: 'a('}, {action: hashmod, target_label: x}, {action: go}]\n\
         \x20 tls_config: {cert_file: c}\n  bearer_token: x\n  bearer_token_file: y\n\
         - metrics_path: /m\n",
    )
    .unwrap_err();
    let expected = [
        "2:3: EK-D003: there is no field `scrape_intervall` here",
        "5:20: EK-D007: `scrape_interval: 15` is not a time such as `1m30s`",
        "6:3: EK-D039: `kubernetes_sd_configs` is not supported",
        "7:13: EK-D011: `job_name: a` is given twice",
        "8:19: EK-D007: a timeout of 2m is longer than the interval of 1m",
        "9:31: EK-D027: `http://a:1/metrics` is no target",
        "10:43: EK-D030: `regex` cannot be read: unclosed group",
        "10:50: EK-D004: the action `hashmod` needs a `modulus` above zero",
        "10:95: EK-D007: `action: go` is not an action of relabelling",
        "11:15: EK-D004: a certificate needs its key, and a key its certificate",
        "13:22: EK-D025: `bearer_token_file` beside `bearer_token`",
        "14:3: EK-D004: the field `job_name` is missing",
    ];
    for expected in expected {
        assert!(found.iter().any(|it| it.starts_with(expected)), "{expected}\n{found:#?}");
    }
}

#[test]
fn what_changes_nothing_is_noted_and_what_would_change_something_is_refused() {
    let config = read(
        "remote_write: [{url: 'http://a/write', send_exemplars: true}]\nscrape_configs:\n\
         - {job_name: a, scrape_protocols: [OpenMetricsText1.0.0]}\n",
    )
    .unwrap();
    let notes: Vec<_> = config.notes.iter().map(|it| (it.line, it.column, &*it.field)).collect();
    assert_eq!(notes, [(3, 17, "scrape_protocols"), (1, 40, "send_exemplars")]);
    for text in [
        "remote_read: [{url: 'http://a'}]",
        "scrape_configs: [{job_name: a, proxy_url: 'http://p'}]",
        "scrape_configs: [{job_name: a, follow_redirects: true}]",
        "alerting: {alertmanagers: [{dns_sd_configs: [{names: [a]}]}]}",
    ] {
        let found = read(text).unwrap_err();
        assert!(found.len() == 1 && found[0].contains("EK-D039"), "{text}: {found:?}");
    }
}

#[test]
fn files_of_targets_are_json_or_yaml() {
    for text in [
        r#"[{"targets": ["a:1", "b:2"], "labels": {"zone": "eu"}}]"#,
        "- targets: [a:1, b:2]\n  labels:\n    zone: eu\n",
    ] {
        let found = groups("t.json", text.as_bytes().to_vec()).unwrap();
        assert_eq!((found[0].targets.len(), &*found[0].labels["zone"]), (2, "eu"));
    }
    assert_eq!(groups("t.json", b"{}".to_vec()).unwrap_err().len(), 1);
}

#[test]
fn files_are_looked_for_beside_the_configuration() {
    let mut config = read(
        "rule_files: [r.yml, /etc/r.yml]\nscrape_configs: [{job_name: a, bearer_token_file: t, \
         tls_config: {ca_file: ca.pem}, file_sd_configs: [{files: ['t/*.json']}]}]",
    )
    .unwrap();
    config.rebase(Path::new("/srv"));
    assert_eq!(config.rule_files, [PathBuf::from("/srv/r.yml"), PathBuf::from("/etc/r.yml")]);
    let scrape = &config.scrapes[0];
    assert_eq!(scrape.client.ca, Some("/srv/ca.pem".into()));
    assert_eq!(scrape.files[0].patterns, [PathBuf::from("/srv/t/*.json")]);
    let secret = Secret::File("/srv/t".into());
    let credentials = Credentials::Shown { scheme: "Bearer".to_owned(), secret };
    assert_eq!(scrape.client.credentials, Some(credentials));
}

#[test]
fn an_empty_file_asks_for_nothing() {
    assert_eq!(read("").unwrap().scrapes.len(), 0);
    assert_eq!(read("{}").unwrap().evaluation_every, Duration::from_mins(1));
}
