//! Which arguments are secrets, and are not shown to those who look at commands.

use resp::Args;

use crate::table::Entry;

/// What stands for a secret.
pub(super) const REDACTED: &[u8] = b"(redacted)";
/// Directives whose value is a secret.
const DIRECTIVES: [&str; 5] =
    ["masterauth", "masteruser", "requirepass", "tls-key-file-pass", "tls-client-key-file-pass"];

/// The arguments of a command, secrets replaced.
pub(super) fn without_secrets<'a>(entry: &Entry, args: Args<'a>) -> Vec<&'a [u8]> {
    let mut shown: Vec<&[u8]> = args.iter().collect();
    let mut hide = |from: usize, count: usize| {
        shown.iter_mut().skip(from).take(count).for_each(|arg| *arg = REDACTED);
    };
    match entry.full_name.as_str() {
        "auth" => hide(1, 2),
        "acl|setuser" => hide(2, args.len()),
        "hello" => behind(args, 2, b"auth").into_iter().for_each(|at| hide(at, 2)),
        "config|set" => {
            for at in (2..args.len()).step_by(2) {
                let is = |name: &&str| args.at(at).eq_ignore_ascii_case(name.as_bytes());
                if DIRECTIVES.iter().any(is) {
                    hide(at + 1, 1);
                }
            }
        }
        "migrate" => {
            behind(args, 6, b"auth").into_iter().for_each(|at| hide(at, 1));
            behind(args, 6, b"auth2").into_iter().for_each(|at| hide(at, 2));
        }
        _ => {}
    }
    shown
}

/// The places behind a word.
fn behind(args: Args<'_>, from: usize, word: &[u8]) -> Vec<usize> {
    let is_word = |at: &usize| args.at(*at).eq_ignore_ascii_case(word);
    (from..args.len()).filter(is_word).map(|at| at + 1).collect()
}
