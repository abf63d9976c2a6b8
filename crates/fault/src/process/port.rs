//! Who listens on a TCP port: the kernel's table of sockets, matched with everybody's descriptors.

use std::collections::BTreeSet;
use std::io;

use super::stat::pids;

/// `TCP_LISTEN` in the kernel's table.
const LISTEN: &str = "0A";

/// The processes that hold a listening socket on this port, of any address and family.
///
/// Descriptors of other users' processes can be read by root alone; without it those processes are
/// not found.
pub(crate) fn listeners(port: u16) -> io::Result<BTreeSet<u32>> {
    let sockets = sockets(port)?;
    if sockets.is_empty() {
        return Ok(BTreeSet::new());
    }
    Ok(pids()?.into_iter().filter(|pid| holds(*pid, &sockets)).collect())
}

/// What the descriptors of whoever listens on this port lead to.
pub(super) fn sockets(port: u16) -> io::Result<BTreeSet<String>> {
    let mut sockets = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match std::fs::read_to_string(table) {
            Ok(text) => {
                sockets.extend(listening(&text, port).map(|it| format!("socket:[{it}]")));
            }
            // A host without IPv6 has no table of it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sockets)
}

/// The inodes of the sockets that listen on `port`.
fn listening(table: &str, port: u16) -> impl Iterator<Item = u64> {
    table.lines().skip(1).filter_map(move |line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let listens = *fields.get(3)? == LISTEN && u16::from_str_radix(local, 16).ok()? == port;
        listens.then(|| fields.get(9)?.parse().ok())?
    })
}

/// Whether a process holds one of these.
pub(super) fn holds(pid: u32, sockets: &BTreeSet<String>) -> bool {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors.filter_map(Result::ok).any(|it| {
        let target = std::fs::read_link(it.path());
        target.is_ok_and(|it| it.to_str().is_some_and(|it| sockets.contains(it)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listening_sockets_on_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1CE9 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 701 1 0 100 0 0 10 0
   1: 0100007F:1CE9 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 702 1 0 20 4 30 10 -1
   2: 0100007F:1CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 703 1 0 100 0 0 10 0";
        assert_eq!(listening(table, 7401).collect::<Vec<_>>(), [701]);
    }

    #[test]
    fn a_listener_of_this_process_is_seen() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(listeners(port).unwrap(), BTreeSet::from([std::process::id()]));
    }
}
