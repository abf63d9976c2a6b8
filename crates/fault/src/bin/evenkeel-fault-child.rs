//! The helpers of a drill as a program of their own, for the tests of this crate; `evenkeel` offers the
//! same two hidden verbs.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((verb, rest)) if verb == "guardian" => evenkeel_fault::guardian::run(rest),
        Some((verb, [])) if verb == "hold" => evenkeel_fault::holder::run(),
        _ => ExitCode::from(2),
    }
}
