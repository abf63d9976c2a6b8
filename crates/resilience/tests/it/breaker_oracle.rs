//! Breaker, oracle: ours does what resilience4j did, wherever that was recorded.

use std::path::Path;

use crate::oracle::replay;

#[test]
fn every_recorded_sequence_and_trace_replays_without_a_difference() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/oracles/breaker");
    if !folder.is_dir() {
        let must = std::env::var("CI").is_ok_and(|it| it == "true");
        assert!(!must, "{} is missing: put the oracles there", folder.display());
        return;
    }
    let tally = replay(&folder).unwrap();
    assert!(tally.failures.is_empty(), "{:#?}", &tally.failures[..tally.failures.len().min(10)]);
    assert_eq!((tally.indices, tally.traces), (4_000, 300));
}
