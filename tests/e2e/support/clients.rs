//! The Python that has redis-py, and the folder that has ioredis.

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
