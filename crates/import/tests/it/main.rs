//! The importers through their public face: files as other tools write them, and files as nobody should.

mod chaos;
mod corpus;
mod hostile;
mod slo;
mod written;
