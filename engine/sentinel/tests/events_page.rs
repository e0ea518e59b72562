//! The page of events names every event that the code has, and no other.

use std::{collections::BTreeSet, fs, path::Path};

/// Whether a text is the name of an event.
fn is_event(text: &str) -> bool {
    let mut letters = text.bytes();
    matches!(letters.next(), Some(b'+' | b'-'))
        && text.len() > 3
        && letters.all(|b| b.is_ascii_lowercase() || b == b'-')
}

/// What stands between two marks and is the name of an event.
fn events(text: &str, mark: char) -> impl Iterator<Item = String> {
    text.split(mark).filter(|part| is_event(part)).map(str::to_owned)
}

fn sources(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.extend(events(&fs::read_to_string(path).expect("a source"), '"'));
        }
    }
}

#[test]
fn the_page_names_every_event() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("EVENTS.md")).expect("the page");
    let table = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('|').next());
    let named: BTreeSet<String> =
        table.flat_map(|cell| events(&format!("`{cell}"), '`').collect::<Vec<_>>()).collect();
    let mut used = BTreeSet::new();
    sources(&root.join("src"), &mut used);
    assert_eq!(used, named, "events in the code, and on the page");
}
