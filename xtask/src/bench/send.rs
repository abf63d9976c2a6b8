//! Ours: what the load crate's example `send` prints about one load.

use anyhow::{Context as _, Result};
use serde_json::Value;

/// What came of one load.
#[derive(Debug, PartialEq)]
pub(super) struct Load {
    pub(super) planned: f64,
    pub(super) sent: f64,
    /// Sent before the last second of the plan was over.
    pub(super) sent_in_time: f64,
    pub(super) missed: f64,
    pub(super) answered: f64,
    pub(super) failed: f64,
    pub(super) duration: f64,
    /// Of the generator's thread, in seconds.
    pub(super) generator_cpu: f64,
    /// Of the whole process, in seconds.
    pub(super) process_cpu: f64,
    pub(super) lag_p50: f64,
    pub(super) lag_p99: f64,
}

impl Load {
    /// Reads the one object that is printed.
    pub(super) fn read(printed: &str) -> Result<Self> {
        let said: Value = serde_json::from_str(printed).context("`send` did not print JSON")?;
        let number = |pointer: &str| {
            let value = said.pointer(pointer).and_then(Value::as_f64);
            value.with_context(|| format!("`send` did not print {pointer}"))
        };
        Ok(Self {
            planned: number("/planned")?,
            sent: number("/sent")?,
            sent_in_time: number("/sent_in_time")?,
            missed: number("/missed")?,
            answered: number("/answered")?,
            failed: number("/failed")?,
            duration: number("/duration_seconds")?,
            generator_cpu: number("/generator_cpu_seconds")?,
            process_cpu: number("/process_cpu_seconds")?,
            lag_p50: number("/send_lag_seconds/p50")?,
            lag_p99: number("/send_lag_seconds/p99")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = r#"{"planned": 100000, "sent": 99990, "sent_in_time": 99963, "missed": 10,
        "answered": 99980, "failed": 10, "duration_seconds": 5,
        "generator_cpu_seconds": 1.837116581, "process_cpu_seconds": 1.840661478,
        "send_lag_seconds": {"p50": 0.000012, "p99": 0.008078, "p999": 0.011348, "max": 0.014196},
        "response_time_seconds": {"p50": 0.002285, "p99": 0.011, "p999": 0.014, "max": 0.017}}"#;

    #[test]
    fn what_our_generator_prints_is_read() {
        let sent = Load::read(PRINTED).unwrap();
        let expected = Load {
            planned: 100_000.0,
            sent: 99_990.0,
            sent_in_time: 99_963.0,
            missed: 10.0,
            answered: 99_980.0,
            failed: 10.0,
            duration: 5.0,
            generator_cpu: 1.837_116_581,
            process_cpu: 1.840_661_478,
            lag_p50: 0.000_012,
            lag_p99: 0.008_078,
        };
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_number_that_is_not_there_is_named() {
        let error = Load::read(&PRINTED.replace("p99\"", "p98\"")).unwrap_err();
        assert_eq!(error.to_string(), "`send` did not print /send_lag_seconds/p99");
        assert!(Load::read("Error: nobody listens").is_err());
    }
}
