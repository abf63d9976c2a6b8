//! `shop`: the small service to drill, and its parts.

use evenkeel_shop::{PartArgs, ShopArgs, ShopError};

use crate::exit::{Exit, Failure};

/// Starts the shop and stays until it is stopped.
pub(crate) fn run(args: ShopArgs) -> Result<Exit, Failure> {
    super::super::on_runtime(async move { done(evenkeel_shop::shop(args).await) })
}

/// Runs one process of the shop.
pub(crate) fn part(args: PartArgs) -> Result<Exit, Failure> {
    super::super::on_runtime(async move { done(evenkeel_shop::part(args).await) })
}

fn done(ended: Result<(), ShopError>) -> Result<Exit, Failure> {
    match ended {
        Ok(()) => Ok(Exit::OK),
        Err(error) => {
            evenkeel_shop::complain(&error);
            Ok(Exit::COULD_NOT_RUN)
        }
    }
}
