//! What comes from Rhai itself: parse errors, limits, its words and functions.

use expect_test::expect;

use super::{check, evaluated, mistakes};
use crate::lang::{Inputs, values, words};

#[test]
fn no_word_option_or_field_is_a_keyword() {
    let engine = crate::lang::engine::bare();
    let compile = |text: &str| engine.compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    for word in words::all() {
        compile(&format!("{0}(1); let x = 1; x.{0}(2);", word.name));
        for option in word.options {
            compile(&format!("f(#{{ {}: 1 }})", option.name));
        }
        for param in word.params {
            compile(&format!("let {0} = 1; {0}", param.name));
        }
    }
    for name in words::NOT_YET {
        compile(&format!("{name}(1)"));
    }
    for field in values::FIELDS {
        compile(&format!("let x = 1; x.{}", field.name));
    }
}

#[test]
fn no_two_words_have_the_same_name_and_none_hides_one_of_rhai_s() {
    let names: Vec<&str> = words::all().map(|word| word.name).collect();
    for (index, name) in names.iter().enumerate() {
        assert!(!names[..index].contains(name), "{name} twice");
        assert!(!words::NOT_YET.contains(name), "{name} is there");
        let taken = crate::lang::check::native_functions().contains_key(*name);
        // Rhai's `sleep` is replaced; its `start` is a range's, which is no node.
        assert!(!taken || ["sleep", "start"].contains(name), "{name} is a function of Rhai's");
    }
}

#[test]
fn parse_errors_point_at_their_place() {
    check(
        "let m = master(\"m\";\n",
        expect![[r#"
        error: `,` is missing to separate the arguments to function call 'master'
          --> t.rhai:1:19
           |
         1 | let m = master("m";
           |                   ^

    "#]],
    );
    check(
        "let s = \"open;\n",
        expect![[r#"
        error: open string is not terminated
          --> t.rhai:1:9
           |
         1 | let s = "open;
           |         ^^^^^^

    "#]],
    );
    check(
        "let x = 1;\nlet until = 2;\n",
        expect![[r#"
        error: expecting name of a variable
          --> t.rhai:2:5
           |
         2 | let until = 2;
           |     ^^^^^
           = `until` is a word of Rhai's and cannot be a name

    "#]],
    );
    check(
        "master(\"m\")\nmaster(\"n\")\n",
        expect![[r#"
        error: `;` is missing to terminate this statement
          --> t.rhai:2:1
           |
         2 | master("n")
           | ^^^^^^

    "#]],
    );
    check(
        "eval(\"1\")",
        expect![[r#"
        error: unknown word `eval`
          --> t.rhai:1:1
           |
         1 | eval("1")
           | ^^^^
           = scripts have no `eval` and no clock of their own

    "#]],
    );
    check(
        "let m = master(\"m\", #{ port: 1, port: 2 });",
        expect![[r#"
        error: `port` is given twice
          --> t.rhai:1:33
           |
         1 | let m = master("m", #{ port: 1, port: 2 });
           |                                 ^^^^

    "#]],
    );
}

#[test]
fn what_rhai_says_is_put_in_our_words() {
    check(
        "let x = [1, 2]; x[5];",
        expect![[r#"
        error: there is no element 5: the array has 2
          --> t.rhai:1:19
           |
         1 | let x = [1, 2]; x[5];
           |                   ^

    "#]],
    );
    check(
        "let m = master(\"m\"); print(m.prot);",
        expect![[r#"
        error: a node has no field `prot`
          --> t.rhai:1:30
           |
         1 | let m = master("m"); print(m.prot);
           |                              ^^^^
           = did you mean `port`?

    "#]],
    );
    check(
        "let m = master(\"m\"); m.name = \"n\";",
        expect![[r#"
        error: the field `name` of a node cannot be set
          --> t.rhai:1:24
           |
         1 | let m = master("m"); m.name = "n";
           |                        ^^^^

    "#]],
    );
    check(
        "let m = master(\"m\"); m + 1;",
        expect![[r#"
        error: `+` has no meaning for a node and a number
          --> t.rhai:1:24
           |
         1 | let m = master("m"); m + 1;
           |                        ^

    "#]],
    );
    check(
        "fn f(x) { f(x) } f(1);",
        expect![[r#"
        error: functions call each other too deeply, or without end
          --> t.rhai:1:18
           |
         1 | fn f(x) { f(x) } f(1);
           |                  ^

    "#]],
    );
    check(
        "throw \"up\";",
        expect![[r#"
        error: the script threw: up
          --> t.rhai:1:1
           |
         1 | throw "up";
           | ^^^^^

    "#]],
    );
    check(
        "[1].push();",
        expect![[r#"
        error: `push` does not take 0 arguments
          --> t.rhai:1:5
           |
         1 | [1].push();
           |     ^^^^

    "#]],
    );
    check(
        "let o = #{ go_on: |x| x + 1 }; o.go_on(1); o.stop_now(1);",
        expect![[r#"
        error: unknown word `stop_now`
          --> t.rhai:1:46
           |
         1 | let o = #{ go_on: |x| x + 1 }; o.go_on(1); o.stop_now(1);
           |                                              ^^^^^^^^

    "#]],
    );
    check(
        "fn kill(x) { x }\nkill(1);",
        expect![[r#"
        error: the function `kill` hides the word
          --> t.rhai:1:12
           |
         1 | fn kill(x) { x }
           |            ^

    "#]],
    );
    check(
        "if 1200 < \"3s\" { print(1); }",
        expect![[r#"
        error: `<` cannot compare the number 1200 with the string "3s"
          --> t.rhai:1:9
           |
         1 | if 1200 < "3s" { print(1); }
           |         ^

    "#]],
    );
}

#[test]
fn there_is_no_exit() {
    check(
        "exit(0);",
        expect![[r#"
        error: there is no `exit`: it would end the run without judging it
          --> t.rhai:1:1
           |
         1 | exit(0);
           | ^^^^
           = `return` leaves a body early, and `require(false, why)` fails the experiment

    "#]],
    );
    check(
        "experiment(\"e\", || { try { exit(); } catch {} });",
        expect![[r#"
        error: there is no `exit`: it would end the run without judging it
          --> t.rhai:1:28
           |
         1 | experiment("e", || { try { exit(); } catch {} });
           |                            ^^^^
           = `return` leaves a body early, and `require(false, why)` fails the experiment

    "#]],
    );
    // Called by a name that only evaluation knows.
    check(
        "let leave = Fn(\"exit\");\nleave.call();",
        expect![[r#"
        error: there is no `exit`: it would end the run without judging it
          --> t.rhai:2:7
           |
         2 | leave.call();
           |       ^^^^
           = `return` leaves a body early, and `require(false, why)` fails the experiment

    "#]],
    );
}

#[test]
fn a_top_level_without_end_is_ended() {
    check(
        "let x = 0;\nloop { x += 1; }\n",
        expect![[r#"
        error: the top level does not come to an end
          --> t.rhai:2:13
           |
         2 | loop { x += 1; }
           |             ^

    "#]],
    );
}

#[test]
fn deep_calls_and_expressions_are_allowed_as_far_as_the_limits_say() {
    let plan = evaluated(
        "fn down(n) { if n == 0 { return 0; } down(n - 1) } down(50); master(`m${down(40)}`);",
        &Inputs::default(),
    )
    .plan;
    assert_eq!(plan.nodes[0].name, "m0");
    assert!(mistakes("fn down(n) { down(n + 1) } down(0);").contains("too deeply"));
}

#[test]
fn the_deepest_script_allowed_fits_on_a_main_thread_s_stack() {
    // Both limits at once: calls as deep as they may be, each inside an expression as deep as it may be.
    let nested = (0..19).fold("down(n + 1)".to_owned(), |inner, _| format!("[{inner}][0]"));
    let source = format!("fn down(n) {{ {nested} }} down(0);");
    let thread = std::thread::Builder::new().stack_size(8 << 20).spawn(move || mistakes(&source));
    let text = thread.expect("a thread").join().expect("no overflow");
    assert!(text.contains("too deeply"), "{text}");
}
