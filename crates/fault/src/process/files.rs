//! How many files a process may open, and has open.

use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::Process;

impl Process {
    /// Its soft limit; `None` when it has none.
    pub(crate) fn open_files_limit(&self) -> io::Result<Option<u64>> {
        Ok(self.limit()?.current)
    }

    /// Sets its soft limit. `false`: it is gone.
    pub(crate) fn limit_open_files(&self, current: Option<u64>) -> io::Result<bool> {
        if !self.is_alive() {
            return Ok(false);
        }
        let Rlimit { maximum, .. } = self.limit()?;
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        match prlimit(pid, Resource::Nofile, Rlimit { current, maximum }) {
            Ok(_) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// How many files it has open.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid)).map_or(0, Iterator::count)
    }

    /// As `/proc` tells it: asking the kernel for another's limits would mean to set them.
    fn limit(&self) -> io::Result<Rlimit> {
        let text = std::fs::read_to_string(format!("/proc/{}/limits", self.pid))?;
        parse(&text).ok_or_else(|| io::Error::other("no limit of open files in /proc"))
    }
}

fn parse(text: &str) -> Option<Rlimit> {
    let line = text.lines().find_map(|it| it.strip_prefix("Max open files"))?;
    let mut words = line.split_ascii_whitespace();
    let mut limit = || match words.next()? {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    };
    Some(Rlimit { current: limit()?, maximum: limit()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_the_kernel_writes_them() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             unlimited            unlimited            processes \n\
                    Max open files            1024                 unlimited            files     \n";
        let limit = parse(text).unwrap();
        assert_eq!((limit.current, limit.maximum), (Some(1024), None));
        assert!(parse("Max open files  x y").is_none());
    }
}
