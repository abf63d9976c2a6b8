//! Debian's Alertmanager, which hears of what burns and of its end.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::prometheus::listens_at;
use crate::watch::{documents, now, until};
use crate::world::World;

/// An Alertmanager of the test's own.
struct Alertmanager {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Alertmanager {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alertmanager.yml");
        fs::write(&file, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n").unwrap();
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", folder.path().join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="])
            .args(["--log.level=error", "--web.route-prefix=/am"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus-alertmanager is installed by `cargo xtask test`");
        let mut it = Self { child, port: 0, _folder: folder };
        let id = it.child.id();
        it.port = until(|| listens_at(id), Option::is_some).unwrap();
        until(|| it.get("/am/-/ready"), |it| it.starts_with("HTTP/1.0 200"));
        it
    }

    fn get(&self, path: &str) -> String {
        let ask = || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            // Version 1.0 has no chunks.
            write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        };
        ask().unwrap_or_default()
    }

    /// The alerts that are not over.
    fn alerts(&self) -> Vec<Value> {
        let answer = self.get("/am/api/v2/alerts");
        let body = answer.split_once("\r\n\r\n").map_or("[]", |it| it.1);
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

const SLO: &str = "\
apiVersion: evenkeel.dev/v1
kind: SLO
metadata: {name: available}
spec:
  service: shop
  objective: 99%
  window: 1h
  sli: {availability: {bad: bad_total, total: all_total}}
  alerting:
    name: ShopBurns
    page: {labels: {team: payments}}
    policy: {windows: [{severity: page, factor: 10, long: 5m, short: none}, {severity: ticket, factor: 1, long: 30m, short: none}]}
";

#[test]
fn what_burns_arrives_at_an_alertmanager_and_is_over_there_when_it_is() {
    let told = Alertmanager::start();
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "global: {{evaluation_interval: 100ms, external_labels: {{zone: eu, replica: a}}}}\n\
         alerting:\n  alert_relabel_configs: [{{regex: replica, action: labeldrop}}]\n\
         \x20 alertmanagers: [{{path_prefix: /am/, static_configs: [{{targets: ['127.0.0.1:{}']}}]}}]\n",
        told.port
    );
    let world = World::judging(folder.path(), &config, documents(SLO));
    let at = now();
    world.write(&[
        (at - 200, "all_total", 0.0),
        (at - 2, "all_total", 5000.0),
        (at - 200, "bad_total", 0.0),
        (at - 2, "bad_total", 1000.0),
    ]);
    let alerts = until(|| told.alerts(), |it| !it.is_empty());
    let expected = json!({
        "alertname": "ShopBurns", "slo_burn": "5m", "sloth_id": "shop-available", "sloth_service": "shop",
        "sloth_severity": "page", "sloth_slo": "available", "sloth_window": "5m", "team": "payments", "zone": "eu",
    });
    assert_eq!((alerts.len(), &alerts[0]["labels"]), (1, &expected), "the ticket is inhibited");
    let summary = "shop available SLO error budget burn rate is over expected.";
    assert_eq!(alerts[0]["annotations"]["summary"], summary);
    let link = alerts[0]["generatorURL"].as_str().unwrap();
    assert!(
        link.starts_with(&format!("http://{}/api/v1/query?query=slo_burn_rate", world.address)),
        "{link}"
    );

    let shown = world.data("alerts")["alerts"].clone();
    let states: Vec<_> = shown.as_array().unwrap().iter().map(|it| &it["state"]).collect();
    assert_eq!(states, ["firing", "pending"], "{shown}");
    let group = world.data("rules?type=alert")["groups"][0].clone();
    assert_eq!(
        (&group["name"], &group["rules"][0]["state"]),
        (&json!("available"), &json!("firing"))
    );
    let query = group["rules"][0]["query"].as_str().unwrap();
    for query in [query, "ALERTS{alertstate=\"firing\"}"] {
        until(|| world.ask(query, now()), |it| it.len() == 1);
    }
    let url = format!("http://127.0.0.1:{}/am/api/v2/alerts", told.port);
    assert_eq!(world.data("alertmanagers")["activeAlertmanagers"], json!([{"url": url}]));

    world.write(&[(now(), "all_total", 9e6), (now(), "bad_total", 1000.0)]);
    until(|| told.alerts(), Vec::is_empty);
    assert_eq!(world.data("alerts")["alerts"], json!([]));
    // It is counted when the answer has come, which is after the alert has.
    let count = format!("evenkeel_alerts_told_total{{alertmanager=\"{url}\"}} 2\n");
    until(|| world.get("/metrics").body, |it| it.contains(&count));
}
