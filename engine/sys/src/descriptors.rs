//! Closing descriptors that a child inherited and must not hold.
//!
//! A snapshot child that keeps its parent's sockets open would keep clients' connections half alive after
//! the parent closed them, and keep the listening port taken after the parent's death.

use std::fs;
use std::io;
use std::os::fd::RawFd;

use nix::libc;

/// Closes every descriptor from 3 up except those given.
///
/// For a freshly forked child only: values that still own a descriptor (files, sockets) must not be used or
/// dropped afterwards.
///
/// # Errors
/// Only when the kernel has neither `close_range` nor a readable `/proc/self/fd`.
pub fn close_inherited(keep: &[RawFd]) -> io::Result<()> {
    let mut kept: Vec<u32> = keep.iter().filter_map(|&fd| u32::try_from(fd).ok()).collect();
    kept.sort_unstable();
    let mut first = 3;
    for fd in kept {
        if fd < first {
            continue;
        }
        if fd > first {
            close_span(first, fd - 1)?;
        }
        first = fd + 1;
    }
    close_span(first, u32::MAX)
}

fn close_span(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: close_range takes plain numbers; the caller promises that nobody uses these descriptors.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if result == 0 {
        return Ok(());
    }
    // Linux before 5.9, or a sandbox that filters the call.
    let mut open = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        if let Some(fd) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) {
            open.push(fd);
        }
    }
    for fd in open.into_iter().filter(|fd| (first..=last).contains(fd)) {
        // SAFETY: as above. The descriptor of the directory walk itself is gone by now: EBADF is harmless.
        unsafe { libc::close(fd as RawFd) };
    }
    Ok(())
}
