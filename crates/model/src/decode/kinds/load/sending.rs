//! How load is sent.

use crate::decode::codec::{Flag, Integer, List, Named, Object};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::kinds::words;
use crate::decode::values::call::{file, subprotocol};
use crate::decode::values::{request, secret, steady, title};
use crate::document::{Mechanism, Opening, Owner, Pace, Sasl, Schema, Sending, Tls};

/// The fields of a load test that say how it is sent.
pub(super) fn sending(f: &mut Fields<'_>) -> Option<Sending> {
    let reason = "More threads than cores send nothing more.";
    let threads = Integer { min: 1, max: 256, reason };
    let sentence = "Threads that send, each on a core of its own.";
    let threads = f.default("threads", sentence, threads, "1");
    let reason = "Servers allow about a hundred at a time.";
    let streams = Integer { min: 1, max: 1_000, reason };
    let sentence =
        "The most requests at a time on one connection, where the protocol allows more than one.";
    let streams = f.default("streams", sentence, streams, "100");
    let http2 = f.default("http2", "HTTP/2 instead of HTTP/1.1.", Flag, "false");
    let owner = words("an owner", &Owner::NAMES);
    let sentence = "Whose a connection is: `shared` (a request goes over any that is free), `user` (its own, until it \
                    leaves; in the open model each arrival is a user) or `visit` (one iteration's).";
    let connection = f.default("connection", sentence, owner, "shared");
    let pace = words("a pace", &Pace::NAMES);
    let sentence = "How precisely requests are sent when they are due: `precise`, `coarse` (once a millisecond, for \
                    less than half the processor time) or `spin` (a core is kept busy all the time).";
    let pace = f.default("pace", sentence, pace, "precise");
    let sentence = "What is trusted, and what is shown, where the protocol is one over TLS.";
    let tls = f.or_empty("tls", sentence, Object { title: "Tls", fields: tls });
    let sentence = "Where messages of gRPC are described. Default: the server is asked.";
    let grpc = f.or_empty("grpc", sentence, Object { title: "GrpcSchema", fields: schema });
    let sentence = "What a WebSocket is opened with, beside what the handshake asks for.";
    let opening = Object { title: "WebSocketOpening", fields: opening };
    let websocket = f.or_empty("websocket", sentence, opening);
    let sentence = "As whom one comes to the brokers of Kafka. Default: as nobody.";
    let sasl = f.optional("sasl", sentence, Object { title: "Sasl", fields: sasl });
    Some(Sending {
        threads: threads? as u32,
        streams: streams? as u32,
        http2: http2?,
        connection: connection?,
        pace: pace?,
        tls: tls?,
        grpc: grpc?,
        websocket: websocket?,
        sasl,
    })
}

fn tls(f: &mut Fields<'_>) -> Option<Tls> {
    let sentence = "File with certificates that are trusted, in PEM. Default: those of the system.";
    let ca = f.optional("ca", sentence, file());
    let sentence = "File with our own certificate, in PEM.";
    let certificate = f.optional("certificate", sentence, file());
    let key = f.optional("key", "File with the key of our certificate, in PEM.", file());
    let sentence = "The name that the server must show. Default: the host of the URL.";
    let server_name = f.optional("serverName", sentence, title());
    let sentence = "Whether any certificate will do.";
    let insecure = f.default("insecure", sentence, Flag, "false");
    let resume = f.default("resume", "Whether sessions are resumed.", Flag, "true");
    for (one, other) in [("certificate", "key"), ("key", "certificate")] {
        if f.has(one) && !f.has(other) {
            let message = format!("`{one}` without `{other}`");
            let help = "A certificate is shown with its key; give both, or none.";
            f.refuse(one, codes::RANGE, message, help);
        }
    }
    let (insecure, resume) = (insecure?, resume?);
    Some(Tls { ca, certificate, key, server_name, insecure, resume })
}

fn opening(f: &mut Fields<'_>) -> Option<Opening> {
    let path = f.optional("path", "Path and query. Default `/`.", request::opening_path());
    let headers = Named { key: request::header_name(), of: request::opening_value() };
    let sentence = "Headers of the request, such as `authorization`, `cookie` or `origin`.";
    let headers = f.or_empty("headers", sentence, headers);
    let sentence = "Subprotocols that are offered, the best first; the server has to choose one.";
    let protocols = List { of: subprotocol(), min: 0 };
    let protocols = f.or_empty("protocols", sentence, protocols);
    for (name, _) in headers.iter().flatten() {
        if name.to_ascii_lowercase().starts_with("sec-websocket-") {
            let message = format!("the header `{name}` is ours to send");
            let help = "Leave it away; subprotocols go to `protocols`.";
            f.refuse(&format!("headers/{name}"), codes::REQUEST, message, help);
        }
    }
    Some(Opening { path, headers: headers?, protocols: protocols? })
}

fn sasl(f: &mut Fields<'_>) -> Option<Sasl> {
    let mechanisms = words("a mechanism", &Mechanism::NAMES);
    let sentence = "How it is proved: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.";
    let mechanism = f.default("mechanism", sentence, mechanisms, "SCRAM-SHA-512");
    let user = f.required("user", "The name.", steady());
    let password = f.required("password", "The password, as `${env:NAME}`.", secret());
    Some(Sasl { mechanism: mechanism?, user: user?, password: password? })
}

fn schema(f: &mut Fields<'_>) -> Option<Schema> {
    let files = List { of: file(), min: 1 };
    let files = f.required("proto", "Files in which the services are described.", files);
    let sentence = "Folders in which they and what they import are looked for.";
    let include = f.or_empty("include", sentence, List { of: file(), min: 0 });
    Some(Schema { files: files?, include: include? })
}
