//! Writing one whole line with one `write(2)`.
//!
//! Several processes append to one log (a server and its snapshot child; the shims of several scripts to
//! one journal): with O_APPEND and a single write, lines never mix. No buffer and no lock is involved, so
//! a forked child may call this.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::path::Path;

/// Appends `text` and a newline to the file, which is created when missing.
///
/// # Errors
/// Those of opening or writing; a write cut short (disk full) is `WriteZero`.
pub fn append_line(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let line = format!("{text}\n");
    let written = file.write(line.as_bytes())?;
    if written == line.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Writes `text` and a newline to a descriptor.
///
/// # Errors
/// As [`append_line`].
pub fn write_line(descriptor: BorrowedFd<'_>, text: &str) -> io::Result<()> {
    let line = format!("{text}\n");
    let written = nix::unistd::write(descriptor, line.as_bytes())?;
    if written == line.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn lines_are_appended_whole() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("log");
        append_line(&path, "one")?;
        append_line(&path, "two")?;
        let file = OpenOptions::new().append(true).open(&path)?;
        write_line(file.as_fd(), "three")?;
        assert_eq!(std::fs::read_to_string(&path)?, "one\ntwo\nthree\n");
        assert!(append_line(Path::new("/dev/full"), "x").is_err());
        Ok(())
    }
}
