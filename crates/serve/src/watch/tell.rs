//! Tell: alerts on their way to Alertmanagers.
//!
//! ```text
//!   notices ─▶ external labels, alert_relabel_configs ─▶ for each Alertmanager: what waits ─▶ POST /api/v2/alerts
//! ```
//!
//! What waits is one notice an alert, the latest, so that an Alertmanager that was away for an hour hears how things are, and
//! not how they were. One that does not answer is told again after a while, which grows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_metrics::alertmanager::{Alertmanager, Untold};
use evenkeel_metrics::config::Config;
use evenkeel_metrics::exposition::{Format, Kind, Writer};
use evenkeel_metrics::relabel::{self, Pairs};
use evenkeel_series::Labels;
use evenkeel_units::locked;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::alerts::Notice;

/// Who was told of an alert is told again after this, because an Alertmanager forgets those that it hears no more of.
pub(super) const RESEND: Duration = Duration::from_mins(1);
/// For so many times the interval an alert holds when nothing more is heard of it.
pub(super) const VALID_TIMES: u32 = 4;
/// So many alerts wait for an Alertmanager.
const WAITING_MAX: usize = 10_000;
/// So many are told at once.
const BATCH_MAX: usize = 256;
/// How long until an Alertmanager that did not answer is told again, at first, …
const PAUSE: Duration = Duration::from_secs(1);
/// … and in the end.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Where more is to be seen of a query.
pub(super) fn link(url: &str, query: &str) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", query);
    format!("{url}/api/v1/query?{}", form.finish())
}

/// Everybody who is told.
#[derive(Debug, Default)]
pub(crate) struct Tellers(Vec<Arc<Teller>>);

/// An Alertmanager, and what it is to be told.
#[derive(Debug)]
struct Teller {
    to: Alertmanager,
    relabel: Vec<relabel::Rule>,
    queue: Arc<Queue>,
}

/// What waits for an Alertmanager, also over a reload, and what was told.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<BTreeMap<Labels, Notice>>,
    arrived: Notify,
    told: AtomicU64,
    lost: AtomicU64,
    /// Why it was not told the last time.
    why: Mutex<Option<String>>,
}

impl Tellers {
    /// Those that a configuration names. What waits for one that was there before waits on.
    ///
    /// # Errors
    /// What is wrong with an address or with certificates.
    pub(crate) fn open(config: &Config, before: &Self) -> Result<Self, String> {
        let mut all = Vec::new();
        for of in &config.alertmanagers {
            for to in Alertmanager::open(of)? {
                // Who is named twice has two queues.
                let is_free = |it: &&Arc<Teller>| {
                    !all.iter().any(|new: &Arc<Teller>| Arc::ptr_eq(&new.queue, &it.queue))
                };
                let old = before.0.iter().filter(is_free).find(|it| it.to.url() == to.url());
                let queue = old.map(|it| Arc::clone(&it.queue)).unwrap_or_default();
                all.push(Arc::new(Teller { to, relabel: of.relabel.clone(), queue }));
            }
        }
        Ok(Self(all))
    }

    /// Where each is told, and why it was not the last time.
    pub(crate) fn all(&self) -> Vec<(String, Option<String>)> {
        self.0.iter().map(|it| (it.to.url().to_string(), locked(&it.queue.why).clone())).collect()
    }

    /// Has notices wait for everybody.
    pub(super) fn put(&self, notices: Vec<Notice>, config: &Config) {
        for notice in notices {
            let Some(notice) =
                rewritten(notice, Some(&config.external_labels), &config.alert_relabel)
            else {
                continue;
            };
            for teller in &self.0 {
                if let Some(notice) = rewritten(notice.clone(), None, &teller.relabel) {
                    teller.queue.put(notice);
                }
            }
        }
    }

    /// Tells, until it is given up.
    pub(super) async fn run(self: Arc<Self>) {
        let mut all = JoinSet::new();
        for teller in &self.0 {
            all.spawn(Arc::clone(teller).run());
        }
        while all.join_next().await.is_some() {}
    }

    /// What was told, in the text of metrics.
    pub(crate) fn write(&self, to: &mut Writer, format: Format) {
        if self.0.is_empty() {
            return;
        }
        let ending = if format == Format::Text { "_total" } else { "" };
        let mut counter = |name: &str, help: &str, count: fn(&Queue) -> &AtomicU64| {
            to.family(&format!("{name}{ending}"), Kind::Counter, help);
            for it in &self.0 {
                let url = it.to.url().to_string();
                let count = count(&it.queue).load(Ordering::Relaxed) as f64;
                to.sample(&format!("{name}_total"), [("alertmanager", &*url)], count, None);
            }
        };
        counter("evenkeel_alerts_told", "Alerts that an Alertmanager took.", |it| &it.told);
        let help = "Alerts that an Alertmanager refused, or for which there was no room.";
        counter("evenkeel_alerts_lost", help, |it| &it.lost);
        let name = "evenkeel_alerts_waiting";
        to.family(name, Kind::Gauge, "Alerts that an Alertmanager is still to be told of.");
        for it in &self.0 {
            let url = it.to.url().to_string();
            let many = locked(&it.queue.waiting).len() as f64;
            to.sample(name, [("alertmanager", &*url)], many, None);
        }
    }
}

impl Queue {
    fn put(&self, notice: Notice) {
        let mut waiting = locked(&self.waiting);
        if waiting.len() >= WAITING_MAX && !waiting.contains_key(&notice.labels) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.insert(notice.labels.clone(), notice);
        self.arrived.notify_one();
    }

    /// What is told next, once there is something.
    async fn next(&self) -> Vec<Notice> {
        loop {
            let batch: Vec<_> = locked(&self.waiting).values().take(BATCH_MAX).cloned().collect();
            if !batch.is_empty() {
                return batch;
            }
            self.arrived.notified().await;
        }
    }
}

impl Teller {
    async fn run(self: Arc<Self>) {
        let queue = &*self.queue;
        let mut pause = PAUSE;
        loop {
            let batch = queue.next().await;
            let told = self.to.tell(body(&batch).into()).await;
            *locked(&queue.why) = told.as_ref().err().map(ToString::to_string);
            let counts = match told {
                Ok(()) => &queue.told,
                Err(Untold::Refused(_)) => &queue.lost,
                Err(Untold::Later(_)) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                    continue;
                }
            };
            pause = PAUSE;
            counts.fetch_add(batch.len() as u64, Ordering::Relaxed);
            let mut waiting = locked(&queue.waiting);
            for notice in batch {
                // What came meanwhile is another notice.
                if waiting.get(&notice.labels) == Some(&notice) {
                    waiting.remove(&notice.labels);
                }
            }
        }
    }
}

/// A notice with the labels that it leaves with; `None` when it is dropped.
fn rewritten(
    notice: Notice,
    external: Option<&BTreeMap<String, String>>,
    rules: &[relabel::Rule],
) -> Option<Notice> {
    let own = notice.labels.iter().map(|it| (it.name.to_string(), it.value.to_string()));
    let mut pairs: Pairs = external.cloned().unwrap_or_default();
    pairs.extend(own);
    if !relabel::relabel(rules, &mut pairs) {
        return None;
    }
    let labels = Labels::of(pairs.iter().map(|(name, value)| (&**name, &**value)));
    (!labels.is_empty()).then_some(Notice { labels, ..notice })
}

/// Notices as the API takes them.
fn body(notices: &[Notice]) -> String {
    let date = |at: i64| Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX).to_string();
    let one = |it: &Notice| {
        let labels: BTreeMap<_, _> = it.labels.iter().map(|it| (&*it.name, &*it.value)).collect();
        json!({
            "labels": labels,
            "annotations": it.annotations,
            "startsAt": date(it.from),
            "endsAt": date(it.until),
            "generatorURL": it.url,
        })
    };
    json!(notices.iter().map(one).collect::<Vec<_>>()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(labels: &[(&str, &str)]) -> Notice {
        Notice {
            labels: Labels::of(labels.iter().copied()),
            annotations: [("summary".to_owned(), "it is down".to_owned())].into(),
            from: 1_000,
            until: 2_500,
            url: link("http://127.0.0.1:9090", "up == 0"),
        }
    }

    #[test]
    fn a_notice_is_as_the_api_has_it() {
        let expected = r#"[{"annotations":{"summary":"it is down"},"endsAt":"1970-01-01T00:00:02.5Z","generatorURL":"http://127.0.0.1:9090/api/v1/query?query=up+%3D%3D+0","labels":{"alertname":"Down"},"startsAt":"1970-01-01T00:00:01Z"}]"#;
        assert_eq!(body(&[notice(&[("alertname", "Down")])]), expected);
    }

    #[test]
    fn labels_are_rewritten_before_they_leave() {
        let text = "global: {external_labels: {zone: eu, job: none}}\n\
            alerting: {alert_relabel_configs: [{regex: replica, action: labeldrop}, {source_labels: [severity], regex: info, action: drop}]}\n";
        let config = Config::read("p.yml", text.into()).unwrap();
        let of = |labels: &[(&str, &str)]| {
            let it =
                rewritten(notice(labels), Some(&config.external_labels), &config.alert_relabel);
            it.map(|it| it.labels.to_string())
        };
        let told = of(&[("alertname", "Down"), ("job", "shop"), ("replica", "1")]);
        assert_eq!(told.as_deref(), Some(r#"{alertname="Down", job="shop", zone="eu"}"#));
        assert_eq!(of(&[("alertname", "Down"), ("severity", "info")]), None);
    }

    #[test]
    fn of_one_alert_the_latest_waits_and_of_many_as_many_as_there_is_room_for() {
        let text = "alerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:1']}]}]}";
        let config = Config::read("p.yml", text.into()).unwrap();
        let tellers = Tellers::open(&config, &Tellers::default()).unwrap();
        for until in [1, 2] {
            let notice = Notice { until, ..notice(&[("alertname", "Down")]) };
            tellers.put(vec![notice], &config);
        }
        let waits = |of: &Tellers| {
            locked(&of.0[0].queue.waiting).values().map(|it| it.until).collect::<Vec<_>>()
        };
        assert_eq!(waits(&tellers), [2]);
        let again = Tellers::open(&config, &tellers).unwrap();
        assert_eq!(waits(&again), [2], "what waits goes on to wait after a reload");
        tellers.put(vec![Notice { until: 3, ..notice(&[("alertname", "Down")]) }], &config);
        assert_eq!(waits(&again), [3], "also what comes while the files are read");
        let many = (0..=WAITING_MAX).map(|it| notice(&[("number", &it.to_string())]));
        tellers.put(many.collect(), &config);
        assert_eq!(waits(&tellers).len(), WAITING_MAX);
        assert_eq!(tellers.0[0].queue.lost.load(Ordering::Relaxed), 2);
    }
}
