//! Imported files: where they are looked for, how often they are evaluated, and mistakes in them.

use std::path::Path;
use std::rc::Rc;

use expect_test::{Expect, expect};

use super::super::{Inputs, Script, evaluate, render_all};
use crate::ports::CountedPorts;

/// Writes files into a folder, evaluates the first, and gives what it printed or was told.
fn told(files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().expect("temporary directory");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    let main = folder.path().join(files[0].0);
    let script = Script::open(&main.display().to_string(), Path::new("/run-1")).expect("there");
    let text = match evaluate(&Rc::new(script), &Inputs::default(), Box::new(CountedPorts::default())) {
        Ok(evaluation) => evaluation.printed.iter().map(|line| format!("{line}\n")).collect(),
        Err(mistakes) => render_all(&mistakes, false),
    };
    text.replace(&format!("{}/", folder.path().display()), "")
}

fn check(files: &[(&str, &str)], expected: Expect) {
    expected.assert_eq(&told(files));
}

#[test]
fn paths_start_from_the_file_they_stand_in() {
    let inner = ("parts/deep/inner.rhai", "export const PORT = 7001; fn twice(x) { 2 * x }");
    let outer = (
        "parts/outer.rhai",
        "import \"deep/inner\" as inner; export const PORT = inner::PORT;\n\
         fn early(x) { inner::twice(x) } fn late(x) { import \"deep/inner\" as i; i::twice(x) }",
    );
    let main = (
        "t.rhai",
        "import \"parts/outer\" as outer; print(outer::PORT); print(outer::early(2)); print(outer::late(3));",
    );
    check(
        &[main, outer, inner],
        expect![[r#"
            7001
            4
            6
        "#]],
    );
}

#[test]
fn a_file_that_two_others_import_is_evaluated_once() {
    check(
        &[
            ("t.rhai", "import \"a\" as a; import \"b\" as b; print(a::m == b::m);"),
            ("a.rhai", "import \"shared\" as s; export let m = s::m;"),
            ("b.rhai", "import \"shared\" as s; export let m = s::m;"),
            ("shared.rhai", "print(\"once\"); export let m = master(\"m\");"),
        ],
        expect![[r#"
            once
            true
        "#]],
    );
}

#[test]
fn a_missing_file_is_told_with_what_was_meant() {
    check(
        &[
            ("t.rhai", "import \"parts/outer\" as outer;"),
            ("parts/outer.rhai", "// Its neighbour.\nimport \"parts/inner\" as inner;"),
            ("parts/inner.rhai", ""),
        ],
        expect![[r#"
            error: there is no script parts/parts/inner.rhai to import
              --> parts/outer.rhai:2:8
               |
             2 | import "parts/inner" as inner;
               |        ^^^^^^^^^^^^^
               = paths start from the file they stand in: write "inner"

        "#]],
    );
    check(
        &[("t.rhai", "import \"oter\" as outer;"), ("outer.rhai", "")],
        expect![[r#"
            error: there is no script oter.rhai to import
              --> t.rhai:1:8
               |
             1 | import "oter" as outer;
               |        ^^^^^^
               = did you mean `outer`?

        "#]],
    );
}

#[test]
fn files_that_import_each_other_are_refused() {
    check(
        &[
            ("t.rhai", "import \"a\" as a;"),
            ("a.rhai", "import \"parts/b\" as b;"),
            ("parts/b.rhai", "\n  import \"../t\" as t;"),
        ],
        expect![[r#"
            error: t.rhai imports itself, by way of a.rhai and parts/b.rhai
              --> parts/b.rhai:2:10
               |
             2 |   import "../t" as t;
               |          ^^^^^^
               = what both need belongs into a file of its own that each of them imports

        "#]],
    );
    check(
        &[("t.rhai", "import \"a\" as a;"), ("a.rhai", "fn f() { 1 }\nimport \"./a.rhai\" as b;")],
        expect![[r#"
            error: a.rhai imports itself
              --> a.rhai:2:8
               |
             2 | import "./a.rhai" as b;
               |        ^^^^^^^^^^

        "#]],
    );
    let chain: Vec<(String, String)> =
        (0..40).map(|i| (format!("c{i}.rhai"), format!("import \"c{}\" as next;", i + 1))).collect();
    let chain: Vec<(&str, &str)> = chain.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    check(
        &chain,
        expect![[r#"
            error: 16 files import one another, one inside the other, and no more may
              --> c16.rhai:1:8
               |
             1 | import "c17" as next;
               |        ^^^^^

        "#]],
    );
}

#[test]
fn mistakes_in_an_imported_file_are_shown_there() {
    let main = ("t.rhai", "import \"parts/outer\" as outer;\nouter::work(#{});");
    let outer = ("parts/outer.rhai", "import \"inner\" as inner;\nfn work(x) { inner::work(x) }");
    check(
        &[main, outer, ("parts/inner.rhai", "// One.\nlet x = = 2;")],
        expect![[r#"
            error: unexpected `=`
              --> parts/inner.rhai:2:9
               |
             2 | let x = = 2;
               |         ^

        "#]],
    );
    check(
        &[main, outer, ("parts/inner.rhai", "let list = [1];\nlet x = list[3];")],
        expect![[r#"
            error: there is no element 3: the array has 1
              --> parts/inner.rhai:2:14
               |
             2 | let x = list[3];
               |              ^

        "#]],
    );
    check(
        &[main, outer, ("parts/inner.rhai", "fn work(x) {\n    x.nothing\n}\nlet m = mastr(\"m\");")],
        expect![[r#"
            error: unknown word `mastr`
              --> parts/inner.rhai:4:9
               |
             4 | let m = mastr("m");
               |         ^^^^^
               = did you mean `master`?

        "#]],
    );
    check(
        &[main, outer, ("parts/inner.rhai", "fn work(x) {\n    x.nothing\n}\nlet m = master(\"m\");")],
        expect![[r#"
            error: the map has no `nothing`
              --> parts/inner.rhai:2:7
               |
             2 |     x.nothing
               |       ^^^^^^^
               = `"nothing" in map` tells whether it has one

        "#]],
    );
}
