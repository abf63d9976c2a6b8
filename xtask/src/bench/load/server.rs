//! Servers: whom generators load, each on a core that no generator has.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use super::case::Site;
use super::program::Place;
use crate::bench::machine;
use crate::packages;

/// How often, and with what pause, nginx is looked for.
const LOOKS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// A server that ends with this value.
pub(super) struct Server {
    child: Child,
    said: Option<BufReader<ChildStdout>>,
    /// By the name of what is spoken there.
    addresses: Value,
}

impl Server {
    /// The sink, or with `stall` the one that stalls: its service, when, and how long, in milliseconds.
    pub(super) fn sink(place: &Place, sink: &Path, stall: Option<[u32; 3]>) -> Result<Self> {
        let mut command = place.command(sink);
        if let Some(course) = stall {
            command.arg("stall").args(course.map(|it| it.to_string()));
        }
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut server = Self {
            child: child.context("cannot run taskset")?,
            said: None,
            addresses: Value::Null,
        };
        let stdout = server.child.stdout.take().context("the sink has no standard output")?;
        let mut said = BufReader::new(stdout);
        let mut line = String::new();
        said.read_line(&mut line).context("the sink said nothing")?;
        server.addresses = serde_json::from_str(&line)
            .context("the sink ended before it said where it listens")?;
        server.said = Some(said);
        Ok(server)
    }

    /// nginx with one worker and a page of 128 bytes, whose files are in `folder`.
    pub(super) fn nginx(place: &Place, sink: &Path, folder: &Path) -> Result<Self> {
        packages::install_missing(packages::NGINX)?;
        let nginx = packages::find("nginx")?.context("there is no nginx")?;
        let made = Command::new(sink).arg("certificate").output().context("cannot run the sink")?;
        ensure!(made.status.success(), "the sink made no certificate");
        let [https, h2c] = [free_port()?, free_port()?];
        let page = "0123456789abcdef".repeat(8);
        let conf = configuration(https, h2c);
        let files: [(&str, &[u8]); 3] = [
            ("index.html", page.as_bytes()),
            ("both.pem", &made.stdout),
            ("nginx.conf", conf.as_bytes()),
        ];
        for (name, bytes) in files {
            let file = folder.join(name);
            fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
        }
        let child = place
            .command(&nginx)
            .arg("-p")
            .arg(folder)
            .args(["-c", "nginx.conf", "-e", "stderr"])
            .stdin(Stdio::null())
            .spawn()
            .context("cannot run taskset")?;
        let address = |port| format!("{}:{port}", Ipv4Addr::LOCALHOST);
        let addresses = json!({ "https": address(https), "h2c": address(h2c) });
        let mut server = Self { child, said: None, addresses };
        for _ in 0..LOOKS {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, h2c)).is_ok() {
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait().context("cannot wait for nginx")? {
                bail!("nginx ended ({status})");
            }
            thread::park_timeout(PAUSE);
        }
        bail!("nginx does not listen")
    }

    /// Where the load of a case goes.
    pub(super) fn url(&self, site: Site) -> Result<String> {
        let (scheme, name, path) = match site {
            Site::Plain | Site::Scenario | Site::Stall => ("http", "http", ""),
            Site::Large => ("http", "http", "16k"),
            Site::Secure | Site::NginxSecure => ("https", "https", ""),
            Site::H2c | Site::NginxH2c => ("http", "h2c", ""),
            Site::Grpc => ("http", "grpc", ""),
        };
        let address = self.addresses[name].as_str();
        let address = address.with_context(|| format!("the server does not speak {name}"))?;
        Ok(format!("{scheme}://{address}/{path}"))
    }

    /// Its processor time so far, in seconds.
    pub(super) fn cpu(&self) -> Result<f64> {
        machine::cpu_of(self.child.id())
    }

    /// Ends the sink and takes the rest of what it says.
    pub(super) fn end(mut self) -> Result<String> {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        if let Some(said) = &mut self.said {
            said.read_to_string(&mut rest).context("cannot read what the sink says")?;
        }
        Ok(rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The sink ends with its standard input. What it was started for is over, however it ends.
        if self.child.stdin.take().is_none() && self.said.is_none() {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

/// A port that nobody has right now.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port")?;
    Ok(listener.local_addr().context("a listener has no address")?.port())
}

fn configuration(https: u16, h2c: u16) -> String {
    let local = Ipv4Addr::LOCALHOST;
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|it| format!("  {it}_temp_path temporary;\n"))
        .collect();
    format!(
        "daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 12000; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  http2_max_concurrent_streams 1000;
  open_file_cache max=10;
  sendfile on;
  tcp_nopush on;
{temporary}  ssl_certificate both.pem;
  ssl_certificate_key both.pem;
  server {{
    listen {local}:{https} ssl;
    listen {local}:{h2c} http2;
    root .;
  }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_speaks_both_protocols_from_one_process() {
        let text = configuration(1, 2);
        for line in ["master_process off;", "listen 127.0.0.1:1 ssl;", "listen 127.0.0.1:2 http2;"]
        {
            assert!(text.contains(line), "{line}");
        }
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }
}
