//! List commands on a context: replies, effects, what is replicated and waited for.

use expect_test::expect;

use crate::harness::check;

#[test]
fn blocking_commands_wait_or_are_replicated_as_what_they_did() {
    check(
        "BLPOP a b 0.0015
         RPUSH b 1 2 3 4 5 6
         BLPOP a b 0
         BRPOP b 0
         BLMOVE b c LEFT RIGHT 0
         BRPOPLPUSH b c 0
         BLMPOP 0 2 a b LEFT COUNT 9
         BLMPOP 2 2 a b LEFT COUNT 9
         BLMOVE b c LEFT RIGHT 0
         BRPOPLPUSH b c 1
         unblocking
         BLPOP a b 0
         BLMOVE b c LEFT RIGHT 0
         BLMPOP 2 2 a b LEFT COUNT 9",
        expect![[r#"
            BLPOP a b 0.0015
                nil waits=list:a,b:2ms
            RPUSH b 1 2 3 4 5 6
                :6 dirty=6 touched=0:b events=new@0:b,rpush@0:b
            BLPOP a b 0
                ["b" "1"] dirty=1 touched=0:b events=lpop@0:b replicated=[LPOP b]
            BRPOP b 0
                ["b" "6"] dirty=1 touched=0:b events=rpop@0:b replicated=[RPOP b]
            BLMOVE b c LEFT RIGHT 0
                "2" dirty=1 touched=0:c,0:b events=new@0:c,rpush@0:c,lpop@0:b replicated=[LMOVE b c LEFT RIGHT]
            BRPOPLPUSH b c 0
                "5" dirty=1 touched=0:c,0:b events=lpush@0:c,rpop@0:b replicated=[RPOPLPUSH b c]
            BLMPOP 0 2 a b LEFT COUNT 9
                ["b" ["3" "4"]] dirty=2 touched=0:b events=lpop@0:b,del@0:b replicated=[LPOP b 2]
            BLMPOP 2 2 a b LEFT COUNT 9
                nil waits=list:a,b:2000ms
            BLMOVE b c LEFT RIGHT 0
                nil waits=list:b:forever
            BRPOPLPUSH b c 1
                nil waits=list:b:1000ms
            BLPOP a b 0
                nil
            BLMOVE b c LEFT RIGHT 0
                nil
            BLMPOP 2 2 a b LEFT COUNT 9
                nil
        "#]],
    );
}
