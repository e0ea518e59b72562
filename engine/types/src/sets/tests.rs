//! Set commands: replies, and what the dispatcher would see.

use expect_test::expect;

use crate::harness::check;

#[test]
fn members_come_and_go() {
    check(
        "SADD s 3 1 2 3
        OBJECT ENCODING s
        SADD s 1
        SADD s a 1 b
        OBJECT ENCODING s
        SMEMBERS s
        SISMEMBER s a
        SISMEMBER s x
        SISMEMBER none x
        SMISMEMBER s 1 x b
        SMISMEMBER none 1
        SCARD s
        SCARD none
        SREM s a x 1
        SREM s x
        SREM s 2 3 b b
        SREM s a
        SMEMBERS s",
        expect![[r#"
            SADD s 3 1 2 3
                :3 dirty=3 touched=0:s events=new@0:s,sadd@0:s
            OBJECT ENCODING s
                "intset" hits=1/1
            SADD s 1
                :0
            SADD s a 1 b
                :2 dirty=2 touched=0:s events=sadd@0:s
            OBJECT ENCODING s
                "listpack" hits=1/1
            SMEMBERS s
                ["1" "2" "3" "a" "b"] hits=1/1
            SISMEMBER s a
                :1 hits=1/1
            SISMEMBER s x
                :0 hits=1/1
            SISMEMBER none x
                :0 hits=0/1 events=keymiss@0:none
            SMISMEMBER s 1 x b
                [:1 :0 :1] hits=1/1
            SMISMEMBER none 1
                [:0] hits=0/1 events=keymiss@0:none
            SCARD s
                :5 hits=1/1
            SCARD none
                :0 hits=0/1 events=keymiss@0:none
            SREM s a x 1
                :2 dirty=2 touched=0:s events=srem@0:s
            SREM s x
                :0
            SREM s 2 3 b b
                :3 dirty=3 touched=0:s events=srem@0:s,del@0:s
            SREM s a
                :0
            SMEMBERS s
                [] hits=0/1 events=keymiss@0:s
        "#]],
    );
}

#[test]
fn members_move() {
    check(
        "SADD s a b
        SMOVE s t a
        SMOVE s t x
        SMOVE none t a
        SMOVE s s b
        SMOVE s s x
        SADD t b
        SMOVE s t b
        EXISTS s
        SET k v
        SMOVE t k a
        SMOVE k t a
        SMOVE none k a
        SMOVE t u 1
        SMEMBERS t",
        expect![[r#"
            SADD s a b
                :2 dirty=2 touched=0:s events=new@0:s,sadd@0:s
            SMOVE s t a
                :1 dirty=2 touched=0:s,0:t events=srem@0:s,new@0:t,sadd@0:t
            SMOVE s t x
                :0
            SMOVE none t a
                :0
            SMOVE s s b
                :1
            SMOVE s s x
                :0
            SADD t b
                :1 dirty=1 touched=0:t events=sadd@0:t
            SMOVE s t b
                :1 dirty=1 touched=0:s events=srem@0:s,del@0:s
            EXISTS s
                :0 hits=0/1 events=keymiss@0:s
            SET k v
                +OK dirty=1 touched=0:k events=new@0:k,set@0:k
            SMOVE t k a
                -WRONGTYPE Operation against a key holding the wrong kind of value
            SMOVE k t a
                -WRONGTYPE Operation against a key holding the wrong kind of value
            SMOVE none k a
                :0
            SMOVE t u 1
                :0
            SMEMBERS t
                ["a" "b"] hits=1/1
        "#]],
    );
}

#[test]
fn members_at_random() {
    check(
        "SADD s a b c
        SRANDMEMBER s
        SRANDMEMBER none
        SRANDMEMBER s 2
        SRANDMEMBER s 5
        SRANDMEMBER s -5
        SRANDMEMBER s 0
        SRANDMEMBER none 1
        SRANDMEMBER s x
        SRANDMEMBER s 1 2
        SRANDMEMBER s -9223372036854775808
        SRANDMEMBER s -9223372036854775807
        SPOP s
        SPOP s 1
        SPOP s 0
        SPOP s -1
        SPOP s x
        SPOP s 1 2
        SPOP s 5
        SPOP s
        SPOP s 3
        SADD one 7
        SPOP one",
        expect![[r#"
            SADD s a b c
                :3 dirty=3 touched=0:s events=new@0:s,sadd@0:s
            SRANDMEMBER s
                "b" hits=1/1
            SRANDMEMBER none
                nil hits=0/1 events=keymiss@0:none
            SRANDMEMBER s 2
                ["a" "b"] hits=1/1
            SRANDMEMBER s 5
                ["a" "b" "c"] hits=1/1
            SRANDMEMBER s -5
                ["a" "b" "c" "b" "a"] hits=1/1
            SRANDMEMBER s 0
                [] hits=1/1
            SRANDMEMBER none 1
                [] hits=0/1 events=keymiss@0:none
            SRANDMEMBER s x
                -ERR value is not an integer or out of range
            SRANDMEMBER s 1 2
                -ERR syntax error
            SRANDMEMBER s -9223372036854775808
                -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
            SRANDMEMBER s -9223372036854775807
                -ERR value is out of range hits=1/1
            SPOP s
                "b" dirty=1 touched=0:s events=spop@0:s replicated=[SREM s b]
            SPOP s 1
                ["a"] dirty=1 touched=0:s events=spop@0:s replicated=[SREM s a]
            SPOP s 0
                []
            SPOP s -1
                -ERR value is out of range, must be positive
            SPOP s x
                -ERR value is out of range, must be positive
            SPOP s 1 2
                -ERR syntax error
            SPOP s 5
                ["c"] dirty=1 touched=0:s events=spop@0:s,del@0:s replicated=[DEL s]
            SPOP s
                nil
            SPOP s 3
                []
            SADD one 7
                :1 dirty=1 touched=0:one events=new@0:one,sadd@0:one
            SPOP one
                "7" dirty=1 touched=0:one events=spop@0:one,del@0:one replicated=[SREM one 7]
        "#]],
    );
}

#[test]
fn many_popped_members_leave_a_small_set() {
    let members: Vec<String> = (0..200).map(|n| format!("m{n}")).collect();
    let numbers: Vec<String> = (0..600).map(|n| n.to_string()).collect();
    let script = format!(
        "SADD s {}\nOBJECT ENCODING s\nSPOP s 195\nSCARD s\nOBJECT ENCODING s\nSPOP s 1\nSCARD s
        SADD n {}\nOBJECT ENCODING n\nSPOP n 590\nSCARD n\nOBJECT ENCODING n",
        members.join(" "),
        numbers.join(" ")
    );
    let shown = crate::harness::run(&script);
    let lines: Vec<&str> = shown.lines().map(str::trim).filter(|line| !line.starts_with("SADD")).collect();
    let answers = |command: &str| -> Vec<&str> {
        let two = lines.windows(2).filter(|two| two[0] == command);
        two.map(|two| two[1].split(' ').next().unwrap_or("")).collect()
    };
    assert_eq!(answers("OBJECT ENCODING s"), ["\"hashtable\"", "\"listpack\""]);
    assert_eq!(answers("SCARD s"), [":5", ":4"]);
    assert_eq!(answers("OBJECT ENCODING n"), ["\"hashtable\"", "\"listpack\""]);
    assert_eq!(answers("SCARD n"), [":10"]);
}

#[test]
fn sets_are_combined() {
    check(
        "SADD a 1 2 3 x
        SADD b 3 4 x y
        SADD n 1 2 3 4
        SINTER a b
        SINTER a none
        SINTER a b n
        SINTERCARD 2 a b
        SINTERCARD 2 a b LIMIT 1
        SINTERCARD 2 a b LIMIT 0
        SINTERCARD 0 a
        SINTERCARD x a
        SINTERCARD 3 a b
        SINTERCARD 1 a LIMIT -1
        SINTERCARD 1 a LIMIT
        SINTERCARD 1 a b
        SUNION a b none
        SDIFF a b
        SDIFF a a
        SDIFF none a
        SDIFF a none
        SINTERSTORE d a b n
        OBJECT ENCODING d
        SUNIONSTORE d a b
        SMEMBERS d
        SDIFFSTORE d a b
        OBJECT ENCODING d
        SDIFFSTORE d a a
        SINTERSTORE d a none
        SET k v
        SINTER a k
        SUNION none k
        SDIFFSTORE k a b
        TYPE k
        SINTERSTORE k none a
        EXISTS k",
        expect![[r#"
            SADD a 1 2 3 x
                :4 dirty=4 touched=0:a events=new@0:a,sadd@0:a
            SADD b 3 4 x y
                :4 dirty=4 touched=0:b events=new@0:b,sadd@0:b
            SADD n 1 2 3 4
                :4 dirty=4 touched=0:n events=new@0:n,sadd@0:n
            SINTER a b
                ["3" "x"] hits=2/2
            SINTER a none
                [] hits=1/2 events=keymiss@0:none
            SINTER a b n
                ["3"] hits=3/3
            SINTERCARD 2 a b
                :2 hits=2/2
            SINTERCARD 2 a b LIMIT 1
                :1 hits=2/2
            SINTERCARD 2 a b LIMIT 0
                :2 hits=2/2
            SINTERCARD 0 a
                -ERR numkeys should be greater than 0
            SINTERCARD x a
                -ERR numkeys should be greater than 0
            SINTERCARD 3 a b
                -ERR Number of keys can\'t be greater than number of args
            SINTERCARD 1 a LIMIT -1
                -ERR LIMIT can\'t be negative
            SINTERCARD 1 a LIMIT
                -ERR syntax error
            SINTERCARD 1 a b
                -ERR syntax error
            SUNION a b none
                ["1" "2" "3" "x" "4" "y"] hits=2/3 events=keymiss@0:none
            SDIFF a b
                ["1" "2"] hits=2/2
            SDIFF a a
                [] hits=2/2
            SDIFF none a
                [] hits=1/2 events=keymiss@0:none
            SDIFF a none
                ["1" "2" "3" "x"] hits=1/2 events=keymiss@0:none
            SINTERSTORE d a b n
                :1 dirty=1 hits=3/3 touched=0:d events=new@0:d,sinterstore@0:d
            OBJECT ENCODING d
                "intset" hits=1/1
            SUNIONSTORE d a b
                :6 dirty=1 hits=2/2 touched=0:d events=sunionstore@0:d
            SMEMBERS d
                ["1" "2" "3" "x" "4" "y"] hits=1/1
            SDIFFSTORE d a b
                :2 dirty=1 hits=2/2 touched=0:d events=sdiffstore@0:d
            OBJECT ENCODING d
                "intset" hits=1/1
            SDIFFSTORE d a a
                :0 dirty=1 hits=2/2 touched=0:d events=del@0:d
            SINTERSTORE d a none
                :0 hits=1/2 events=keymiss@0:none
            SET k v
                +OK dirty=1 touched=0:k events=new@0:k,set@0:k
            SINTER a k
                -WRONGTYPE Operation against a key holding the wrong kind of value hits=2/2
            SUNION none k
                -WRONGTYPE Operation against a key holding the wrong kind of value hits=1/2 events=keymiss@0:none
            SDIFFSTORE k a b
                :2 dirty=1 hits=2/2 touched=0:k events=sdiffstore@0:k
            TYPE k
                +set hits=1/1
            SINTERSTORE k none a
                :0 dirty=1 hits=1/2 touched=0:k events=keymiss@0:none,del@0:k
            EXISTS k
                :0 hits=0/1 events=keymiss@0:k
        "#]],
    );
}

#[test]
fn both_ways_to_a_difference_agree() {
    // The first set is small beside the others, then large.
    check(
        "SADD small a b 1
        SADD large a c d e f g h i j k l m n o p q r s t
        SADD one a
        SADD two b
        SADD three 1
        SADD four c
        SADD five d
        SDIFF small large
        SDIFF large small
        SDIFF large one two three four five
        SDIFFSTORE d small one two
        OBJECT ENCODING d
        SDIFFSTORE d large one two three four five large
        SDIFF small one two three",
        expect![[r#"
            SADD small a b 1
                :3 dirty=3 touched=0:small events=new@0:small,sadd@0:small
            SADD large a c d e f g h i j k l m n o p q r s t
                :19 dirty=19 touched=0:large events=new@0:large,sadd@0:large
            SADD one a
                :1 dirty=1 touched=0:one events=new@0:one,sadd@0:one
            SADD two b
                :1 dirty=1 touched=0:two events=new@0:two,sadd@0:two
            SADD three 1
                :1 dirty=1 touched=0:three events=new@0:three,sadd@0:three
            SADD four c
                :1 dirty=1 touched=0:four events=new@0:four,sadd@0:four
            SADD five d
                :1 dirty=1 touched=0:five events=new@0:five,sadd@0:five
            SDIFF small large
                ["b" "1"] hits=2/2
            SDIFF large small
                ["c" "d" "e" "f" "g" "h" "i" "j" "k" "l" "m" "n" "o" "p" "q" "r" "s" "t"] hits=2/2
            SDIFF large one two three four five
                ["e" "f" "g" "h" "i" "j" "k" "l" "m" "n" "o" "p" "q" "r" "s" "t"] hits=6/6
            SDIFFSTORE d small one two
                :1 dirty=1 hits=3/3 touched=0:d events=new@0:d,sdiffstore@0:d
            OBJECT ENCODING d
                "intset" hits=1/1
            SDIFFSTORE d large one two three four five large
                :0 dirty=1 hits=7/7 touched=0:d events=del@0:d
            SDIFF small one two three
                [] hits=4/4
        "#]],
    );
}

#[test]
fn a_scan_gives_members() {
    check(
        "SADD s a b 10
        SSCAN s 0
        SSCAN s 0 MATCH 1*
        SSCAN s 0 MATCH [ab] COUNT 2
        SSCAN s 0 TYPE set
        SSCAN none 0 FOO
        SADD n 1 2 3
        SSCAN n 0 MATCH 2",
        expect![[r#"
            SADD s a b 10
                :3 dirty=3 touched=0:s events=new@0:s,sadd@0:s
            SSCAN s 0
                ["0" ["a" "b" "10"]] hits=1/1
            SSCAN s 0 MATCH 1*
                ["0" ["10"]] hits=1/1
            SSCAN s 0 MATCH [ab] COUNT 2
                ["0" ["a" "b"]] hits=1/1
            SSCAN s 0 TYPE set
                -ERR syntax error hits=1/1
            SSCAN none 0 FOO
                ["0" []] hits=0/1 events=keymiss@0:none
            SADD n 1 2 3
                :3 dirty=3 touched=0:n events=new@0:n,sadd@0:n
            SSCAN n 0 MATCH 2
                ["0" ["2"]] hits=1/1
        "#]],
    );
}

#[test]
fn other_types_and_deadlines() {
    check(
        "SET k v
        SADD k a
        SREM k a
        SCARD k
        SPOP k
        SPOP k 0
        SRANDMEMBER k 1
        SADD s a
        PEXPIRE s 10
        +20
        SMOVE s t a
        SADD s b
        SMEMBERS s
        COPY s t
        SADD t c
        SMEMBERS s
        OBJECT REFCOUNT s",
        expect![[r#"
            SET k v
                +OK dirty=1 touched=0:k events=new@0:k,set@0:k
            SADD k a
                -WRONGTYPE Operation against a key holding the wrong kind of value
            SREM k a
                -WRONGTYPE Operation against a key holding the wrong kind of value
            SCARD k
                -WRONGTYPE Operation against a key holding the wrong kind of value hits=1/1
            SPOP k
                -WRONGTYPE Operation against a key holding the wrong kind of value
            SPOP k 0
                -WRONGTYPE Operation against a key holding the wrong kind of value
            SRANDMEMBER k 1
                -WRONGTYPE Operation against a key holding the wrong kind of value hits=1/1
            SADD s a
                :1 dirty=1 touched=0:s events=new@0:s,sadd@0:s
            PEXPIRE s 10
                :1 dirty=1 touched=0:s events=expire@0:s replicated=[PEXPIREAT s 1000000000010]
            SMOVE s t a
                :0 expired=0:s touched=0:s events=expired@0:s
            SADD s b
                :1 dirty=1 touched=0:s events=new@0:s,sadd@0:s
            SMEMBERS s
                ["b"] hits=1/1
            COPY s t
                :1 dirty=1 hits=1/1 touched=0:t events=new@0:t,copy_to@0:t
            SADD t c
                :1 dirty=1 touched=0:t events=sadd@0:t
            SMEMBERS s
                ["b"] hits=1/1
            OBJECT REFCOUNT s
                :1 hits=1/1
        "#]],
    );
}
