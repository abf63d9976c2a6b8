//! `chaos halt`: everything ends and is mended at once, and no fault acts until that is lifted.

use evenkeel_fault::halt::{Halt, halt, lift};
use evenkeel_fault::state_dir;
use serde_json::json;

use crate::args::HaltArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Halts, or lifts a halt; exit code 4 when something is still broken.
pub(crate) async fn run(args: HaltArgs, screen: &Screen) -> Result<Exit, Failure> {
    let place = state_dir();
    let failed =
        |error| Failure::could_not_run(format!("cannot write in {}: {error}", place.display()));
    if args.lift {
        let was_halted = lift(&place).map_err(failed)?;
        screen.show(&json!({"was_halted": was_halted}), || match was_halted {
            true => "faults may act again".to_owned(),
            false => "nothing was halted".to_owned(),
        })?;
        return Ok(Exit::OK);
    }
    let order = Halt { why: args.why, since: jiff::Timestamp::now() };
    let ended = halt(&place, &order).await.map_err(failed)?;
    let value: Vec<_> = ended.iter().map(super::json).collect();
    screen.show(&json!({"halted": order, "runs": value}), || {
        let runs = ended.iter().map(super::lines);
        let last = "no fault acts until `evenkeel chaos halt --lift`".to_owned();
        runs.chain([last]).collect::<Vec<_>>().join("\n")
    })?;
    let is_mended = ended.iter().all(|it| it.failed.is_empty() && !it.is_alive);
    Ok(if is_mended { Exit::OK } else { Exit::STOPPED })
}
