//! wrk: what it prints about one load.

use anyhow::{Context as _, Result, bail};

use super::peer::Answered;

/// Reads its summary. A load with errors is no measure of anything.
pub(super) fn read(printed: &str) -> Result<Answered> {
    let lines = || printed.lines().map(str::trim);
    let complaint =
        |it: &&str| it.starts_with("Socket errors:") || it.starts_with("Non-2xx or 3xx");
    if let Some(line) = lines().find(complaint) {
        bail!("wrk had errors: {line}");
    }
    let requests = lines().find_map(|it| it.split_once(" requests in ")?.0.parse().ok());
    let rate = lines().find_map(|it| it.strip_prefix("Requests/sec:")?.trim().parse().ok());
    Ok(Answered {
        requests: requests.context("wrk did not print how many requests it sent")?,
        per_second: rate.context("wrk did not print its rate")?,
        p99: None,
    })
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
        let expected = Answered { requests: 199_986.0, per_second: 39_547.63, p99: None };
        assert_eq!(read(PRINTED).unwrap(), expected);
    }

    #[test]
    fn a_load_with_errors_is_refused() {
        for line in
            ["Socket errors: connect 0, read 3, write 0, timeout 0", "Non-2xx or 3xx responses: 7"]
        {
            let printed = PRINTED.replace("Requests/sec:", &format!("  {line}\nRequests/sec:"));
            assert!(read(&printed).unwrap_err().to_string().contains(line));
        }
        assert!(read("unable to connect to 127.0.0.1:1 Connection refused\n").is_err());
    }

    #[test]
    fn the_version_of_wrk_is_read() {
        let printed = "wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012 Will Glozer\n";
        assert_eq!(version(printed), Some("debian/4.1.0-3+b2"));
    }
}
