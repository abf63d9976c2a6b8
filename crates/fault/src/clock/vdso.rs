//! The vDSO: the code that the kernel maps into every program, so that it can ask for the time without a system call.
//!
//! It is the same for all programs of 64 bits until the next boot, and only lies at another address in each. So what it
//! is when nobody has touched it can be read in this very process.

use std::io::{self, IoSliceMut};
use std::ops::Range;

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

/// By which programs ask for the time of day.
const FUNCTIONS: [&str; 3] = ["__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time"];

/// `EM_X86_64` of elf.h.
const X86_64: u16 = 62;
/// `PT_LOAD` and `SHT_DYNSYM` of elf.h.
const LOAD: u32 = 1;
const DYNAMIC_SYMBOLS: u32 = 11;

/// The code as the kernel gives it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vdso {
    /// All that is mapped, whole pages.
    pub(super) image: Vec<u8>,
    /// So much of it is code and what goes with it. Behind it are headers that nobody reads when programs run, and
    /// zeros.
    pub(super) loaded: usize,
    /// Where each of the three functions begins.
    pub(super) functions: [usize; 3],
}

impl Vdso {
    /// That of this process. Nobody skews our clock: this process is never found.
    pub(super) fn own() -> io::Result<Self> {
        let pid = std::process::id();
        let missing = || io::Error::other("this kernel gives programs no vDSO");
        let place = place(pid)?.ok_or_else(missing)?;
        let image = read(pid, place.start, (place.end - place.start) as usize)?;
        Self::parse(image).map_err(|it| io::Error::other(format!("the vDSO of this kernel {it}")))
    }

    fn parse(image: Vec<u8>) -> Result<Self, &'static str> {
        let elf = Elf(&image);
        if elf.get(0, 6) != Some(b"\x7fELF\x02\x01") || elf.number(18, 2) != Some(X86_64.into()) {
            return Err("is not one of x86-64, and clocks are skewed by code of x86-64");
        }
        let broken = "cannot be read";
        let loaded = elf.loaded().ok_or(broken)?;
        let symbols = elf.symbols().ok_or(broken)?;
        let mut functions = [0; 3];
        for (place, name) in functions.iter_mut().zip(FUNCTIONS) {
            let found = symbols.iter().find(|(it, _)| *it == name.as_bytes());
            *place = found.ok_or("lacks a function that tells the time")?.1;
        }
        match functions.iter().all(|it| it + 16 <= loaded) && loaded <= image.len() {
            true => Ok(Self { image, loaded, functions }),
            false => Err(broken),
        }
    }
}

/// Where it lies in the memory of a process; `None` when there is none.
pub(super) fn place(pid: u32) -> io::Result<Option<Range<u64>>> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    Ok(maps.lines().rev().find_map(|line| {
        let (start, end) = line.strip_suffix("[vdso]")?.split_once(' ')?.0.split_once('-')?;
        let number = |it| u64::from_str_radix(it, 16).ok();
        Some(number(start)?..number(end)?).filter(|it| !it.is_empty())
    }))
}

/// Memory of a process. It fails where the process may not be traced.
pub(super) fn read(pid: u32, from: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let pid = Pid::from_raw(i32::try_from(pid).map_err(io::Error::other)?);
    let there = RemoteIoVec { base: from as usize, len: length };
    match process_vm_readv(pid, &mut [IoSliceMut::new(&mut bytes)], &[there])? {
        read if read == length => Ok(bytes),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// A file of ELF, as far as it matters here. Places are those of elf.h.
struct Elf<'a>(&'a [u8]);

impl<'a> Elf<'a> {
    fn get(&self, from: usize, length: usize) -> Option<&'a [u8]> {
        self.0.get(from..from.checked_add(length)?)
    }

    /// A number of so many bytes, the smallest first.
    fn number(&self, from: usize, length: usize) -> Option<u64> {
        let bytes = self.get(from, length)?;
        Some(bytes.iter().rev().fold(0, |sum, it| sum << 8 | u64::from(*it)))
    }

    fn small(&self, from: usize, length: usize) -> Option<usize> {
        self.number(from, length)?.try_into().ok().filter(|it| *it <= self.0.len())
    }

    /// Where the entries of a table begin, by where its place, the size of an entry and their number stand.
    fn table(&self, [at, size, count]: [usize; 3]) -> Option<Vec<usize>> {
        let (at, size, count) = (self.small(at, 8)?, self.small(size, 2)?, self.small(count, 2)?);
        Some((0..count).map(|it| at + it * size).collect())
    }

    /// The end of what is loaded, which is one piece that begins where the file does.
    fn loaded(&self) -> Option<usize> {
        let headers = self.table([32, 54, 56])?;
        let mut pieces = headers.into_iter().filter(|it| self.number(*it, 4) == Some(LOAD.into()));
        let piece = pieces.next().filter(|_| pieces.next().is_none())?;
        let begins = (self.number(piece + 8, 8)?, self.number(piece + 16, 8)?);
        self.small(piece + 32, 8).filter(|_| begins == (0, 0))
    }

    /// What can be called, by name, and where it is.
    fn symbols(&self) -> Option<Vec<(&'a [u8], usize)>> {
        let sections = self.table([40, 58, 60])?;
        let is_it = |it: &&usize| self.number(**it + 4, 4) == Some(DYNAMIC_SYMBOLS.into());
        let section = *sections.iter().find(is_it)?;
        let (at, size) = (self.small(section + 24, 8)?, self.small(section + 32, 8)?);
        let names = *sections.get(self.small(section + 40, 4)?)?;
        let names = self.small(names + 24, 8)?;
        let symbol = |it: usize| {
            let name = self.0.get(names + self.small(at + it * 24, 4)?..)?;
            let name = name.split(|it| *it == 0).next()?;
            Some((name, self.small(at + it * 24 + 8, 8)?))
        };
        (0..size / 24).map(symbol).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn that_of_this_kernel_is_understood() {
        let own = Vdso::own().unwrap();
        assert_eq!(own.image.len() % 4096, 0);
        assert!(own.functions.iter().all(|it| it % 16 == 0), "{:?}", own.functions);
        assert_eq!(place(std::process::id()).unwrap(), place(std::process::id()).unwrap());
    }

    #[test]
    fn a_program_of_another_machine_is_told_apart() {
        let mut image = Vdso::own().unwrap().image;
        image[18] = 183;
        let refused = Vdso::parse(image).unwrap_err();
        assert!(refused.starts_with("is not one of x86-64"), "{refused}");
    }

    proptest! {
        #[test]
        fn a_damaged_one_does_not_make_it_panic(at in 0usize..8192, byte: u8, more in 0usize..64) {
            let mut image = Vdso::own().unwrap().image;
            let length = image.len();
            // Headers are what it reads most of.
            image[at % length] = byte;
            image[more] = byte;
            if let Ok(it) = Vdso::parse(image) {
                prop_assert!(it.loaded <= length);
            }
        }
    }
}
