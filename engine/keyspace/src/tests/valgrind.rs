//! Runs the tests of packed memory, and a few of the whole table, under valgrind: invalid reads
//! and writes, use of uninitialized memory and leaks fail the test.

use std::process::Command;

const FILTERS: [&str; 6] = [
    "packed::tests::",
    "packed::block::",
    "tests::an_empty_database",
    "tests::taking_a_database",
    "tests::a_little_of_everything",
    "sorted_set::tests::handles_lead",
];

#[test]
fn packed_memory_is_clean_under_valgrind() {
    let output = Command::new("valgrind")
        .args(["--quiet", "--error-exitcode=99", "--leak-check=full"])
        .args(["--errors-for-leak-kinds=definite,indirect", "--show-leak-kinds=definite,indirect"])
        .arg(std::env::current_exe().unwrap())
        .args(["--test-threads=1"])
        .args(FILTERS)
        .output()
        .expect("valgrind is missing; install it with: apt-get install valgrind");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("every_combination_of_lengths_reads_back ... ok"), "no test ran: {text}");
}

#[test]
fn a_little_of_everything() {
    use super::{insert, key, remove};
    use crate::Expiry;

    let mut db = super::db();
    for n in 0..900u32 {
        insert(&mut db, &key(n), &vec![b'x'; n as usize]);
        let key = key(n / 2);
        let h = db.hash_of(&key);
        db.edit(h, &key, |bytes| bytes.extend_from_slice(b"some more"));
        db.set_int(h, &key, n.into(), Expiry::Keep, n);
    }
    for n in 0..900 {
        let taken = db.remove(db.hash_of(&key(n)), &key(n)).unwrap();
        if n % 3 == 0 {
            let to = key(n + 10_000);
            db.insert_removed(db.hash_of(&to), &to, taken);
        }
    }
    assert_eq!(super::scan_all(&db, 10).len(), 300);
    (0..900).step_by(3).for_each(|n| assert!(remove(&mut db, &key(n + 10_000))));
    db.table.check();
}
