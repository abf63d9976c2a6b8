//! Proxies: ours and its peers, each with a link to the sink and one to the echo, and no fault on either.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::traffic::Server;
use crate::bench::running::{Rank, Running, free};
use crate::bench::{built, cargo};
use crate::packages;

/// Who carries bytes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    Ours,
    Haproxy,
    Nginx,
    Fault,
}

impl Maker {
    pub(super) const ALL: [Self; 4] = [Self::Ours, Self::Haproxy, Self::Nginx, Self::Fault];

    /// As it begins the names of its figures.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "evenkeel",
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
            Self::Fault => "fault-cli",
        }
    }

    /// Where its program is; it is installed where it is missing.
    pub(super) fn program(self, ours: &Path) -> Result<PathBuf> {
        let of_debian = |table, program: &str| {
            packages::install_missing(table)?;
            packages::find(program)?.with_context(|| format!("there is no {program}"))
        };
        match self {
            Self::Ours => Ok(ours.to_owned()),
            Self::Haproxy => of_debian(packages::HAPROXY, "haproxy"),
            Self::Nginx => of_debian(packages::NGINX_STREAM, "nginx"),
            Self::Fault => cargo::installed("fault-cli", "fault", "1.2.1", &[]),
        }
    }

    pub(super) fn version(self, program: &Path) -> String {
        let program = program.to_string_lossy();
        match self {
            Self::Nginx => built::version_of_nginx().unwrap_or_else(|_| "unknown".to_owned()),
            Self::Haproxy => built::first_line_of(&program, "-v"),
            Self::Ours | Self::Fault => built::first_line_of(&program, "--version"),
        }
    }
}

/// A proxy that runs.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) maker: Maker,
    pub(super) running: Running,
    /// Where its link to the sink is.
    pub(super) sink: SocketAddr,
    /// Where its link to the echo is.
    pub(super) echo: SocketAddr,
    /// Where it takes orders, if it is ours.
    api: SocketAddr,
}

impl Proxy {
    /// Starts one on a core; its files are in a folder of its own.
    pub(super) fn start(
        maker: Maker,
        program: &Path,
        core: &str,
        folder: &Path,
        server: Server,
    ) -> Result<Self> {
        let name = maker.name();
        let folder = folder.join(name);
        fs::create_dir_all(&folder).context("cannot make a folder")?;
        let [sink, echo, api] = [free()?, free()?, free()?];
        let links = [("sink", sink, server.sink), ("echo", echo, server.echo)];
        let (file, text) = configuration(maker, &links);
        fs::write(folder.join(file), text).with_context(|| format!("cannot write {file}"))?;
        let (program, api_text) = (program.to_string_lossy(), api.to_string());
        let words: &[&str] = match maker {
            Maker::Ours => &[&program, "proxy", "--listen", &api_text, "--config", file],
            Maker::Haproxy => &[&program, "-db", "-f", file],
            Maker::Nginx => &[&program, "-p", ".", "-c", file, "-e", "stderr"],
            Maker::Fault => &[&program, "--output", "json", "run", file],
        };
        let mut running = Running::start(name, (core, Rank::First), &folder, words)?;
        for link in [sink, echo] {
            running.until("listening", || Ok(TcpStream::connect(link).is_ok()))?;
        }
        Ok(Self { maker, running, sink, echo, api })
    }

    /// Tells ours to delay answers of the echo by so many milliseconds.
    pub(super) fn delay(&self, milliseconds: u32) -> Result<()> {
        let attributes = json!({ "latency": milliseconds });
        let toxic = json!({ "name": "late", "type": "latency", "attributes": attributes });
        self.order("POST", "/proxies/echo/toxics", &toxic.to_string())
    }

    /// Tells ours not to.
    pub(super) fn lift(&self) -> Result<()> {
        self.order("DELETE", "/proxies/echo/toxics/late", "")
    }

    fn order(&self, method: &str, path: &str, body: &str) -> Result<()> {
        let mut stream = TcpStream::connect(self.api).context("cannot reach the proxy's API")?;
        let (api, length) = (self.api, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {api}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).context("cannot ask the proxy's API")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).context("the proxy's API did not answer")?;
        ensure!(answer.starts_with("HTTP/1.1 2"), "the proxy's API refused: {answer}");
        Ok(())
    }
}

/// A file of configuration, and its text, for links that each have a name, where they listen and where they lead.
fn configuration(maker: Maker, links: &[(&str, SocketAddr, SocketAddr)]) -> (&'static str, String) {
    let each = |text: &dyn Fn(&str, SocketAddr, SocketAddr) -> String| -> String {
        links.iter().map(|(name, listen, upstream)| text(name, *listen, *upstream)).collect()
    };
    match maker {
        Maker::Ours => {
            let all: Vec<_> = links
                .iter()
                .map(|(name, listen, upstream)| {
                    json!({ "name": name, "listen": listen, "upstream": upstream, "enabled": true })
                })
                .collect();
            ("links.json", json!(all).to_string())
        }
        Maker::Haproxy => (
            "haproxy.cfg",
            format!(
                "global
  nbthread 1
  maxconn 1000
  tune.pipesize 1048576
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  option splice-auto
  option tcp-smart-accept
  option tcp-smart-connect
{}",
                each(&|name, listen, upstream| format!(
                    "listen {name}\n  bind {listen}\n  server {name} {upstream}\n"
                ))
            ),
        ),
        Maker::Nginx => (
            "nginx.conf",
            format!(
                "load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 10000; }}
stream {{
  tcp_nodelay on;
  proxy_half_close on;
  proxy_buffer_size 64k;
{}}}
",
                each(&|_, listen, upstream| format!(
                    "  server {{ listen {listen} backlog=1024; proxy_pass {upstream}; }}\n"
                ))
            ),
        ),
        Maker::Fault => (
            "run.yaml",
            format!(
                "schema_version: 1\nname: bench\nproxies:\n{}phases:\n  - name: nothing\n    proxies: []\n",
                each(&|name, listen, upstream| format!(
                    "  - {{name: {name}, protocol: tcp, listen: \"{listen}\", upstream: \"{upstream}\"}}\n"
                ))
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_proxy_is_told_of_every_link() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let links = [("sink", address(1), address(2)), ("echo", address(3), address(4))];
        for maker in Maker::ALL {
            let (_, text) = configuration(maker, &links);
            for port in 1..=4 {
                assert!(text.contains(&format!("127.0.0.1:{port}")), "{maker:?}: {text}");
            }
            assert_eq!(text.matches('{').count(), text.matches('}').count(), "{maker:?}");
        }
    }
}
