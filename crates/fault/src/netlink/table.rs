//! A table of nft rules that lives as long as its socket: whoever made it may crash, the kernel cleans up.
//!
//! The table carries the flag `owner`: nobody else can change or delete it, and it is gone when the socket is
//! closed, by whatever end. All of it is made in one transaction or not at all.
//!
//! Each packet meets the rules once: the chain `input` sees what arrives, also over `lo`; the chain `output`
//! sees what leaves, but not over `lo`, since that arrives next. What is only forwarded is not seen.

use super::expression::{Compare, Count, Expression, INTERFACE_BYTES, Meta};
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
/// Where others mangle packets: what is redirected afterwards has the address that its sender knows.
const PRIORITY: i32 = -150;

/// Where packets pass.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Hook {
    Input = 1,
    Output = 3,
}

impl Hook {
    const ALL: [Self; 2] = [Self::Input, Self::Output];

    const fn chain(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }

    /// What a rule here begins with, so that no packet is met twice.
    fn guard(self) -> Vec<Expression> {
        let mut lo = b"lo".to_vec();
        lo.resize(INTERFACE_BYTES, 0);
        match self {
            Self::Input => Vec::new(),
            Self::Output => {
                vec![Expression::Meta(Meta::LeavesBy), Expression::Compare(Compare::NotEqual, lo)]
            }
        }
    }
}

/// A table that is there.
pub(crate) struct Table {
    socket: Socket,
    name: String,
}

impl Table {
    /// Makes a table with these rules, for as long as the value lives. The name must be free.
    pub(crate) fn hold(name: &str, rules: &[Vec<Expression>]) -> Result<Self, Trouble> {
        let mut socket = Socket::open()?;
        let mut batch = Batch::of(SUBSYSTEM);
        batch.request(about(NEW_TABLE, CREATE | EXCLUSIVE), |to| {
            to.text(1, name);
            to.be32(2, OWNER);
        });
        for hook in Hook::ALL {
            batch.request(about(NEW_CHAIN, CREATE | EXCLUSIVE), move |to| chain(to, name, hook));
            for rule in rules {
                batch.request(about(NEW_RULE, CREATE | APPEND), move |to| {
                    to.text(1, name);
                    to.text(2, hook.chain());
                    to.nest(4, |to| {
                        for word in hook.guard().iter().chain(rule) {
                            to.nest(1, |to| word.write(to));
                        }
                    });
                });
            }
        }
        socket.transact(batch)?;
        Ok(Self { socket, name: name.to_owned() })
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
        for hook in Hook::ALL {
            batch.request(about(DELETE_RULE, 0), move |to| {
                to.text(1, name);
                to.text(2, hook.chain());
            });
        }
        self.socket.transact(batch)
    }
}

fn chain(to: &mut Values<'_>, table: &str, hook: Hook) {
    to.text(1, table);
    to.text(3, hook.chain());
    to.nest(4, |to| {
        to.be32(1, hook as u32);
        to.bytes(2, &PRIORITY.to_be_bytes());
    });
    to.be32(5, ACCEPT);
    to.text(7, "filter");
}

const fn about(message: u16, flags: u16) -> Subject {
    Subject { kind: SUBSYSTEM << 8 | message, flags, family: FAMILY, resource: 0 }
}
