//! `health`: what belongs to a service that says how it is.

use crate::manifest::{Manifest, Over, Wish};
use evenkeel_model::decode::Findings;
use evenkeel_model::yaml;

use crate::args::health::ManifestArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;

/// Writes the probes of a service.
pub(crate) fn manifest(args: ManifestArgs, screen: &Screen) -> Result<Exit, Failure> {
    let wish = Wish {
        name: args.name,
        kind: args.kind,
        port: args.port,
        over: if args.grpc { Over::Grpc } else { Over::Http },
        starts_within: args.starts_within,
        out_within: args.out_within,
        longest_request: args.longest_request,
        drain_delay: args.drain_delay,
    };
    let manifest = Manifest::try_new(wish).map_err(|it| Failure::usage(it.to_string()))?;
    let text = manifest.to_yaml();
    // For programs the same, which `kubectl` takes as well.
    let roots = yaml::read("-", text.clone().into_bytes(), &mut Findings::default()).roots;
    let json = roots.first().map(yaml::Node::to_json);
    screen.show(&json, || text)?;
    Ok(Exit::OK)
}
