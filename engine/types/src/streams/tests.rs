//! Stream commands: what the dispatcher sees, and what is newer than the installed real server.

use expect_test::expect;

use crate::harness::check;

#[test]
fn adding_is_replicated_with_what_it_came_to() {
    check(
        "
        XADD s 1-1 f v
        XADD s * f v
        XADD s * f v
        XADD s 1000000000000-* f v
        XADD s MAXLEN ~ 1 1000000000001-0 f v
        XADD s MAXLEN 2 1000000000002-0 f v
        XADD s MINID ~ 5 * f v
        XADD n NOMKSTREAM * f v
        XTRIM s MAXLEN ~ 1
        XTRIM s MAXLEN 1
        XTRIM s MAXLEN 1
        XTRIM s MAXLEN ~ 0 LIMIT 0
        XADD s MINID ~ 1000000000003-5 LIMIT 5 1000000000009-1 f v
        rule ignore
        XADD s MAXLEN = 1 LIMIT 5 2000000000000-1 f v
        ",
        expect![[r#"
            XADD s 1-1 f v
                "1-1" dirty=1 touched=0:s events=new@0:s,xadd@0:s
            XADD s * f v
                "1000000000000-0" dirty=1 touched=0:s events=xadd@0:s replicated=[XADD s 1000000000000-0 f v]
            XADD s * f v
                "1000000000000-1" dirty=1 touched=0:s events=xadd@0:s replicated=[XADD s 1000000000000-1 f v]
            XADD s 1000000000000-* f v
                "1000000000000-2" dirty=1 touched=0:s events=xadd@0:s replicated=[XADD s 1000000000000-2 f v]
            XADD s MAXLEN ~ 1 1000000000001-0 f v
                "1000000000001-0" dirty=1 touched=0:s events=xadd@0:s replicated=[XADD s MAXLEN = 5 1000000000001-0 f v]
            XADD s MAXLEN 2 1000000000002-0 f v
                "1000000000002-0" dirty=1 touched=0:s events=xadd@0:s,xtrim@0:s
            XADD s MINID ~ 5 * f v
                "1000000000002-1" dirty=1 touched=0:s events=xadd@0:s replicated=[XADD s MINID = 1-1 1000000000002-1 f v]
            XADD n NOMKSTREAM * f v
                nil
            XTRIM s MAXLEN ~ 1
                :0
            XTRIM s MAXLEN 1
                :2 dirty=2 touched=0:s events=xtrim@0:s
            XTRIM s MAXLEN 1
                :0
            XTRIM s MAXLEN ~ 0 LIMIT 0
                :1 dirty=1 touched=0:s events=xtrim@0:s replicated=[XTRIM s MAXLEN = 0 LIMIT 0]
            XADD s MINID ~ 1000000000003-5 LIMIT 5 1000000000009-1 f v
                "1000000000009-1" dirty=1 touched=0:s events=xadd@0:s replicated=[XADD s MINID = 1000000000009-1 LIMIT 5 1000000000009-1 f v]
            XADD s MAXLEN = 1 LIMIT 5 2000000000000-1 f v
                "2000000000000-1" dirty=1 touched=0:s events=xadd@0:s,xtrim@0:s
        "#]],
    );
}

#[test]
fn deleting_and_setting_figures() {
    check(
        "
        XADD s 1-1 f v
        XADD s 1-2 f v
        XADD s 1-3 f v
        XDEL s 1-1 1-1 1-2
        XDEL s 1-1
        XDEL n 1-1
        XSETID s 5-5 ENTRIESADDED 9 MAXDELETEDID 2-0
        XSETID n 5-5
        ",
        expect![[r#"
            XADD s 1-1 f v
                "1-1" dirty=1 touched=0:s events=new@0:s,xadd@0:s
            XADD s 1-2 f v
                "1-2" dirty=1 touched=0:s events=xadd@0:s
            XADD s 1-3 f v
                "1-3" dirty=1 touched=0:s events=xadd@0:s
            XDEL s 1-1 1-1 1-2
                :2 dirty=2 touched=0:s events=xdel@0:s
            XDEL s 1-1
                :0
            XDEL n 1-1
                :0
            XSETID s 5-5 ENTRIESADDED 9 MAXDELETEDID 2-0
                +OK dirty=1 events=xsetid@0:s
            XSETID n 5-5
                -ERR no such key
        "#]],
    );
}

#[test]
fn groups_are_told_of_but_do_not_touch_the_key() {
    check(
        "
        XGROUP CREATE s g $ MKSTREAM
        XGROUP CREATE s h $
        XGROUP CREATECONSUMER s g c
        XGROUP CREATECONSUMER s g c
        XGROUP SETID s g 0 ENTRIESREAD 3
        XGROUP DELCONSUMER s g c
        XGROUP DELCONSUMER s g c
        XGROUP DESTROY s g
        XGROUP DESTROY s g
        ",
        expect![[r#"
            XGROUP CREATE s g $ MKSTREAM
                +OK dirty=1 touched=0:s events=new@0:s,xgroup-create@0:s
            XGROUP CREATE s h $
                +OK dirty=1 events=xgroup-create@0:s
            XGROUP CREATECONSUMER s g c
                :1 dirty=1 events=xgroup-createconsumer@0:s
            XGROUP CREATECONSUMER s g c
                :0
            XGROUP SETID s g 0 ENTRIESREAD 3
                +OK dirty=1 events=xgroup-setid@0:s
            XGROUP DELCONSUMER s g c
                :0 dirty=1 events=xgroup-delconsumer@0:s
            XGROUP DELCONSUMER s g c
                :0
            XGROUP DESTROY s g
                :1 dirty=1 touched=0:s events=xgroup-destroy@0:s
            XGROUP DESTROY s g
                :0
        "#]],
    );
}

#[test]
fn reading_for_a_group_is_replicated_entry_by_entry() {
    check(
        "
        XADD s 1-1 f v
        XADD s 1-2 f v
        XADD s 1-3 f v
        XGROUP CREATE s g 0
        XREADGROUP GROUP g alice COUNT 1 STREAMS s >
        +5
        XREADGROUP GROUP g bob NOACK COUNT 1 STREAMS s >
        XREADGROUP GROUP g alice STREAMS s 0
        XREADGROUP GROUP g carol STREAMS s 0
        XREADGROUP GROUP g alice STREAMS s s > 0
        XREADGROUP GROUP g dave STREAMS s >
        XACK s g 1-1 1-2
        XACK s g 1-1
        ",
        expect![[r#"
            XADD s 1-1 f v
                "1-1" dirty=1 touched=0:s events=new@0:s,xadd@0:s
            XADD s 1-2 f v
                "1-2" dirty=1 touched=0:s events=xadd@0:s
            XADD s 1-3 f v
                "1-3" dirty=1 touched=0:s events=xadd@0:s
            XGROUP CREATE s g 0
                +OK dirty=1 events=xgroup-create@0:s
            XREADGROUP GROUP g alice COUNT 1 STREAMS s >
                [["s" [["1-1" ["f" "v"]]]]] dirty=2 hits=2/2 events=xgroup-createconsumer@0:s replicated=[XCLAIM s g alice 0 1-1 TIME 1000000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 1-1]
            XREADGROUP GROUP g bob NOACK COUNT 1 STREAMS s >
                [["s" [["1-2" ["f" "v"]]]]] dirty=2 hits=2/2 events=xgroup-createconsumer@0:s replicated=[XGROUP CREATECONSUMER s g bob] replicated=[XGROUP SETID s g 1-2 ENTRIESREAD 2]
            XREADGROUP GROUP g alice STREAMS s 0
                [["s" [["1-1" ["f" "v"]]]]] dirty=1 hits=2/2
            XREADGROUP GROUP g carol STREAMS s 0
                [["s" []]] dirty=2 hits=2/2 events=xgroup-createconsumer@0:s
            XREADGROUP GROUP g alice STREAMS s s > 0
                [["s" [["1-3" ["f" "v"]]]] ["s" [["1-1" ["f" "v"]] ["1-3" ["f" "v"]]]]] dirty=2 hits=4/4 replicated=[XCLAIM s g alice 0 1-3 TIME 1000000000005 RETRYCOUNT 1 FORCE JUSTID LASTID 1-3]
            XREADGROUP GROUP g dave STREAMS s >
                nil dirty=1 hits=2/2 events=xgroup-createconsumer@0:s
            XACK s g 1-1 1-2
                :1 dirty=1 hits=1/1
            XACK s g 1-1
                :0 hits=1/1
        "#]],
    );
}

#[test]
fn claiming_is_replicated_entry_by_entry() {
    check(
        "
        XADD s 1-1 f v
        XADD s 1-2 f v
        XADD s 1-3 f v
        XGROUP CREATE s g 0
        XREADGROUP GROUP g alice STREAMS s >
        +1000
        XCLAIM s g bob 5000 1-1
        XCLAIM s g bob 500 1-1 1-02
        XCLAIM s g bob 0 9-9 LASTID 8-8
        XDEL s 1-1
        XCLAIM s g bob 0 1-1
        XCLAIM s g bob 0 1-3 IDLE 100 JUSTID
        XDEL s 1-2
        XAUTOCLAIM s g carol 100 0 COUNT 1
        XAUTOCLAIM s g carol 100 0 COUNT 1
        XAUTOCLAIM s g carol 100 0 COUNT 1 JUSTID
        ",
        expect![[r#"
            XADD s 1-1 f v
                "1-1" dirty=1 touched=0:s events=new@0:s,xadd@0:s
            XADD s 1-2 f v
                "1-2" dirty=1 touched=0:s events=xadd@0:s
            XADD s 1-3 f v
                "1-3" dirty=1 touched=0:s events=xadd@0:s
            XGROUP CREATE s g 0
                +OK dirty=1 events=xgroup-create@0:s
            XREADGROUP GROUP g alice STREAMS s >
                [["s" [["1-1" ["f" "v"]] ["1-2" ["f" "v"]] ["1-3" ["f" "v"]]]]] dirty=2 hits=2/2 events=xgroup-createconsumer@0:s replicated=[XCLAIM s g alice 0 1-1 TIME 1000000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 1-1] replicated=[XCLAIM s g alice 0 1-2 TIME 1000000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 1-2] replicated=[XCLAIM s g alice 0 1-3 TIME 1000000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 1-3]
            XCLAIM s g bob 5000 1-1
                [] dirty=1 hits=1/1 events=xgroup-createconsumer@0:s
            XCLAIM s g bob 500 1-1 1-02
                [["1-1" ["f" "v"]] ["1-2" ["f" "v"]]] dirty=2 hits=1/1 replicated=[XCLAIM s g bob 0 1-1 TIME 1000000001000 RETRYCOUNT 2 FORCE JUSTID LASTID 1-3] replicated=[XCLAIM s g bob 0 1-02 TIME 1000000001000 RETRYCOUNT 2 FORCE JUSTID LASTID 1-3]
            XCLAIM s g bob 0 9-9 LASTID 8-8
                [] dirty=1 hits=1/1 replicated=[XGROUP SETID s g 8-8 ENTRIESREAD 3]
            XDEL s 1-1
                :1 dirty=1 touched=0:s events=xdel@0:s
            XCLAIM s g bob 0 1-1
                [] dirty=1 hits=1/1 replicated=[XCLAIM s g bob 0 1-1 TIME 1000000001000 RETRYCOUNT 2 FORCE JUSTID LASTID 8-8]
            XCLAIM s g bob 0 1-3 IDLE 100 JUSTID
                ["1-3"] dirty=1 hits=1/1 replicated=[XCLAIM s g bob 0 1-3 TIME 1000000000900 RETRYCOUNT 1 FORCE JUSTID LASTID 8-8]
            XDEL s 1-2
                :1 dirty=1 touched=0:s events=xdel@0:s
            XAUTOCLAIM s g carol 100 0 COUNT 1
                ["1-3" [] ["1-2"]] dirty=2 hits=1/1 events=xgroup-createconsumer@0:s replicated=[XCLAIM s g bob 0 1-2 TIME 1000000001000 RETRYCOUNT 2 FORCE JUSTID LASTID 8-8]
            XAUTOCLAIM s g carol 100 0 COUNT 1
                ["0-0" [["1-3" ["f" "v"]]] []] dirty=1 hits=1/1 replicated=[XCLAIM s g carol 0 1-3 TIME 1000000001000 RETRYCOUNT 2 FORCE JUSTID LASTID 8-8]
            XAUTOCLAIM s g carol 100 0 COUNT 1 JUSTID
                ["0-0" [] []] hits=1/1
        "#]],
    );
}

#[test]
fn who_waits_waits_behind_what_is_there_now() {
    check(
        "
        XADD s 1-1 f v
        XREAD BLOCK 500 STREAMS s t $ $
        XREAD BLOCK 0 STREAMS s 1-1
        XREAD BLOCK 0 STREAMS s 0
        XGROUP CREATE s g $
        XREADGROUP GROUP g c BLOCK 0 STREAMS s >
        XREADGROUP GROUP g c BLOCK 0 STREAMS s 0
        unblocking
        XREAD BLOCK 500 STREAMS s $
        XREADGROUP GROUP g c BLOCK 0 STREAMS s >
        ",
        expect![[r#"
            XADD s 1-1 f v
                "1-1" dirty=1 touched=0:s events=new@0:s,xadd@0:s
            XREAD BLOCK 500 STREAMS s t $ $
                nil hits=2/4 events=keymiss@0:t,keymiss@0:t waits=stream:s,t:500ms XREAD BLOCK 500 STREAMS s t 1-1 0-0
            XREAD BLOCK 0 STREAMS s 1-1
                nil hits=2/2 waits=stream:s:forever
            XREAD BLOCK 0 STREAMS s 0
                [["s" [["1-1" ["f" "v"]]]]] hits=2/2
            XGROUP CREATE s g $
                +OK dirty=1 events=xgroup-create@0:s
            XREADGROUP GROUP g c BLOCK 0 STREAMS s >
                nil dirty=1 hits=2/2 events=xgroup-createconsumer@0:s waits=stream:s:forever
            XREADGROUP GROUP g c BLOCK 0 STREAMS s 0
                [["s" []]] dirty=1 hits=2/2
            XREAD BLOCK 500 STREAMS s $
                nil hits=2/2
            XREADGROUP GROUP g c BLOCK 0 STREAMS s >
                nil hits=2/2
        "#]],
    );
}

#[test]
fn a_consumer_is_seen_when_it_tries_and_active_when_it_gets_something() {
    check(
        "
        XADD s 1-1 f v
        XGROUP CREATE s g 0
        XREADGROUP GROUP g idler STREAMS s 0
        XREADGROUP GROUP g reader STREAMS s >
        XREADGROUP GROUP g sloppy NOACK STREAMS s >
        +70
        XREADGROUP GROUP g reader STREAMS s >
        XCLAIM s g claimer 5000 1-1
        XCLAIM s g taker 0 1-1 JUSTID
        +30
        XINFO CONSUMERS s g
        XINFO STREAM s FULL
        XINFO STREAM s FULL COUNT 0
        XPENDING s g - + 10
        XPENDING s g IDLE 31 - + 10
        XPENDING s g IDLE 30 - + 10
        ",
        expect![[r#"
            XADD s 1-1 f v
                "1-1" dirty=1 touched=0:s events=new@0:s,xadd@0:s
            XGROUP CREATE s g 0
                +OK dirty=1 events=xgroup-create@0:s
            XREADGROUP GROUP g idler STREAMS s 0
                [["s" []]] dirty=2 hits=2/2 events=xgroup-createconsumer@0:s
            XREADGROUP GROUP g reader STREAMS s >
                [["s" [["1-1" ["f" "v"]]]]] dirty=2 hits=2/2 events=xgroup-createconsumer@0:s replicated=[XCLAIM s g reader 0 1-1 TIME 1000000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 1-1]
            XREADGROUP GROUP g sloppy NOACK STREAMS s >
                nil dirty=1 hits=2/2 events=xgroup-createconsumer@0:s replicated=[XGROUP CREATECONSUMER s g sloppy]
            XREADGROUP GROUP g reader STREAMS s >
                nil hits=2/2
            XCLAIM s g claimer 5000 1-1
                [] dirty=1 hits=1/1 events=xgroup-createconsumer@0:s
            XCLAIM s g taker 0 1-1 JUSTID
                ["1-1"] dirty=2 hits=1/1 events=xgroup-createconsumer@0:s replicated=[XCLAIM s g taker 0 1-1 TIME 1000000000070 RETRYCOUNT 1 FORCE JUSTID LASTID 1-1]
            XINFO CONSUMERS s g
                [["name" "claimer" "pending" :0 "idle" :30 "inactive" :-1] ["name" "idler" "pending" :0 "idle" :100 "inactive" :-1] ["name" "reader" "pending" :0 "idle" :30 "inactive" :100] ["name" "sloppy" "pending" :0 "idle" :100 "inactive" :-1] ["name" "taker" "pending" :1 "idle" :30 "inactive" :30]] hits=1/1
            XINFO STREAM s FULL
                ["length" :1 "radix-tree-keys" :1 "radix-tree-nodes" :2 "last-generated-id" "1-1" "max-deleted-entry-id" "0-0" "entries-added" :1 "recorded-first-entry-id" "1-1" "entries" [["1-1" ["f" "v"]]] "groups" [["name" "g" "last-delivered-id" "1-1" "entries-read" :1 "lag" :0 "pel-count" :1 "pending" [["1-1" "taker" :1000000000070 :1]] "consumers" [["name" "claimer" "seen-time" :1000000000070 "active-time" :-1 "pel-count" :0 "pending" []] ["name" "idler" "seen-time" :1000000000000 "active-time" :-1 "pel-count" :0 "pending" []] ["name" "reader" "seen-time" :1000000000070 "active-time" :1000000000000 "pel-count" :0 "pending" []] ["name" "sloppy" "seen-time" :1000000000000 "active-time" :-1 "pel-count" :0 "pending" []] ["name" "taker" "seen-time" :1000000000070 "active-time" :1000000000070 "pel-count" :1 "pending" [["1-1" :1000000000070 :1]]]]]]] hits=1/1
            XINFO STREAM s FULL COUNT 0
                ["length" :1 "radix-tree-keys" :1 "radix-tree-nodes" :2 "last-generated-id" "1-1" "max-deleted-entry-id" "0-0" "entries-added" :1 "recorded-first-entry-id" "1-1" "entries" [["1-1" ["f" "v"]]] "groups" [["name" "g" "last-delivered-id" "1-1" "entries-read" :1 "lag" :0 "pel-count" :1 "pending" [["1-1" "taker" :1000000000070 :1]] "consumers" [["name" "claimer" "seen-time" :1000000000070 "active-time" :-1 "pel-count" :0 "pending" []] ["name" "idler" "seen-time" :1000000000000 "active-time" :-1 "pel-count" :0 "pending" []] ["name" "reader" "seen-time" :1000000000070 "active-time" :1000000000000 "pel-count" :0 "pending" []] ["name" "sloppy" "seen-time" :1000000000000 "active-time" :-1 "pel-count" :0 "pending" []] ["name" "taker" "seen-time" :1000000000070 "active-time" :1000000000070 "pel-count" :1 "pending" [["1-1" :1000000000070 :1]]]]]]] hits=1/1
            XPENDING s g - + 10
                [["1-1" "taker" :30 :1]] hits=1/1
            XPENDING s g IDLE 31 - + 10
                [] hits=1/1
            XPENDING s g IDLE 30 - + 10
                [["1-1" "taker" :30 :1]] hits=1/1
        "#]],
    );
}

#[test]
fn expired_streams_are_none() {
    check(
        "
        XADD s 1-1 f v
        PEXPIRE s 10
        +20
        XADD s NOMKSTREAM 2-1 f v
        XADD s 2-1 f v
        PEXPIRE s 10
        +20
        rule hide
        XLEN s
        XRANGE s - +
        XINFO STREAM s
        ",
        expect![[r#"
            XADD s 1-1 f v
                "1-1" dirty=1 touched=0:s events=new@0:s,xadd@0:s
            PEXPIRE s 10
                :1 dirty=1 touched=0:s events=expire@0:s replicated=[PEXPIREAT s 1000000000010]
            XADD s NOMKSTREAM 2-1 f v
                nil expired=0:s touched=0:s events=expired@0:s
            XADD s 2-1 f v
                "2-1" dirty=1 touched=0:s events=new@0:s,xadd@0:s
            PEXPIRE s 10
                :1 dirty=1 touched=0:s events=expire@0:s replicated=[PEXPIREAT s 1000000000030]
            XLEN s
                :0 hits=0/1 events=keymiss@0:s
            XRANGE s - +
                [] hits=0/1 events=keymiss@0:s
            XINFO STREAM s
                -ERR no such key hits=0/1 events=keymiss@0:s
        "#]],
    );
}
