//! What the two subcommands take: `shop` from people, `shop-part` from the supervisor.
//!
//! Both are plain structs with public fields; `clap` only fills them in.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use crate::misbehave::{Misbehaviour, PartMisbehaviour};

/// How to run the shop.
#[derive(Args, Clone, Debug)]
pub struct ShopArgs {
    /// Port of the balancer; the six after it are for gateways 1 to 3, inventory, payment and
    /// recommendations. 0 takes any free block.
    #[arg(long, value_name = "PORT", default_value_t = ShopArgs::DEFAULT_PORT)]
    pub port: u16,

    /// Run without timeouts, retries, breakers, fallbacks and health checks.
    #[arg(long)]
    pub fragile: bool,

    /// Where a fragile gateway's workers end: requests handled at once, the rest queues.
    #[arg(long, value_name = "N", default_value_t = ShopArgs::DEFAULT_WORKERS)]
    pub workers: usize,

    /// Folder for the databases; kept. Without it, a temporary one that is removed at the end.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// Let the gateways reach a neighbour (inventory, payment, recommendations) at another address,
    /// such as a fault proxy's. May be repeated.
    #[arg(long, value_name = "NAME=HOST:PORT")]
    pub via: Vec<Via>,

    /// Let a part misbehave: `payment=slow:300ms`, `inventory=fail:20%`,
    /// `recommendations=leak:1MiB/s`. May be repeated.
    #[arg(long, value_name = "PART=HOW:AMOUNT")]
    pub misbehave: Vec<PartMisbehaviour>,

    /// Stop as soon as standard input is closed, so that no shop outlives the program that started it.
    #[arg(long)]
    pub until_stdin_closes: bool,

    /// How this executable runs one part: by default `[this executable, "shop-part"]`.
    #[arg(skip)]
    pub part_command: Option<Vec<OsString>>,
}

impl ShopArgs {
    /// Where the balancer listens unless told otherwise.
    pub const DEFAULT_PORT: u16 = 7400;
    /// How many requests a fragile gateway handles at once unless told otherwise.
    pub const DEFAULT_WORKERS: usize = 16;
}

impl Default for ShopArgs {
    fn default() -> Self {
        Self {
            port: Self::DEFAULT_PORT,
            fragile: false,
            workers: Self::DEFAULT_WORKERS,
            data: None,
            via: Vec::new(),
            misbehave: Vec::new(),
            until_stdin_closes: false,
            part_command: None,
        }
    }
}

/// How to run one process of the shop.
#[derive(Args, Clone, Debug)]
pub struct PartArgs {
    /// Which part.
    pub name: PartName,
    /// Which of several instances.
    #[arg(long, default_value_t = 1)]
    pub instance: u16,
    /// Where to listen on 127.0.0.1.
    #[arg(long)]
    pub port: u16,
    /// Folder of the databases.
    #[arg(long)]
    pub data: PathBuf,
    /// Remove the folder if the supervisor dies without doing so itself.
    #[arg(long)]
    pub data_is_temporary: bool,
    /// As for the shop.
    #[arg(long)]
    pub fragile: bool,
    /// As for the shop.
    #[arg(long, default_value_t = ShopArgs::DEFAULT_WORKERS)]
    pub workers: usize,
    /// Where a gateway finds its neighbours.
    #[arg(long, value_name = "NAME=HOST:PORT")]
    pub neighbour: Vec<Via>,
    /// `slow:300ms`, `fail:20%` or `leak:1MiB/s`.
    #[arg(long, value_name = "HOW:AMOUNT")]
    pub misbehave: Vec<Misbehaviour>,
}

/// The parts of the shop that are processes of their own.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum PartName {
    /// Answers customers.
    Gateway,
    /// Knows the stock.
    Inventory,
    /// Charges cards.
    Payment,
    /// Knows what else people bought.
    Recommendations,
}

impl PartName {
    /// All parts, in the order of their ports.
    pub const ALL: [Self; 4] =
        [Self::Gateway, Self::Inventory, Self::Payment, Self::Recommendations];

    /// As written in arguments and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Inventory => "inventory",
            Self::Payment => "payment",
            Self::Recommendations => "recommendations",
        }
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An argument that could not be understood, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {help}")]
pub struct ArgError {
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub help: String,
}

impl ArgError {
    pub(crate) fn new(problem: impl Into<String>, help: impl Into<String>) -> Self {
        Self { problem: problem.into(), help: help.into() }
    }
}

impl FromStr for PartName {
    type Err = ArgError;

    fn from_str(text: &str) -> Result<Self, ArgError> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or_else(|| {
            ArgError::new(
                format!("`{text}` is no part of the shop"),
                "name gateway, inventory, payment or recommendations",
            )
        })
    }
}

/// Another address for a neighbour of the gateways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// Which neighbour.
    pub name: PartName,
    /// `host:port`.
    pub address: String,
}

impl FromStr for Via {
    type Err = ArgError;

    fn from_str(text: &str) -> Result<Self, ArgError> {
        let help = "write for example `payment=127.0.0.1:9000`";
        let Some((name, address)) = text.split_once('=') else {
            return Err(ArgError::new(format!("`{text}` names no address"), help));
        };
        let name: PartName = name.parse()?;
        if name == PartName::Gateway {
            return Err(ArgError::new(
                "gateways are reached through the balancer only",
                "name inventory, payment or recommendations",
            ));
        }
        match address.rsplit_once(':') {
            Some((host, port))
                if !host.is_empty() && port.parse::<u16>().is_ok_and(|it| it > 0) =>
            {
                Ok(Self { name, address: address.to_owned() })
            }
            _ => Err(ArgError::new(format!("`{address}` is not a host and a port"), help)),
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_via_needs_a_neighbour_a_host_and_a_port() {
        assert_eq!(
            "payment=127.0.0.1:9000".parse(),
            Ok(Via { name: PartName::Payment, address: "127.0.0.1:9000".to_owned() })
        );
        for (text, fix) in [
            ("payment", "`payment=127.0.0.1:9000`"),
            ("payment=9000", "`payment=127.0.0.1:9000`"),
            ("payment=localhost:0", "`payment=127.0.0.1:9000`"),
            ("gateway=127.0.0.1:1", "inventory, payment or recommendations"),
            ("paiment=127.0.0.1:1", "inventory, payment or recommendations"),
        ] {
            let error = text.parse::<Via>().unwrap_err();
            assert!(error.to_string().contains(fix), "{text}: {error}");
        }
    }
}
