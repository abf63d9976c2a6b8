//! `evenkeel-shop`: the shop alone, without the workbench around it.

use clap::{Parser, Subcommand};
use evenkeel_shop::{PartArgs, ShopArgs, ShopError};

/// A small e-commerce service of real processes, there to be drilled.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    run: ShopArgs,
}

#[derive(Subcommand)]
enum Verb {
    /// Starts the shop (also without this word).
    Run(Box<ShopArgs>),
    /// One process of the shop; the supervisor starts these.
    #[command(hide = true)]
    ShopPart(PartArgs),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    let Cli { verb, run } = Cli::parse();
    let ended: Result<(), ShopError> = match verb {
        None => evenkeel_shop::shop(run).await,
        Some(Verb::Run(args)) => evenkeel_shop::shop(*args).await,
        Some(Verb::ShopPart(args)) => evenkeel_shop::part(args).await,
    };
    match ended {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            evenkeel_shop::complain(&error);
            std::process::ExitCode::from(2)
        }
    }
}
