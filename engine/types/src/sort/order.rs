//! Weights of elements, and their comparison.

use std::cmp::Ordering;

use super::number;
use super::options::{By, Options};
use super::pattern::look_up;
use crate::{CommandError, Ctx};

/// What an element is compared by.
#[derive(Debug)]
enum Weight {
    Number(f64),
    /// A text of its own; none where the pattern names nothing.
    Text(Option<Vec<u8>>),
    /// The element's text.
    Itself,
}

/// How texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Texts {
    /// Byte by byte.
    Whole,
    /// As C compares strings, up to the first zero byte: what is not stored is compared by the locale.
    UpToZero,
}

/// The elements in order.
///
/// # Errors
/// When an element that is to be compared as a number is none.
pub(super) fn sorted(
    ctx: &mut Ctx<'_>,
    elements: Vec<Vec<u8>>,
    by: By<'_>,
    options: &Options<'_>,
) -> Result<Vec<Vec<u8>>, CommandError> {
    let mut weighed = Vec::with_capacity(elements.len());
    let mut no_number = false;
    for element in elements {
        let weight = match weigh(ctx, &element, by, options.alpha) {
            Some(weight) => weight,
            None => {
                no_number = true;
                Weight::Itself
            }
        };
        weighed.push((weight, element));
    }
    if no_number {
        return Err(CommandError::new("ERR One or more scores can't be converted into double"));
    }
    let texts = if options.store.is_some() { Texts::Whole } else { Texts::UpToZero };
    weighed.sort_by(|one, other| {
        let ordering = compare(one, other, texts);
        if options.descending { ordering.reverse() } else { ordering }
    });
    Ok(weighed.into_iter().map(|(_, element)| element).collect())
}

/// The weight of an element; none when it ought to be a number and is not.
fn weigh(ctx: &mut Ctx<'_>, element: &[u8], by: By<'_>, alpha: bool) -> Option<Weight> {
    match (by, alpha) {
        (By::Pattern(pattern), true) => Some(Weight::Text(look_up(ctx, pattern, element))),
        (By::Pattern(pattern), false) => match look_up(ctx, pattern, element) {
            Some(text) => number::parse(&text).map(Weight::Number),
            None => Some(Weight::Number(0.0)),
        },
        (_, true) => Some(Weight::Itself),
        (_, false) => number::parse(element).map(Weight::Number),
    }
}

type Weighed = (Weight, Vec<u8>);

fn compare((one, one_element): &Weighed, (other, other_element): &Weighed, texts: Texts) -> Ordering {
    match (one, other) {
        // Equal numbers are told apart by the elements, so that the order is never chance.
        (Weight::Number(one), Weight::Number(other)) => {
            one.partial_cmp(other).unwrap_or(Ordering::Equal).then_with(|| one_element.cmp(other_element))
        }
        (Weight::Text(Some(one)), Weight::Text(Some(other))) => compare_texts(one, other, texts),
        (Weight::Text(one), Weight::Text(other)) => one.is_some().cmp(&other.is_some()),
        _ => compare_texts(one_element, other_element, texts),
    }
}

fn compare_texts(one: &[u8], other: &[u8], texts: Texts) -> Ordering {
    let seen = |text| match texts {
        Texts::Whole => text,
        Texts::UpToZero => <[u8]>::split(text, |byte| *byte == 0).next().unwrap_or_default(),
    };
    seen(one).cmp(seen(other))
}
