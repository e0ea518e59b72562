//! The Python that has redis-py, the folder that has ioredis, and the one with Go's libraries.

use std::path::{Path, PathBuf};

/// Its interpreter: `TOPPLE_TEST_PYTHON`, or the one that `tests/run` makes.
pub fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let path = std::env::var_os("TOPPLE_TEST_PYTHON")
        .map_or_else(|| root.join("target/py/bin/python"), PathBuf::from);
    assert!(
        path.exists(),
        "redis-py is missing: python3 -m venv target/py && target/py/bin/pip install redis==5.0.8"
    );
    path
}

/// The folder below which ioredis is installed: `TOPPLE_TEST_NODE`, or the one that `tests/run` makes.
pub fn ioredis() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let path =
        std::env::var_os("TOPPLE_TEST_NODE").map_or_else(|| root.join("target/clients/node"), PathBuf::from);
    assert!(
        path.join("node_modules/ioredis").exists(),
        "ioredis is missing: npm install --prefix target/clients/node ioredis@5.4.1"
    );
    path
}

/// The workspace, and the folder of Debian's Go libraries with redigo, which `tests/run` installs.
pub fn go() -> (PathBuf, PathBuf) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned();
    let has_redigo = |folder: &PathBuf| folder.join("src/github.com/FZambia/sentinel").exists();
    let libraries = [root.join("target/debian/usr/share/gocode"), "/usr/share/gocode".into()]
        .into_iter()
        .find(has_redigo)
        .expect("redigo is missing: apt-get install golang-go golang-github-fzambia-sentinel-dev");
    (root, libraries)
}
