//! `agent`: sends a share of the load of whoever knows the token.

use std::path::Path;

use evenkeel_drill::look_up;
use evenkeel_load::fleet::{Agent, Database, Notice, Token};
use evenkeel_model::diagnostic::in_one_line;
use tokio::net::TcpListener;
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
    let (told, once) = (screen.clone(), args.once);
    let say = move |notice| {
        let next = if once { "" } else { "; waits for the next one" };
        told.say(&match notice {
            Notice::Serves(peer) => format!("{peer}: works for this coordinator"),
            Notice::Free(None) if once => "done".to_owned(),
            Notice::Free(None) => "done; waits for the next coordinator".to_owned(),
            Notice::Free(Some(trouble)) => format!("the coordinator is gone ({trouble}){next}"),
            Notice::TurnedAway(peer, reason) => format!("{peer}: turned away: {reason}"),
            Notice::Missed(place, reason) => {
                format!("{place}: no coordinator yet: {reason}; tries again every second")
            }
        });
    };
    let agent = Agent::new(token, name.clone(), look_up, say).once(once);
    let work = async {
        match (&args.postgres, &args.connect) {
            (Some(url), _) => {
                let database = database(url)?;
                screen.say(&format!("{name} looks for coordinators in {url}"));
                Ok(agent.look(&database).await)
            }
            (None, Some(address)) => {
                screen.say(&format!("{name} calls {address}"));
                Ok(agent.call(address).await)
            }
            (None, None) => {
                let trouble =
                    |it| Failure::could_not_run(format!("cannot listen at {}: {it}", args.listen));
                let listener = TcpListener::bind(&args.listen).await.map_err(trouble)?;
                let address = listener.local_addr().map_err(trouble)?;
                screen.say(&format!("{name} listens at {address}"));
                Ok(agent.listen(listener).await)
            }
        }
    };
    let ended = tokio::select! {
        ended = work => ended?,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    // Why it did not go to its end has been said.
    Ok(ended.map_or(Exit::COULD_NOT_RUN, |()| Exit::OK))
}

/// The database of a URL.
pub(super) fn database(url: &str) -> Result<Database, Failure> {
    Database::new(url).map_err(|it| Failure::usage(format!("the database cannot be used: {it}")))
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
