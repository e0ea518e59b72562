//! What the arguments of SORT ask for.

use std::ops::Range;

use resp::Args;

use crate::CommandError;
use crate::arguments::{integer, is_word};

/// Whether the result may be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    MayStore,
    ReadOnly,
}

/// What decides the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By<'a> {
    /// The element itself.
    Element,
    /// What this pattern names for the element.
    Pattern(&'a [u8]),
    /// Nothing: the order stays.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Options<'a> {
    pub(super) by: By<'a>,
    pub(super) descending: bool,
    pub(super) alpha: bool,
    /// Offset and number of the elements that are asked for; a negative number means all.
    limit: (i64, i64),
    /// Patterns of what is given in place of each element.
    pub(super) get: Vec<&'a [u8]>,
    pub(super) store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    /// Reads the options. Patterns are for clients that may read every key.
    pub(super) fn parse(
        args: Args<'a>,
        variant: Variant,
        reads_all_keys: bool,
    ) -> Result<Self, CommandError> {
        let denied = |option: &str| {
            let text = format!("ERR {option} option of SORT denied due to insufficient ACL permissions.");
            if reads_all_keys { Ok(()) } else { Err(CommandError::new(text)) }
        };
        let mut options = Options {
            by: By::Element,
            descending: false,
            alpha: false,
            limit: (0, -1),
            get: Vec::new(),
            store: None,
        };
        let mut at = 2;
        while at < args.len() {
            let (word, left) = (args.at(at), args.len() - at - 1);
            if is_word(word, "ASC") {
                options.descending = false;
            } else if is_word(word, "DESC") {
                options.descending = true;
            } else if is_word(word, "ALPHA") {
                options.alpha = true;
            } else if is_word(word, "LIMIT") && left >= 2 {
                options.limit = (integer(args.at(at + 1))?, integer(args.at(at + 2))?);
                at += 2;
            } else if is_word(word, "STORE") && left >= 1 && variant == Variant::MayStore {
                at += 1;
                options.store = Some(args.at(at));
            } else if is_word(word, "BY") && left >= 1 {
                at += 1;
                if !args.at(at).contains(&b'*') {
                    options.by = By::Nothing;
                } else {
                    denied("BY")?;
                    // That nothing sorts is never taken back.
                    if options.by != By::Nothing {
                        options.by = By::Pattern(args.at(at));
                    }
                }
            } else if is_word(word, "GET") && left >= 1 {
                denied("GET")?;
                at += 1;
                options.get.push(args.at(at));
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        Ok(options)
    }

    /// Which of `len` elements in order are asked for.
    pub(super) fn window(&self, len: usize) -> Range<usize> {
        let (offset, count) = self.limit;
        let start = usize::try_from(offset.max(0)).unwrap_or(usize::MAX).min(len);
        match usize::try_from(count) {
            Ok(count) => start..start + count.min(len - start),
            Err(_) => start..len,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(limit: (i64, i64)) -> Range<usize> {
        let (by, get) = (By::Element, Vec::new());
        Options { by, descending: false, alpha: false, limit, get, store: None }.window(5)
    }

    #[test]
    fn windows_stay_within_the_elements() {
        assert_eq!(window((0, -1)), 0..5);
        assert_eq!(window((1, 2)), 1..3);
        assert_eq!(window((-3, 2)), 0..2);
        assert_eq!(window((4, 9)), 4..5);
        assert_eq!(window((5, 1)), 5..5);
        assert_eq!(window((9, -1)), 5..5);
        assert_eq!(window((i64::MAX, i64::MAX)), 5..5);
        assert_eq!(window((i64::MIN, i64::MIN)), 0..5);
        assert_eq!(window((2, 0)), 2..2);
    }
}
