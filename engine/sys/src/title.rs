//! What `ps` and `top` show for the process: its title and its short name.
//!
//! A title is written over the memory that the kernel placed the arguments and environment in (proc(5),
//! `/proc/self/stat` fields 48 to 51). The environment is moved away first.

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::sync::OnceLock;

use nix::libc;

/// Where the title may be written: an address and a length.
struct TitleArea {
    start: usize,
    bytes: usize,
}

static AREA: OnceLock<TitleArea> = OnceLock::new();

/// Prepares the memory that [`set_title`] writes to. Call once, at the start of `main`, before any thread
/// is started; read the arguments first, for they are overwritten later.
pub fn claim_title_area() {
    if AREA.get().is_some() {
        return;
    }
    let Some((arguments, environment)) = spans() else { return };
    let start = arguments.0;
    // The environment usually follows the arguments without a gap; then a title may use both.
    let end = if arguments.1 == environment.0 {
        move_environment();
        environment.1
    } else {
        arguments.1
    };
    if end > start + 1 {
        let _ = AREA.set(TitleArea { start, bytes: end - start });
    }
}

type Span = (usize, usize);

fn spans() -> Option<(Span, Span)> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // Field 3 follows the last parenthesis, so field n is word n - 3.
    let words: Vec<&str> = stat.rsplit(')').next()?.split_ascii_whitespace().collect();
    let field = |number: usize| words.get(number - 3)?.parse::<usize>().ok().filter(|&value| value != 0);
    let arguments = (field(48)?, field(49)?);
    let environment = (field(50)?, field(51)?);
    (arguments.1 > arguments.0 && environment.1 >= environment.0).then_some((arguments, environment))
}

/// Gives the environment memory of its own, so that the original area can be overwritten.
fn move_environment() {
    let variables: Vec<(std::ffi::OsString, std::ffi::OsString)> = std::env::vars_os().collect();
    let moved: Vec<CString> = variables
        .into_iter()
        .filter_map(|(name, value)| {
            let mut pair = name.into_vec();
            pair.push(b'=');
            pair.extend(value.into_vec());
            CString::new(pair).ok()
        })
        .collect();
    // SAFETY: `environ` is the C library's own vector. The caller runs before any other thread exists (a
    // documented condition of `claim_title_area`); every string put in lives for the rest of the process.
    unsafe {
        libc::clearenv();
        for pair in moved {
            libc::putenv(pair.into_raw());
        }
    }
}

/// Sets what `ps` shows as the command line, cut to the space there is, and the short name with it.
///
/// Without [`claim_title_area`] only the short name is set.
pub fn set_title(title: &str) {
    let short = title.split_ascii_whitespace().next().unwrap_or(title);
    set_comm(short);
    let Some(area) = AREA.get() else { return };
    let used = title.len().min(area.bytes - 1);
    let start = area.start as *mut u8;
    // SAFETY: the span is this process's own argument (and moved environment) memory, writable and mapped
    // for its whole life; `used` leaves room for the final zero. Nobody reads it as Rust data: the standard
    // library's `args()` copies from it, which is why arguments must be read first.
    unsafe {
        std::ptr::write_bytes(start, 0, area.bytes);
        std::ptr::copy_nonoverlapping(title.as_ptr(), start, used);
    }
}

/// Sets the short name of the calling thread (at most 15 bytes are kept), shown by `top` and `ps -o comm`.
pub fn set_comm(name: &str) {
    if let Ok(name) = CString::new(name) {
        let _ = nix::sys::prctl::set_name(&name);
    }
}
