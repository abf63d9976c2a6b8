create schema if not exists evenkeel_fleet;

-- A link between a coordinator and an agent. Nothing here outlives a crash of the database, and no load does either.
create unlogged table if not exists evenkeel_fleet.slots (
    id bigint generated always as identity primary key,
    -- The agent that has claimed it.
    agent text,
    -- When its coordinator was last there.
    waited timestamptz not null default clock_timestamp()
);

-- What is carried over it, in order; taken out by whoever it is for. The last one of each direction has no bytes.
create unlogged table if not exists evenkeel_fleet.pieces (
    number bigint generated always as identity primary key,
    slot bigint not null references evenkeel_fleet.slots on delete cascade,
    to_agent boolean not null,
    bytes bytea check (octet_length(bytes) <= 65536)
);

create index if not exists pieces_by_slot on evenkeel_fleet.pieces (slot, to_agent, number);
