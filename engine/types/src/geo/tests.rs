//! Geo commands on a context of their own.

use expect_test::expect;

use crate::harness::check;

#[test]
fn places_are_scores_and_come_back() {
    check(
        "
        GEOADD sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
        GEOADD sicily NX CH 13.361389 38.115556 Palermo
        GEODIST sicily Palermo Catania km
        GEODIST sicily Palermo nowhere
        GEOHASH sicily Palermo Catania nowhere
        GEOPOS sicily Palermo nowhere
        GEOADD sicily 200 1 x
        GEOADD sicily XX NX 1 1 x
        ",
        expect![[r#"
            GEOADD sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
                :2 dirty=2 touched=0:sicily events=new@0:sicily,zadd@0:sicily replicated=[zadd sicily 3479099956230698 Palermo 3479447370796909 Catania]
            GEOADD sicily NX CH 13.361389 38.115556 Palermo
                :0
            GEODIST sicily Palermo Catania km
                "166.2742" hits=1/1
            GEODIST sicily Palermo nowhere
                nil hits=1/1
            GEOHASH sicily Palermo Catania nowhere
                ["sqc8b49rny0" "sqdtr74hyu0" nil] hits=1/1
            GEOPOS sicily Palermo nowhere
                [["13.36138933897018433" "38.11555639549629859"] nil] hits=1/1
            GEOADD sicily 200 1 x
                -ERR invalid longitude,latitude pair 200.000000,1.000000
            GEOADD sicily XX NX 1 1 x
                -ERR syntax error
        "#]],
    );
}

#[test]
fn members_in_an_area() {
    check(
        "
        GEOADD sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.758489 38.788135 edge1
        GEOSEARCH sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHDIST
        GEOSEARCH sicily FROMLONLAT 15 37 BYBOX 400 400 km DESC COUNT 1
        GEORADIUS sicily 15 37 200 km WITHDIST WITHHASH COUNT 1 ANY
        GEORADIUSBYMEMBER sicily Catania 200 km STOREDIST near
        GEOSEARCHSTORE near sicily FROMMEMBER Palermo BYRADIUS 1 m
        GEOSEARCHSTORE near none FROMMEMBER Palermo BYRADIUS 1 m
        GEOSEARCH sicily FROMMEMBER nobody BYRADIUS 1 m
        GEOSEARCH sicily BYRADIUS 1 m ASC WITHDIST WITHHASH
        GEORADIUS_RO sicily 15 37 200 km STORE near
        ",
        expect![[r#"
            GEOADD sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.758489 38.788135 edge1
                :3 dirty=3 touched=0:sicily events=new@0:sicily,zadd@0:sicily replicated=[zadd sicily 3479099956230698 Palermo 3479447370796909 Catania 3479273021651468 edge1]
            GEOSEARCH sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHDIST
                [["Catania" "56.4413"] ["Palermo" "190.4424"]] hits=1/1
            GEOSEARCH sicily FROMLONLAT 15 37 BYBOX 400 400 km DESC COUNT 1
                ["edge1"] hits=1/1
            GEORADIUS sicily 15 37 200 km WITHDIST WITHHASH COUNT 1 ANY
                [["Palermo" "190.4424" :3479099956230698]] hits=1/1
            GEORADIUSBYMEMBER sicily Catania 200 km STOREDIST near
                :2 dirty=2 hits=1/1 touched=0:near events=new@0:near,georadiusstore@0:near
            GEOSEARCHSTORE near sicily FROMMEMBER Palermo BYRADIUS 1 m
                :1 dirty=1 hits=1/1 touched=0:near events=geosearchstore@0:near
            GEOSEARCHSTORE near none FROMMEMBER Palermo BYRADIUS 1 m
                :0 dirty=1 hits=0/1 touched=0:near events=keymiss@0:none,del@0:near
            GEOSEARCH sicily FROMMEMBER nobody BYRADIUS 1 m
                -ERR could not decode requested zset member hits=1/1
            GEOSEARCH sicily BYRADIUS 1 m ASC WITHDIST WITHHASH
                -ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH hits=1/1
            GEORADIUS_RO sicily 15 37 200 km STORE near
                -ERR syntax error hits=1/1
        "#]],
    );
}
