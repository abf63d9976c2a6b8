//! Ping: an echo of ICMP (RFC 792, RFC 4443), and how long it takes.
//!
//! Without rights a socket of datagrams does it, if `net.ipv4.ping_group_range` has our group; with `CAP_NET_RAW` a raw one does
//! everywhere. A raw socket hears the answers to everybody: ours is known by what it carries.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use ring::rand::{SecureRandom as _, SystemRandom};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, ipproto, recv, send,
    socket_with,
};
use tokio::io::unix::AsyncFd;

use super::Trouble;
use super::line::first;
use super::notes::Notes;
use crate::address::Address;

const NONCE_BYTES: usize = 16;
/// As `ping` sends by default.
const CARRIED_BYTES: usize = 56;
const HEAD_BYTES: usize = 8;
const ANSWER_BYTES_MAX: usize = 1_500;

const REQUEST_V4: u8 = 8;
const REPLY_V4: u8 = 0;
const REQUEST_V6: u8 = 128;
const REPLY_V6: u8 = 129;

const NO_RIGHT: &str = "ICMP is not for everybody here: `sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"` \
     or `setcap cap_net_raw+ep` for this program allows it";

pub(super) async fn ask(address: &Address, notes: &mut Notes) -> Result<String, Trouble> {
    first(address, notes, echo).await
}

async fn echo(peer: SocketAddr) -> Result<String, Trouble> {
    let (socket, kind) = open(peer.ip()).map_err(|error| match error {
        Errno::PERM | Errno::ACCESS => Trouble::Unasked(NO_RIGHT.to_owned()),
        other => io::Error::from(other).into(),
    })?;
    connect(&socket, &peer).map_err(io::Error::from)?;
    let socket = watched(socket)?;
    let mut nonce = [0; NONCE_BYTES];
    let failed = |_| Trouble::Unasked("this system has no chance to give".to_owned());
    SystemRandom::new().fill(&mut nonce).map_err(failed)?;
    let request = request(peer, &nonce);
    loop {
        let mut ready = socket.writable().await?;
        let sent = ready.try_io(|it| Ok(send(it.get_ref(), &request, SendFlags::empty())?));
        let Ok(sent) = sent else { continue };
        sent?;
        break;
    }
    let mut heard = [0; ANSWER_BYTES_MAX];
    loop {
        let mut ready = socket.readable().await?;
        let read = ready.try_io(|it| Ok(recv(it.get_ref(), &mut heard, RecvFlags::empty())?.0));
        let Ok(read) = read else { continue };
        let length = read?;
        if is_reply(&heard[..length.min(ANSWER_BYTES_MAX)], peer, kind, &nonce) {
            return Ok("echo".to_owned());
        }
    }
}

#[expect(deprecated, reason = "it asks for a descriptor that stays the same, as an owned one does")]
fn watched(socket: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(socket)
}

fn open(peer: IpAddr) -> Result<(OwnedFd, SocketType), Errno> {
    let (family, protocol) = match peer {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let open = |kind| socket_with(family, kind, flags, Some(protocol)).map(|it| (it, kind));
    match open(SocketType::DGRAM) {
        Err(Errno::ACCESS | Errno::PERM | Errno::PROTONOSUPPORT) => open(SocketType::RAW),
        other => other,
    }
}

/// Kind, code, sum, number of the asker (which the kernel gives a socket of datagrams), number of the question, and the nonce again
/// and again.
fn request(peer: SocketAddr, nonce: &[u8; NONCE_BYTES]) -> Vec<u8> {
    let kind = if peer.is_ipv4() { REQUEST_V4 } else { REQUEST_V6 };
    let mut bytes = vec![kind, 0, 0, 0, nonce[0], nonce[1], 0, 1];
    bytes.extend(nonce.iter().cycle().take(CARRIED_BYTES));
    // Over IPv6 the kernel does it, because addresses are part of the sum.
    let sum = if peer.is_ipv4() { sum(&bytes) } else { 0 };
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// The one's complement of the sum of the words (RFC 1071).
fn sum(bytes: &[u8]) -> u16 {
    let words =
        bytes.chunks(2).map(|it| u32::from(it[0]) << 8 | it.get(1).map_or(0, |it| u32::from(*it)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

pub(super) fn is_reply(heard: &[u8], peer: SocketAddr, kind: SocketType, nonce: &[u8]) -> bool {
    // A raw socket of IPv4 has the header of IP before it, whose length in words is in its first byte.
    let head = match heard.first() {
        Some(first) if peer.is_ipv4() && kind == SocketType::RAW => usize::from(first & 0xf) * 4,
        _ => 0,
    };
    let wanted = if peer.is_ipv4() { REPLY_V4 } else { REPLY_V6 };
    let reply = heard.get(head..).unwrap_or_default();
    reply.first() == Some(&wanted) && reply.get(HEAD_BYTES..HEAD_BYTES + NONCE_BYTES) == Some(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_adds_up() {
        let peer = "127.0.0.1:0".parse().unwrap();
        let bytes = request(peer, &[7; NONCE_BYTES]);
        assert_eq!(
            (bytes.len(), bytes[0], sum(&bytes)),
            (HEAD_BYTES + CARRIED_BYTES, REQUEST_V4, 0)
        );
        // The example of RFC 1071, section 3.
        assert_eq!(!sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
    }

    #[test]
    fn only_the_answer_to_ours_counts() {
        let (peer, nonce) = ("127.0.0.1:0".parse().unwrap(), [7; NONCE_BYTES]);
        let mut reply = request(peer, &nonce);
        assert!(!is_reply(&reply, peer, SocketType::DGRAM, &nonce), "that is our own request");
        reply[0] = REPLY_V4;
        assert!(is_reply(&reply, peer, SocketType::DGRAM, &nonce));
        let packet = [&[0x45][..], &[0; 19], &reply].concat();
        assert!(is_reply(&packet, peer, SocketType::RAW, &nonce));
        assert!(!is_reply(&packet, peer, SocketType::RAW, &[8; NONCE_BYTES]));
    }

    proptest! {
        #[test]
        fn no_packet_makes_it_panic(packet in prop::collection::vec(any::<u8>(), 0..80), is_raw in any::<bool>(), is_v6 in any::<bool>()) {
            let peer = if is_v6 { "[::1]:0" } else { "127.0.0.1:0" }.parse().unwrap();
            let kind = if is_raw { SocketType::RAW } else { SocketType::DGRAM };
            prop_assert!(!is_reply(&packet, peer, kind, &[0xa5; NONCE_BYTES]));
        }
    }
}
