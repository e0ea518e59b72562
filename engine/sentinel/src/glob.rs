//! Glob patterns as Redis matches them: `*`, `?`, `[a-z]`, `[^…]`, `\`.

/// Whether `text` matches `pattern`; letters match in the given case only.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // The place behind the last star, and what it is tried against next.
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() || p < pattern.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        if t < text.len()
            && let Some(width) = match_one(&pattern[p..], text[t])
        {
            p += width;
            t += 1;
            continue;
        }
        match star {
            Some((after, at)) if at < text.len() => {
                star = Some((after, at + 1));
                (p, t) = (after, at + 1);
            }
            _ => return false,
        }
    }
    true
}

/// The width of the pattern's first element if it matches `byte`.
fn match_one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', class @ ..] => match_class(class, byte).map(|width| width + 1),
        [plain, ..] => (*plain == byte).then_some(1),
    }
}

fn match_class(class: &[u8], byte: u8) -> Option<usize> {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match &class[at..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                at += 2;
            }
            [from, b'-', to, ..] => {
                found |= (*from.min(to)..=*from.max(to)).contains(&byte);
                at += 3;
            }
            [one, ..] => {
                found |= *one == byte;
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        let cases = [
            ("*", "", true),
            ("my*", "mymaster", true),
            ("*ter", "mymaster", true),
            ("m?master", "mymaster", true),
            ("m[xyz]master", "mymaster", true),
            ("m[^xyz]master", "mymaster", false),
            ("m[a-z]*r", "mymaster", true),
            ("my\\*", "mymaster", false),
            ("my\\*", "my*", true),
            ("mymaster", "mymaste", false),
            ("", "a", false),
            ("a*b*c", "axxbyyc", true),
            ("[ab", "a", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
