//! Positions as numbers of 52 bits: latitude and longitude, each halved 26 times, their bits by turns. A
//! number whose lowest bits are cut off is a cell, so that what is near is often near in a sorted set too.
//!
//! Ranges, constants and the earth's radius are those of Redis, whose scores these are. Latitudes beyond
//! about 85 degrees do not exist here, as on maps of the web.

/// Halvings of each coordinate in a score.
pub(super) const STEPS: u32 = 26;

const LONGITUDE: Range = Range { min: -180.0, max: 180.0 };
const LATITUDE: Range = Range { min: -85.051_128_78, max: 85.051_128_78 };
/// What the rest of the world halves.
const ALL_LATITUDES: Range = Range { min: -90.0, max: 90.0 };

const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

const EARTH_RADIUS_METERS: f64 = 6_372_797.560_856;
const RADIANS_IN_DEGREE: f64 = std::f64::consts::PI / 180.0;

pub(super) fn radians(degrees: f64) -> f64 {
    degrees * RADIANS_IN_DEGREE
}

/// The angle, in degrees, of a distance along a great circle.
pub(super) fn degrees_of_meters(meters: f64) -> f64 {
    meters / EARTH_RADIUS_METERS / RADIANS_IN_DEGREE
}

/// Numbers from one to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Range {
    fn contains(self, value: f64) -> bool {
        (self.min..=self.max).contains(&value)
    }

    /// The number of the part that a value lies in, of `2^steps`.
    fn part_of(self, value: f64, steps: u32) -> u32 {
        let share = (value - self.min) / (self.max - self.min);
        (share * (1u64 << steps) as f64) as u32
    }

    fn part(self, number: u32, steps: u32) -> Range {
        let parts = (1u64 << steps) as f64;
        let width = self.max - self.min;
        let at = |number: f64| self.min + number / parts * width;
        Range { min: at(f64::from(number)), max: at(f64::from(number) + 1.0) }
    }

    fn middle(self, within: Range) -> f64 {
        ((self.min + self.max) / 2.0).clamp(within.min, within.max)
    }
}

/// A place on the earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Position {
    pub(super) longitude: f64,
    pub(super) latitude: f64,
}

impl Position {
    /// None where there is no such place.
    pub(super) fn new(longitude: f64, latitude: f64) -> Option<Position> {
        let exists = LONGITUDE.contains(longitude) && LATITUDE.contains(latitude);
        exists.then_some(Position { longitude, latitude })
    }

    /// The score of a place.
    pub(super) fn score(self) -> u64 {
        Cell::of(self, STEPS).bits()
    }

    /// The place in the middle of a score's cell.
    pub(super) fn of_score(score: f64) -> Position {
        let (longitude, latitude) = Cell::from_bits(score as u64).area();
        Position { longitude: longitude.middle(LONGITUDE), latitude: latitude.middle(LATITUDE) }
    }

    /// The eleven characters of the geohash that others know.
    pub(super) fn text(self) -> [u8; 11] {
        let cell = Cell {
            longitude: LONGITUDE.part_of(self.longitude, STEPS),
            latitude: ALL_LATITUDES.part_of(self.latitude, STEPS),
            steps: STEPS,
        };
        let bits = cell.bits();
        std::array::from_fn(|at| match at {
            // Its bits would lie below the last of 52; Redis gives zeros.
            10 => ALPHABET[0],
            at => ALPHABET[(bits >> (47 - 5 * at)) as usize & 31],
        })
    }

    /// How far another place is, in meters, along a great circle (the haversine formula).
    pub(super) fn distance(self, other: Position) -> f64 {
        let half = |from: f64, to: f64| ((radians(to) - radians(from)) / 2.0).sin();
        let along_longitude = half(self.longitude, other.longitude);
        if along_longitude == 0.0 {
            return self.latitude_distance(other);
        }
        let along_latitude = half(self.latitude, other.latitude);
        let a = along_latitude * along_latitude
            + radians(self.latitude).cos()
                * radians(other.latitude).cos()
                * along_longitude
                * along_longitude;
        2.0 * EARTH_RADIUS_METERS * a.sqrt().asin()
    }

    /// How far apart their latitudes are, in meters.
    pub(super) fn latitude_distance(self, other: Position) -> f64 {
        EARTH_RADIUS_METERS * (radians(other.latitude) - radians(self.latitude)).abs()
    }
}

/// A cell: the numbers of the parts of longitude and latitude, each halved so many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    longitude: u32,
    latitude: u32,
    steps: u32,
}

impl Cell {
    pub(super) fn of(position: Position, steps: u32) -> Cell {
        Cell {
            longitude: LONGITUDE.part_of(position.longitude, steps),
            latitude: LATITUDE.part_of(position.latitude, steps),
            steps,
        }
    }

    fn from_bits(bits: u64) -> Cell {
        Cell { longitude: every_second_bit(bits >> 1), latitude: every_second_bit(bits), steps: STEPS }
    }

    fn bits(self) -> u64 {
        spread(self.latitude) | spread(self.longitude) << 1
    }

    /// The scores in it: from the first to below the second.
    pub(super) fn scores(self) -> (u64, u64) {
        let shift = 2 * (STEPS - self.steps);
        (self.bits() << shift, (self.bits() + 1) << shift)
    }

    /// Longitudes and latitudes in it.
    pub(super) fn area(self) -> (Range, Range) {
        (LONGITUDE.part(self.longitude, self.steps), LATITUDE.part(self.latitude, self.steps))
    }

    /// The cell so many cells to the east and to the north; beyond the edge of the map its other side. The
    /// very edges of the map in the east and north lie in cells beyond the last, which stay what they are.
    pub(super) fn neighbor(self, east: i32, north: i32) -> Cell {
        let moved = |part: u32, by: i32| match by {
            0 => part,
            by => part.wrapping_add_signed(by) & u32::MAX >> (32 - self.steps),
        };
        Cell { longitude: moved(self.longitude, east), latitude: moved(self.latitude, north), ..self }
    }
}

/// Puts a zero before each bit.
fn spread(bits: u32) -> u64 {
    let mut spread = u64::from(bits);
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        spread = (spread | spread << shift) & mask;
    }
    spread
}

/// The bits at even places.
fn every_second_bit(bits: u64) -> u32 {
    let mut packed = bits & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333u64),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ] {
        packed = (packed | packed >> shift) & mask;
    }
    packed as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn palermo_and_catania() {
        let palermo = Position::new(13.361389, 38.115556).unwrap();
        let catania = Position::new(15.087269, 37.502669).unwrap();
        assert_eq!((palermo.score(), catania.score()), (3_479_099_956_230_698, 3_479_447_370_796_909));
        let stored = Position::of_score(palermo.score() as f64);
        assert_eq!(&stored.text(), b"sqc8b49rny0");
        let distance = stored.distance(Position::of_score(catania.score() as f64));
        assert_eq!(format!("{distance:.4}"), "166274.1516");
    }

    #[test]
    fn bits_go_both_ways() {
        for bits in [0, 1, 0x2_aaaa, u32::MAX, 0x1234_5678] {
            assert_eq!(every_second_bit(spread(bits)), bits);
            assert_eq!(every_second_bit(spread(bits) << 1 >> 1), bits);
        }
    }

    #[test]
    fn neighbors_wrap_around_the_map() {
        let corner = Cell { longitude: 0, latitude: 3, steps: 2 };
        assert_eq!(corner.neighbor(-1, 1), Cell { longitude: 3, latitude: 0, steps: 2 });
    }
}
