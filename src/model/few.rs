//! Sorting what is not many, or not often sorted.
//!
//! A sort of the standard library is compiled anew for every type and every order, at some ten kilobytes each. This
//! one is in the program once, sorts places, and then moves what lies there.

use std::cmp::Ordering;

/// Puts things in order. Those that are equal stay as they lie.
pub fn sort_by<T>(things: &mut Vec<T>, order: impl Fn(&T, &T) -> Ordering) {
    let mut places: Vec<usize> = (0..things.len()).collect();
    let compare = |one: usize, other: usize| match (things.get(one), things.get(other)) {
        (Some(one), Some(other)) => order(one, other),
        _ => Ordering::Equal,
    };
    sort_places(&mut places, &compare);
    let mut left: Vec<Option<T>> = things.drain(..).map(Some).collect();
    things.extend(places.into_iter().filter_map(|place| left.get_mut(place)?.take()));
}

/// The same by what is made of each.
pub fn sort_by_key<T, K: Ord>(things: &mut Vec<T>, key: impl Fn(&T) -> K) {
    sort_by(things, |one, other| key(one).cmp(&key(other)));
}

fn sort_places(places: &mut [usize], compare: &dyn Fn(usize, usize) -> Ordering) {
    places.sort_by(|one, other| compare(*one, *other));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn things_are_sorted_as_the_standard_library_does_it(
            things in prop::collection::vec((0..9_u8, any::<u16>()), 0..99),
        ) {
            let (mut sorted, mut expected) = (things.clone(), things);
            sort_by_key(&mut sorted, |(key, _)| *key);
            expected.sort_by_key(|(key, _)| *key);
            prop_assert_eq!(&sorted, &expected);

            sort_by(&mut sorted, |one, other| other.1.cmp(&one.1));
            expected.sort_by_key(|other| std::cmp::Reverse(other.1));
            prop_assert_eq!(sorted, expected);
        }
    }
}
