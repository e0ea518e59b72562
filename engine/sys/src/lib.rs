//! The system work that needs `unsafe` or speaks to the kernel about processes: fork, signals, parent
//! death, process titles, memory and CPU figures.
//!
//! **Invariant:** this crate and keyspace's packed-memory module are the only places with `unsafe`; every
//! block says why it is sound. Nothing here knows about Redis, sockets or the event loop, and nothing here
//! logs: callers get an [`std::io::Error`] and decide.

mod alloc;
mod children;
mod descriptors;
mod figures;
mod fork;
mod limits;
mod line;
mod process;
mod title;

pub use alloc::{Allocator, allocator_report, purge_allocator};
pub use children::{child_pids, has_children, kill_all_descendants};
pub use descriptors::close_inherited;
pub use figures::{CpuOf, CpuTimes, cpu_of_pid, cpu_times, private_dirty_bytes, rss_bytes};
pub use fork::{
    Forked, Guardian, SnapshotChild, SnapshotOptions, fork_guardian, fork_snapshot, is_main_thread,
};
pub use limits::raise_open_files;
pub use line::{append_line, write_line};
pub use process::{
    Ended, Reaped, SIGKILL, SpawnSpec, become_subreaper, daemonize, signal_process, spawn, waitpid_nohang,
    waitpid_nohang_any,
};
pub use title::{claim_title_area, set_comm, set_title};
