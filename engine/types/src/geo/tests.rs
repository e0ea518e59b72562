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
        expect![[r#""#]],
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
        expect![[r#""#]],
    );
}
