//! Host: what everybody on this host uses together.
//!
//! | figure | what it is |
//! |---|---|
//! | `cpu_ratio` | the share of all processors' time, since the reading before, in which they did not idle |
//! | `memory_ratio` | the share of the memory that is not available: 1 − MemAvailable / MemTotal |
//! | `load1` | the load average over a minute |
//!
//! These are the kernel's figures for the whole host: limits of a container (cgroups) are not considered.

use super::Figures;
use super::kernel::{Kernel, Processors};

/// Remembers the reading before.
#[derive(Debug, Default)]
pub(super) struct Host {
    before: Option<Processors>,
}

impl Host {
    pub(super) fn read(&mut self, kernel: &Kernel) -> Result<Figures, String> {
        let unreadable =
            |error: std::io::Error| format!("the figures of this host cannot be read: {error}");
        let processors = kernel.processors().map_err(unreadable)?;
        let mut figures = Figures::from([
            ("memory_ratio".to_owned(), kernel.memory_ratio().map_err(unreadable)?),
            ("load1".to_owned(), kernel.load().map_err(unreadable)?),
        ]);
        let before = *self.before.get_or_insert(processors);
        match ratio(before, processors) {
            Some(ratio) => drop(figures.insert("cpu_ratio".to_owned(), ratio)),
            // No tick has passed: the reading before stays the one to compare with.
            None if before.total == processors.total => return Ok(figures),
            None => {}
        }
        self.before = Some(processors);
        Ok(figures)
    }
}

/// `None` when no time has passed, or a counter went back, as it may when a processor is taken out.
fn ratio(before: Processors, now: Processors) -> Option<f64> {
    let total = now.total.checked_sub(before.total)?;
    let idle = now.idle.checked_sub(before.idle)?;
    (total > 0 && idle <= total).then(|| (total - idle) as f64 / total as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    fn kernel(root: &Path, idle: u64, busy: u64) -> Kernel {
        fs::write(root.join("stat"), format!("cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\n")).unwrap();
        fs::write(root.join("meminfo"), "MemTotal: 1000 kB\nMemAvailable: 400 kB\n").unwrap();
        fs::write(root.join("loadavg"), "1.25 0.80 0.40 2/300 4711\n").unwrap();
        Kernel { root: root.to_owned(), ticks_per_second: 100.0, page_bytes: 4096.0 }
    }

    #[test]
    fn processors_are_judged_between_two_readings() {
        let folder = tempfile::tempdir().unwrap();
        let mut host = Host::default();
        let mut read = |idle, busy| {
            let figures = host.read(&kernel(folder.path(), idle, busy)).unwrap();
            assert!(
                (figures["memory_ratio"] - 0.6).abs() < 1e-9
                    && (figures["load1"] - 1.25).abs() < 1e-9
            );
            figures.get("cpu_ratio").copied()
        };
        assert_eq!(read(1000, 1000), None);
        assert_eq!(read(1075, 1025), Some(0.25));
        assert_eq!(read(1075, 1025), None, "no time has passed");
        assert_eq!(read(1075, 1125), Some(1.0));
        assert_eq!(read(40, 60), None, "a processor was taken out");
        assert_eq!(read(90, 110), Some(0.5));
    }

    #[test]
    fn files_that_are_not_there_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut kernel = kernel(folder.path(), 1, 1);
        kernel.root.push("nowhere");
        let error = Host::default().read(&kernel).unwrap_err();
        assert!(error.starts_with("the figures of this host cannot be read: "), "{error}");
    }
}
