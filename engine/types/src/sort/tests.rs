//! SORT: replies, and what the dispatcher would see.

use expect_test::expect;

use crate::harness::check;

#[test]
fn sets_are_sorted() {
    check(
        "SADD s 3 1 20 -5
        SORT s
        SORT s DESC
        SORT s ALPHA
        SORT s ALPHA DESC LIMIT 1 2
        SORT s LIMIT -3 2
        SORT s LIMIT 5 2
        SORT_RO s
        SORT_RO s STORE d
        SORT s LIMIT 1
        SORT s LIMIT x 1
        SORT s FOO
        SORT none
        SADD t a b
        SORT t
        SORT t ALPHA
        SORT t BY nosort STORE d
        TYPE d
        SORT d BY nosort DESC
        SORT d BY nosort LIMIT 1 1
        SORT none STORE d
        EXISTS d
        SET k v
        SORT k
        HSET h f v
        SORT h",
        expect![[r#"
            SADD s 3 1 20 -5
                :4 dirty=4 touched=0:s events=new@0:s,sadd@0:s
            SORT s
                ["-5" "1" "3" "20"] hits=1/1
            SORT s DESC
                ["20" "3" "1" "-5"] hits=1/1
            SORT s ALPHA
                ["-5" "1" "20" "3"] hits=1/1
            SORT s ALPHA DESC LIMIT 1 2
                ["20" "1"] hits=1/1
            SORT s LIMIT -3 2
                ["-5" "1"] hits=1/1
            SORT s LIMIT 5 2
                [] hits=1/1
            SORT_RO s
                ["-5" "1" "3" "20"] hits=1/1
            SORT_RO s STORE d
                -ERR syntax error
            SORT s LIMIT 1
                -ERR syntax error
            SORT s LIMIT x 1
                -ERR value is not an integer or out of range
            SORT s FOO
                -ERR syntax error
            SORT none
                [] hits=0/1 events=keymiss@0:none
            SADD t a b
                :2 dirty=2 touched=0:t events=new@0:t,sadd@0:t
            SORT t
                -ERR One or more scores can\'t be converted into double hits=1/1
            SORT t ALPHA
                ["a" "b"] hits=1/1
            SORT t BY nosort STORE d
                :2 dirty=2 hits=1/1 touched=0:d events=new@0:d,sortstore@0:d
            TYPE d
                +list hits=1/1
            SORT d BY nosort DESC
                ["b" "a"] hits=1/1
            SORT d BY nosort LIMIT 1 1
                ["b"] hits=1/1
            SORT none STORE d
                :0 dirty=1 hits=0/1 touched=0:d events=keymiss@0:none,del@0:d
            EXISTS d
                :0 hits=0/1 events=keymiss@0:d
            SET k v
                +OK dirty=1 touched=0:k events=new@0:k,set@0:k
            SORT k
                -WRONGTYPE Operation against a key holding the wrong kind of value hits=1/1
            HSET h f v
                :1 dirty=1 touched=0:h events=new@0:h,hset@0:h
            SORT h
                -WRONGTYPE Operation against a key holding the wrong kind of value hits=1/1
        "#]],
    );
}

#[test]
fn patterns_name_weights_and_results() {
    check(
        "SADD s a b c
        MSET w_a 3 w_b 1 n_a Ann n_b Bob
        HSET h_a age 9 name x
        HSET h_b age 7
        SORT s BY w_*
        SORT s BY w_* GET n_*
        SORT s BY w_* GET # GET n_* GET h_*->name
        SORT s BY h_*->age DESC
        SORT s BY n_* ALPHA
        SORT s BY n_*
        SORT s BY w_* GET # GET n_* STORE d
        SORT d BY nosort GET #
        SORT s BY w_* GET plain
        SORT s BY nosort ALPHA GET # STORE w_a",
        expect![[r#"
            SADD s a b c
                :3 dirty=3 touched=0:s events=new@0:s,sadd@0:s
            MSET w_a 3 w_b 1 n_a Ann n_b Bob
                +OK dirty=4 touched=0:w_a,0:w_b,0:n_a,0:n_b events=new@0:w_a,set@0:w_a,new@0:w_b,set@0:w_b,new@0:n_a,set@0:n_a,new@0:n_b,set@0:n_b
            HSET h_a age 9 name x
                :2 dirty=2 touched=0:h_a events=new@0:h_a,hset@0:h_a
            HSET h_b age 7
                :1 dirty=1 touched=0:h_b events=new@0:h_b,hset@0:h_b
            SORT s BY w_*
                ["c" "b" "a"] hits=3/4 events=keymiss@0:w_c
            SORT s BY w_* GET n_*
                [nil "Bob" "Ann"] hits=5/7 events=keymiss@0:w_c,keymiss@0:n_c
            SORT s BY w_* GET # GET n_* GET h_*->name
                ["c" nil nil "b" "Bob" nil "a" "Ann" "x"] hits=7/10 events=keymiss@0:w_c,keymiss@0:n_c,keymiss@0:h_c
            SORT s BY h_*->age DESC
                ["a" "b" "c"] hits=3/4 events=keymiss@0:h_c
            SORT s BY n_* ALPHA
                ["c" "a" "b"] hits=3/4 events=keymiss@0:n_c
            SORT s BY n_*
                -ERR One or more scores can\'t be converted into double hits=3/4 events=keymiss@0:n_c
            SORT s BY w_* GET # GET n_* STORE d
                :6 dirty=6 hits=5/7 touched=0:d events=keymiss@0:w_c,keymiss@0:n_c,new@0:d,sortstore@0:d
            SORT d BY nosort GET #
                ["c" "" "b" "Bob" "a" "Ann"] hits=1/1
            SORT s BY w_* GET plain
                [nil nil nil] hits=3/4 events=keymiss@0:w_c
            SORT s BY nosort ALPHA GET # STORE w_a
                :3 dirty=3 hits=1/1 touched=0:w_a events=sortstore@0:w_a
        "#]],
    );
}
