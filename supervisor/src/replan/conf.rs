//! The text of configuration files: directives of a generated one, and changing some of a file that its server
//! may have rewritten meanwhile.
//!
//! A changed file keeps every line that the change is not about: after a failover a server's own file says whom
//! it follows, and a sentinel's what it has agreed on.

use std::collections::BTreeMap;

/// The values of every directive, in order; a sentinel's are named with their second word
/// (`sentinel monitor`).
pub(super) fn directives(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in text.lines().filter_map(directive) {
        found.entry(name).or_default().push(value.to_owned());
    }
    found
}

/// Name and value of a line; none for comments and empty lines.
fn directive(line: &str) -> Option<(String, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    let first = first.to_ascii_lowercase();
    if first != "sentinel" {
        return Some((first, rest.trim_start()));
    }
    let (second, rest) = rest.trim_start().split_once(' ').unwrap_or((rest, ""));
    Some((format!("sentinel {}", second.to_ascii_lowercase()), rest.trim_start()))
}

/// What CONFIG SET takes for the lines of a directive: their words, joined.
pub(super) fn live_value(values: &[String]) -> Option<String> {
    let words: Result<Vec<Vec<Vec<u8>>>, _> =
        values.iter().map(|value| resp::split::split_words(value.as_bytes())).collect();
    let words: Vec<String> =
        words.ok()?.into_iter().flatten().map(|word| String::from_utf8_lossy(&word).into_owned()).collect();
    Some(words.join(" "))
}

/// The file with the given directives replaced; one without values is taken out.
pub(super) fn amend(text: &str, changes: &BTreeMap<String, Vec<String>>) -> String {
    let kept =
        text.lines().filter(|line| directive(line).is_none_or(|(name, _)| !changes.contains_key(&name)));
    let mut out: String = kept.map(|line| format!("{line}\n")).collect();
    for (name, values) in changes {
        out.extend(values.iter().map(|value| format!("{name} {value}\n")));
    }
    out
}

/// A sentinel's file without a monitored master.
pub(super) fn without_monitor(text: &str, monitor: &str) -> String {
    let about = |line: &&str| directive(line).is_some_and(|(name, value)| is_about(&name, value, monitor));
    text.lines().filter(|line| !about(line)).map(|line| format!("{line}\n")).collect()
}

/// A sentinel's file with settings of a monitored master replaced. The quorum is a part of the line
/// `sentinel monitor`, whose address stays as the sentinel has written it; a setting without a value is taken
/// out.
pub(super) fn with_settings(text: &str, monitor: &str, settings: &[(String, Option<String>)]) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let Some((name, value)) = directive(line).filter(|(name, value)| is_about(name, value, monitor))
        else {
            out.push_str(&format!("{line}\n"));
            continue;
        };
        let quorum = settings.iter().find(|(setting, _)| setting == "quorum");
        match (name.as_str(), quorum) {
            ("sentinel monitor", Some((_, Some(quorum)))) => {
                let place = value.rsplit_once(' ').map_or(value, |(place, _)| place);
                out.push_str(&format!("sentinel monitor {place} {quorum}\n"));
            }
            _ if settings.iter().any(|(setting, _)| name == format!("sentinel {setting}")) => {}
            _ => out.push_str(&format!("{line}\n")),
        }
    }
    for (setting, value) in settings.iter().filter(|(setting, _)| setting != "quorum") {
        if let Some(value) = value {
            out.push_str(&format!("sentinel {setting} {monitor} {value}\n"));
        }
    }
    out
}

fn is_about(name: &str, value: &str, monitor: &str) -> bool {
    name.starts_with("sentinel ") && value.split(' ').next() == Some(monitor)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const REWRITTEN: &str = "# Generated\nport 26379\nsentinel monitor mm 127.0.0.1 6380 2\n\
                             sentinel down-after-milliseconds mm 500\nsentinel monitor other 127.0.0.1 7 1\n\
                             sentinel myid abc\nsentinel known-replica mm 127.0.0.1 6379\n";

    #[test]
    fn directives_have_all_their_values() {
        let found = directives("save 900 1\nSave 300 10\n# x\nsentinel Monitor mm ::1 7 2\nappendonly\n");
        assert_eq!(found["save"], ["900 1", "300 10"]);
        assert_eq!(found["sentinel monitor"], ["mm ::1 7 2"]);
        assert_eq!(found["appendonly"], [""]);
        assert_eq!(live_value(&found["save"]), Some("900 1 300 10".to_owned()));
        assert_eq!(live_value(&["\"a b\"".to_owned()]), Some("a b".to_owned()));
        assert_eq!(live_value(&["\"\"".to_owned()]), Some(String::new()));
        assert_eq!(live_value(&["\"a".to_owned()]), None);
    }

    #[test]
    fn only_what_is_changed_is_replaced() {
        let changes = BTreeMap::from([
            ("maxmemory".to_owned(), vec!["2mb".to_owned()]),
            ("save".to_owned(), Vec::new()),
        ]);
        let text = amend("save 900 1\nsave 300 10\nreplicaof 127.0.0.1 7\nMAXMEMORY 1mb\n", &changes);
        assert_eq!(text, "replicaof 127.0.0.1 7\nmaxmemory 2mb\n");
    }

    #[test]
    fn a_sentinels_own_knowledge_stays() {
        expect![[r#"
            # Generated
            port 26379
            sentinel monitor other 127.0.0.1 7 1
            sentinel myid abc
        "#]]
        .assert_eq(&without_monitor(REWRITTEN, "mm"));
        let settings = [
            ("quorum".to_owned(), Some("3".to_owned())),
            ("down-after-milliseconds".to_owned(), None),
            ("parallel-syncs".to_owned(), Some("2".to_owned())),
        ];
        expect![[r#"
            # Generated
            port 26379
            sentinel monitor mm 127.0.0.1 6380 3
            sentinel monitor other 127.0.0.1 7 1
            sentinel myid abc
            sentinel known-replica mm 127.0.0.1 6379
            sentinel parallel-syncs mm 2
        "#]]
        .assert_eq(&with_settings(REWRITTEN, "mm", &settings));
    }
}
