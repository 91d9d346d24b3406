//! Keeps what the allocator holds near to what the program uses.
//!
//! It is a crate of its own because it calls C, and memoryd itself forbids unsafe code.

/// Lets threads share so many heaps, instead of eight for each core. Call it before there are threads: heaps that
/// are there stay. Returns whether the allocator knows such a limit.
///
/// Each of glibc's heaps keeps what was freed in it, and a heap for every thread keeps it as many times.
#[must_use]
pub fn limit_heaps(most: u16) -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: mallopt(3) takes two numbers and touches nothing of ours.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, most.into()) == 1 }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    {
        let _ = most;
        false
    }
}

/// Takes what has at least so many KiB from the system by itself, so that it is given back when it is freed, and
/// lets so many KiB be free at the end of a heap before they are given back. Returns whether the allocator knows
/// such bounds.
///
/// Left to itself glibc raises both with the largest piece that was freed, up to 32 and 64 MiB. Then large pieces
/// lie in heaps among small ones, of which a few that live keep the room of all that is gone.
#[must_use]
pub fn part_large(from_kib: u16, spare_kib: u16) -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let bytes = |kib: u16| 1024 * libc::c_int::from(kib);
        // SAFETY: mallopt(3) takes two numbers and touches nothing of ours.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, bytes(from_kib)) == 1
                && libc::mallopt(libc::M_TRIM_THRESHOLD, bytes(spare_kib)) == 1
        }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    {
        let _ = (from_kib, spare_kib);
        false
    }
}

/// Asks the allocator for every free page, in the middle of its heaps too. Returns whether it gave any.
///
/// glibc keeps what threads have freed in heaps of theirs, and by itself gives back only what lies at an end.
/// Other allocators have no such call, and do so themselves: there nothing is done. It takes milliseconds for
/// hundreds of MiB, in which a thread may wait that allocates from the heap that is being looked through.
#[must_use]
pub fn give_back() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: malloc_trim(3) takes a number of bytes to leave at the end, and nothing of ours. glibc
        // takes the lock of each of its heaps itself ("MT-Safe").
        unsafe { libc::malloc_trim(0) == 1 }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

#[cfg(test)]
mod tests {
    #[test]
    fn heaps_are_limited_where_there_are_many() {
        assert_eq!(super::limit_heaps(2), cfg!(all(target_os = "linux", target_env = "gnu")));
    }

    #[test]
    fn large_pieces_are_parted_where_they_would_lie_among_others() {
        assert_eq!(
            super::part_large(512, 8_192),
            cfg!(all(target_os = "linux", target_env = "gnu"))
        );
    }

    #[test]
    fn what_lies_between_things_in_use_is_given_back() {
        // Small enough for the heap, and too many to be at its end.
        let mut kept: Vec<Vec<u8>> = (0..20_000).map(|_| vec![1; 4_096]).collect();
        let mut index = 0;
        kept.retain(|_| {
            index += 1;
            index % 10 == 0
        });

        let has_given = super::give_back();

        assert_eq!(has_given, cfg!(all(target_os = "linux", target_env = "gnu")));
        assert!(kept.iter().all(|bytes| bytes[0] == 1));
    }
}
