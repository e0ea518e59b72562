//! Hash commands: replies, and what the dispatcher would see.

use expect_test::expect;

use crate::harness::check;

#[test]
fn fields_are_set_read_and_removed() {
    check(
        "HSET h a 1 b two a 3
        HSET h a 1
        HSET h a 1 b
        HMSET h c 4 d
        HMSET h c 4
        HSETNX h c 5
        HSETNX h e 5
        HGET h a
        HGET h x
        HGET none x
        HMGET h a x c
        HMGET none a b
        HGETALL h
        HKEYS h
        HVALS h
        HLEN h
        HEXISTS h a
        HEXISTS h x
        HSTRLEN h b
        HSTRLEN none b
        HDEL h a x b
        HDEL h x
        HDEL h c e e
        HDEL h c
        HGETALL h",
        expect![[r#"
            HSET h a 1 b two a 3
                :2 dirty=3 touched=0:h events=new@0:h,hset@0:h
            HSET h a 1
                :0 dirty=1 touched=0:h events=hset@0:h
            HSET h a 1 b
                -ERR wrong number of arguments for \'hset\' command
            HMSET h c 4 d
                -ERR wrong number of arguments for \'hmset\' command
            HMSET h c 4
                +OK dirty=1 touched=0:h events=hset@0:h
            HSETNX h c 5
                :0
            HSETNX h e 5
                :1 dirty=1 touched=0:h events=hset@0:h
            HGET h a
                "1" hits=1/1
            HGET h x
                nil hits=1/1
            HGET none x
                nil hits=0/1 events=keymiss@0:none
            HMGET h a x c
                ["1" nil "4"] hits=1/1
            HMGET none a b
                [nil nil] hits=0/1 events=keymiss@0:none
            HGETALL h
                ["a" "1" "b" "two" "c" "4" "e" "5"] hits=1/1
            HKEYS h
                ["a" "b" "c" "e"] hits=1/1
            HVALS h
                ["1" "two" "4" "5"] hits=1/1
            HLEN h
                :4 hits=1/1
            HEXISTS h a
                :1 hits=1/1
            HEXISTS h x
                :0 hits=1/1
            HSTRLEN h b
                :3 hits=1/1
            HSTRLEN none b
                :0 hits=0/1 events=keymiss@0:none
            HDEL h a x b
                :2 dirty=2 touched=0:h events=hdel@0:h
            HDEL h x
                :0
            HDEL h c e e
                :2 dirty=2 touched=0:h events=hdel@0:h,del@0:h
            HDEL h c
                :0
            HGETALL h
                [] hits=0/1 events=keymiss@0:h
        "#]],
    );
}

#[test]
fn fields_are_counted_up() {
    check(
        "HINCRBY h n 5
        HINCRBY h n -7
        HINCRBY h n x
        HSET h t text big 9223372036854775807
        HINCRBY h t 1
        HINCRBY h big 1
        HINCRBYFLOAT h f 1.5
        HINCRBYFLOAT h n 0.1
        HINCRBYFLOAT h t 1
        HINCRBYFLOAT h n inf
        HINCRBYFLOAT h n nan
        HINCRBYFLOAT h n x
        HINCRBY h f 1
        HGETALL h
        HINCRBY new n x
        EXISTS new",
        expect![[r#"
            HINCRBY h n 5
                :5 dirty=1 touched=0:h events=new@0:h,hincrby@0:h
            HINCRBY h n -7
                :-2 dirty=1 touched=0:h events=hincrby@0:h
            HINCRBY h n x
                -ERR value is not an integer or out of range
            HSET h t text big 9223372036854775807
                :2 dirty=2 touched=0:h events=hset@0:h
            HINCRBY h t 1
                -ERR hash value is not an integer
            HINCRBY h big 1
                -ERR increment or decrement would overflow
            HINCRBYFLOAT h f 1.5
                "1.5" dirty=1 touched=0:h events=hincrbyfloat@0:h replicated=[HSET h f 1.5]
            HINCRBYFLOAT h n 0.1
                "-1.9" dirty=1 touched=0:h events=hincrbyfloat@0:h replicated=[HSET h n -1.9]
            HINCRBYFLOAT h t 1
                -ERR hash value is not a float
            HINCRBYFLOAT h n inf
                -ERR value is NaN or Infinity
            HINCRBYFLOAT h n nan
                -ERR value is not a valid float
            HINCRBYFLOAT h n x
                -ERR value is not a valid float
            HINCRBY h f 1
                -ERR hash value is not an integer
            HGETALL h
                ["n" "-1.9" "t" "text" "big" "9223372036854775807" "f" "1.5"] hits=1/1
            HINCRBY new n x
                -ERR value is not an integer or out of range
            EXISTS new
                :0 hits=0/1 events=keymiss@0:new
        "#]],
    );
}

#[test]
fn fields_at_random() {
    check(
        "HSET h a 1 b 2 c 3
        HRANDFIELD none
        HRANDFIELD none 5
        HRANDFIELD h 0
        HRANDFIELD h 3
        HRANDFIELD h 9 WITHVALUES
        HRANDFIELD h 2 withvalues
        HRANDFIELD h -5
        HRANDFIELD h -2 WITHVALUES
        HRANDFIELD h x
        HRANDFIELD h 1 VALUES
        HRANDFIELD h 1 WITHVALUES more
        HRANDFIELD h -9223372036854775808
        HRANDFIELD h -9223372036854775807
        HRANDFIELD h -9223372036854775807 WITHVALUES
        HRANDFIELD h 9223372036854775807",
        expect![[r#"
            HSET h a 1 b 2 c 3
                :3 dirty=3 touched=0:h events=new@0:h,hset@0:h
            HRANDFIELD none
                nil hits=0/1 events=keymiss@0:none
            HRANDFIELD none 5
                [] hits=0/1 events=keymiss@0:none
            HRANDFIELD h 0
                [] hits=1/1
            HRANDFIELD h 3
                ["a" "b" "c"] hits=1/1
            HRANDFIELD h 9 WITHVALUES
                ["a" "1" "b" "2" "c" "3"] hits=1/1
            HRANDFIELD h 2 withvalues
                ["b" "2" "c" "3"] hits=1/1
            HRANDFIELD h -5
                ["c" "b" "a" "c" "c"] hits=1/1
            HRANDFIELD h -2 WITHVALUES
                ["c" "3" "a" "1"] hits=1/1
            HRANDFIELD h x
                -ERR value is not an integer or out of range
            HRANDFIELD h 1 VALUES
                -ERR syntax error
            HRANDFIELD h 1 WITHVALUES more
                -ERR syntax error
            HRANDFIELD h -9223372036854775808
                -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
            HRANDFIELD h -9223372036854775807
                -ERR value is out of range hits=1/1
            HRANDFIELD h -9223372036854775807 WITHVALUES
                -ERR value is out of range
            HRANDFIELD h 9223372036854775807
                ["a" "b" "c"] hits=1/1
        "#]],
    );
}

#[test]
fn a_scan_gives_fields_with_values() {
    check(
        "HSET h a 1 b 2 10 3
        HSCAN h 0
        HSCAN h 0 MATCH [ab]
        HSCAN h 0 COUNT 1
        HSCAN h 0 MATCH 1* COUNT 5
        HSCAN none 0 COUNT x
        HSCAN h x
        HSCAN h 0 COUNT 0
        HSCAN h 0 TYPE hash
        HSCAN h 0 MATCH",
        expect![[r#"
            HSET h a 1 b 2 10 3
                :3 dirty=3 touched=0:h events=new@0:h,hset@0:h
            HSCAN h 0
                ["0" ["a" "1" "b" "2" "10" "3"]] hits=1/1
            HSCAN h 0 MATCH [ab]
                ["0" ["a" "1" "b" "2"]] hits=1/1
            HSCAN h 0 COUNT 1
                ["0" ["a" "1" "b" "2" "10" "3"]] hits=1/1
            HSCAN h 0 MATCH 1* COUNT 5
                ["0" ["10" "3"]] hits=1/1
            HSCAN none 0 COUNT x
                ["0" []] hits=0/1 events=keymiss@0:none
            HSCAN h x
                -ERR invalid cursor
            HSCAN h 0 COUNT 0
                -ERR syntax error hits=1/1
            HSCAN h 0 TYPE hash
                -ERR syntax error hits=1/1
            HSCAN h 0 MATCH
                -ERR syntax error hits=1/1
        "#]],
    );
}

#[test]
fn other_types_and_deadlines() {
    check(
        "SET s x
        HSET s a 1
        HGET s a
        HINCRBY s a 1
        HDEL s a
        HRANDFIELD s 1
        HSCAN s 0
        HSET h a 1
        PEXPIRE h 10
        HSET h b 2
        PTTL h
        +20
        HSET h c 3
        HKEYS h
        TYPE h
        OBJECT ENCODING h
        OBJECT REFCOUNT h
        COPY h i
        HSET i c 4
        HGET h c
        GET h",
        expect![[r#"
            SET s x
                +OK dirty=1 touched=0:s events=new@0:s,set@0:s
            HSET s a 1
                -WRONGTYPE Operation against a key holding the wrong kind of value
            HGET s a
                -WRONGTYPE Operation against a key holding the wrong kind of value hits=1/1
            HINCRBY s a 1
                -WRONGTYPE Operation against a key holding the wrong kind of value
            HDEL s a
                -WRONGTYPE Operation against a key holding the wrong kind of value
            HRANDFIELD s 1
                -WRONGTYPE Operation against a key holding the wrong kind of value hits=1/1
            HSCAN s 0
                -WRONGTYPE Operation against a key holding the wrong kind of value hits=1/1
            HSET h a 1
                :1 dirty=1 touched=0:h events=new@0:h,hset@0:h
            PEXPIRE h 10
                :1 dirty=1 touched=0:h events=expire@0:h replicated=[PEXPIREAT h 1000000000010]
            HSET h b 2
                :1 dirty=1 touched=0:h events=hset@0:h
            PTTL h
                :10 hits=1/1
            HSET h c 3
                :1 dirty=1 expired=0:h touched=0:h,0:h events=expired@0:h,new@0:h,hset@0:h
            HKEYS h
                ["c"] hits=1/1
            TYPE h
                +hash hits=1/1
            OBJECT ENCODING h
                "listpack" hits=1/1
            OBJECT REFCOUNT h
                :1 hits=1/1
            COPY h i
                :1 dirty=1 hits=1/1 touched=0:i events=new@0:i,copy_to@0:i
            HSET i c 4
                :0 dirty=1 touched=0:i events=hset@0:i
            HGET h c
                "3" hits=1/1
            GET h
                -WRONGTYPE Operation against a key holding the wrong kind of value hits=1/1
        "#]],
    );
}

#[test]
fn long_values_and_many_fields_make_a_table() {
    let mut script = String::from("HSET h a 1\n");
    script += &format!("HSET h b {}\nOBJECT ENCODING h\nHSTRLEN h b\n", "x".repeat(65));
    script += &format!("HSETNX g {} 1\nOBJECT ENCODING g\n", "y".repeat(65));
    for n in 0..513 {
        script += &format!("HSET i {n} {n}\n");
        if n >= 511 {
            script += "OBJECT ENCODING i\n";
        }
    }
    script += "HSCAN h 0 MATCH a\nHRANDFIELD i -1\nHLEN i";
    let shown = crate::harness::run(&script);
    let lines: Vec<&str> = shown.lines().collect();
    let answers = |command: &str| -> Vec<&str> {
        lines.windows(2).filter(|two| two[0] == command).map(|two| two[1].trim()).collect()
    };
    assert_eq!(answers("OBJECT ENCODING h"), ["\"hashtable\" hits=1/1"]);
    assert_eq!(answers("OBJECT ENCODING g"), ["\"hashtable\" hits=1/1"]);
    assert_eq!(answers("OBJECT ENCODING i"), ["\"listpack\" hits=1/1", "\"hashtable\" hits=1/1"]);
    assert_eq!(answers("HSTRLEN h b"), [":65 hits=1/1"]);
    assert_eq!(answers("HLEN i"), [":513 hits=1/1"]);
    assert_eq!(answers("HSCAN h 0 MATCH a"), ["[\"0\" [\"a\" \"1\"]] hits=1/1"]);
}
