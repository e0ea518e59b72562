//! Keys and fields named after an element: `weight_*`, `object_*->field`, `#`.

use keyspace::{Data, Value};

use crate::Ctx;

/// A pattern with its first asterisk replaced by an element.
#[derive(Debug, PartialEq, Eq)]
struct Named<'a> {
    key: Vec<u8>,
    /// The field, where the key is to hold a hash.
    field: Option<&'a [u8]>,
}

fn name<'a>(pattern: &'a [u8], element: &[u8]) -> Option<Named<'a>> {
    let star = pattern.iter().position(|byte| *byte == b'*')?;
    let (prefix, rest) = (&pattern[..star], &pattern[star + 1..]);
    let arrow = rest.windows(2).position(|two| two == b"->").filter(|at| at + 2 < rest.len());
    let (suffix, field) = match arrow {
        Some(at) => (&rest[..at], Some(&rest[at + 2..])),
        None => (rest, None),
    };
    Some(Named { key: [prefix, element, suffix].concat(), field })
}

/// The string that a pattern names for an element: the element itself for `#`, otherwise a string key or
/// a field of a hash; none where there is no such thing.
pub(super) fn look_up(ctx: &mut Ctx<'_>, pattern: &[u8], element: &[u8]) -> Option<Vec<u8>> {
    if pattern == b"#" {
        return Some(element.to_vec());
    }
    let named = name(pattern, element)?;
    let owned = |value: Value<'_>| value.to_cow().into_owned();
    ctx.read_with(ctx.key(&named.key), |entry, _| match (entry?.data(), named.field) {
        (Data::Hash(hash), Some(field)) => hash.get(field).map(owned),
        (Data::String(value), None) => Some(owned(value)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pattern: &str) -> Option<(String, Option<&str>)> {
        let named = name(pattern.as_bytes(), b"E")?;
        let field = named.field.map(|field| std::str::from_utf8(field).unwrap());
        Some((String::from_utf8(named.key).unwrap(), field))
    }

    #[test]
    fn the_first_asterisk_is_the_element() {
        assert_eq!(shown("w_*"), Some(("w_E".into(), None)));
        assert_eq!(shown("*_*"), Some(("E_*".into(), None)));
        assert_eq!(shown("o_*->f"), Some(("o_E".into(), Some("f"))));
        assert_eq!(shown("*x->f->g"), Some(("Ex".into(), Some("f->g"))));
        assert_eq!(shown("*->"), Some(("E->".into(), None)));
        assert_eq!(shown("a->b*"), Some(("a->bE".into(), None)));
        assert_eq!(shown("plain"), None);
    }
}
