//! Scenarios: what one user does, compiled to a flat list of operations, and where each user is in it.
//!
//! ```text
//! program   documents → operations, numbered slots and variables
//! feeder    rows of data, shared out without repeats
//! visit     one iteration of one user: what it does next, and the values it does it with
//! cookies   what the service asked the user to send back
//! ```
//!
//! Interpreting is looking one operation up and doing it: no text is parsed and no name looked up while load
//! is sent.

mod cookies;
mod feeder;
mod program;
mod visit;

pub(crate) use feeder::inline;
pub(crate) use program::{Compiler, Program, ProgramError};
pub(crate) use visit::{Filled, Next, Turns, Visit, Who};
