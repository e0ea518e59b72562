//! How many files the process may have open.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Has the process allowed so many open files, and gives how many it is: fewer where the system does not
/// allow that.
///
/// # Errors
/// When the limit cannot be read.
pub fn raise_open_files(wanted: u64) -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= wanted {
        return Ok(soft);
    }
    if setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_ok() {
        return Ok(wanted);
    }
    let most = wanted.min(hard);
    match setrlimit(Resource::RLIMIT_NOFILE, most, hard) {
        Ok(()) => Ok(most),
        Err(_) => Ok(soft),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_raised_and_never_lowered() {
        let before = raise_open_files(1).expect("a limit");
        let raised = raise_open_files(before + 1).expect("a limit");
        assert!(raised >= before);
        assert_eq!(raise_open_files(1).expect("a limit"), raised);
    }
}
