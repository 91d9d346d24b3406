//! The allocator of every program that is linked with this crate: jemalloc on Linux, elsewhere the system's own.
//!
//! An add frees on one thread what another one has taken, for which glibc makes them wait for each other; a session
//! that sleeps leaves holes, which musl and glibc seldom give back. The figures are in `docs/BENCHMARKS.md`.
//! It is a crate of its own because it calls C, and memoryd itself forbids unsafe code.

#[cfg(target_os = "linux")]
mod jemalloc {
    use std::ptr;

    use tikv_jemalloc_sys::mallctl;
    use tikv_jemallocator::Jemalloc;

    #[global_allocator]
    static ALLOCATOR: Jemalloc = Jemalloc;

    /// Few arenas, since each keeps what was freed in it; what is free goes back to the system after half a second. Each
    /// thread keeps some pieces of every size at hand: of the large ones two, of the middle ones four, of the small ones 32.
    /// As it is without a word, 20 to 200, four dozen threads come to have tens of megabytes at hand after an hour.
    const SETTINGS: &std::ffi::CStr = c"narenas:4,dirty_decay_ms:500,muzzy_decay_ms:0,\
        tcache_nslots_large:2,tcache_nslots_small_min:4,tcache_nslots_small_max:32";

    /// What jemalloc reads before the first allocation, see "TUNING" in jemalloc(3). It is a `const char *`.
    // SAFETY: jemalloc declares this symbol as a weak one for a program to define, with this type.
    #[unsafe(export_name = "_rjem_malloc_conf")]
    pub static CONF: Setting = Setting(SETTINGS.as_ptr());

    /// A pointer to settings that are never written to.
    #[repr(transparent)]
    pub struct Setting(*const std::ffi::c_char);

    // SAFETY: what it points to is constant.
    unsafe impl Sync for Setting {}

    /// See `MALLCTL_ARENAS_ALL` in jemalloc(3).
    const PURGE_ALL: &std::ffi::CStr = c"arena.4096.purge";

    pub fn purge() -> bool {
        tell(PURGE_ALL)
    }

    pub fn flush() -> bool {
        tell(c"thread.tcache.flush")
    }

    fn tell(what: &std::ffi::CStr) -> bool {
        // SAFETY: the name ends with a zero; nothing is read from it or written to it.
        let code =
            unsafe { mallctl(what.as_ptr(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), 0) };
        code == 0
    }

    #[cfg(test)]
    pub fn count(name: &std::ffi::CStr) -> u32 {
        let (mut count, mut size) = (0_u32, size_of::<u32>());
        // SAFETY: jemalloc refuses a name of anything else than of so many bytes, which is what an unsigned int has.
        let code = unsafe {
            let room = ptr::from_mut(&mut count).cast();
            mallctl(name.as_ptr(), room, &raw mut size, ptr::null_mut(), 0)
        };
        assert_eq!(code, 0);
        count
    }
}

/// Gives the system every free page, at once. Returns whether the allocator could be asked to.
///
/// jemalloc does so by itself, half a second after a page became free, but only while somebody allocates. It takes
/// milliseconds for hundreds of MiB.
#[must_use]
pub fn give_back() -> bool {
    #[cfg(target_os = "linux")]
    return jemalloc::purge();
    #[cfg(not(target_os = "linux"))]
    false
}

/// Lets go of the pieces that this thread keeps at hand, for whoever has just freed much and rests now. Returns whether
/// the allocator could be asked to; it takes microseconds.
pub fn let_go() -> bool {
    #[cfg(target_os = "linux")]
    return jemalloc::flush();
    #[cfg(not(target_os = "linux"))]
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;

    #[test]
    fn its_settings_count() {
        assert_eq!(super::jemalloc::count(c"opt.narenas"), 4);
        assert_eq!(super::jemalloc::count(c"opt.tcache_nslots_large"), 2);
        assert_eq!(super::jemalloc::count(c"opt.tcache_nslots_small_min"), 4);
        assert_eq!(super::jemalloc::count(c"opt.tcache_nslots_small_max"), 32);
    }

    #[test]
    fn what_is_freed_is_given_back() {
        let kept: Vec<Vec<u8>> = (0..20_000).map(|_| vec![1; 4_096]).collect();
        let before = resident_kib();

        drop(kept);

        assert!(super::give_back());
        let after = resident_kib();
        assert!(after + 60_000 < before, "{before} KiB, then {after}");
    }

    #[test]
    fn what_a_thread_keeps_at_hand_is_let_go() {
        assert!(super::let_go());
    }

    fn resident_kib() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}
