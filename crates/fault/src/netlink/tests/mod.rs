//! Disturbances for real: packets of real sockets, in network namespaces of their own.

mod ending;
mod shares;
mod stage;
mod timing;
