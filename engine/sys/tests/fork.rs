//! Fork tests. They run on the process's main thread, which the usual test harness does not give.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use topple_sys as sys;

fn main() {
    sys::claim_title_area();
    guardian_serves_its_socket_and_ends_descendants();
    snapshot_sees_memory_at_the_fork_and_reports();
    snapshot_holds_no_other_descriptor();
    snapshot_that_panics_ends_with_its_own_code();
    snapshot_is_refused_off_the_main_thread();
    snapshot_dies_with_its_parent();
    spawned_child_is_signalled_and_reaped();
    writeln!(io::stdout(), "7 fork tests passed").expect("stdout");
}

fn options(title: &str) -> sys::SnapshotOptions<'_> {
    sys::SnapshotOptions { title, extra: None, oom_score_adj: Some(900) }
}

fn read_to_end(pipe: OwnedFd) -> Vec<u8> {
    let mut file = File::from(pipe);
    let mut out = Vec::new();
    let limit = Instant::now() + Duration::from_secs(10);
    let mut chunk = [0; 4096];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return out,
            Ok(count) => out.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                assert!(Instant::now() < limit, "the pipe stays open");
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("reading the pipe: {error}"),
        }
    }
}

fn reap(pid: i32) -> sys::Ended {
    let limit = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(ended) = sys::waitpid_nohang(pid).expect("our child") {
            return ended;
        }
        assert!(Instant::now() < limit, "{pid} does not end");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn wait_for_file(path: &std::path::Path) {
    let limit = Instant::now() + Duration::from_secs(10);
    while !path.exists() {
        assert!(Instant::now() < limit, "{} does not appear", path.display());
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn snapshot_sees_memory_at_the_fork_and_reports() {
    let mut data = vec![7u8; 1 << 20];
    let dir = tempfile::tempdir().expect("temp dir");
    let path = dir.path().join("dump");
    let go = dir.path().join("go");
    let extra = File::create(&path).expect("file");
    let forked = sys::fork_snapshot(
        sys::SnapshotOptions { title: "snap-title x", extra: Some(extra.into()), oom_score_adj: Some(900) },
        |mut child| {
            wait_for_file(&go);
            let mut file = child.extra.take().expect("extra");
            file.write_all(&data).expect("write");
            let comm = std::fs::read_to_string("/proc/self/comm").expect("comm");
            let title = std::fs::read_to_string("/proc/self/cmdline").expect("cmdline");
            let oom = std::fs::read_to_string("/proc/self/oom_score_adj").expect("oom");
            let report = format!("{}|{}|{}", comm.trim(), title.trim_end_matches('\0'), oom.trim());
            sys::write_line(child.pipe.as_fd(), &report).expect("report");
            3
        },
    )
    .expect("fork");
    data.fill(9);
    File::create(&go).expect("go");
    let report = String::from_utf8(read_to_end(forked.pipe_read)).expect("text");
    let fields: Vec<&str> = report.trim().split('|').collect();
    assert_eq!(fields[0], "snap-title");
    assert_eq!(fields[1], "snap-title x");
    assert_eq!(fields[2], "900");
    assert_eq!(reap(forked.pid), sys::Ended::Code(3));
    let dumped = std::fs::read(&path).expect("dump");
    assert_eq!(dumped.len(), data.len());
    assert!(dumped.iter().all(|&byte| byte == 7), "the child saw later writes");
    assert!(forked.fork_us < 10_000_000);
}

fn snapshot_holds_no_other_descriptor() {
    let kept_open = File::open("/dev/zero").expect("open");
    let forked = sys::fork_snapshot(options("snap"), |child| {
        let own = child.pipe.as_raw_fd();
        let open: Vec<i32> =
            (3..1024).filter(|fd| std::path::Path::new(&format!("/proc/self/fd/{fd}")).exists()).collect();
        i32::from(open != [own])
    })
    .expect("fork");
    assert_eq!(reap(forked.pid), sys::Ended::Code(0));
    assert!(kept_open.metadata().is_ok(), "the parent's descriptors stay");
}

fn snapshot_that_panics_ends_with_its_own_code() {
    std::panic::set_hook(Box::new(|_| {}));
    let forked = sys::fork_snapshot(options("snap"), |_| panic!("on purpose")).expect("fork");
    assert_eq!(reap(forked.pid), sys::Ended::Code(134));
    let _ = std::panic::take_hook();
}

fn snapshot_is_refused_off_the_main_thread() {
    let result = std::thread::spawn(|| sys::fork_snapshot(options("snap"), |_| 0).map(|forked| forked.pid))
        .join()
        .expect("thread");
    assert_eq!(result.expect_err("refused").kind(), io::ErrorKind::PermissionDenied);
}

/// Waits for what a child tells.
fn read_line(pipe: OwnedFd) -> String {
    let mut pipe = File::from(pipe);
    let mut text = [0; 32];
    loop {
        match pipe.read(&mut text) {
            Ok(count) => return std::str::from_utf8(&text[..count]).expect("text").trim().to_owned(),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// A middle process forks a snapshot child and is killed; the child must follow.
fn snapshot_dies_with_its_parent() {
    sys::become_subreaper().expect("subreaper");
    let middle = sys::fork_snapshot(options("middle"), |child| {
        let inner = sys::fork_snapshot(options("inner"), |grandchild| {
            sys::write_line(grandchild.pipe.as_fd(), "ready").expect("a line");
            loop {
                std::thread::sleep(Duration::from_secs(1));
            }
        })
        .expect("inner fork");
        // From then on it is to die with its parent, so that the parent may be killed.
        read_line(inner.pipe_read);
        sys::write_line(child.pipe.as_fd(), &inner.pid.to_string()).expect("pid");
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    })
    .expect("fork");
    let inner: i32 = read_line(middle.pipe_read).parse().expect("pid");
    assert_ne!(inner, middle.pid);
    sys::signal_process(middle.pid, 9).expect("kill");
    assert_eq!(reap(middle.pid), sys::Ended::Signal(9));
    // As subreaper we inherit it and see how it ended.
    assert_eq!(reap(inner), sys::Ended::Signal(9));
}

fn spawned_child_is_signalled_and_reaped() {
    let dir = tempfile::tempdir().expect("temp dir");
    let log = dir.path().join("out");
    let spec = |argv: &[&str]| sys::SpawnSpec {
        argv: argv.iter().map(Into::into).collect(),
        env: vec![("TOPPLE_TEST".into(), "yes".into())],
        cwd: dir.path().to_owned(),
        output: File::options().append(true).create(true).open(&log).expect("log"),
    };
    let pid = sys::spawn(spec(&["sh", "-c", "echo $TOPPLE_TEST; pwd; exit 4"])).expect("spawn");
    assert_eq!(reap(pid), sys::Ended::Code(4));
    let text = std::fs::read_to_string(&log).expect("log");
    assert!(text.starts_with("yes\n/"), "{text}");
    let pid = sys::spawn(spec(&["sleep", "60"])).expect("spawn");
    sys::signal_process(pid, 15).expect("signal");
    assert_eq!(reap(pid), sys::Ended::Signal(15));
    assert!(sys::spawn(spec(&["/nonexistent/program"])).is_err());
    assert!(sys::signal_process(0, 15).is_err(), "0 would be the whole group");
    assert!(sys::signal_process(-1, 9).is_err(), "-1 would be everything");
}

/// A guardian ignores SIGHUP and may block more; its children must not inherit that.
fn assert_polite_signals_reach_children() {
    use nix::sys::signal::{SigSet, Signal};
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGTERM);
    blocked.thread_block().expect("mask");
    for number in ["TERM", "HUP"] {
        let pid = sys::spawn(sys::SpawnSpec {
            argv: ["sh", "-c", &format!("kill -{number} $$; exit 0")].map(Into::into).to_vec(),
            env: Vec::new(),
            cwd: std::env::temp_dir(),
            output: File::options().write(true).open("/dev/null").expect("null"),
        })
        .expect("spawn");
        assert!(matches!(reap(pid), sys::Ended::Signal(_)), "SIG{number} did not reach the child");
    }
}

fn guardian_serves_its_socket_and_ends_descendants() {
    let dir = tempfile::tempdir().expect("temp dir");
    let mut guardian = sys::fork_guardian(|mut socket| {
        sys::become_subreaper().expect("subreaper");
        // A child whose own child ignores every polite signal and has a child itself.
        let script = "(trap '' TERM INT HUP; sleep 1000 & touch up; sleep 1000) & sleep 1000";
        assert_polite_signals_reach_children();
        sys::spawn(sys::SpawnSpec {
            argv: vec!["sh".into(), "-c".into(), script.into()],
            env: Vec::new(),
            cwd: dir.path().to_owned(),
            output: File::options().write(true).open("/dev/null").expect("null"),
        })
        .expect("spawn");
        let mut byte = [0];
        let _ = socket.read(&mut byte);
        let reaped = sys::kill_all_descendants();
        let left = u8::from(sys::has_children());
        let _ = socket.write_all(&[u8::try_from(reaped.len()).expect("few"), left]);
        0
    })
    .expect("fork");
    wait_for_file(&dir.path().join("up"));
    guardian.socket.write_all(b"x").expect("write");
    let mut answer = [0; 2];
    guardian.socket.read_exact(&mut answer).expect("answer");
    assert!(answer[0] >= 3, "reaped {}", answer[0]);
    assert_eq!(answer[1], 0, "children are left");
    assert_eq!(reap(guardian.pid), sys::Ended::Code(0));
}
