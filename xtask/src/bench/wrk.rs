//! wrk: what it prints about one load.

use anyhow::{Context as _, Result, bail};

/// What came of one load.
#[derive(Debug, PartialEq)]
pub(super) struct Wrk {
    pub(super) requests: f64,
    pub(super) requests_per_second: f64,
}

impl Wrk {
    /// Reads its summary. A load with errors is no measure of anything.
    pub(super) fn read(printed: &str) -> Result<Self> {
        let lines = || printed.lines().map(str::trim);
        let complaint =
            |it: &&str| it.starts_with("Socket errors:") || it.starts_with("Non-2xx or 3xx");
        if let Some(line) = lines().find(complaint) {
            bail!("wrk had errors: {line}");
        }
        let requests = lines().find_map(|it| it.split_once(" requests in ")?.0.parse().ok());
        let rate = lines().find_map(|it| it.strip_prefix("Requests/sec:")?.trim().parse().ok());
        Ok(Self {
            requests: requests.context("wrk did not print how many requests it sent")?,
            requests_per_second: rate.context("wrk did not print its rate")?,
        })
    }
}

/// The version out of what `wrk -v` prints.
pub(super) fn version(printed: &str) -> Option<&str> {
    printed.split_whitespace().nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
Running 5s test @ http://127.0.0.1:37307/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.69ms    2.10ms  16.98ms   84.80%
    Req/Sec    39.86k     6.24k   46.26k    84.00%
  199986 requests in 5.06s, 37.00MB read
Requests/sec:  39547.63
Transfer/sec:      7.32MB
";

    #[test]
    fn the_summary_of_wrk_is_read() {
        let expected = Wrk { requests: 199_986.0, requests_per_second: 39_547.63 };
        assert_eq!(Wrk::read(PRINTED).unwrap(), expected);
    }

    #[test]
    fn a_load_with_errors_is_refused() {
        for line in
            ["Socket errors: connect 0, read 3, write 0, timeout 0", "Non-2xx or 3xx responses: 7"]
        {
            let printed = PRINTED.replace("Requests/sec:", &format!("  {line}\nRequests/sec:"));
            assert!(Wrk::read(&printed).unwrap_err().to_string().contains(line));
        }
        assert!(Wrk::read("unable to connect to 127.0.0.1:1 Connection refused\n").is_err());
    }

    #[test]
    fn the_version_of_wrk_is_read() {
        let printed = "wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012 Will Glozer\n";
        assert_eq!(version(printed), Some("debian/4.1.0-3+b2"));
    }
}
