//! Systemd, as far as faults ask it. The hosts that build this have none.
//!
//! Its part is played by a `systemctl` of three lines, which takes its time to stop, in the mount namespace of the test, which keeps the links by which
//! systemd says what runs and writes down what it is asked.

use std::path::Path;
use std::process::Command;

pub(crate) const LINK: &str = "/run/systemd/units/invocation:nginx.service";
pub(crate) const ASKED: &str = "/run/systemd/asked";
const SYSTEMCTL: &str = r#"#!/bin/sh
echo "$0 $*" >> /run/systemd/asked
link="/run/systemd/units/invocation:$3"
case $1 in
stop) sleep 0.2; rm "$link" ;;
start) [ -h "$link" ] || ln -s "by-$$" "$link" ;;
esac
"#;
const PLAY: &str = "mount -t tmpfs none /run && mount -t tmpfs none /usr/local/sbin && \
                    mkdir -p /run/systemd/system /run/systemd/units && ln -s first \"$0\" && \
                    printf %s \"$1\" > /usr/local/sbin/systemctl && chmod +x /usr/local/sbin/systemctl";

/// From now on systemd seems to run, with a unit of nginx, for whoever is in this mount namespace: have one of your own.
pub(crate) fn play() {
    let played = Command::new("sh").args(["-c", PLAY, LINK, SYSTEMCTL]).status().unwrap();
    assert!(played.success());
}

/// Whether the unit runs.
pub(crate) fn runs() -> bool {
    Path::new(LINK).is_symlink()
}
