//! Certificate: until when the one that a server shows is valid.
//!
//! Only that is read, by its place in the encoding (RFC 5280, section 4.1): who has signed it for whom is judged by the TLS library.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// What a server shows to say who it is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The last moment at which it is valid.
    pub expires: Timestamp,
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

impl Certificate {
    /// Reads one in DER; nothing when it is none.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate, _) = element(der).filter(|it| it.0 == SEQUENCE)?;
        let (_, signed, _) = element(certificate).filter(|it| it.0 == SEQUENCE)?;
        let mut rest = signed;
        if let Some((VERSION, _, after)) = element(rest) {
            rest = after;
        }
        for _serial_algorithm_issuer in 0..3 {
            rest = element(rest)?.2;
        }
        let (_, validity, _) = element(rest).filter(|it| it.0 == SEQUENCE)?;
        let (_, _, after) = element(validity)?;
        let (kind, text, _) = element(after)?;
        Some(Self { expires: moment(kind, std::str::from_utf8(text).ok()?)? })
    }

    /// For how long it is valid after this moment; nothing when it has expired.
    pub fn left(&self, now: Timestamp) -> Option<Duration> {
        let left = self.expires.as_second() - now.as_second();
        u64::try_from(left).ok().map(Duration::from_secs)
    }
}

/// The first element: its tag, what it holds, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // No certificate takes more than four bytes to say how long it is.
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |sum, it| (sum << 8) | usize::from(*it)), rest)
        }
        _ => return None,
    };
    let (held, after) = rest.split_at_checked(length)?;
    Some((tag, held, after))
}

/// `YYMMDDhhmmssZ`, of which 50 and later are of the twentieth century, or `YYYYMMDDhhmmssZ`. `99991231235959Z` stands for no end, and is
/// later than any [`Timestamp`].
fn moment(kind: u8, text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z').filter(|it| it.bytes().all(|it| it.is_ascii_digit()))?;
    let full = match kind {
        UTC_TIME if digits.len() == 12 => {
            format!("{}{digits}", if digits < "50" { "20" } else { "19" })
        }
        GENERALIZED_TIME if digits.len() == 14 => digits.to_owned(),
        _ => return None,
    };
    let at = |from: usize, to: usize| full.get(from..to)?.parse::<i8>().ok();
    let year = full.get(..4)?.parse().ok()?;
    let civil =
        DateTime::new(year, at(4, 6)?, at(6, 8)?, at(8, 10)?, at(10, 12)?, at(12, 14)?, 0).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |it| it.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn made(year: i32) -> Vec<u8> {
        let mut wanted = rcgen::CertificateParams::new(["shop".to_owned()]).unwrap();
        wanted.not_after = rcgen::date_time_ymd(year, 3, 2);
        let key = rcgen::KeyPair::generate().unwrap();
        wanted.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_of_its_forms() {
        for (year, expires) in [(2031, "2031-03-02T00:00:00Z"), (2150, "2150-03-02T00:00:00Z")] {
            let read = Certificate::read(&made(year)).unwrap();
            assert_eq!(read.expires, expires.parse().unwrap());
        }
        assert_eq!(moment(UTC_TIME, "991231235959Z"), "1999-12-31T23:59:59Z".parse().ok());
        assert_eq!(moment(GENERALIZED_TIME, "99991231235959Z"), Some(Timestamp::MAX));
        for (kind, text) in
            [(UTC_TIME, "990231235959Z"), (UTC_TIME, "9912312359Z"), (0x0c, "991231235959Z")]
        {
            assert_eq!(moment(kind, text), None, "{text}");
        }
    }

    #[test]
    fn what_is_left_ends_with_it() {
        let it = Certificate { expires: "2030-01-02T00:00:00Z".parse().unwrap() };
        let left = |now: &str| it.left(now.parse().unwrap());
        assert_eq!(left("2030-01-01T00:00:00Z"), Some(Duration::from_hours(24)));
        assert_eq!(left("2030-01-02T00:00:01Z"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), at in 0_usize..600, to in any::<u8>()) {
            prop_assert!(Certificate::read(&bytes).is_none_or(|it| it.left(it.expires).is_some()));
            let mut changed = made(2031);
            let at = at % changed.len();
            changed[at] = to;
            prop_assert!(Certificate::read(&changed).is_none_or(|it| it.left(it.expires).is_some()));
            prop_assert_eq!(Certificate::read(&changed[..at]), None);
        }
    }
}
