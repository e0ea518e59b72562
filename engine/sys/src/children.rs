//! Listing and ending the descendants of a subreaper.
//!
//! **Invariant:** only direct, unreaped children are ever signalled, so a recycled pid is never hit. That
//! is enough to end a whole tree: when a process dies its children are re-parented to the subreaper and are
//! direct children in the next round.

use std::fs;
use std::thread;
use std::time::Duration;

use nix::libc;

use crate::process::{Reaped, signal_process, waitpid_nohang_any};

/// Pids of the calling process's children, zombies included. The kernel may miss one that is being
/// re-parented at this moment; callers repeat.
pub fn child_pids() -> Vec<i32> {
    let pid = std::process::id();
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return scan_for_children(pid) };
    let mut children = Vec::new();
    for task in tasks.flatten() {
        // Absent when the kernel was built without CONFIG_PROC_CHILDREN.
        let Ok(text) = fs::read_to_string(task.path().join("children")) else {
            return scan_for_children(pid);
        };
        children.extend(text.split_ascii_whitespace().filter_map(|word| word.parse::<i32>().ok()));
    }
    children
}

fn scan_for_children(parent: u32) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The command's name is in parentheses and may hold anything; state and parent follow the last one.
        let parent_field = stat.rsplit(')').next().and_then(|rest| rest.split_ascii_whitespace().nth(1));
        parent_field.and_then(|word| word.parse::<u32>().ok()) == Some(parent)
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(is_child)
        .collect()
}

/// Whether the calling process has children, running or not yet reaped.
pub fn has_children() -> bool {
    // SAFETY: waitid writes only to the structure given; WNOWAIT leaves every child as it is.
    let result = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)
    };
    result == 0
}

/// Kills and reaps children until the calling process has none left, and gives those reaped.
///
/// With [`crate::become_subreaper`] in force no descendant survives this, however deep: every orphan
/// becomes a child in turn. Does not return while one hangs in the kernel.
pub fn kill_all_descendants() -> Vec<Reaped> {
    let mut reaped = Vec::new();
    let mut pause = Duration::from_micros(200);
    loop {
        for pid in child_pids() {
            // A failure here means that it is a zombie, which the loop below reaps.
            let _ = signal_process(pid, libc::SIGKILL);
        }
        let mut progressed = false;
        loop {
            match waitpid_nohang_any() {
                Ok(Some(child)) => {
                    progressed = true;
                    reaped.push(child);
                }
                Ok(None) => break,
                Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return reaped,
                Err(_) => return reaped,
            }
        }
        pause =
            if progressed { Duration::from_micros(200) } else { (pause * 2).min(Duration::from_millis(20)) };
        thread::sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn both_ways_of_listing_find_a_child() -> io::Result<()> {
        let mut child = std::process::Command::new("sleep").arg("60").spawn()?;
        let pid = i32::try_from(child.id()).expect("pid");
        assert!(child_pids().contains(&pid));
        assert!(scan_for_children(std::process::id()).contains(&pid));
        assert!(has_children());
        child.kill()?;
        child.wait()?;
        assert!(!child_pids().contains(&pid));
        Ok(())
    }
}
