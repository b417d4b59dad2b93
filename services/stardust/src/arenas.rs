//! The C library's memory, which is librdkafka's.

/// Keeps its arenas few. Each thread gets one of its own otherwise, up to eight for each core; librdkafka starts some
/// threads for each member, and what one arena has freed no other can use.
pub fn few() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it sets a number, before there is a second thread.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}
