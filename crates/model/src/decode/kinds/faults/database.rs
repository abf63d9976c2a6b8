//! Faults of databases.

use super::{AIMED, Kind, ONCE, body, step};
use crate::decode::codec::Integer;
use crate::decode::fields::Fields;
use crate::decode::kinds::words;
use crate::decode::values::database::{identifier, table};
use crate::decode::values::some_share;
use crate::document::{ClientType, Fault, LockMode, PauseMode, Step};

fn terminate_backends(f: &mut Fields<'_>) -> Option<Step> {
    let sentence = "The share of the sessions that match, rounded down.";
    let share = f.required("share", sentence, some_share());
    let user = f.optional("user", "Only sessions of this role.", identifier());
    let database = f.optional("database", "Only sessions in this database.", identifier());
    let sentence = "Only sessions of the application of this name.";
    let application = f.optional("application", sentence, identifier());
    let fault = share.map(|share| Fault::TerminateBackends { share, user, database, application });
    step(f, fault, &ONCE)
}

fn take_connections(f: &mut Fields<'_>) -> Option<Step> {
    let free = Integer { min: 0, max: 262_143, reason: "Give the number of connections." };
    let free = f.default("free", "How many are left to others.", free, "0");
    step(f, free.map(|it| Fault::TakeConnections { free: it as u32 }), &AIMED)
}

fn lock_table(f: &mut Fields<'_>) -> Option<Step> {
    let sentence = "The table as SQL names it, best with its schema.";
    let table = f.required("table", sentence, table());
    let modes =
        [("accessExclusive", LockMode::AccessExclusive), ("exclusive", LockMode::Exclusive)];
    let sentence = "`accessExclusive`: nobody reads or writes. `exclusive`: others read.";
    let modes = words("`accessExclusive` or `exclusive`", &modes);
    let mode = f.default("mode", sentence, modes, "accessExclusive");
    let fault = table.zip(mode).map(|(table, mode)| Fault::LockTable { table, mode });
    step(f, fault, &AIMED)
}

fn kill_clients(f: &mut Fields<'_>) -> Option<Step> {
    let sentence = "The share of the clients of this type, rounded down.";
    let share = f.required("share", sentence, some_share());
    let types = [ClientType::Normal, ClientType::Pubsub, ClientType::Replica];
    let types = types.map(|it| (it.name(), it));
    let sentence = "`normal`: those that ask. `pubsub`: those that have subscribed. `replica`: those that copy.";
    let types = words("`normal`, `pubsub` or `replica`", &types);
    let of = f.default("type", sentence, types, "normal");
    step(f, share.zip(of).map(|(share, of)| Fault::KillClients { share, of }), &ONCE)
}

fn pause_clients(f: &mut Fields<'_>) -> Option<Step> {
    let modes = [("all", PauseMode::All), ("write", PauseMode::Write)];
    let sentence = "`all`: every command waits. `write`: those that write, or might.";
    let mode = f.default("mode", sentence, words("`all` or `write`", &modes), "all");
    step(f, mode.map(|mode| Fault::PauseClients { mode }), &AIMED)
}

/// Every kind of this family, in the order of the manual.
pub(super) fn kinds() -> Vec<Kind> {
    vec![
        (
            "terminateBackends",
            "A share of the sessions of a PostgreSQL is ended.",
            body("TerminateBackendsFault", terminate_backends),
        ),
        (
            "takeConnections",
            "Sessions of ours take up the connections of a PostgreSQL.",
            body("TakeConnectionsFault", take_connections),
        ),
        (
            "lockTable",
            "A session of ours locks a table of a PostgreSQL.",
            body("LockTableFault", lock_table),
        ),
        (
            "killClients",
            "A share of the clients of a Redis loses its connection.",
            body("KillClientsFault", kill_clients),
        ),
        (
            "pauseClients",
            "Commands of the clients of a Redis wait.",
            body("PauseClientsFault", pause_clients),
        ),
    ]
}
