//! What a promise answers.

use std::fmt;

use crate::log::LogError;
use crate::replay::ReplayError;
use crate::store::StoreError;

/// Why a promise was not kept.
#[derive(Debug, Clone)]
pub struct Broken(pub String);

/// What a promise answers.
pub type Kept = Result<(), Broken>;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

impl From<LogError> for Broken {
    fn from(e: LogError) -> Self {
        Self(format!("log: {} ({})", e, e.tag()))
    }
}

impl From<ReplayError> for Broken {
    fn from(e: ReplayError) -> Self {
        Self(format!("replay: {e}"))
    }
}

impl From<StoreError> for Broken {
    fn from(e: StoreError) -> Self {
        Self(format!("store: {} ({})", e, e.tag()))
    }
}

impl From<String> for Broken {
    fn from(e: String) -> Self {
        Self(e)
    }
}

impl From<tokio::task::JoinError> for Broken {
    fn from(e: tokio::task::JoinError) -> Self {
        Self(format!("a task of the test ended: {e}"))
    }
}

impl From<serde_json::Error> for Broken {
    fn from(e: serde_json::Error) -> Self {
        Self(format!("not JSON: {e}"))
    }
}

/// Breaks the promise with a message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::contract::Broken(format!(
                "{}:{}: {}",
                file!(),
                line!(),
                format_args!($($message)+)
            )));
        }
    };
}

/// Breaks the promise unless both sides are equal.
macro_rules! ensure_eq {
    ($left:expr, $right:expr, $($message:tt)+) => {{
        let (left, right) = (&$left, &$right);
        if left != right {
            return Err($crate::contract::Broken(format!(
                "{}:{}: {}\n  got:      {left:?}\n  expected: {right:?}",
                file!(),
                line!(),
                format_args!($($message)+)
            )));
        }
    }};
}

pub(super) use {ensure, ensure_eq};
