//! Damage: one bit of a packet turned, as on a bad line.
//!
//! What is turned lies behind the IP header, so that the packet still reaches its receiver. The kernel has put
//! the right checksum into the packet before handing it out, also where it would have left that to a card or,
//! over `lo`, to nobody; and it has the receiver check what comes back. So TCP and UDP notice, drop the packet
//! and count it (`InCsumErrors`), and TCP sends it again. UDP over IPv4 without a checksum does not notice.

const IPV6_HEADER_BYTES: usize = 40;

/// The contents with one bit turned, which `chance` chooses; `None` when there is nothing to turn.
pub(super) fn damaged(payload: &[u8], chance: u64) -> Option<Vec<u8>> {
    let first = *payload.first()?;
    let header = match first >> 4 {
        4 => usize::from(first & 0xf) * 4,
        6 => IPV6_HEADER_BYTES,
        _ => return None,
    };
    let bits = payload.len().checked_sub(header).filter(|it| *it > 0)? as u64 * 8;
    let bit = chance % bits;
    let mut damaged = payload.to_vec();
    damaged[header + (bit / 8) as usize] ^= 1 << (bit % 8);
    Some(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_packet_that_is_all_header_stays_whole() {
        assert_eq!(damaged(&[0x45; 20], 7), None);
        assert_eq!(damaged(&[0x60; 40], 7), None);
        assert_eq!(damaged(&[], 7), None);
    }

    proptest! {
        #[test]
        fn one_bit_behind_the_header_differs(first in prop_oneof![0x45u8..=0x4f, 0x60u8..=0x6f], length in 0usize..200, chance: u64) {
            let mut payload = vec![0x55; length];
            payload.iter_mut().take(1).for_each(|it| *it = first);
            let header = if first < 0x60 { usize::from(first & 0xf) * 4 } else { 40 };
            let Some(after) = damaged(&payload, chance) else {
                prop_assert!(length <= header);
                return Ok(());
            };
            prop_assert_eq!(&after[..header], &payload[..header]);
            let turned: u32 = after.iter().zip(&payload).map(|(a, b)| (a ^ b).count_ones()).sum();
            prop_assert_eq!(turned, 1);
        }

        #[test]
        fn no_contents_make_it_panic(payload in proptest::collection::vec(any::<u8>(), 0..100), chance: u64) {
            damaged(&payload, chance);
        }
    }
}
