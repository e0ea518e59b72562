//! Files that an `include` directive names, perhaps by a pattern as a shell would read it.
//!
//! A name without `*`, `?` or `[` must exist; a pattern may match nothing. Matches come in order of their
//! names, as glob(3) gives them.

use std::path::{Path, PathBuf};

use commands::config::Included;
use types::glob::{Case, matches};

/// Reads them.
pub(crate) fn read(wanted: &str) -> Result<Included, String> {
    if !is_pattern(wanted) {
        return Ok(vec![read_one(Path::new(wanted))?]);
    }
    let root = if wanted.starts_with('/') { PathBuf::from("/") } else { PathBuf::new() };
    let mut found = vec![root];
    for part in wanted.split('/').filter(|part| !part.is_empty()) {
        found = match is_pattern(part) {
            false => found.into_iter().map(|path| path.join(part)).collect(),
            true => found.iter().flat_map(|path| entries(path, part)).collect(),
        };
    }
    found.retain(|path| path.is_file());
    found.sort();
    found.iter().map(|path| read_one(path)).collect()
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn entries(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    let place = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let Ok(listed) = std::fs::read_dir(place) else { return Vec::new() };
    let names = listed.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    // A pattern finds no hidden file unless it says so.
    let visible = |name: &String| !name.starts_with('.') || pattern.starts_with('.');
    let fitting =
        names.filter(visible).filter(|name| matches(pattern.as_bytes(), name.as_bytes(), Case::Sensitive));
    fitting.map(|name| directory.join(name)).collect()
}

fn read_one(path: &Path) -> Result<(String, String), String> {
    let shown = path.to_string_lossy().into_owned();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok((shown, text)),
        Err(error) => {
            Err(format!("Fatal error, can't open config file '{shown}': {}", crate::listen::reason(&error)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_files_in_order() {
        let directory = std::env::temp_dir().join(format!("topple-include-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("b")).unwrap();
        for name in ["2.conf", "1.conf", ".hidden.conf", "other", "b/3.conf"] {
            std::fs::write(directory.join(name), name).unwrap();
        }
        let texts = |pattern: &str| {
            let found = read(&format!("{}/{pattern}", directory.display())).unwrap();
            found.into_iter().map(|(_, text)| text).collect::<Vec<_>>()
        };
        assert_eq!(texts("*.conf"), ["1.conf", "2.conf"]);
        assert_eq!(texts("?/[0-9].conf"), ["b/3.conf"]);
        assert_eq!(texts("nothing*"), Vec::<String>::new());
        assert_eq!(texts("other"), ["other"]);
        assert!(read(&format!("{}/missing", directory.display())).is_err());
        std::fs::remove_dir_all(directory).unwrap();
    }
}
