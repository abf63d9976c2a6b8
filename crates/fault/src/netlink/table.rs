//! A table of nft rules that lives as long as its socket: whoever made it may crash, the kernel cleans up.
//!
//! The table carries the flag `owner`: nobody else can change or delete it, and it is gone when the socket is
//! closed, by whatever end. All of it is made in one transaction or not at all.

use super::expression::{Count, Expression};
use super::message::{APPEND, CREATE, EXCLUSIVE, Subject, Values, text};
use super::socket::{Batch, Socket, Trouble};

const SUBSYSTEM: u16 = 10;
const NEW_TABLE: u16 = 0;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const GET_RULE: u16 = 7;
const DELETE_RULE: u16 = 8;

/// `NFPROTO_INET`: IPv4 and IPv6.
const FAMILY: u8 = 1;
const OWNER: u32 = 2;
const ACCEPT: u32 = 1;
/// Rules for the packets that pass one place; those that none of them stops go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) name: &'static str,
    pub(crate) hook: Hook,
    /// Lower ones are met first.
    pub(crate) priority: i32,
    pub(crate) rules: Vec<Vec<Expression>>,
}

/// Where packets pass.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// What is for this host, also over `lo`.
    Input = 1,
    /// What passes from one network to another.
    Forward = 2,
    /// What this host sends, also over `lo`.
    Output = 3,
}

/// A table that is there.
pub(crate) struct Table {
    socket: Socket,
    name: String,
    chains: Vec<&'static str>,
}

impl Table {
    /// Makes a table of these chains, for as long as the value lives. Its name is nobody else's, even where several
    /// pid namespaces share a network.
    pub(crate) fn hold(chains: &[Chain]) -> Result<Self, Trouble> {
        let mut socket = Socket::open()?;
        let owned = format!("evenkeel-{}", socket.number());
        let name = &*owned;
        let mut batch = Batch::of(SUBSYSTEM);
        batch.request(about(NEW_TABLE, CREATE | EXCLUSIVE), |to| {
            to.text(1, name);
            to.be32(2, OWNER);
        });
        for chain in chains {
            batch.request(about(NEW_CHAIN, CREATE | EXCLUSIVE), |to| write(to, name, chain));
            for rule in &chain.rules {
                batch.request(about(NEW_RULE, CREATE | APPEND), |to| {
                    to.text(1, name);
                    to.text(2, chain.name);
                    to.nest(4, |to| rule.iter().for_each(|word| to.nest(1, |to| word.write(to))));
                });
            }
        }
        socket.transact(batch)?;
        let chains = chains.iter().map(|it| it.name).collect();
        Ok(Self { socket, name: owned, chains })
    }

    /// How it is listed.
    #[cfg(test)]
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What all rules have counted so far.
    pub(crate) fn count(&mut self) -> Result<Count, Trouble> {
        let name = self.name.clone();
        let counts: Vec<Count> = self.socket.dump(
            about(GET_RULE, 0),
            |to| to.text(1, &name),
            |counts: &mut Vec<Count>, message| {
                // Older kernels list the rules of all tables, whatever was asked.
                let is_ours = message
                    .attributes()
                    .any(|(kind, it)| kind == 1 && text(it).as_deref() == Some(&name));
                let rule = message.attributes().find(|(kind, _)| *kind == 4);
                counts.extend(rule.filter(|_| is_ours).map(|(_, it)| Count::of(it)));
            },
        )?;
        Ok(counts.into_iter().sum())
    }

    /// Takes the rules away, and leaves the chains. A chain that goes takes along every packet that lies in
    /// any queue; a rule does not.
    pub(crate) fn empty(&mut self) -> Result<(), Trouble> {
        let name = &*self.name;
        let mut batch = Batch::of(SUBSYSTEM);
        for chain in &self.chains {
            batch.request(about(DELETE_RULE, 0), move |to| {
                to.text(1, name);
                to.text(2, chain);
            });
        }
        self.socket.transact(batch)
    }
}

fn write(to: &mut Values<'_>, table: &str, chain: &Chain) {
    to.text(1, table);
    to.text(3, chain.name);
    to.nest(4, |to| {
        to.be32(1, chain.hook as u32);
        to.bytes(2, &chain.priority.to_be_bytes());
    });
    to.be32(5, ACCEPT);
    to.text(7, "filter");
}

const fn about(message: u16, flags: u16) -> Subject {
    Subject { kind: SUBSYSTEM << 8 | message, flags, family: FAMILY, resource: 0 }
}
