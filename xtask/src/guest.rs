//! A guest: the tests of the network's faults on another kernel, that of Debian, which has what this one may lack.
//!
//! ```text
//! target/guest/kernel   Debian's kernel for clouds, unpacked from its package
//! target/guest/root     what the guest needs: the tests, the programs that they run, the modules they may load
//! target/guest/initrd   the same as one file, which qemu boots; nothing of it is written to
//! ```
//!
//! The processor is emulated, so that it works inside of other guests, too; booting takes some ten seconds.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::packages;
use crate::{root, say};

const KERNEL: &str = "linux-image-cloud-amd64";
/// What the tests run, beside themselves.
const PROGRAMS: [&str; 6] = ["ip", "iptables-save", "nft", "nsenter", "tc", "unshare"];
/// What busybox stands for in the guest.
const LINKS: [&str; 6] = ["cat", "depmod", "modprobe", "mount", "sh", "sleep"];
/// Modules that anybody of them may load.
const MODULES: [&str; 5] =
    ["net/sched", "net/netfilter", "net/ipv4/netfilter", "net/ipv6/netfilter", "lib"];
/// Which tests run there.
const SUITES: [Suite; 2] = [
    Suite {
        package: "evenkeel-fault",
        child: "evenkeel-fault-child",
        tests: "network:: redirects::",
    },
    Suite {
        package: "evenkeel",
        child: "evenkeel",
        tests: "endings::however_it_ends_no_emulator_is_left",
    },
];
/// What the guest says when all is well.
const WELL: &str = "the guest is content";

/// Tests of a package.
struct Suite {
    package: &'static str,
    /// The program that they start.
    child: &'static str,
    /// Which of them.
    tests: &'static str,
}

/// Runs the tests there; what they say goes where ours goes.
pub(crate) fn run() -> Result<u8> {
    packages::install_missing(packages::FOR_TESTS)?;
    packages::install_missing(packages::FOR_GUEST)?;
    let folder = root().join("target/guest");
    fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let kernel = kernel(&folder)?;
    let suites = SUITES.iter().map(Suite::built).collect::<Result<Vec<_>>>()?;
    let packed = pack(&folder, &kernel, &suites)?;
    say("booting the guest")?;
    let image = one_of(&kernel.join("boot"), "vmlinuz-")?;
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-m", "2048", "-smp", "2", "-nographic", "-no-reboot", "-kernel"]).arg(image);
    qemu.arg("-initrd").arg(packed).args(["-append", "console=ttyS0 panic=-1 quiet"]);
    let output = qemu.stdin(Stdio::null()).output().context("cannot run qemu-system-x86_64")?;
    let said = String::from_utf8_lossy(&output.stdout);
    // The firmware begins by clearing the screen.
    let from = said.find("Booting from").unwrap_or_default();
    say(said.get(from..).unwrap_or_default())?;
    Ok(u8::from(!said.contains(WELL)))
}

/// The kernel's package, unpacked.
fn kernel(folder: &Path) -> Result<PathBuf> {
    let unpacked = folder.join("kernel");
    if unpacked.is_dir() {
        return Ok(unpacked);
    }
    let depends = done(Command::new("apt-cache").args(["depends", KERNEL]))?;
    let depends = String::from_utf8_lossy(&depends.stdout).into_owned();
    let mut named = depends.lines().filter_map(|it| it.trim().strip_prefix("Depends: "));
    let name = named.next().with_context(|| format!("the packages have no {KERNEL}"))?;
    say(&format!("downloading {name}"))?;
    done(Command::new("apt-get").args(["-q", "download", name]).current_dir(folder))?;
    let package = one_of(folder, name)?;
    let half = folder.join("kernel.half");
    done(Command::new("dpkg-deb").arg("-x").args([&package, &half]))?;
    fs::remove_file(package)?;
    fs::rename(half, &unpacked)?;
    Ok(unpacked)
}

/// A suite whose programs are there.
struct Built {
    tests: PathBuf,
    child: PathBuf,
    which: &'static str,
}

impl Suite {
    fn built(&self) -> Result<Built> {
        let mut cargo = crate::cargo();
        cargo.args(["test", "--locked", "--no-run", "-p", self.package]);
        let output = done(cargo.args(["--test", "it", "--message-format", "json"]))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let messages = text.lines().filter_map(|it| serde_json::from_str(it).ok());
        let programs: Vec<PathBuf> = messages
            .filter_map(|it: serde_json::Value| Some(it.get("executable")?.as_str()?.into()))
            .collect();
        let find = |is_meant: &dyn Fn(&str) -> bool| {
            let name =
                |it: &&PathBuf| it.file_name().and_then(|it| it.to_str()).is_some_and(is_meant);
            programs.iter().find(name).cloned()
        };
        match (find(&|it| it.starts_with("it-")), find(&|it| it == self.child)) {
            (Some(tests), Some(child)) => Ok(Built { tests, child, which: self.tests }),
            _ => bail!("cargo did not say where the tests of {} are", self.package),
        }
    }
}

/// Everything that the guest needs, as one file.
fn pack(folder: &Path, kernel: &Path, suites: &[Built]) -> Result<PathBuf> {
    let at = folder.join("root");
    if at.exists() {
        fs::remove_dir_all(&at)?;
    }
    let root = Root { at };
    for folder in ["bin", "dev", "etc", "proc", "run", "sbin", "sys", "tmp", "var/tmp"] {
        fs::create_dir_all(root.at.join(folder))?;
    }
    root.put(&found("busybox")?, Path::new("/bin/busybox"))?;
    for name in LINKS {
        symlink("busybox", root.at.join("bin").join(name))?;
    }
    // Where the kernel looks for it.
    symlink("../bin/busybox", root.at.join("sbin/modprobe"))?;
    for name in PROGRAMS {
        let program = found(name)?;
        root.put_with_libraries(&program)?;
    }
    for program in suites.iter().flat_map(|it| [&it.tests, &it.child]) {
        root.put_with_libraries(program)?;
        done(Command::new("strip").arg(root.inside(program)))?;
    }
    let modules = one_of(&kernel.join("lib/modules"), "")?;
    let version = modules.file_name().context("the kernel has no modules")?;
    let inside = root.at.join("lib/modules").join(version);
    for name in MODULES {
        let from = modules.join("kernel").join(name);
        let to = inside.join("kernel").join(name);
        fs::create_dir_all(&to)?;
        done(Command::new("cp").arg("-r").arg(from.join(".")).arg(to))?;
    }
    let init = root.at.join("init");
    fs::write(&init, begin(suites, &found("tc")?))?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    let packed = folder.join("initrd");
    let files = done(Command::new("find").arg(".").current_dir(&root.at))?;
    let list = folder.join("files");
    fs::write(&list, files.stdout)?;
    let mut cpio = Command::new("cpio");
    cpio.args(["--create", "--format=newc", "--quiet"]).current_dir(&root.at);
    let status = cpio.stdin(File::open(list)?).stdout(File::create(&packed)?).status()?;
    if !status.success() {
        bail!("cpio failed ({status})");
    }
    Ok(packed)
}

/// What the guest does from its beginning to its end. It is there for what this kernel may lack, so that is tried first.
fn begin(suites: &[Built], tc: &Path) -> String {
    let run = |it: &Built| format!("  {} {} --test-threads 2 &&\n", it.tests.display(), it.which);
    let runs: String = suites.iter().map(run).collect();
    // By its path, for the shell has one of its own.
    let tc = tc.display();
    format!(
        "#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin EVENKEEL_ENDINGS=all
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
depmod -a
ip link set lo up
{tc} qdisc add dev lo root netem duplicate 1% && {tc} qdisc del dev lo root &&
{runs}  echo {WELL}
busybox poweroff -f
"
    )
}

/// The files of the guest.
struct Root {
    at: PathBuf,
}

impl Root {
    /// Where something is that the guest knows by this path.
    fn inside(&self, path: &Path) -> PathBuf {
        self.at.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn put(&self, file: &Path, path: &Path) -> Result<()> {
        let to = self.inside(path);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(file, &to).with_context(|| format!("cannot copy {}", file.display()))?;
        Ok(())
    }

    /// By the same path as here, with what it is linked to.
    fn put_with_libraries(&self, program: &Path) -> Result<()> {
        self.put(program, program)?;
        let linked = done(Command::new("ldd").arg(program))?;
        let linked = String::from_utf8_lossy(&linked.stdout).into_owned();
        let libraries: BTreeSet<&str> =
            linked.split_whitespace().filter(|it| it.starts_with('/')).collect();
        libraries.into_iter().try_for_each(|it| self.put(Path::new(it), Path::new(it)))
    }
}

fn found(program: &str) -> Result<PathBuf> {
    packages::find(program)?.with_context(|| format!("there is no `{program}`"))
}

/// The only thing in a folder whose name begins so.
fn one_of(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    let mut entries = entries.filter_map(|it| Some(it.ok()?.path()));
    let fits =
        |it: &PathBuf| it.file_name().is_some_and(|it| it.to_string_lossy().starts_with(prefix));
    let none = || format!("{} has no {prefix}…", folder.display());
    entries.find(fits).with_context(none)
}

/// Runs a program that has to succeed.
fn done(command: &mut Command) -> Result<Output> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot run {command:?}"))?;
    match output.status.success() {
        true => Ok(output),
        false => bail!("{command:?} failed ({})", output.status),
    }
}
