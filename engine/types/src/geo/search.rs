//! Members in an area: GEOSEARCH, GEOSEARCHSTORE, and the elder GEORADIUS and GEORADIUSBYMEMBER.

use keyspace::Value;
use keyspace::values::{ScoreBound, ScoreRange, SortedSet};
use resp::{Args, Writer};

use super::area::{Area, Shape};
use super::geohash::Position;
use super::read::{position, unit, write_distance, write_position};
use crate::arguments::{float, integer, is_word};
use crate::sorted_sets::store;
use crate::{CommandError, Ctx, Key};

/// The forms of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Longitude, latitude and radius stand behind the key.
    Radius,
    /// A member and a radius stand behind the key.
    RadiusByMember,
    /// Everything is said by options.
    Search,
    /// The same, behind the key that gets the result.
    SearchStore,
}

/// Whether STORE is among the options of an elder form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MayStore {
    Yes,
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Ascending,
    Descending,
}

/// All that is asked for.
#[derive(Default)]
struct Query<'a> {
    /// None of a member where there is no source.
    center: Option<Position>,
    from_member: bool,
    from_position: bool,
    shape: Option<Shape>,
    /// Meters in the unit of the shape.
    unit: f64,
    with_distance: bool,
    with_hash: bool,
    with_position: bool,
    any: bool,
    order: Option<Order>,
    /// 0 for all.
    count: usize,
    target: Option<&'a [u8]>,
    store_distance: bool,
}

/// A member that was found.
struct Found {
    member: Vec<u8>,
    score: f64,
    place: Position,
    /// From the center, in meters.
    distance: f64,
}

fn length(argument: &[u8], error: &'static str) -> Result<f64, CommandError> {
    float(argument).map_err(|_| CommandError::new(error))
}

impl<'a> Query<'a> {
    fn read_radius(&mut self, args: Args<'a>, at: usize) -> Result<(), CommandError> {
        let radius = length(args.at(at), "ERR need numeric radius")?;
        if radius < 0.0 {
            return Err(CommandError::new("ERR radius cannot be negative"));
        }
        self.unit = unit(args.at(at + 1))?;
        self.shape = Some(Shape::Circle { radius: radius * self.unit });
        Ok(())
    }

    fn read_box(&mut self, args: Args<'a>, at: usize) -> Result<(), CommandError> {
        let width = length(args.at(at), "ERR need numeric width")?;
        let height = length(args.at(at + 1), "ERR need numeric height")?;
        if width < 0.0 || height < 0.0 {
            return Err(CommandError::new("ERR height or width cannot be negative"));
        }
        self.unit = unit(args.at(at + 2))?;
        self.shape = Some(Shape::Box { width: width * self.unit, height: height * self.unit });
        Ok(())
    }

    fn read_member(&mut self, source: Option<&SortedSet>, member: &[u8]) -> Result<(), CommandError> {
        if let Some(set) = source {
            let score = set.score(member);
            let score = score.ok_or(CommandError::new("ERR could not decode requested zset member"))?;
            self.center = Some(Position::of_score(score));
        }
        Ok(())
    }

    /// Reads what stands in front of the options; gives where they begin.
    fn read_front(
        &mut self,
        args: Args<'a>,
        form: Form,
        source: Option<&SortedSet>,
    ) -> Result<usize, CommandError> {
        match form {
            Form::Radius => {
                self.center = Some(position(args.at(2), args.at(3))?);
                self.read_radius(args, 4)?;
                Ok(6)
            }
            Form::RadiusByMember => {
                if source.is_some() {
                    self.read_member(source, args.at(2))?;
                    self.read_radius(args, 3)?;
                }
                Ok(5)
            }
            Form::Search => Ok(2),
            Form::SearchStore => {
                self.target = Some(args.at(1));
                Ok(3)
            }
        }
    }

    /// Reads the option at `at` of a form that says everything by options; gives how many arguments it
    /// takes, or none when it is no such option.
    fn read_search_option(
        &mut self,
        args: Args<'a>,
        at: usize,
        source: Option<&SortedSet>,
    ) -> Result<Option<usize>, CommandError> {
        let (word, behind) = (args.at(at), args.len() - at - 1);
        let circle = matches!(self.shape, Some(Shape::Circle { .. }));
        let rectangle = matches!(self.shape, Some(Shape::Box { .. }));
        if is_word(word, "FROMMEMBER") && behind >= 1 && !self.from_position {
            self.read_member(source, args.at(at + 1))?;
            self.from_member = true;
            return Ok(Some(2));
        }
        if is_word(word, "FROMLONLAT") && behind >= 2 && !self.from_member {
            self.center = Some(position(args.at(at + 1), args.at(at + 2))?);
            self.from_position = true;
            return Ok(Some(3));
        }
        if is_word(word, "BYRADIUS") && behind >= 2 && !rectangle {
            self.read_radius(args, at + 1)?;
            return Ok(Some(3));
        }
        if is_word(word, "BYBOX") && behind >= 3 && !circle {
            self.read_box(args, at + 1)?;
            return Ok(Some(4));
        }
        Ok(None)
    }

    /// Reads the option at `at` that any form may have.
    fn read_option(&mut self, args: Args<'a>, at: usize) -> Result<Option<usize>, CommandError> {
        match args.at(at) {
            word if is_word(word, "WITHDIST") => self.with_distance = true,
            word if is_word(word, "WITHHASH") => self.with_hash = true,
            word if is_word(word, "WITHCOORD") => self.with_position = true,
            word if is_word(word, "ANY") => self.any = true,
            word if is_word(word, "ASC") => self.order = Some(Order::Ascending),
            word if is_word(word, "DESC") => self.order = Some(Order::Descending),
            word if is_word(word, "COUNT") && at + 1 < args.len() => {
                let count = integer(args.at(at + 1))?;
                if count <= 0 {
                    return Err(CommandError::new("ERR COUNT must be > 0"));
                }
                self.count = usize::try_from(count).unwrap_or(usize::MAX);
                return Ok(Some(2));
            }
            _ => return Ok(None),
        }
        Ok(Some(1))
    }

    fn parse(
        args: Args<'a>,
        form: Form,
        may_store: MayStore,
        source: Option<&SortedSet>,
    ) -> Result<Query<'a>, CommandError> {
        let mut query = Query { unit: 1.0, ..Query::default() };
        let mut at = query.read_front(args, form, source)?;
        let searches = matches!(form, Form::Search | Form::SearchStore);
        while at < args.len() {
            let word = args.at(at);
            let store = is_word(word, "STORE");
            at += if let Some(taken) = query.read_option(args, at)? {
                taken
            } else if !searches
                && may_store == MayStore::Yes
                && (store || is_word(word, "STOREDIST"))
                && at + 1 < args.len()
            {
                (query.target, query.store_distance) = (Some(args.at(at + 1)), !store);
                2
            } else if form == Form::SearchStore && is_word(word, "STOREDIST") {
                query.store_distance = true;
                1
            } else if searches && let Some(taken) = query.read_search_option(args, at, source)? {
                taken
            } else {
                return Err(CommandError::Syntax);
            };
        }
        query.check(args, form)?;
        Ok(query)
    }

    fn check(&mut self, args: Args<'_>, form: Form) -> Result<(), CommandError> {
        let searches = matches!(form, Form::Search | Form::SearchStore);
        let name = String::from_utf8_lossy(args.at(0));
        if self.target.is_some() && (self.with_distance || self.with_hash || self.with_position) {
            let what = match form {
                Form::SearchStore => "GEOSEARCHSTORE",
                _ => "STORE option in GEORADIUS",
            };
            return Err(CommandError::new(format!(
                "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        if searches && !self.from_member && !self.from_position {
            return Err(CommandError::new(format!(
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}"
            )));
        }
        if searches && self.shape.is_none() {
            return Err(CommandError::new(format!(
                "ERR exactly one of BYRADIUS and BYBOX can be specified for {name}"
            )));
        }
        if self.any && self.count == 0 {
            return Err(CommandError::new("ERR the ANY argument requires COUNT argument"));
        }
        // The nearest ones, unless any will do.
        if self.count > 0 && !self.any && self.order.is_none() {
            self.order = Some(Order::Ascending);
        }
        Ok(())
    }

    /// The members in the area, in the order asked for, no more than asked for.
    fn find(&self, set: &SortedSet) -> Vec<Found> {
        let (Some(center), Some(shape)) = (self.center, self.shape) else { return Vec::new() };
        let area = Area { center, shape };
        let enough = if self.any { self.count } else { usize::MAX };
        let mut found = Vec::new();
        for cell in area.cells() {
            let (min, max) = cell.scores();
            let (min, max) = (ScoreBound::Inclusive(min as f64), ScoreBound::Exclusive(max as f64));
            for (member, score) in set.iter(set.score_range(ScoreRange { min, max })) {
                if found.len() >= enough {
                    break;
                }
                let place = Position::of_score(score);
                if let Some(distance) = area.distance(place) {
                    found.push(Found { member: member.to_cow().into_owned(), score, place, distance });
                }
            }
        }
        match self.order {
            None => {}
            Some(Order::Ascending) => found.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
            Some(Order::Descending) => found.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
        }
        if self.count > 0 {
            found.truncate(self.count);
        }
        found
    }

    fn reply(&self, found: &[Found], out: &mut Writer<'_>) {
        let extras = [self.with_distance, self.with_hash, self.with_position];
        let extras = extras.into_iter().filter(|extra| *extra).count();
        out.array(found.len());
        for one in found {
            if extras > 0 {
                out.array(extras + 1);
            }
            crate::replies::write_value(out, Value::Bytes(&one.member));
            if self.with_distance {
                write_distance(out, one.distance / self.unit);
            }
            if self.with_hash {
                out.int(one.score as i64);
            }
            if self.with_position {
                write_position(out, one.place);
            }
        }
    }
}

fn run(ctx: &mut Ctx<'_>, args: Args<'_>, form: Form, may_store: MayStore) -> Result<(), CommandError> {
    let source = match form {
        Form::SearchStore => ctx.key(args.at(2)),
        _ => ctx.first_key(args),
    };
    let (query, found) = ctx.read_as::<SortedSet, _>(source, |set, out| {
        let query = Query::parse(args, form, may_store, set)?;
        let found = set.map_or_else(Vec::new, |set| query.find(set));
        if query.target.is_none() {
            query.reply(&found, out);
        }
        Ok((query, found))
    })?;
    if let Some(target) = query.target {
        let event = match form {
            Form::Search | Form::SearchStore => "geosearchstore",
            _ => "georadiusstore",
        };
        store_found(ctx, ctx.key(target), &query, &found, event);
    }
    Ok(())
}

fn store_found(ctx: &mut Ctx<'_>, target: Key<'_>, query: &Query<'_>, found: &[Found], event: &'static str) {
    let longest = found.iter().map(|one| one.member.len()).max().unwrap_or(0);
    let mut result = SortedSet::for_size(found.len(), longest, ctx.limits);
    for one in found {
        let score = if query.store_distance { one.distance / query.unit } else { one.score };
        result.insert(&one.member, score, ctx.limits);
    }
    ctx.effects.dirty += found.len().saturating_sub(1) as u64;
    store(ctx, target, result, event);
}

pub(super) fn georadius(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    run(ctx, args, Form::Radius, MayStore::Yes)
}

pub(super) fn georadius_ro(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    run(ctx, args, Form::Radius, MayStore::No)
}

pub(super) fn georadiusbymember(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    run(ctx, args, Form::RadiusByMember, MayStore::Yes)
}

pub(super) fn georadiusbymember_ro(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    run(ctx, args, Form::RadiusByMember, MayStore::No)
}

pub(super) fn geosearch(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    run(ctx, args, Form::Search, MayStore::No)
}

pub(super) fn geosearchstore(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    run(ctx, args, Form::SearchStore, MayStore::No)
}
