//! Expressions: the words of which a rule of nft is made, as the kernel reads them.
//!
//! A rule is a list of them. Each loads something into the register, compares the register, which ends
//! the rule when it is not so, or acts. One register is enough for what is matched here.

use super::message::{Values, attributes, be64, text};

/// The one register.
const REGISTER: u32 = 1;
const NAME: u16 = 1;
const DATA: u16 = 2;
const VALUE: u16 = 1;
const VERDICT: u16 = 2;
const ACCEPT: u32 = 1;
/// Names of interfaces are compared whole.
pub(crate) const INTERFACE_BYTES: usize = 16;

/// One word of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    /// Loads what is known about a packet.
    Meta(Meta),
    /// Loads bytes of a packet.
    Payload { base: Base, offset: u32, length: u32 },
    /// Clears the bits of the register that are zero here.
    Mask(Vec<u8>),
    /// Goes on only when the register is, or is not, this.
    Compare(Compare, Vec<u8>),
    /// Counts packets and bytes that came this far.
    Counter,
    /// Lets the packet go, past what follows in the chain.
    Accept,
    /// Hands the packet to whoever listens to a queue, or lets it go when nobody does. In the words of nft;
    /// not every kernel has them.
    Queue(u16),
    /// The same in the words of iptables, which nft understands, too.
    IptablesQueue(u16),
}

/// What the kernel knows about a packet.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meta {
    /// The name of the interface by which it comes.
    ArrivesBy = 6,
    /// The name of the interface by which it leaves.
    LeavesBy = 7,
    /// `NFPROTO_*`, in one byte.
    Family = 15,
    /// `IPPROTO_*`, in one byte.
    Protocol = 16,
}

/// Where counting bytes begins.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Network = 1,
    Transport = 2,
}

/// How the register is compared.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal = 0,
    NotEqual = 1,
}

impl Expression {
    /// As an element of a rule's list.
    pub(crate) fn write(&self, to: &mut Values<'_>) {
        to.text(NAME, self.name());
        to.nest(DATA, |to| self.values(to));
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Meta(_) => "meta",
            Self::Payload { .. } => "payload",
            Self::Mask(_) => "bitwise",
            Self::Compare(..) => "cmp",
            Self::Counter => COUNTER,
            Self::Accept => "immediate",
            Self::Queue(_) => "queue",
            Self::IptablesQueue(_) => "target",
        }
    }

    fn values(&self, to: &mut Values<'_>) {
        let data = |to: &mut Values<'_>, kind, value: &[u8]| {
            to.nest(kind, |it| it.bytes(VALUE, value));
        };
        match self {
            Self::Meta(key) => {
                to.be32(1, REGISTER);
                to.be32(2, *key as u32);
            }
            Self::Payload { base, offset, length } => {
                to.be32(1, REGISTER);
                to.be32(2, *base as u32);
                to.be32(3, *offset);
                to.be32(4, *length);
            }
            Self::Mask(mask) => {
                to.be32(1, REGISTER);
                to.be32(2, REGISTER);
                to.be32(3, mask.len() as u32);
                data(to, 4, mask);
                data(to, 5, &vec![0; mask.len()]);
            }
            Self::Compare(how, value) => {
                to.be32(1, REGISTER);
                to.be32(2, *how as u32);
                data(to, 3, value);
            }
            Self::Counter => {}
            Self::Accept => {
                // Register 0 is what becomes of the packet.
                to.be32(1, 0);
                to.nest(2, |to| to.nest(VERDICT, |to| to.be32(1, ACCEPT)));
            }
            Self::Queue(number) => {
                to.be16(1, *number);
                to.be16(2, 1);
                to.be16(3, BYPASS);
            }
            Self::IptablesQueue(number) => {
                to.text(1, "NFQUEUE");
                to.be32(2, 3);
                to.bytes(3, &iptables_queue(*number));
            }
        }
    }
}

/// Packets pass when nobody listens.
const BYPASS: u16 = 1;

/// `struct xt_NFQ_info_v3`, filled up to the size that iptables gives it.
fn iptables_queue(number: u16) -> [u8; 8] {
    let (queues, filling) = (1u16, 0u16);
    let mut bytes = [0; 8];
    for (to, from) in bytes.chunks_exact_mut(2).zip([number, queues, BYPASS, filling]) {
        to.copy_from_slice(&from.to_ne_bytes());
    }
    bytes
}

const COUNTER: &str = "counter";

/// What a rule counted.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

impl Count {
    /// The sum over all counters in a rule's list of expressions.
    pub(crate) fn of(expressions: &[u8]) -> Self {
        let value = |list: &[u8], kind| {
            attributes(list).find_map(|it| (it.0 == kind).then_some(it.1.to_vec()))
        };
        let counter = |expression: &[u8]| {
            let name = text(&value(expression, NAME)?)?;
            let data = value(expression, DATA).filter(|_| name == COUNTER)?;
            let number = |kind| value(&data, kind).and_then(|it| be64(&it)).unwrap_or(0);
            Some(Self { bytes: number(1), packets: number(2) })
        };
        attributes(expressions).filter_map(|(_, it)| counter(it)).sum()
    }
}

impl std::iter::Sum for Count {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, it| Self {
            packets: sum.packets.saturating_add(it.packets),
            bytes: sum.bytes.saturating_add(it.bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::{Subject, Writer, messages};
    use proptest::prelude::*;

    fn written(fill: impl FnOnce(&mut Values<'_>)) -> Vec<u8> {
        let mut writer = Writer::default();
        let subject = Subject { kind: 0x0a06, flags: 0, family: 1, resource: 0 };
        writer.message(subject, 1, fill);
        writer.bytes().to_vec()
    }

    fn inside(bytes: &[u8]) -> Vec<u8> {
        messages(bytes).next().unwrap().attributes().next().unwrap().1.to_vec()
    }

    #[test]
    fn the_counters_of_a_rule_are_found_among_its_other_words() {
        let bytes = written(|to| {
            to.nest(4, |to| {
                to.nest(1, |to| Expression::Meta(Meta::Protocol).write(to));
                to.nest(1, |to| {
                    to.text(NAME, COUNTER);
                    to.nest(DATA, |to| {
                        to.bytes(1, &1_500u64.to_be_bytes());
                        to.bytes(2, &3u64.to_be_bytes());
                    });
                });
            });
        });
        assert_eq!(Count::of(&inside(&bytes)), Count { packets: 3, bytes: 1_500 });
    }

    #[test]
    fn a_queue_passes_packets_when_nobody_listens_in_both_languages() {
        let bytes = written(|to| to.nest(1, |to| Expression::Queue(0x1234).write(to)));
        let list = inside(&bytes);
        let data = attributes(&list).nth(1).unwrap().1;
        assert_eq!(attributes(data).nth(2), Some((3, &[0, 1][..])));
        assert_eq!(iptables_queue(7)[4..6], BYPASS.to_ne_bytes());
    }

    proptest! {
        #[test]
        fn no_list_of_expressions_makes_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            Count::of(&bytes);
        }
    }
}
