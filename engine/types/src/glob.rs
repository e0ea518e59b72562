//! Patterns as KEYS, SCAN MATCH, PSUBSCRIBE and CONFIG GET understand them: `*`, `?`, `[a-z]`, `[^a]`, `\x`.

/// Whether letters match whatever their case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// They must be equal.
    Sensitive,
    /// ASCII letters match in either case.
    Insensitive,
}

/// Whether `text` matches `pattern`.
///
/// Runs in time proportional to the product of the lengths at worst, whatever the pattern: on a mismatch
/// only the last star is retried. As in Redis, nothing but the empty pattern matches the empty text.
pub fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            while pattern.get(p) == Some(&b'*') {
                p += 1;
            }
            if p == pattern.len() {
                return true;
            }
            retry = Some((p, t));
            continue;
        }
        if t == text.len() {
            return p == pattern.len();
        }
        match match_one(&pattern[p..], text[t], case) {
            Some(taken) => {
                p += taken;
                t += 1;
            }
            None => match &mut retry {
                Some((star, from)) if *from < text.len() => {
                    *from += 1;
                    (p, t) = (*star, *from);
                }
                _ => return false,
            },
        }
    }
}

/// Matches one byte against the pattern's first element; gives the element's length.
fn match_one(pattern: &[u8], byte: u8, case: Case) -> Option<usize> {
    let same = |a: u8| a == byte || (case == Case::Insensitive && a.eq_ignore_ascii_case(&byte));
    match *pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', ..] => match_class(pattern, byte, case),
        [b'\\', escaped, ..] => same(escaped).then_some(2),
        [literal, ..] => same(literal).then_some(1),
    }
}

/// Matches a `[…]` class; an unclosed one ends with the pattern.
fn match_class(pattern: &[u8], byte: u8, case: Case) -> Option<usize> {
    let fold = |b: u8| if case == Case::Insensitive { b.to_ascii_lowercase() } else { b };
    let byte = fold(byte);
    let negated = pattern.get(1) == Some(&b'^');
    let mut at = if negated { 2 } else { 1 };
    let mut found = false;
    loop {
        match pattern[at..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', escaped, ..] => {
                found |= fold(escaped) == byte;
                at += 2;
            }
            [low, b'-', high, ..] => {
                let (low, high) = (fold(low.min(high)), fold(low.max(high)));
                found |= (low..=high).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                found |= fold(literal) == byte;
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("*", "", false),
            ("**", "", false),
            ("", "", true),
            ("", "a", false),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeeello", true),
            ("h*llo*", "hellllo", true),
            ("h[ae]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            ("a[", "a", false),
            ("[abc", "b", true),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxbxx", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive),
                expected,
                "{pattern} {text}"
            );
        }
        assert!(matches(b"HEL[A-L]O", b"hello", Case::Insensitive));
    }

    #[test]
    fn hostile_patterns_end_soon() {
        let pattern = b"a*".repeat(50);
        assert!(!matches(&[&pattern[..], b"b"].concat(), &[b'a'; 5000], Case::Sensitive));
    }
}
