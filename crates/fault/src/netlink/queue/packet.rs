//! Packets of a queue: what the kernel says about one, and what it is told to do with it.

use std::time::Duration;

use crate::netlink::message::{Message, Subject, Writer, be32, be64};

pub(super) const SUBSYSTEM: u16 = 3;
const PACKET: u16 = SUBSYSTEM << 8;
const ONE: u16 = SUBSYSTEM << 8 | 1;
const UP_TO: u16 = SUBSYSTEM << 8 | 3;

/// Attributes of a packet and of a verdict.
const HEADER: u16 = 1;
const VERDICT: u16 = 2;
/// When it came: seconds and microseconds of the wall clock.
const CAME: u16 = 4;
const PAYLOAD: u16 = 10;
/// Length of the whole packet, where not all of it is handed out.
const LENGTH: u16 = 13;

const DROP: u32 = 0;
const ACCEPT: u32 = 1;

/// A packet that waits for its verdict.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    /// Its number in the queue, by which the verdict names it. Numbers grow by one, and turn over.
    pub(crate) id: u32,
    /// When it came to this host, since 1970; `None` where the kernel did not look at its clock.
    pub(crate) came: Option<Duration>,
    /// From the IP header on; empty when the queue hands out no contents.
    pub(crate) payload: &'a [u8],
    /// How many bytes it has on the way; 0 when the queue hands out no contents.
    pub(crate) length: u32,
}

impl<'a> Packet<'a> {
    /// The packet that a message brings, if it brings one.
    pub(crate) fn read(message: &Message<'a>) -> Option<Self> {
        if message.kind != PACKET {
            return None;
        }
        let find = |kind| message.attributes().find_map(|it| (it.0 == kind).then_some(it.1));
        let id = be32(find(HEADER)?.get(..4)?)?;
        let came = find(CAME).and_then(|it| {
            let micros = Duration::from_micros(be64(it.get(8..16)?)?);
            Duration::from_secs(be64(it.get(..8)?)?).checked_add(micros)
        });
        let payload = find(PAYLOAD).unwrap_or_default();
        let length = find(LENGTH).and_then(be32);
        let length = length.unwrap_or_else(|| u32::try_from(payload.len()).unwrap_or(u32::MAX));
        Some(Self { id, came, payload, length })
    }
}

/// What becomes of packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All that still wait, up to this one, go on.
    UpTo(u32),
    /// This one goes on.
    One(u32),
    /// This one goes on with other contents.
    Changed(u32, Vec<u8>),
    /// This one is lost.
    Drop(u32),
}

impl Verdict {
    /// Adds the message that says so, for the queue of this number.
    pub(crate) fn write(&self, queue: u16, to: &mut Writer) {
        let (kind, id, verdict) = match self {
            Self::UpTo(id) => (UP_TO, *id, ACCEPT),
            Self::One(id) | Self::Changed(id, _) => (ONE, *id, ACCEPT),
            Self::Drop(id) => (ONE, *id, DROP),
        };
        let subject = Subject { kind, flags: 0, family: 0, resource: queue };
        to.message(subject, 0, |to| {
            let [a, b] = [verdict.to_be_bytes(), id.to_be_bytes()];
            to.bytes(VERDICT, &[a, b].concat());
            if let Self::Changed(_, payload) = self {
                to.bytes(PAYLOAD, payload);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::messages;
    use proptest::prelude::*;

    #[test]
    fn a_packet_is_known_by_its_number_with_or_without_contents() {
        let stamp = Duration::new(1_700_000_000, 250_000_000);
        for (payload, came) in [(&b""[..], None), (b"contents", None), (b"", Some(stamp))] {
            let mut writer = Writer::default();
            let subject = Subject { kind: PACKET, flags: 0, family: 2, resource: 7 };
            writer.message(subject, 0, |to| {
                to.bytes(HEADER, &[0, 0, 1, 2, 8, 0, 1]);
                if let Some(it) = came {
                    let parts = [it.as_secs(), it.subsec_micros().into()];
                    to.bytes(CAME, &parts.map(u64::to_be_bytes).concat());
                }
                if !payload.is_empty() {
                    to.bytes(PAYLOAD, payload);
                }
            });
            let message = messages(writer.bytes()).next().unwrap();
            assert_eq!(
                Packet::read(&message),
                Some(Packet { id: 258, came, payload, length: payload.len() as u32 })
            );
        }
    }

    #[test]
    fn a_verdict_names_its_queue_its_packet_and_what_becomes_of_it() {
        let mut writer = Writer::default();
        Verdict::UpTo(5).write(9, &mut writer);
        Verdict::Drop(6).write(9, &mut writer);
        Verdict::Changed(7, vec![1, 2, 3]).write(9, &mut writer);
        let read: Vec<_> = messages(writer.bytes()).collect();
        let values = |at: usize| read[at].attributes().next().unwrap();
        assert_eq!((read[0].kind, values(0)), (UP_TO, (VERDICT, &[0, 0, 0, 1, 0, 0, 0, 5][..])));
        assert_eq!((read[1].kind, values(1)), (ONE, (VERDICT, &[0, 0, 0, 0, 0, 0, 0, 6][..])));
        assert_eq!(read[2].attributes().nth(1), Some((PAYLOAD, &[1, 2, 3][..])));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_of_packets_panic(mut bytes in proptest::collection::vec(any::<u8>(), 16..200)) {
            let length = bytes.len() as u32;
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            bytes[4..6].copy_from_slice(&PACKET.to_ne_bytes());
            for message in messages(&bytes) {
                Packet::read(&message);
            }
        }
    }
}
