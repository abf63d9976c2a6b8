//! h2load: what it prints about one load.

use anyhow::{Context as _, Result, ensure};

use super::peer::Answered;

/// Reads its summary. A load with errors is no measure of anything.
pub(super) fn read(printed: &str) -> Result<Answered> {
    let line = |start| printed.lines().find_map(|it| it.strip_prefix(start));
    let requests = line("requests: ").context("h2load did not print how many requests it sent")?;
    let status = line("status codes: ").context("h2load did not print status codes")?;
    let good = count(requests, "succeeded").context("h2load did not print what succeeded")?;
    for (line, word) in [
        (requests, "failed"),
        (requests, "errored"),
        (requests, "timeout"),
        (status, "4xx"),
        (status, "5xx"),
    ] {
        ensure!(count(line, word) == Some(0.0), "h2load had errors: {line}");
    }
    let rate = line("finished in ").and_then(|it| count(it, "req/s"));
    Ok(Answered {
        requests: good,
        per_second: rate.context("h2load did not print its rate")?,
        p99: None,
    })
}

/// The number before a word, in a list of such pairs.
fn count(line: &str, word: &str) -> Option<f64> {
    let pair = line.split(',').map(str::trim).find_map(|it| it.strip_suffix(word));
    pair?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
Main benchmark duration is over for thread #0. Stopping all clients.

finished in 2.00s, 116224.00 req/s, 18.40MB/s
requests: 232448 total, 232512 started, 232448 done, 232448 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 232448 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 36.80MB (38586712) total, 4.43MB (4648960) headers (space savings 59.18%), 28.38MB (29753344) data
                     min         max         mean         sd        +/- sd
req/s           :   14475.75    14563.53    14519.32       24.17    75.00%
";

    #[test]
    fn the_summary_of_h2load_is_read() {
        let expected = Answered { requests: 232_448.0, per_second: 116_224.0, p99: None };
        assert_eq!(read(PRINTED).unwrap(), expected);
    }

    #[test]
    fn a_load_with_errors_is_refused() {
        for (was, is) in [
            ("0 failed", "3 failed"),
            ("0 timeout", "1 timeout"),
            ("0 5xx", "9 5xx"),
            ("0 4xx", ""),
        ] {
            assert!(read(&PRINTED.replace(was, is)).is_err(), "{is}");
        }
        assert!(read("failed to resolve remote host\n").is_err());
    }
}
