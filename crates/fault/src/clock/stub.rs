//! What stands in for the three functions: code of x86-64 that asks the kernel itself, and adds the offset to what it
//! says of the time of day.
//!
//! ```text
//! data   evenkeel · mark · seconds · nanoseconds · microseconds · until
//! code   clock_gettime · gettimeofday · time
//! ```
//!
//! It lies behind the kernel's code, in the same pages, where there is nothing but section headers and zeros. All other
//! clocks are told as the kernel tells them. After `until`, in seconds of the true time, nothing is added any more:
//! that is how it ends when nobody of us is left.

/// The first bytes, so that whoever finds it knows whose it is.
const WHOSE: &[u8; 8] = b"evenkeel";
const DATA: usize = 48;

/// Its size, with the data before it: whole words.
pub(super) const SIZE: usize = DATA + length(CODE);

/// Where the code of each function begins, in their order.
pub(super) const ENTRIES: [usize; 3] = [DATA, DATA + 80, DATA + 160];

/// What it has to know.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Tells it from that of another run.
    pub(super) mark: u64,
    /// Added to the time of day: whole seconds, rounded down, and nanoseconds.
    pub(super) offset: (i64, u32),
    /// In seconds since 1970, by the true clock.
    pub(super) until: i64,
}

impl Settings {
    /// The whole of it.
    pub(super) fn stub(&self) -> Vec<u8> {
        let (seconds, nanos) = self.offset;
        let mut bytes = WHOSE.to_vec();
        bytes.extend(self.mark.to_le_bytes());
        bytes.extend(seconds.to_le_bytes());
        bytes.extend(u64::from(nanos).to_le_bytes());
        bytes.extend(u64::from(nanos / 1_000).to_le_bytes());
        bytes.extend(self.until.to_le_bytes());
        bytes.extend(CODE.concat());
        bytes
    }
}

const fn length(rows: &[&[u8]]) -> usize {
    match rows {
        [] => 0,
        [row, rest @ ..] => row.len() + length(rest),
    }
}

/// The mark of one that lies there.
pub(super) fn mark(bytes: &[u8]) -> Option<u64> {
    let mark = bytes.strip_prefix(WHOSE)?.first_chunk()?;
    Some(u64::from_le_bytes(*mark))
}

/// The code. 228 and 96 are the system calls `clock_gettime` and `gettimeofday`, 0 and 5 the clocks `CLOCK_REALTIME` and
/// `CLOCK_REALTIME_COARSE`; a word in brackets is one of the data. What a function has to keep is not touched, and what
/// is below the stack is its own.
const CODE: &[&[u8]] = &[
    // clock_gettime(edi: clock, rsi: where to)
    b"\xb8\xe4\x00\x00\x00",         // mov eax, 228
    b"\x0f\x05",                     // syscall
    b"\x85\xc0",                     // test eax, eax
    b"\x75\x41",                     // jne done
    b"\x85\xff",                     // test edi, edi
    b"\x74\x05",                     // je of the time of day
    b"\x83\xff\x05",                 // cmp edi, 5
    b"\x75\x38",                     // jne done
    b"\x48\x8b\x0e",                 // of the time of day: mov rcx, [rsi]
    b"\x48\x3b\x0d\xda\xff\xff\xff", // cmp rcx, [until]
    b"\x7d\x2c",                     // jge done
    b"\x48\x8b\x56\x08",             // mov rdx, [rsi+8]
    b"\x48\x03\x0d\xb5\xff\xff\xff", // add rcx, [seconds]
    b"\x48\x03\x15\xb6\xff\xff\xff", // add rdx, [nanoseconds]
    b"\x48\x81\xfa\x00\xca\x9a\x3b", // cmp rdx, 1_000_000_000
    b"\x7c\x0a",                     // jl write
    b"\x48\x81\xea\x00\xca\x9a\x3b", // sub rdx, 1_000_000_000
    b"\x48\xff\xc1",                 // inc rcx
    b"\x48\x89\x0e",                 // write: mov [rsi], rcx
    b"\x48\x89\x56\x08",             // mov [rsi+8], rdx
    b"\xc3",                         // done: ret
    b"\xcc\xcc\xcc",                 // never run
    // gettimeofday(rdi: where to, rsi: zone)
    b"\xb8\x60\x00\x00\x00",         // mov eax, 96
    b"\x0f\x05",                     // syscall
    b"\x85\xc0",                     // test eax, eax
    b"\x75\x3d",                     // jne done
    b"\x48\x85\xff",                 // test rdi, rdi
    b"\x74\x38",                     // je done
    b"\x48\x8b\x0f",                 // mov rcx, [rdi]
    b"\x48\x3b\x0d\x8e\xff\xff\xff", // cmp rcx, [until]
    b"\x7d\x2c",                     // jge done
    b"\x48\x8b\x57\x08",             // mov rdx, [rdi+8]
    b"\x48\x03\x0d\x69\xff\xff\xff", // add rcx, [seconds]
    b"\x48\x03\x15\x72\xff\xff\xff", // add rdx, [microseconds]
    b"\x48\x81\xfa\x40\x42\x0f\x00", // cmp rdx, 1_000_000
    b"\x7c\x0a",                     // jl write
    b"\x48\x81\xea\x40\x42\x0f\x00", // sub rdx, 1_000_000
    b"\x48\xff\xc1",                 // inc rcx
    b"\x48\x89\x0f",                 // write: mov [rdi], rcx
    b"\x48\x89\x57\x08",             // mov [rdi+8], rdx
    b"\xc3",                         // done: ret
    b"\xcc\xcc\xcc\xcc\xcc\xcc\xcc", // never run
    // time(rdi: where to, or 0)
    b"\x49\x89\xf8",                 // mov r8, rdi
    b"\x48\x8d\x74\x24\xf0",         // lea rsi, [rsp-16]
    b"\xbf\x05\x00\x00\x00",         // mov edi, 5
    b"\xb8\xe4\x00\x00\x00",         // mov eax, 228
    b"\x0f\x05",                     // syscall
    b"\x48\x8b\x06",                 // mov rax, [rsi]
    b"\x48\x3b\x05\x3a\xff\xff\xff", // cmp rax, [until]
    b"\x7d\x1e",                     // jge write
    b"\x48\x8b\x56\x08",             // mov rdx, [rsi+8]
    b"\x48\x03\x05\x15\xff\xff\xff", // add rax, [seconds]
    b"\x48\x03\x15\x16\xff\xff\xff", // add rdx, [nanoseconds]
    b"\x48\x81\xfa\x00\xca\x9a\x3b", // cmp rdx, 1_000_000_000
    b"\x7c\x03",                     // jl write
    b"\x48\xff\xc0",                 // inc rax
    b"\x4d\x85\xc0",                 // write: test r8, r8
    b"\x74\x03",                     // je done
    b"\x49\x89\x00",                 // mov [r8], rax
    b"\xc3",                         // done: ret
    b"\xcc",                         // never run
];
