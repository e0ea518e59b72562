//! Where to look for what lies in a circle or a box: nine cells at most, chosen as Redis does, so that
//! unsorted results have its order.

use super::geohash::{Cell, Position, STEPS, degrees_of_meters, radians};

/// Half the length of the equator on the map.
const MAP_MAX_METERS: f64 = 20_037_726.37;

/// What is searched around a place; lengths in meters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
}

/// A shape at a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) center: Position,
    pub(super) shape: Shape,
}

/// The edges of an area.
struct Edges {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl Area {
    /// How far a place is from the center, in meters; none where it lies outside.
    pub(super) fn distance(&self, place: Position) -> Option<f64> {
        match self.shape {
            Shape::Circle { radius } => {
                let distance = self.center.distance(place);
                (distance <= radius).then_some(distance)
            }
            Shape::Box { width, height } => {
                if self.center.latitude_distance(place) > height / 2.0 {
                    return None;
                }
                let beside = Position { latitude: place.latitude, ..self.center };
                let inside = place.distance(beside) <= width / 2.0;
                inside.then(|| self.center.distance(place))
            }
        }
    }

    fn edges(&self) -> Edges {
        let (width, height) = match self.shape {
            Shape::Circle { radius } => (radius, radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
        };
        let Position { longitude, latitude } = self.center;
        let up = degrees_of_meters(height);
        // Where a meter is the most degrees: at the edge that is nearer to the pole.
        let edge = if latitude < 0.0 { latitude - up } else { latitude + up };
        let aside = degrees_of_meters(width / radians(edge).cos());
        Edges { west: longitude - aside, south: latitude - up, east: longitude + aside, north: latitude + up }
    }

    /// Halvings that give cells of about the size of the area.
    fn steps(&self) -> u32 {
        let mut reach = match self.shape {
            Shape::Circle { radius } => radius,
            Shape::Box { width, height } => ((width / 2.0).powi(2) + (height / 2.0).powi(2)).sqrt(),
        };
        if reach == 0.0 {
            return STEPS;
        }
        let mut steps = 1;
        while reach < MAP_MAX_METERS {
            reach *= 2.0;
            steps += 1;
        }
        steps -= 2;
        // Cells are narrower towards the poles.
        let latitude = self.center.latitude.abs();
        steps -= i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        steps.clamp(1, STEPS as i32) as u32
    }

    /// The cells that cover the area, in the order in which Redis visits them.
    pub(super) fn cells(&self) -> Vec<Cell> {
        let edges = self.edges();
        let mut steps = self.steps();
        let mut cell = Cell::of(self.center, steps);
        if steps > 1 && !covers(cell, &edges) {
            steps -= 1;
            cell = Cell::of(self.center, steps);
        }
        let (longitude, latitude) = cell.area();
        let needed = |east: i32, north: i32| {
            steps < 2
                || !((north < 0 && latitude.min < edges.south)
                    || (north > 0 && latitude.max > edges.north)
                    || (east < 0 && longitude.min < edges.west)
                    || (east > 0 && longitude.max > edges.east))
        };
        let around = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        let mut cells: Vec<Cell> = Vec::with_capacity(around.len());
        for (east, north) in around {
            let neighbor = cell.neighbor(east, north);
            // On a map of few cells neighbours are the same; Redis passes over one that it has just seen,
            // though not over the one in the middle.
            let repeated = cells.len() > 1 && cells.last() == Some(&neighbor);
            if needed(east, north) && !repeated {
                cells.push(neighbor);
            }
        }
        cells
    }
}

/// Whether a cell and its neighbours reach to all edges.
fn covers(cell: Cell, edges: &Edges) -> bool {
    let (_, north) = cell.neighbor(0, 1).area();
    let (_, south) = cell.neighbor(0, -1).area();
    let (east, _) = cell.neighbor(1, 0).area();
    let (west, _) = cell.neighbor(-1, 0).area();
    north.max >= edges.north && south.min <= edges.south && east.max >= edges.east && west.min <= edges.west
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every place of an area lies in one of its cells.
    #[test]
    fn nothing_of_an_area_is_missed() {
        for (longitude, latitude) in [(13.36, 38.11), (0.0, 0.0), (-75.5, 60.2), (10.0, -40.0), (100.0, 70.0)]
        {
            let center = Position::new(longitude, latitude).unwrap();
            for size in [1.0, 900.0, 50_000.0, 400_000.0] {
                for shape in [Shape::Circle { radius: size }, Shape::Box { width: size, height: 2.0 * size }]
                {
                    let area = Area { center, shape };
                    let cells = area.cells();
                    for step in 0..400 {
                        let angle = f64::from(step);
                        let reach = degrees_of_meters(size) * f64::from(step % 20) / 20.0;
                        let (east, north) = (angle.cos() * reach * 2.0, angle.sin() * reach);
                        let Some(place) = Position::new(longitude + east, latitude + north) else { continue };
                        if area.distance(place).is_some() {
                            let score = place.score();
                            let found =
                                cells.iter().any(|cell| (cell.scores().0..cell.scores().1).contains(&score));
                            assert!(found, "{area:?} misses {place:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_point_is_one_cell_and_its_neighbors() {
        let center = Position::new(1.0, 1.0).unwrap();
        let area = Area { center, shape: Shape::Circle { radius: 0.0 } };
        assert!(area.cells().contains(&Cell::of(center, STEPS)));
        assert_eq!(area.distance(center), Some(0.0));
    }
}
