//! Rows that lie by themselves and rows that lie in pages, as one row of them.

use std::iter::from_fn;

/// All of them in the order of their keys; each of both must be in that order.
pub fn merged<K: Ord, V, E>(
    alone: impl Iterator<Item = Result<(K, V), E>>,
    paged: impl Iterator<Item = Result<(K, V), E>>,
) -> impl Iterator<Item = Result<(K, V), E>> {
    let (mut alone, mut paged) = (alone.peekable(), paged.peekable());
    from_fn(move || match (alone.peek(), paged.peek()) {
        (Some(Ok((one, _))), Some(Ok((other, _)))) if other < one => paged.next(),
        (Some(_), _) => alone.next(),
        (None, _) => paged.next(),
    })
}

/// The rows of a page, or the error that is in its place.
pub fn rows_of<T, E>(page: Result<Vec<T>, E>) -> impl Iterator<Item = Result<T, E>> {
    let (rows, error) = match page {
        Ok(rows) => (rows, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    rows.into_iter().map(Ok).chain(error.map(Err))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_order_wherever_they_lie_and_an_error_hides_nothing() {
        let alone = [Ok((2, "a")), Ok((5, "a"))];
        let pages = [Ok(vec![(1, "p"), (3, "p")]), Err("damaged"), Ok(vec![(9, "p")])];

        let rows: Vec<_> = merged(alone.into_iter(), pages.into_iter().flat_map(rows_of)).collect();

        let (before, after) = ([(1, "p"), (2, "a"), (3, "p"), (5, "a")], (9, "p"));
        let wanted = before.into_iter().map(Ok).chain([Err("damaged"), Ok(after)]);
        assert_eq!(rows, Vec::from_iter(wanted));
    }
}
