//! Memory and CPU figures of processes, from `/proc` and `getrusage`.
//!
//! Formats: proc(5), getrusage(2).

use std::fs;
use std::io;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::unistd::{SysconfVar, sysconf};

/// Bytes that only this process holds and has changed: in a snapshot child, what copy-on-write has copied.
/// 0 when the kernel does not say.
pub fn private_dirty_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/smaps_rollup")
        .or_else(|_| fs::read_to_string("/proc/self/smaps"))
        .unwrap_or_default();
    sum_of_field(&text, "Private_Dirty:")
}

fn sum_of_field(smaps: &str, field: &str) -> u64 {
    let kib = |line: &str| -> Option<u64> {
        line.strip_prefix(field)?.split_ascii_whitespace().next()?.parse().ok()
    };
    smaps.lines().filter_map(kib).sum::<u64>() * 1024
}

/// Resident bytes of a process.
///
/// # Errors
/// When there is no such process.
pub fn rss_bytes(pid: i32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages = text.split_ascii_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok());
    pages.map(|pages| pages * page_bytes()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn page_bytes() -> u64 {
    sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(4096)
}

/// CPU time used, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// In user mode.
    pub user_us: u64,
    /// In the kernel.
    pub system_us: u64,
}

/// Whose CPU time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuOf {
    /// All threads of this process.
    Process,
    /// Children that were reaped.
    Children,
    /// The calling thread.
    Thread,
}

/// CPU time of the calling process, its reaped children or the calling thread.
pub fn cpu_times(of: CpuOf) -> CpuTimes {
    let who = match of {
        CpuOf::Process => UsageWho::RUSAGE_SELF,
        CpuOf::Children => UsageWho::RUSAGE_CHILDREN,
        CpuOf::Thread => UsageWho::RUSAGE_THREAD,
    };
    let micros = |time: nix::sys::time::TimeVal| u64::try_from(time.num_microseconds()).unwrap_or(0);
    getrusage(who).map_or_else(
        |_| CpuTimes::default(),
        |usage| CpuTimes { user_us: micros(usage.user_time()), system_us: micros(usage.system_time()) },
    )
}

/// CPU time of another process, to the kernel's clock tick (usually 10 ms).
///
/// # Errors
/// When there is no such process.
pub fn cpu_of_pid(pid: i32) -> io::Result<CpuTimes> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks_per_s = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100).max(1);
    let tick_us = 1_000_000 / u64::try_from(ticks_per_s).unwrap_or(100);
    // Fields 14 and 15 of proc(5); the last parenthesis ends field 2.
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().skip(11);
    let mut next = || fields.next().and_then(|word| word.parse::<u64>().ok());
    match (next(), next()) {
        (Some(user), Some(system)) => Ok(CpuTimes { user_us: user * tick_us, system_us: system * tick_us }),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_a_field_over_mappings() {
        let smaps = "Rss: 9 kB\nPrivate_Dirty:        12 kB\nSwap: 1 kB\nPrivate_Dirty:   3 kB\n";
        assert_eq!(sum_of_field(smaps, "Private_Dirty:"), 15 * 1024);
        assert_eq!(sum_of_field("", "Private_Dirty:"), 0);
    }

    #[test]
    fn private_dirty_grows_with_written_memory() {
        let before = private_dirty_bytes();
        let page = vec![1u8; 8 << 20];
        let after = private_dirty_bytes();
        assert!(page.iter().all(|&byte| byte == 1));
        assert!(after >= before + (6 << 20), "{before} then {after}");
    }

    #[test]
    fn rss_and_cpu_of_this_process() {
        let pid = i32::try_from(std::process::id()).expect("pid");
        assert!(rss_bytes(pid).expect("statm") > 100_000);
        assert!(rss_bytes(i32::MAX).is_err());
        let start = cpu_times(CpuOf::Thread);
        let mut sum = 0u64;
        while cpu_times(CpuOf::Thread).user_us < start.user_us + 2_000 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let whole = cpu_times(CpuOf::Process);
        assert!(whole.user_us + whole.system_us >= 2_000);
        assert!(cpu_of_pid(pid).is_ok());
    }
}
