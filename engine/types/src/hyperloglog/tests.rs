//! Tests of the family, as lines of commands and what comes of them.

use expect_test::expect;

use super::hash::Place;
use super::{dense, estimate, stored};
use crate::harness::check;

#[test]
fn counts_are_kept_and_forgotten() {
    check(
        "
        PFADD h
        GETRANGE h 0 -1
        PFADD h a b c
        PFADD h a b c
        GETRANGE h 0 -1
        PFCOUNT h
        GETRANGE h 8 15
        PFCOUNT h
        PFCOUNT none
        PFDEBUG DECODE h
        PFDEBUG ENCODING h
        PFMERGE d h none
        PFCOUNT d h none
        PFDEBUG TODENSE d
        PFDEBUG TODENSE d
        PFDEBUG DECODE d
        PFDEBUG foo d
        PFDEBUG ENCODING none
        STRLEN d
        PFMERGE h d
        PFDEBUG ENCODING h
        PFCOUNT h d
        PFSELFTEST
        ",
        expect![[r#"
            PFADD h
                :1 dirty=1 touched=0:h events=new@0:h,pfadd@0:h
            GETRANGE h 0 -1
                "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff" hits=1/1
            PFADD h a b c
                :1 dirty=3 touched=0:h events=pfadd@0:h
            PFADD h a b c
                :0
            GETRANGE h 0 -1
                "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80`\xf3\x80P\xb1\x84K\xfb\x80BZ" hits=1/1
            PFCOUNT h
                :3 dirty=1 hits=1/1 touched=0:h
            GETRANGE h 8 15
                "\x03\x00\x00\x00\x00\x00\x00\x00" hits=1/1
            PFCOUNT h
                :3 hits=1/1
            PFCOUNT none
                :0 hits=0/1 events=keymiss@0:none
            PFDEBUG DECODE h
                "Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603"
            PFDEBUG ENCODING h
                +sparse
            PFMERGE d h none
                +OK dirty=1 hits=1/3 touched=0:d events=keymiss@0:d,keymiss@0:none,new@0:d,pfadd@0:d
            PFCOUNT d h none
                :3 hits=2/3 events=keymiss@0:none
            PFDEBUG TODENSE d
                :1 dirty=1
            PFDEBUG TODENSE d
                :0
            PFDEBUG DECODE d
                -ERR HLL encoding is not sparse
            PFDEBUG foo d
                -ERR Unknown PFDEBUG subcommand \'foo\'
            PFDEBUG ENCODING none
                -ERR The specified key does not exist
            STRLEN d
                :12304 hits=1/1
            PFMERGE h d
                +OK dirty=1 hits=2/2 touched=0:h events=pfadd@0:h
            PFDEBUG ENCODING h
                +dense
            PFCOUNT h d
                :3 hits=2/2
            PFSELFTEST
                +OK
        "#]],
    );
}

#[test]
fn what_is_no_hyperloglog_is_refused() {
    check(
        r#"
        SET s foo
        SET n 12
        PFADD s a
        PFADD n a
        PFCOUNT s
        PFCOUNT s s
        PFMERGE d s
        PFDEBUG ENCODING s
        SET h "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"
        PFCOUNT h
        PFADD h a
        PFMERGE d h
        PFCOUNT h h
        SET h "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff\x00"
        PFCOUNT h
        SET h "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f"
        PFCOUNT h
        PFADD h a
        PFDEBUG DECODE h
        SET h "HYLL\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f"
        PFCOUNT h
        SET h "HYLL\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f"
        PFCOUNT h
        "#,
        expect![[r#"
            SET s foo
                +OK dirty=1 touched=0:s events=new@0:s,set@0:s
            SET n 12
                +OK dirty=1 touched=0:n events=new@0:n,set@0:n
            PFADD s a
                -WRONGTYPE Key is not a valid HyperLogLog string value.
            PFADD n a
                -WRONGTYPE Key is not a valid HyperLogLog string value.
            PFCOUNT s
                -WRONGTYPE Key is not a valid HyperLogLog string value. hits=1/1
            PFCOUNT s s
                -WRONGTYPE Key is not a valid HyperLogLog string value. hits=1/1
            PFMERGE d s
                -WRONGTYPE Key is not a valid HyperLogLog string value. hits=1/2 events=keymiss@0:d
            PFDEBUG ENCODING s
                -WRONGTYPE Key is not a valid HyperLogLog string value.
            SET h "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"
                +OK dirty=1 touched=0:h events=new@0:h,set@0:h
            PFCOUNT h
                -INVALIDOBJ Corrupted HLL object detected hits=1/1
            PFADD h a
                -INVALIDOBJ Corrupted HLL object detected
            PFMERGE d h
                -INVALIDOBJ Corrupted HLL object detected hits=1/2 events=keymiss@0:d
            PFCOUNT h h
                -INVALIDOBJ Corrupted HLL object detected hits=1/1
            SET h "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff\x00"
                +OK dirty=1 touched=0:h events=set@0:h
            PFCOUNT h
                -INVALIDOBJ Corrupted HLL object detected hits=1/1
            SET h "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f"
                +OK dirty=1 touched=0:h events=set@0:h
            PFCOUNT h
                -INVALIDOBJ Corrupted HLL object detected hits=1/1
            PFADD h a
                -INVALIDOBJ Corrupted HLL object detected
            PFDEBUG DECODE h
                -INVALIDOBJ Corrupted HLL object detected
            SET h "HYLL\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f"
                +OK dirty=1 touched=0:h events=set@0:h
            PFCOUNT h
                -WRONGTYPE Key is not a valid HyperLogLog string value. hits=1/1
            SET h "HYLL\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f"
                +OK dirty=1 touched=0:h events=set@0:h
            PFCOUNT h
                -WRONGTYPE Key is not a valid HyperLogLog string value. hits=1/1
        "#]],
    );
}

#[test]
fn runs_and_six_bits_say_the_same() {
    let (mut one, mut other) = (stored::empty(), stored::empty());
    stored::make_dense(&mut other).unwrap();
    let mut state = 3u64;
    for step in 0..4000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let place = Place { register: (state >> 50) as usize, value: (state >> 40) as u8 % 32 + 1 };
        assert_eq!(stored::raise(&mut one, place, u64::MAX), stored::raise(&mut other, place, 0));
        if step % 500 == 0 {
            assert_eq!(stored::histogram(&one), stored::histogram(&other));
        }
    }
    stored::make_dense(&mut one).unwrap();
    stored::forget_count(&mut other);
    assert_eq!(one, other);
}

#[test]
fn registers_at_their_limit_count_as_very_many() {
    let mut registers = vec![0; dense::BYTES];
    (0..stored::REGISTERS).for_each(|at| dense::set(&mut registers, at, 51));
    assert_eq!(estimate::cardinality(&dense::histogram(&registers)), u64::MAX);
    assert_eq!(estimate::cardinality(&dense::histogram(&vec![0; dense::BYTES])), 0);
}
