//! Netfilter by its own language, without the programs `nft` and `iptables`: packets are held back, lost or damaged.
//!
//! ```text
//! disturbance  the face: what is done to which packets, until the pipe closes
//! traffic      which packets are meant
//! lines        which packets wait in which queue
//! queue        packets that wait in the kernel for a verdict of ours, and when it is given
//! table        the rules that lead packets there, and go when we do
//! tried        what this kernel can of it
//! expression   the words of a rule
//! socket       requests to the kernel, and its answers
//! message      both as bytes
//! ```
//!
//! Nothing here outlives its process. The table belongs to a socket, and the kernel takes it away when that is closed;
//! packets that find the queue without a listener, or full, pass.
//!
//! What a user of it should know:
//!
//! - A process that is killed takes along the packets that it held back: they are lost, and TCP sends them again.
//!   One that ends in order lets them go first.
//! - The kernel empties *all* queues of a network namespace when *any* chain goes away, whoever's it is: packets
//!   that are held back at that moment are lost. They are counted as `gone`.
//! - Packets are what the kernel handles as one: over `lo`, and for TCP nearly everywhere, up to 64 KiB at a time,
//!   as for netem. Where damage is asked for, they are cut to what goes on the wire.
//! - Where TCP leaves this host by another interface than `lo`, its answers are held back in its place, and counted.
//!
//! Deliberately absent: loss, blocking and partition by rules alone (`nft` does that, for everybody to read), and
//! duplicates, which no verdict can make.

mod disturbance;
mod expression;
mod lines;
mod message;
mod queue;
mod socket;
mod table;
#[cfg(test)]
mod tests;
mod traffic;
mod tried;

pub(crate) use self::disturbance::Disturbance;
pub(crate) use self::queue::Treatment;
pub use self::tried::QueueWords;
pub(crate) use self::tried::{has_owned_tables, queue_words};
