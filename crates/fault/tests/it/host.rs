//! Faults of the host live in a child of ours, do what was asked, and end with their pipe.

use std::time::Duration;

use evenkeel_model::document::Fault;
use evenkeel_units::{Bytes, Ratio};

use crate::stage::{fault, open, service, state_dir};

#[tokio::test]
async fn memory_is_really_held_and_given_back() {
    let state = state_dir();
    let mut faults = open(&service(None, &[]), state.path()).await;
    let amount = Bytes(48 * 1024 * 1024);
    faults.begin(0, &fault(Fault::Memory { amount }, None)).await.unwrap();
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    assert!(
        evidence.acted && evidence.counters["resident_bytes"] >= amount.0 as f64,
        "{evidence:?}"
    );
    faults.close().await.unwrap();
}

#[tokio::test]
async fn more_memory_than_there_is_is_refused_before_anything_is_taken() {
    let state = state_dir();
    let mut faults = open(&service(None, &[]), state.path()).await;
    let error = faults.begin(0, &fault(Fault::Memory { amount: Bytes(1 << 50) }, None)).await;
    let cause = std::error::Error::source(&error.unwrap_err()).unwrap().to_string();
    assert!(cause.contains("is too much memory"), "{cause}");
    faults.close().await.unwrap();
}

#[tokio::test]
async fn cpu_is_burnt_and_not_more_of_it_than_was_asked() {
    let state = state_dir();
    let mut faults = open(&service(None, &[]), state.path()).await;
    let load = Ratio::percent(20);
    faults.begin(0, &fault(Fault::Cpu { load, cores: 1 }, None)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let (evidence, error) = faults.end(0).await;
    assert_eq!(error, None);
    // A busy host may give less than is fair, which is then told; more would be a burner out of control.
    let got = evidence.counters["load_ratio"];
    assert!((0.01..0.25).contains(&got) && evidence.acted == (got >= 0.1), "{evidence:?}");
    faults.close().await.unwrap();
}
