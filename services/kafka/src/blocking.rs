//! Calls that block run off the async threads.

use std::sync::{Mutex, MutexGuard, PoisonError};

use stardust_pipeline::log::LogError;

/// Runs a blocking call on a thread for such calls.
pub(crate) async fn blocking<T, F>(call: F) -> Result<T, LogError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, LogError> + Send + 'static,
{
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result,
        Err(error) => Err(LogError::Fatal(format!(
            "a call to Kafka ended abnormally: {error}"
        ))),
    }
}

/// Locks; what a panicking holder left behind is still whole in this crate: each guarded value changes in one step.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
