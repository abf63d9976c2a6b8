//! Status: what became of a call, from what HTTP/2 said of it (gRPC over HTTP/2, "Responses").

use super::message::Messages;
use crate::protocol::http2::Section;

pub(super) const UNKNOWN: u16 = 2;
pub(super) const RESOURCE_EXHAUSTED: u16 = 8;
pub(super) const INTERNAL: u16 = 13;

/// What head and trailers have said so far.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Head {
    http: u16,
    /// Whether what follows is of gRPC.
    grpc: bool,
    said: Option<u16>,
}

impl Head {
    pub(super) fn on_head(&mut self, section: &Section) {
        *self = Self { http: section.code(), grpc: section.grpc, said: section.grpc_status };
    }

    pub(super) fn on_trailers(&mut self, section: &Section) {
        self.said = section.grpc_status;
    }

    /// Whether the body is messages, and no page of some proxy.
    pub(super) const fn has_messages(self) -> bool {
        self.http == 200 && self.grpc
    }

    /// What became of the call, now that its answer is whole.
    pub(super) fn status(self, messages: &Messages, single: bool) -> u16 {
        match self.said {
            // A good end with less or more than was promised is none.
            Some(0) if !messages.are_whole() || (single && messages.count() != 1) => INTERNAL,
            Some(status) => status,
            None => from_http(self.http),
        }
    }
}

/// What a status of HTTP stands for when there is none of gRPC (gRPC, `http-grpc-status-mapping.md`).
const fn from_http(status: u16) -> u16 {
    match status {
        400 => INTERNAL,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => UNKNOWN,
    }
}
