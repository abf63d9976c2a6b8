//! `agent`: sends a share of the load of whoever knows the token.

use std::path::Path;

use evenkeel_drill::look_up;
use evenkeel_load::fleet::{Agent, Notice, Token};
use evenkeel_model::diagnostic::in_one_line;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::agent::AgentArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Where the token is when no file holds it.
const VARIABLE: &str = "EVENKEEL_AGENT_TOKEN";

/// Serves coordinators until somebody asks it to end.
pub(crate) async fn run(args: AgentArgs, screen: &Screen) -> Result<Exit, Failure> {
    let token = token(args.token_file.as_deref(), "--token-file")?;
    let of_host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name = args.name.unwrap_or_else(of_host);
    let watched = |kind| {
        signal(kind).map_err(|it| Failure::could_not_run(format!("cannot watch for signals: {it}")))
    };
    let mut interrupt = watched(SignalKind::interrupt())?;
    let mut terminate = watched(SignalKind::terminate())?;
    let told = screen.clone();
    let say = move |notice| {
        told.say(&match notice {
            Notice::Serves(peer) => format!("{peer}: works for this coordinator"),
            Notice::Free(None) => "done; waits for the next coordinator".to_owned(),
            Notice::Free(Some(trouble)) => {
                format!("the coordinator is gone ({trouble}); waits for the next one")
            }
            Notice::TurnedAway(peer, reason) => format!("{peer}: turned away: {reason}"),
        });
    };
    let agent = Agent::listen(&args.listen, token, name.clone(), look_up, say).await;
    let agent = agent.map_err(|error| {
        Failure::could_not_run(format!("cannot listen at {}: {error}", args.listen))
    })?;
    let address = agent.address().map_err(|it| Failure::could_not_run(it.to_string()))?;
    screen.say(&format!("{name} listens at {address}"));
    tokio::select! {
        () = agent.serve() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(Exit::OK)
}

/// The token that a file holds, or else the environment.
pub(super) fn token(file: Option<&Path>, option: &str) -> Result<Token, Failure> {
    let token = match (file, std::env::var(VARIABLE)) {
        (Some(file), _) => Token::from_file(file),
        (None, Ok(text)) => Token::new(&text),
        (None, Err(_)) => {
            return Err(Failure::usage("agents and coordinators need a token that both know")
                .help(format!("give `{option} FILE`, or set {VARIABLE}")));
        }
    };
    token.map_err(|it| Failure::usage(in_one_line(&it)).help("`openssl rand -hex 32` makes one"))
}
