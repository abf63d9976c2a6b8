//! Files with `patroni:` are read as they stand, as far as they bear on failover.

use std::time::Duration;

use evenkeel_model::document::{Document, Patroni, WatchdogMode};

use super::{check, findings};

const CLUSTER: &str = "\
# PostgreSQL with Patroni for HA
patroni:
  scope: postgres-cluster
  name: postgres-1

  postgresql:
    data_dir: /var/lib/postgresql/data
    parameters:
      max_connections: 100
      shared_buffers: 256MB

  # Automatic failover configuration
  bootstrap:
    dcs:
      ttl: 30
      loop_wait: 10
      retry_timeout: 10
      maximum_lag_on_failover: 1048576  # 1MB

  watchdog:
    mode: automatic
    device: /dev/watchdog
";

const DAY: &str = "\
---
apiVersion: evenkeel.dev/v1
kind: GameDay
metadata: {name: database-failover}
spec:
  scenario:
    experiment:
      blastRadius: {service: shop, percentage: 100%}
      steps: []
  success: [Failover completes within 30 seconds]
";

fn read(text: &str) -> Patroni {
    let (library, found) = check(text);
    assert!(found.iter().all(|it| !it.is_error()), "{found:?}");
    let of = |it: &evenkeel_model::library::Item| match it.document() {
        Document::Patroni(it) => Some(it.clone()),
        _ => None,
    };
    library.items().iter().find_map(of).unwrap()
}

#[test]
fn a_cluster_is_read_as_it_stands() {
    let it = read(CLUSTER);
    assert_eq!(
        (it.name.as_str(), it.watchdog),
        ("postgres-cluster.postgres-1", WatchdogMode::Automatic)
    );
    assert_eq!((it.ttl, it.maximum_lag.0), (Duration::from_secs(30), 1 << 20));
    assert_eq!(it.elects_within(), Duration::from_secs(40));
    assert_eq!(findings(CLUSTER), "");
    let (short, _) = CLUSTER.split_once("\n  postgresql:").unwrap();
    assert_eq!(
        Patroni { name: String::new(), ..read(short) },
        Patroni { name: String::new(), ..it }
    );
}

#[test]
fn times_that_do_not_fit_and_values_that_patroni_does_not_take_are_refused() {
    let tight = CLUSTER.replace("ttl: 30", "ttl: 29");
    insta::assert_snapshot!(findings(&tight), @"EK-D044 15:12 29 is less than `loop_wait` and twice `retry_timeout`, 30 together | A leader would lose its lock while it still tries to renew it; raise `ttl`, or lower the others.");
    let wrong = CLUSTER
        .replace("ttl: 30", "ttl: 30s")
        .replace("retry_timeout: 10", "retry_timeout: 2")
        .replace("mode: automatic", "mode: on");
    insta::assert_snapshot!(findings(&wrong), @"
    EK-D005 15:12 expected a whole number, found a text `30s`
    EK-D007 17:22 `2` is not a whole number between 3 and 86400 | Patroni takes 3 s at least.
    EK-D013 21:11 `on` is not `off`, `automatic` or `required` | Use one of off, automatic, required.
    ");
}

#[test]
fn checks_that_nobody_makes_are_warned_of() {
    let checks = format!(
        "{CLUSTER}\n  checks:\n    - name: replication_lag\n      max_lag: 10  # seconds\n"
    );
    insta::assert_snapshot!(findings(&checks), @"EK-W004 24:3 Patroni does not read `checks`, so that nobody makes them | Make them alerts on its metrics: `patroni_xlog_location` minus `patroni_xlog_replayed_location` is the lag.");
}

#[test]
fn a_game_day_that_allows_less_than_the_lock_lasts_is_told_before_it_begins() {
    let found = findings(&format!("{CLUSTER}{DAY}"));
    let of_cluster: Vec<_> = found.lines().filter(|it| it.contains("EK-W008")).collect();
    insta::assert_snapshot!(of_cluster.join("\n"), @"EK-W008 15:12 40s may pass until another runs for the place of a leader that vanishes, and the game day `database-failover` allows 30s | The lock lasts for `ttl` from its last renewal, and members look each `loop_wait`: lower both, or allow more.");
    let allows = DAY.replace("30 seconds", "2 minutes");
    assert!(!findings(&format!("{CLUSTER}{allows}")).contains("EK-W008"));
}
