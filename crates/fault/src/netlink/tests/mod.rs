//! Disturbances for real: packets of real sockets, in network namespaces of their own.

mod between;
mod ending;
mod shares;
mod stage;
mod timing;
