//! Tests of the family, as lines of commands and what comes of them.

use expect_test::expect;

use crate::harness::check;

#[test]
fn setting_bits() {
    check(
        "
        SETBIT k 7 1
        SETBIT k 7 1
        SETBIT k 7 0
        SETBIT k 20 0
        GETRANGE k 0 -1
        OBJECT ENCODING k
        GETBIT k 7
        GETBIT k 100
        GETBIT none 1
        SET n 12
        GETBIT n 3
        SETBIT n 6 0
        OBJECT ENCODING n
        SETBIT k -1 1
        SETBIT k 1 2
        SETBIT k 8388608 1
        ",
        expect![[r#"
            SETBIT k 7 1
                :0 dirty=1 touched=0:k events=new@0:k,setbit@0:k
            SETBIT k 7 1
                :1
            SETBIT k 7 0
                :1 dirty=1 touched=0:k events=setbit@0:k
            SETBIT k 20 0
                :0 dirty=1 touched=0:k events=setbit@0:k
            GETRANGE k 0 -1
                "\x00\x00\x00" hits=1/1
            OBJECT ENCODING k
                "raw" hits=1/1
            GETBIT k 7
                :0 hits=1/1
            GETBIT k 100
                :0 hits=1/1
            GETBIT none 1
                :0 hits=0/1 events=keymiss@0:none
            SET n 12
                +OK dirty=1 touched=0:n events=new@0:n,set@0:n
            GETBIT n 3
                :1 hits=1/1
            SETBIT n 6 0
                :0
            OBJECT ENCODING n
                "raw" hits=1/1
            SETBIT k -1 1
                -ERR bit offset is not an integer or out of range
            SETBIT k 1 2
                -ERR bit is not an integer or out of range
            SETBIT k 8388608 1
                -ERR bit offset is not an integer or out of range
        "#]],
    );
}

#[test]
fn fields_and_what_they_replicate() {
    check(
        "
        BITFIELD k SET u8 0 255 INCRBY u8 #1 3 GET u8 #1
        BITFIELD k OVERFLOW FAIL INCRBY u8 0 1 INCRBY u8 8 1
        BITFIELD k OVERFLOW SAT INCRBY i8 #1 200 SET i8 0 -9223372036854775808
        BITFIELD k
        BITFIELD new OVERFLOW FAIL SET u4 0 16
        EXISTS new
        BITFIELD k GET u64 0
        BITFIELD k GET u8
        BITFIELD k OVERFLOW foo
        BITFIELD k SET u8 0 x
        BITFIELD k GET u8 #-1
        BITFIELD k GET u8 #9223372036854775807
        BITFIELD_RO k GET u8 0 GET i4 2
        BITFIELD_RO k SET u8 0 1
        BITFIELD_RO none GET u8 0
        ",
        expect![[r#"
            BITFIELD k SET u8 0 255 INCRBY u8 #1 3 GET u8 #1
                [:0 :3 :3] dirty=2 touched=0:k events=new@0:k,setbit@0:k
            BITFIELD k OVERFLOW FAIL INCRBY u8 0 1 INCRBY u8 8 1
                [nil :4] dirty=1 touched=0:k events=setbit@0:k
            BITFIELD k OVERFLOW SAT INCRBY i8 #1 200 SET i8 0 -9223372036854775808
                [:127 :-1] dirty=2 touched=0:k events=setbit@0:k
            BITFIELD k
                [] hits=1/1
            BITFIELD new OVERFLOW FAIL SET u4 0 16
                [nil] events=new@0:new
            EXISTS new
                :1 hits=1/1
            BITFIELD k GET u64 0
                -ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
            BITFIELD k GET u8
                -ERR syntax error
            BITFIELD k OVERFLOW foo
                -ERR Invalid OVERFLOW type specified
            BITFIELD k SET u8 0 x
                -ERR value is not an integer or out of range
            BITFIELD k GET u8 #-1
                -ERR bit offset is not an integer or out of range
            BITFIELD k GET u8 #9223372036854775807
                -ERR bit offset is not an integer or out of range
            BITFIELD_RO k GET u8 0 GET i4 2
                [:127 :-1] hits=1/1
            BITFIELD_RO k SET u8 0 1
                -ERR BITFIELD_RO only supports the GET subcommand
            BITFIELD_RO none GET u8 0
                [:0] hits=0/1 events=keymiss@0:none
        "#]],
    );
}

#[test]
fn combining_sets_or_deletes() {
    check(
        "
        MSET a abc b a
        BITOP AND d a b
        GETRANGE d 0 -1
        BITOP OR d a none b
        BITOP NOT d a
        GETRANGE d 0 -1
        BITOP XOR d none
        EXISTS d
        BITOP XOR d none
        BITOP NOT d a b
        BITOP NAND d a
        ",
        expect![[r#"
            MSET a abc b a
                +OK dirty=2 touched=0:a,0:b events=new@0:a,set@0:a,new@0:b,set@0:b
            BITOP AND d a b
                :3 dirty=1 hits=2/2 touched=0:d events=new@0:d,set@0:d
            GETRANGE d 0 -1
                "a\x00\x00" hits=1/1
            BITOP OR d a none b
                :3 dirty=1 hits=2/3 touched=0:d events=keymiss@0:none,set@0:d
            BITOP NOT d a
                :3 dirty=1 hits=1/1 touched=0:d events=set@0:d
            GETRANGE d 0 -1
                "\x9e\x9d\x9c" hits=1/1
            BITOP XOR d none
                :0 dirty=1 hits=0/1 touched=0:d events=keymiss@0:none,del@0:d
            EXISTS d
                :0 hits=0/1 events=keymiss@0:d
            BITOP XOR d none
                :0 hits=0/1 events=keymiss@0:none
            BITOP NOT d a b
                -ERR BITOP NOT must be called with a single source key.
            BITOP NAND d a
                -ERR syntax error
        "#]],
    );
}
