//! Options: how a store keeps what it is given, and its limits.

use std::time::Duration;

/// How a store keeps what it is given. The defaults suit a store that is scraped every few seconds to minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How far behind the latest sample of its series a sample may come, and is merged in. Half an hour, which is what
    /// collectors that send again after a fault need. Prometheus takes none unless `out_of_order_time_window` says so.
    pub late: Duration,
    /// How far ahead of the clock a sample may lie: one of a wrong clock, or of a moment in the wrong unit, would make every
    /// later one of its series late. Ten minutes, as Prometheus has it for scrapes. It is looked at once the clock is
    /// known, which a [`Keeper`](crate::Keeper) or [`tend`](crate::Store::tend) says.
    pub ahead: Duration,
    /// Segments whose last sample is older are removed, and older samples are refused; none keeps everything.
    /// A hundred days, so that an objective of a quarter has data; Prometheus keeps fifteen.
    pub retention: Option<Duration>,
    /// Above so many bytes on disk the oldest segments are removed; none keeps everything.
    pub retention_bytes: Option<u64>,
    /// How long what is sealed waits in memory until it becomes a segment. Two hours.
    pub flush_after: Duration,
    /// With so many sealed bytes in memory a segment is written before that. 16 MiB.
    pub flush_bytes: usize,
    /// With so many bytes in the log a flush comes before its time too, so that a start does not take long. 256 MiB.
    pub log_bytes: u64,
    /// A series that gets nothing for so long leaves the memory with the next flush. Two hours.
    pub idle: Duration,
    /// So many segments of about one size become one. Four.
    pub merge_at: usize,
    /// Segments are not merged to more bytes than these. 512 MiB.
    pub segment_bytes_max: u64,
    /// How often [`Keeper`](crate::Keeper) syncs the log to disk: what was appended in the interval before may be lost
    /// when the power fails. A process that is killed loses nothing that was appended. One second.
    pub sync_every: Duration,
    /// What a series may be called, and how many there may be.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            late: Duration::from_mins(30),
            ahead: Duration::from_mins(10),
            retention: Some(Duration::from_hours(100 * 24)),
            retention_bytes: None,
            flush_after: Duration::from_hours(2),
            flush_bytes: 16 << 20,
            log_bytes: 256 << 20,
            idle: Duration::from_hours(2),
            merge_at: 4,
            segment_bytes_max: 512 << 20,
            sync_every: Duration::from_secs(1),
            limits: Limits::default(),
        }
    }
}

/// What a series may be called, and how many there may be.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Labels of a series, its metric name among them.
    pub labels: usize,
    /// Bytes of the name of a label.
    pub name_bytes: usize,
    /// Bytes of the value of a label.
    pub value_bytes: usize,
    /// Series that live in memory at one time; none lets in all.
    pub series: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { labels: 64, name_bytes: 1 << 10, value_bytes: 8 << 10, series: None }
    }
}

/// A duration in the unit of samples' moments.
pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
