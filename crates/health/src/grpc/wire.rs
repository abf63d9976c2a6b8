//! Wire: the messages of `grpc.health.v1`, by hand.
//!
//! ```text
//! message HealthCheckRequest  { string service = 1; }
//! message HealthCheckResponse { ServingStatus status = 1; }
//! message HealthListResponse  { map<string, HealthCheckResponse> statuses = 1; }
//! ```
//!
//! A text, a number and a map are less code than the derivations of a protobuf library, which would be a dependency with a version
//! for whoever uses this. The tests hold them against one.

/// What stands in front of each message of gRPC: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// Why a request cannot be read.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is compressed, and we said that we take nothing of the kind.
    Compressed,
    /// It is no message, or more than one.
    Malformed,
}

/// The one message of a body.
pub(super) fn unframed(body: &[u8]) -> Result<&[u8], Unread> {
    let (prefix, message) = body.split_at_checked(PREFIX).ok_or(Unread::Malformed)?;
    match prefix {
        [0, a, b, c, d] if u32::from_be_bytes([*a, *b, *c, *d]) as usize == message.len() => {
            Ok(message)
        }
        [1, ..] => Err(Unread::Compressed),
        _ => Err(Unread::Malformed),
    }
}

/// A message as it goes over the wire.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(PREFIX + message.len());
    framed.push(0);
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend_from_slice(message);
    framed
}

/// The service that a `HealthCheckRequest` asks for. Fields that we do not know are skipped, as protobuf wants it.
pub(super) fn service(mut message: &[u8]) -> Result<&str, Unread> {
    let mut service = "";
    while !message.is_empty() {
        let key = varint(&mut message).and_then(|it| u32::try_from(it).ok());
        let key = key.ok_or(Unread::Malformed)?;
        let (field, wire_type) = (key >> 3, key & 7);
        let value = match wire_type {
            0 => varint(&mut message).map(|_| &[][..]),
            1 => take(&mut message, 8),
            2 => varint(&mut message).and_then(|it| take(&mut message, it)),
            5 => take(&mut message, 4),
            // Groups have been gone from protobuf for fifteen years.
            _ => None,
        };
        let value = value.ok_or(Unread::Malformed)?;
        match (field, wire_type) {
            (1, 2) => service = std::str::from_utf8(value).map_err(|_| Unread::Malformed)?,
            (0 | 1, _) => return Err(Unread::Malformed),
            _ => {}
        }
    }
    Ok(service)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = message.split_first()?;
        *message = rest;
        let bits = u64::from(first & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(message: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, rest) = message.split_at_checked(usize::try_from(length).ok()?)?;
    *message = rest;
    Some(taken)
}

/// A `HealthCheckResponse`. Zero is what an absent field says, so it is not written.
pub(super) fn status(number: u8) -> Vec<u8> {
    match number {
        0 => Vec::new(),
        it => vec![1 << 3, it],
    }
}

/// A `HealthListResponse`.
pub(super) fn statuses<'a>(all: impl Iterator<Item = (&'a str, u8)>) -> Vec<u8> {
    let mut message = Vec::new();
    for (name, number) in all {
        let mut entry = Vec::with_capacity(name.len() + 8);
        field(&mut entry, 1, name.as_bytes());
        field(&mut entry, 2, &status(number));
        field(&mut message, 1, &entry);
    }
    message
}

/// A field with a length.
fn field(message: &mut Vec<u8>, number: u8, value: &[u8]) {
    message.push(number << 3 | 2);
    let mut length = value.len();
    while length > 0x7f {
        message.push(length as u8 | 0x80);
        length >>= 7;
    }
    message.push(length as u8);
    message.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;
    use tonic_health::pb;

    use super::*;

    /// What tonic's client does not know yet.
    #[derive(Clone, PartialEq, prost::Message)]
    struct HealthListResponse {
        #[prost(btree_map = "string, message", tag = "1")]
        statuses: std::collections::BTreeMap<String, pb::HealthCheckResponse>,
    }

    #[test]
    fn a_body_is_one_message() {
        assert_eq!(unframed(&framed(b"abc")), Ok(&b"abc"[..]));
        assert_eq!(unframed(&[1, 0, 0, 0, 0]), Err(Unread::Compressed));
        let two = [framed(b"a"), framed(b"b")].concat();
        for wrong in [&[][..], &[0, 0, 0, 0], &[0, 0, 0, 0, 1], &[2, 0, 0, 0, 0], &two] {
            assert_eq!(unframed(wrong), Err(Unread::Malformed), "{wrong:?}");
        }
    }

    #[test]
    fn fields_of_later_versions_are_skipped_and_the_last_of_one_counts() {
        let mut message = vec![9 << 3, 0x80, 0x01, 10 << 3 | 1, 1, 2, 3, 4, 5, 6, 7, 8];
        field(&mut message, 1, b"first");
        message.extend([11 << 3 | 5, 1, 2, 3, 4]);
        field(&mut message, 12, b"more");
        field(&mut message, 1, b"cart");
        assert_eq!(service(&message), Ok("cart"));
        assert_eq!(service(b""), Ok(""));
    }

    proptest! {
        /// Whatever we understand, a protobuf library understands alike.
        #[test]
        fn any_bytes_are_read_as_prost_reads_them(message in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(ours) = service(&message) {
                prop_assert_eq!(ours, pb::HealthCheckRequest::decode(&*message).unwrap().service);
            }
        }

        #[test]
        fn what_prost_writes_is_read(name in ".{0,300}") {
            let message = pb::HealthCheckRequest { service: name.clone() }.encode_to_vec();
            prop_assert_eq!(service(&message), Ok(name.as_str()));
        }

        #[test]
        fn what_is_written_prost_reads(all in proptest::collection::btree_map(".{0,200}", 0_u8..4, 0..5)) {
            let message = statuses(all.iter().map(|(name, it)| (name.as_str(), *it)));
            let read = HealthListResponse::decode(&*message).unwrap();
            prop_assert_eq!(read.statuses.len(), all.len());
            for (name, number) in &all {
                prop_assert_eq!(read.statuses[name].status, i32::from(*number));
                let alone = pb::HealthCheckResponse::decode(&*status(*number)).unwrap();
                prop_assert_eq!(alone.status, i32::from(*number));
            }
        }
    }
}
