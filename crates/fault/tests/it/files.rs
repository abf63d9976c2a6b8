//! Files that fail and wait: what programs meet in a folder, that all else is as in the folder itself, and that nothing
//! lies over it afterwards, whoever was killed.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use evenkeel_fault::recover;
use evenkeel_model::document::{Fault, FileError, FileOperation};
use evenkeel_model::plan::PlannedFault;
use evenkeel_units::{Clock, Ratio, SystemClock};
use rustix::io::Errno;

use crate::aftermath::{guardian_in, left_by};
use crate::stage::{blocking, fault, open, service, signal, state_dir, until};

fn errors(path: &Path, error: FileError, operations: &[FileOperation]) -> PlannedFault {
    let operations = operations.iter().copied().collect();
    let (path, share) = (path.to_owned(), Ratio::percent(100));
    fault(Fault::IoErrors { path, error, share, operations }, None)
}

fn latency(path: &Path, delay: Duration, operation: FileOperation) -> PlannedFault {
    let (path, share) = (path.to_owned(), Ratio::percent(100));
    fault(Fault::IoLatency { path, delay, share, operations: BTreeSet::from([operation]) }, None)
}

/// A folder that no other test covers.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().canonicalize().unwrap().join("data");
    std::fs::create_dir(&path).unwrap();
    (parent, path)
}

/// What is mounted there, a line each.
fn mounted(at: &Path) -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    text.lines().filter(|it| it.contains(at.to_str().unwrap())).map(str::to_owned).collect()
}

/// Children of ours that serve this folder.
fn serving(at: &Path) -> usize {
    let mine = |it: &std::fs::DirEntry| {
        let path = it.path();
        let called = std::fs::read(path.join("cmdline")).unwrap_or_default();
        called.windows(11).any(|it| it == b"fusermount3")
            && called
                .windows(at.as_os_str().len())
                .any(|it| it == at.as_os_str().as_encoded_bytes())
    };
    std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter(mine).count()
}

#[tokio::test]
async fn only_what_is_named_fails_and_only_in_files_that_are_opened_meanwhile() {
    let ((_parent, path), state) = (folder(), state_dir());
    let mut before = OpenOptions::new().append(true).create(true).open(path.join("a")).unwrap();
    let mut faults = open(&service(None, &[]), state.path()).await;
    let full = errors(&path, FileError::NoSpace, &[FileOperation::Write]);
    faults.begin(0, &full).await.unwrap();
    assert_eq!(mounted(&path).len(), 1);
    let again = format!("{:?}", faults.begin(1, &full).await.unwrap_err());
    assert!(again.contains("is covered by another fault already"), "{again}");
    let at = path.clone();
    blocking(move || {
        before.write_all(b"as ever").unwrap();
        assert_eq!(std::fs::read(at.join("a")).unwrap(), b"as ever");
        let mut made = File::create(at.join("b")).unwrap();
        let error = made.write_all(b"lost").unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::NOSPC.raw_os_error()));
        made.sync_all().unwrap();
    })
    .await;
    let (evidence, error) = faults.end(0).await;
    assert_eq!((evidence.acted, error), (true, None), "{evidence:?}");
    assert_eq!(evidence.summary, "1 of 1 operations failed");
    assert_eq!(mounted(&path), Vec::<String>::new());
    let left = |name| std::fs::read(path.join(name)).unwrap();
    assert_eq!((left("a"), left("b")), (b"as ever".to_vec(), vec![]));
    // Nobody came by: it acted on nobody.
    faults.begin(2, &full).await.unwrap();
    let (evidence, _) = faults.end(2).await;
    assert_eq!((evidence.acted, evidence.summary.as_str()), (false, "0 of 0 operations failed"));
    faults.close().await.unwrap();
    until(|| serving(&path) == 0).await;
}

/// What programs do to files all day, and then what they see. Run as root.
const PROGRAMS: &str = r#"
cd "$1"
umask 027
mkdir -p a/b; printf hello > a/b/f; printf ' world' >> a/b/f
cp a/b/f g; mv g h; ln h i; ln -s a/b/f j; cat j; rm h; mv -f i k; cp k i
truncate -s 100000 k; dd if=/dev/urandom of=l bs=4k count=40 conv=fsync status=none
cp l m; cmp l m; rm l m; fallocate -l 8192 n; mkfifo p; mknod q c 1 3
chmod 4755 i; chown 65534:65534 k; touch -d 2001-02-03T04:05:06.789Z i; stat -c '%y %i' i >> ../numbers
mkdir -m 1777 all; mkdir -m 2775 group; chgrp 65534 group; echo > group/s; mkdir group/d
setpriv --reuid 65534 --regid 65534 --clear-groups sh -c 'echo mine > all/m; mkdir all/d; ! cat a/b/f; ! rm i' 2> /dev/null
mkdir empty; rmdir empty; ! rmdir a 2> /dev/null; ! mkdir a 2> /dev/null; flock k true
python3 -c '
import mmap, os
with open("map", "w+b") as f:
    f.truncate(8192)
    with mmap.mmap(f.fileno(), 8192) as m:
        m[4090:4100] = b"0123456789"
    os.setxattr("map", "user.note", b"of ours")
    f.seek(4090); print(f.read(10), os.getxattr("map", "user.note"), os.listxattr("map"))
os.rename("map", "mapped"); print(sorted(os.listdir(".")))
with open("gone", "w+") as f:
    os.unlink("gone"); f.write("still"); f.seek(0); print(f.read())
'
git init -q repository; cd repository
seq 9999 > file; git add .; git commit -qm one
git gc -q; git fsck --strict 2>&1; git log --format=%s; git status --short; cd ..
tar c repository | tar x -C group; diff -r repository group/repository
find . -path '*/.git' -prune -o \( -type d -printf '%P %m %U %G\n' -o -printf '%P %y %m %U %G %s %l %n\n' \) | sort
find . -path '*/.git' -prune -o -type f -print | sort | xargs cksum
"#;

fn programs(at: &Path) -> String {
    let output = Command::new("sh")
        .args(["-eu", "-c", PROGRAMS, "sh"])
        .arg(at)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs(["AUTHOR", "COMMITTER"].map(|it| (format!("GIT_{it}_NAME"), "us")))
        .envs(["AUTHOR", "COMMITTER"].map(|it| (format!("GIT_{it}_EMAIL"), "us@example.org")))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[tokio::test]
async fn what_is_not_met_is_as_in_the_folder_itself_and_stays_in_it() {
    let ((parent, path), state) = (folder(), state_dir());
    std::fs::set_permissions(parent.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let plain = path.with_file_name("plain");
    std::fs::create_dir(&plain).unwrap();
    let mut faults = open(&service(None, &[]), state.path()).await;
    // What is met is only counted, so to say: everything goes the long way.
    let all = FileOperation::NAMES.map(|it| it.1);
    let operations = all.into_iter().collect();
    let (delay, share) = (Duration::from_micros(1), Ratio::percent(100));
    let slow = Fault::IoLatency { path: path.clone(), delay, share, operations };
    faults.begin(0, &fault(slow, None)).await.unwrap();
    let (at, other) = (path.clone(), plain.clone());
    let (through, itself) = blocking(move || (programs(&at), programs(&other))).await;
    // Random bytes differ in nothing that is shown.
    assert_eq!(through, itself);
    let (evidence, error) = faults.end(0).await;
    assert_eq!((evidence.acted, error), (true, None), "{evidence:?}");
    let listed = |at: &Path| {
        let find = "cd \"$1\"; find . -printf '%P %y %m %U %G %l %n %i %T@\\n' | sort; git -C repository fsck";
        let command = ["-c", find, "sh", at.to_str().unwrap()];
        let output = Command::new("sh").args(command).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().lines().count()
    };
    assert_eq!(listed(&path), listed(&plain));
    // A file has the number that it had in the mount.
    let numbers = std::fs::read_to_string(parent.path().join("numbers")).unwrap();
    let number = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path.join("i")).unwrap());
    assert!(numbers.lines().next().unwrap().ends_with(&format!(" {number}")), "{numbers} {number}");
    faults.close().await.unwrap();
    until(|| serving(&path) == 0).await;
}

#[tokio::test]
async fn operations_wait_beside_each_other_and_no_longer_than_the_fault() {
    let ((_parent, path), state) = (folder(), state_dir());
    let mut faults = open(&service(None, &[]), state.path()).await;
    let delay = Duration::from_millis(100);
    faults.begin(0, &latency(&path, delay, FileOperation::Fsync)).await.unwrap();
    let at = path.clone();
    let taken = blocking(move || {
        let clock = SystemClock::start();
        std::thread::scope(|scope| {
            for n in 0..20 {
                let file = File::create(at.join(n.to_string())).unwrap();
                scope.spawn(move || file.sync_all().unwrap());
            }
        });
        clock.now().elapsed()
    })
    .await;
    assert!(taken >= delay && taken < delay * 15, "{taken:?}");
    let (evidence, _) = faults.end(0).await;
    assert_eq!(evidence.summary, "20 of 20 operations waited");
    faults.begin(1, &latency(&path, Duration::from_mins(1), FileOperation::Open)).await.unwrap();
    let file = path.join("1");
    let waits = std::thread::spawn(move || File::open(file).map(drop));
    let (count, clock) =
        (|| std::fs::read_dir("/proc/self/task").unwrap().count(), SystemClock::start());
    until(|| count() > 1 && clock.now().elapsed() > Duration::from_millis(50)).await;
    let (evidence, error) = faults.end(1).await;
    assert_eq!(error, None);
    // On a busy host it may open the file only now; then nobody keeps it waiting either.
    waits.join().unwrap().unwrap();
    assert!(clock.now().elapsed() < Duration::from_secs(30), "{evidence:?}");
    faults.close().await.unwrap();
}

/// A Redis that writes every change to its file before it answers.
struct Redis(Child, PathBuf);

impl Redis {
    async fn start(folder: &Path) -> Self {
        let socket = folder.with_file_name("socket");
        let process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "yes", "--appendfsync", "always"])
            .arg("--unixsocket")
            .arg(&socket)
            .arg("--dir")
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed by `cargo xtask test`");
        let it = Self(process, socket);
        until(|| it.asks(&["PING"]) == "PONG").await;
        it
    }

    fn asks(&self, command: &[&str]) -> String {
        let said = Command::new("redis-cli").arg("-s").arg(&self.1).args(command).output().unwrap();
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn a_database_that_was_started_meanwhile_is_served_on_and_loses_nothing() {
    let ((_parent, path), state) = (folder(), state_dir());
    let mut faults = open(&service(None, &[]), state.path()).await;
    let delay = Duration::from_millis(120);
    faults.begin(0, &latency(&path, delay, FileOperation::Fsync)).await.unwrap();
    let mut redis = Redis::start(&path).await;
    let clock = SystemClock::start();
    assert_eq!(redis.asks(&["SET", "a", "1"]), "OK");
    assert!(clock.now().elapsed() >= delay);
    let (evidence, error) = faults.end(0).await;
    assert_eq!((error, mounted(&path)), (None, vec![]));
    assert!(evidence.summary.contains("still open, and served on until closed"), "{evidence:?}");
    faults.close().await.unwrap();
    // The run is over, and the file that it opened through the mount goes on.
    assert_eq!((redis.asks(&["SET", "b", "2"]).as_str(), serving(&path)), ("OK", 1));
    redis.0.kill().unwrap();
    redis.0.wait().unwrap();
    until(|| serving(&path) == 0).await;
    let again = Redis::start(&path).await;
    assert_eq!(again.asks(&["MGET", "a", "b"]), "1\n2");
    drop(again);
    // The same database does not survive a disk that is full.
    let state = state_dir();
    let mut faults = open(&service(None, &[]), state.path()).await;
    let full = errors(&path, FileError::NoSpace, &[FileOperation::Write]);
    faults.begin(0, &full).await.unwrap();
    let mut victim = Redis::start(&path).await;
    assert_ne!(victim.asks(&["SET", "c", "3"]), "OK");
    let mut ended = false;
    until(|| {
        ended = victim.0.try_wait().unwrap().is_some();
        ended
    })
    .await;
    let (evidence, _) = faults.end(0).await;
    assert!(evidence.acted, "{evidence:?}");
    faults.close().await.unwrap();
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "how it tells the other test that it is done")]
async fn the_tool_that_covers_a_folder() {
    // Among the other tests it has nothing to do; they run it in a process that they kill.
    let Ok(path) = std::env::var("COVER") else { return };
    let mut faults = open(&service(None, &[]), &evenkeel_fault::state_dir()).await;
    let broken = errors(Path::new(&path), FileError::Io, &[FileOperation::Write]);
    faults.begin(0, &broken).await.unwrap();
    println!("covered");
    std::future::pending::<()>().await;
}

/// A tool that covers a folder; it is killed when the test is over.
struct Tool(Child);

impl Tool {
    fn covers(path: &Path, state: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "files::the_tool_that_covers_a_folder", "--nocapture"])
            .env("COVER", path)
            .env("EVENKEEL_STATE_DIR", state)
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let (tool, mut line) = (Self(child), String::new());
        while !line.contains("covered") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "the tool ended early");
        }
        tool
    }

    /// The child that serves.
    fn holder(&self) -> u32 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap();
        let children = tasks.map(|it| std::fs::read_to_string(it.unwrap().path().join("children")));
        let children: Vec<String> = children.map(Result::unwrap).collect();
        let pids = children.iter().flat_map(|it| it.split_ascii_whitespace());
        let called = |pid: &&str| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        pids.into_iter().find(|it| called(it).ends_with(b"hold\0")).unwrap().parse().unwrap()
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Longer than fusermount3 takes.
const SOON: Duration = Duration::from_secs(3);

#[tokio::test]
async fn whoever_is_killed_the_folder_is_as_before() {
    let (_parent, path) = folder();
    std::fs::write(path.join("a"), "as ever").unwrap();
    for whom in ["tool", "child", "tool and guardian", "everybody"] {
        let state = state_dir();
        let tool = Tool::covers(&path, state.path());
        let (guardian, holder) = (guardian_in(state.path()).pid, tool.holder());
        assert_eq!(mounted(&path).len(), 1, "{whom}");
        let at = path.join("a");
        // Cutting the file is a write, too, and has failed.
        let error = blocking(move || std::fs::write(at, "lost").unwrap_err()).await;
        assert_eq!(error.raw_os_error(), Some(Errno::IO.raw_os_error()), "{whom}");
        // The tool goes last: the others leave by themselves once it is gone.
        let pids = match whom {
            "tool" => vec![tool.0.id()],
            "child" => vec![holder],
            "tool and guardian" => vec![guardian, tool.0.id()],
            _ => vec![holder, guardian, tool.0.id()],
        };
        pids.iter().for_each(|it| signal("KILL", *it));
        let gone = || mounted(&path).is_empty() && serving(&path) == 0;
        if tokio::time::timeout(SOON, until(gone)).await.is_err() {
            // fusermount3 looks once. One time in some hundred, when others mount meanwhile, it leaves the mount alone:
            // then the guardian takes it away at the end, or the next start.
            signal("KILL", tool.0.id());
            until(|| left_by(state.path()).is_empty()).await;
            drop(recover(state.path()).await.unwrap());
        }
        until(gone).await;
        assert_eq!(std::fs::read_to_string(path.join("a")).unwrap(), "as ever", "{whom}");
        drop(tool);
        until(|| left_by(state.path()).is_empty()).await;
        drop(recover(state.path()).await.unwrap());
        assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0, "{whom}");
    }
}
