//! The greatest key within a range, looked for from the front.
//!
//! sled's own walk backwards has a constant of a megabyte, which nothing else takes into the program.

use std::ops::RangeInclusive;

/// So many keys are walked one by one before the next leap.
const STRIDE: usize = 64;

/// The greatest key that there is within a range.
pub(super) fn last_within(
    tree: &sled::Tree,
    range: RangeInclusive<Vec<u8>>,
) -> sled::Result<Option<Vec<u8>>> {
    let (from, to) = range.into_inner();
    let mut walk = tree.range(from..=to.clone());
    let Some((mut last, _)) = walk.next().transpose()? else { return Ok(None) };
    let mut leap = 0_u128;
    let mut was_too_far = false;
    loop {
        let start = place(&last);
        for _ in 0..STRIDE {
            match walk.next().transpose()? {
                Some((key, _)) => last = key,
                None => return Ok(Some(last.to_vec())),
            }
        }
        // As far as the first walk came, twice as far each time, and half as far once it was too far.
        leap = if was_too_far {
            leap / 2
        } else {
            leap.saturating_mul(2).max(place(&last).saturating_sub(start))
        };
        while leap > 0 {
            let ahead = place(&last).saturating_add(leap).to_be_bytes().to_vec();
            let mut beyond = tree.range(ahead..=to.clone());
            if let Some((key, _)) = beyond.next().transpose()? {
                (last, walk) = (key, beyond);
                break;
            }
            was_too_far = true;
            leap /= 2;
        }
    }
}

/// The first bytes of a key as a number, in the order of the keys.
fn place(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    for (to, byte) in bytes.iter_mut().zip(key) {
        *to = *byte;
    }
    u128::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the n-th.
    type Place = fn(u64) -> Vec<u8>;

    #[test]
    fn the_last_key_is_found_however_many_there_are_and_however_they_lie() {
        let folder = tempfile::tempdir().unwrap();
        let db = sled::Config::default().path(folder.path()).open().unwrap();
        let lies: [(&str, Place); 4] = [
            ("close", |at| at.to_be_bytes().to_vec()),
            ("ever farther apart", |at| (u128::from(at).pow(4) << 40).to_be_bytes().to_vec()),
            ("in one place", |at| [[1_u8; 16].as_slice(), &at.to_be_bytes()].concat()),
            (
                "the last far away",
                |at| if at == 699 { vec![200] } else { at.to_be_bytes().to_vec() },
            ),
        ];
        for (name, key) in lies {
            let tree = db.open_tree(name).unwrap();
            for beside in [vec![6_u8, 255], vec![8, 0], vec![9]] {
                tree.insert(beside, b"").unwrap();
            }
            for count in 0..700_u64 {
                if count < 3 || count % 64 < 3 {
                    let expected = count.checked_sub(1).map(|at| [vec![7], key(at)].concat());
                    let found = last_within(&tree, vec![7]..=vec![8]).unwrap();
                    assert_eq!(found, expected, "{name}, {count}");
                }
                tree.insert([vec![7], key(count)].concat(), b"").unwrap();
            }
            let expected = Some([vec![7], key(699)].concat());
            assert_eq!(last_within(&tree, vec![7]..=vec![8]).unwrap(), expected, "{name}");
            let all = vec![0]..=vec![u8::MAX; 16];
            assert_eq!(last_within(&tree, all).unwrap(), Some(vec![9]), "{name}");
        }
    }
}
