//! Tests of the family, as lines of commands and what comes of them.

use expect_test::expect;

use crate::harness::{check, run};

#[test]
fn deleting_and_asking() {
    check(
        "
        MSET a 1 b 2
        EXISTS a b a c
        TOUCH a c
        TYPE a
        TYPE c
        DEL a c a
        UNLINK b
        SET k v PX 10
        +11
        DEL k
        SET k v PX 10
        +11
        rule hide
        EXISTS k
        DEL k
        ",
        expect![[r#"
            MSET a 1 b 2
                +OK dirty=2 touched=0:a,0:b events=new@0:a,set@0:a,new@0:b,set@0:b
            EXISTS a b a c
                :3 hits=3/4 events=keymiss@0:c
            TOUCH a c
                :1 hits=1/2 events=keymiss@0:c
            TYPE a
                +string hits=1/1
            TYPE c
                +none hits=0/1 events=keymiss@0:c
            DEL a c a
                :1 dirty=1 touched=0:a events=del@0:a
            UNLINK b
                :1 dirty=1 touched=0:b events=del@0:b
            SET k v PX 10
                +OK dirty=1 touched=0:k events=new@0:k,set@0:k,expire@0:k replicated=[SET k v PXAT 1000000000010]
            DEL k
                :0 expired=0:k touched=0:k events=expired@0:k
            SET k v PX 10
                +OK dirty=1 touched=0:k events=new@0:k,set@0:k,expire@0:k replicated=[SET k v PXAT 1000000000021]
            EXISTS k
                :0 hits=0/1 events=keymiss@0:k
            DEL k
                :1 dirty=1 touched=0:k events=del@0:k
        "#]],
    );
}

#[test]
fn deadlines() {
    check(
        "
        EXPIRE k 10
        SET k v
        TTL k
        EXPIRE k 10
        TTL k
        PTTL k
        EXPIRETIME k
        PEXPIRETIME k
        +8501
        TTL k
        PEXPIRE k 1500 GT
        PEXPIRE k 1499 GT
        PEXPIRE k 1600 LT
        PEXPIRE k 1600 NX
        PERSIST k
        PERSIST k
        PEXPIRE k 1600 XX
        PEXPIRE k 1600 GT
        PEXPIRE k 1600 LT
        PEXPIREAT k 1000000100000
        PEXPIREAT k 1000000200000 XX GT
        EXPIREAT k 1000000300
        EXPIRE k 5 NX XX
        EXPIRE k 5 GT LT
        EXPIRE k 5 foo
        EXPIRE k x
        EXPIRE k 9223372036854775807
        EXPIRE k -9223372036854775808
        EXPIREAT k 9223372036854775807
        PEXPIRE k 9223372036854775807
        EXPIRE k -1
        EXISTS k
        PERSIST k
        TTL k
        ",
        expect![[r#"
            EXPIRE k 10
                :0
            SET k v
                +OK dirty=1 touched=0:k events=new@0:k,set@0:k
            TTL k
                :-1 hits=1/1
            EXPIRE k 10
                :1 dirty=1 touched=0:k events=expire@0:k replicated=[PEXPIREAT k 1000000010000]
            TTL k
                :10 hits=1/1
            PTTL k
                :10000 hits=1/1
            EXPIRETIME k
                :1000000010 hits=1/1
            PEXPIRETIME k
                :1000000010000 hits=1/1
            TTL k
                :1 hits=1/1
            PEXPIRE k 1500 GT
                :1 dirty=1 touched=0:k events=expire@0:k replicated=[PEXPIREAT k 1000000010001]
            PEXPIRE k 1499 GT
                :0
            PEXPIRE k 1600 LT
                :0
            PEXPIRE k 1600 NX
                :0
            PERSIST k
                :1 dirty=1 touched=0:k events=persist@0:k
            PERSIST k
                :0
            PEXPIRE k 1600 XX
                :0
            PEXPIRE k 1600 GT
                :0
            PEXPIRE k 1600 LT
                :1 dirty=1 touched=0:k events=expire@0:k replicated=[PEXPIREAT k 1000000010101]
            PEXPIREAT k 1000000100000
                :1 dirty=1 touched=0:k events=expire@0:k
            PEXPIREAT k 1000000200000 XX GT
                :1 dirty=1 touched=0:k events=expire@0:k replicated=[PEXPIREAT k 1000000200000]
            EXPIREAT k 1000000300
                :1 dirty=1 touched=0:k events=expire@0:k replicated=[PEXPIREAT k 1000000300000]
            EXPIRE k 5 NX XX
                -ERR NX and XX, GT or LT options at the same time are not compatible
            EXPIRE k 5 GT LT
                -ERR GT and LT options at the same time are not compatible
            EXPIRE k 5 foo
                -ERR Unsupported option foo
            EXPIRE k x
                -ERR value is not an integer or out of range
            EXPIRE k 9223372036854775807
                -ERR invalid expire time in \'expire\' command
            EXPIRE k -9223372036854775808
                -ERR invalid expire time in \'expire\' command
            EXPIREAT k 9223372036854775807
                -ERR invalid expire time in \'expireat\' command
            PEXPIRE k 9223372036854775807
                -ERR invalid expire time in \'pexpire\' command
            EXPIRE k -1
                :1 dirty=1 touched=0:k events=del@0:k replicated=[DEL k]
            EXISTS k
                :0 hits=0/1 events=keymiss@0:k
            PERSIST k
                :0
            TTL k
                :-2 hits=0/1 events=keymiss@0:k
        "#]],
    );
}

#[test]
fn a_deadline_in_the_past_waits_for_the_master() {
    check(
        "
        SET k v
        rule ignore
        PEXPIREAT k 1
        GET k
        rule hide
        GET k
        RANDOMKEY
        KEYS *
        DBSIZE
        SCAN 0
        rule delete
        SCAN 0
        DBSIZE
        SET k v PX 1
        +2
        KEYS *
        RANDOMKEY
        ",
        expect![[r#"
            SET k v
                +OK dirty=1 touched=0:k events=new@0:k,set@0:k
            PEXPIREAT k 1
                :1 dirty=1 touched=0:k events=expire@0:k
            GET k
                "v" hits=1/1
            GET k
                nil hits=0/1 events=keymiss@0:k
            RANDOMKEY
                "k"
            KEYS *
                []
            DBSIZE
                :1
            SCAN 0
                ["0" []]
            SCAN 0
                ["0" []] expired=0:k touched=0:k events=expired@0:k
            DBSIZE
                :0
            SET k v PX 1
                +OK dirty=1 touched=0:k events=new@0:k,set@0:k,expire@0:k replicated=[SET k v PXAT 1000000000001]
            KEYS *
                []
            RANDOMKEY
                nil expired=0:k touched=0:k events=expired@0:k
        "#]],
    );
}

#[test]
fn other_names_and_other_databases() {
    check(
        "
        RENAME a b
        SET a 1 PX 1000
        SET b 2
        RENAMENX a b
        RENAME a a
        RENAMENX a a
        RENAME a b
        PTTL b
        COPY b b
        COPY b c
        PTTL c
        COPY b c
        COPY b c REPLACE
        COPY b b DB 1
        COPY b c DB 9
        COPY b c DB x
        COPY b c FOO
        COPY none c
        APPEND c 5
        COPY c d
        OBJECT ENCODING d
        MOVE c 1
        MOVE b 1
        MOVE b 0
        MOVE b 3
        MOVE b -1
        MOVE b 99999999999
        MOVE b x
        MOVE none 1
        db 1
        PTTL c
        GET b
        ",
        expect![[r#"
            RENAME a b
                -ERR no such key
            SET a 1 PX 1000
                +OK dirty=1 touched=0:a events=new@0:a,set@0:a,expire@0:a replicated=[SET a 1 PXAT 1000000001000]
            SET b 2
                +OK dirty=1 touched=0:b events=new@0:b,set@0:b
            RENAMENX a b
                :0
            RENAME a a
                +OK
            RENAMENX a a
                :0
            RENAME a b
                +OK dirty=1 touched=0:a,0:b events=new@0:b,rename_from@0:a,rename_to@0:b
            PTTL b
                :1000 hits=1/1
            COPY b b
                -ERR source and destination objects are the same
            COPY b c
                :1 dirty=1 hits=1/1 touched=0:c events=new@0:c,copy_to@0:c
            PTTL c
                :1000 hits=1/1
            COPY b c
                :0 hits=1/1
            COPY b c REPLACE
                :1 dirty=1 hits=1/1 touched=0:c events=new@0:c,copy_to@0:c
            COPY b b DB 1
                :1 dirty=1 hits=1/1 touched=1:b events=new@1:b,copy_to@1:b
            COPY b c DB 9
                -ERR DB index is out of range
            COPY b c DB x
                -ERR value is not an integer or out of range
            COPY b c FOO
                -ERR syntax error
            COPY none c
                :0 hits=0/1 events=keymiss@0:none
            APPEND c 5
                :2 dirty=1 touched=0:c events=append@0:c
            COPY c d
                :1 dirty=1 hits=1/1 touched=0:d events=new@0:d,copy_to@0:d
            OBJECT ENCODING d
                "raw" hits=1/1
            MOVE c 1
                :1 dirty=1 touched=0:c,1:c events=new@1:c,move_from@0:c,move_to@1:c
            MOVE b 1
                :0
            MOVE b 0
                -ERR source and destination objects are the same
            MOVE b 3
                -ERR DB index is out of range
            MOVE b -1
                -ERR DB index is out of range
            MOVE b 99999999999
                -ERR value is out of range, value must between -2147483648 and 2147483647
            MOVE b x
                -ERR value is not an integer or out of range
            MOVE none 1
                :0
            PTTL c
                :1000 hits=1/1
            GET b
                "1" hits=1/1
        "#]],
    );
}

#[test]
fn whole_databases() {
    check(
        "
        MSET a 1 b 2
        db 1
        SET c 3
        DBSIZE
        SWAPDB 0 1
        DBSIZE
        SWAPDB 0 0
        SWAPDB x 0
        SWAPDB 0 x
        SWAPDB 0 3
        FLUSHDB foo
        FLUSHDB async
        FLUSHDB
        FLUSHALL SYNC
        FLUSHALL SYNC SYNC
        ",
        expect![[r#"
            MSET a 1 b 2
                +OK dirty=2 touched=0:a,0:b events=new@0:a,set@0:a,new@0:b,set@0:b
            SET c 3
                +OK dirty=1 touched=1:c events=new@1:c,set@1:c
            DBSIZE
                :1
            SWAPDB 0 1
                +OK dirty=1 swapped=0,1
            DBSIZE
                :2
            SWAPDB 0 0
                +OK dirty=1
            SWAPDB x 0
                -ERR invalid first DB index
            SWAPDB 0 x
                -ERR invalid second DB index
            SWAPDB 0 3
                -ERR DB index is out of range
            FLUSHDB foo
                -ERR syntax error
            FLUSHDB async
                +OK dirty=2 flushed=1:2 replicated=always
            FLUSHDB
                +OK replicated=always
            FLUSHALL SYNC
                +OK dirty=1 flushed=0:1 replicated=always
            FLUSHALL SYNC SYNC
                -ERR syntax error
        "#]],
    );
}

#[test]
fn finding_keys() {
    check(
        "
        KEYS *
        RANDOMKEY
        SCAN 0
        SET key:1 v
        KEYS *
        KEYS key:[12]
        KEYS *2
        RANDOMKEY
        SCAN 0 MATCH key:? TYPE string COUNT 5
        SCAN 0 TYPE STRING
        SCAN 0 TYPE list
        SCAN 0 TYPE nonsense
        SCAN 0 MATCH nope
        SCAN x
        SCAN 1x
        SCAN -
        SCAN 18446744073709551616
        SCAN 0 COUNT 0
        SCAN 0 COUNT x
        SCAN 0 COUNT
        SCAN 0 FOO 1
        ",
        expect![[r#"
            KEYS *
                []
            RANDOMKEY
                nil
            SCAN 0
                ["0" []]
            SET key:1 v
                +OK dirty=1 touched=0:key:1 events=new@0:key:1,set@0:key:1
            KEYS *
                ["key:1"]
            KEYS key:[12]
                ["key:1"]
            KEYS *2
                []
            RANDOMKEY
                "key:1"
            SCAN 0 MATCH key:? TYPE string COUNT 5
                ["0" ["key:1"]]
            SCAN 0 TYPE STRING
                ["0" ["key:1"]]
            SCAN 0 TYPE list
                ["0" []]
            SCAN 0 TYPE nonsense
                ["0" []]
            SCAN 0 MATCH nope
                ["0" []]
            SCAN x
                -ERR invalid cursor
            SCAN 1x
                -ERR invalid cursor
            SCAN -
                -ERR invalid cursor
            SCAN 18446744073709551616
                -ERR invalid cursor
            SCAN 0 COUNT 0
                -ERR syntax error
            SCAN 0 COUNT x
                -ERR value is not an integer or out of range
            SCAN 0 COUNT
                -ERR syntax error
            SCAN 0 FOO 1
                -ERR syntax error
        "#]],
    );
}

#[test]
fn a_scan_meets_every_key_once() {
    let mut script: String = (0..1000).map(|n| format!("SET key:{n} v\n")).collect();
    script.push_str("SCAN 0 COUNT 2000");
    let shown = run(&script);
    let last = shown.lines().last().unwrap();
    assert!(last.trim().starts_with("[\"0\" ["), "{last}");
    let mut keys: Vec<&str> = last.split('"').filter(|word| word.starts_with("key:")).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 1000);
}

#[test]
fn the_inside_of_values() {
    check(
        "
        SET n 5
        SET big 10000
        SET s 12345678901234567890123456789012345678901234
        SET r 123456789012345678901234567890123456789012345
        OBJECT ENCODING n
        OBJECT ENCODING s
        OBJECT ENCODING r
        OBJECT ENCODING none
        OBJECT REFCOUNT n
        OBJECT REFCOUNT big
        OBJECT REFCOUNT none
        +5000
        OBJECT IDLETIME n
        GET n
        OBJECT IDLETIME n
        +1000
        EXISTS n
        TTL n
        OBJECT IDLETIME n
        TOUCH n
        OBJECT IDLETIME n
        +1000
        unstamped
        GET n
        OBJECT IDLETIME n
        OBJECT FREQ n
        OBJECT FREQ none
        ",
        expect![[r#"
            SET n 5
                +OK dirty=1 touched=0:n events=new@0:n,set@0:n
            SET big 10000
                +OK dirty=1 touched=0:big events=new@0:big,set@0:big
            SET s 12345678901234567890123456789012345678901234
                +OK dirty=1 touched=0:s events=new@0:s,set@0:s
            SET r 123456789012345678901234567890123456789012345
                +OK dirty=1 touched=0:r events=new@0:r,set@0:r
            OBJECT ENCODING n
                "int" hits=1/1
            OBJECT ENCODING s
                "embstr" hits=1/1
            OBJECT ENCODING r
                "raw" hits=1/1
            OBJECT ENCODING none
                nil hits=0/1
            OBJECT REFCOUNT n
                :2147483647 hits=1/1
            OBJECT REFCOUNT big
                :1 hits=1/1
            OBJECT REFCOUNT none
                nil hits=0/1
            OBJECT IDLETIME n
                :5 hits=1/1
            GET n
                "5" hits=1/1
            OBJECT IDLETIME n
                :0 hits=1/1
            EXISTS n
                :1 hits=1/1
            TTL n
                :-1 hits=1/1
            OBJECT IDLETIME n
                :1 hits=1/1
            TOUCH n
                :1 hits=1/1
            OBJECT IDLETIME n
                :0 hits=1/1
            GET n
                "5" hits=1/1
            OBJECT IDLETIME n
                :1 hits=1/1
            OBJECT FREQ n
                -ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust. hits=1/1
            OBJECT FREQ none
                nil hits=0/1
        "#]],
    );
}
