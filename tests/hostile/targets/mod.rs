//! The parsers, each with samples of what is good and with what must hold.

mod audit;
mod batches;
mod histories;
mod line;
mod messages;
mod mode;
mod records;
mod registry;
mod settings;
mod ward;

use crate::bytes::Numbers;

/// What a parser may hold beyond a multiple of its input.
pub const HOLDS: usize = 512 << 10;

/// Makes an input.
pub type Make = Box<dyn Fn(&mut Numbers) -> Vec<u8> + Send + Sync>;
/// Looks at an input.
pub type Check = Box<dyn Fn(&mut Numbers, &[u8]) -> Result<bool, String> + Send + Sync>;

/// A parser under test.
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// How often it has its turn.
    pub weight: usize,
    /// It may hold so much, whatever the size of the input.
    pub holds: usize,
    /// Makes an input.
    pub bytes: Make,
    /// Whether the input was good; or what is wrong with the answer.
    pub check: Check,
}

/// What was seen of an input.
pub struct Seen {
    /// It was good.
    pub good: bool,
    /// Its size.
    pub bytes: usize,
}

/// Every target.
pub fn all() -> Vec<Target> {
    let mut all = vec![
        messages::target(),
        batches::target(),
        mode::target(),
        registry::target(),
        settings::target(),
    ];
    all.extend(records::targets());
    all.extend(histories::targets());
    all.extend(line::targets());
    all.extend(audit::targets());
    all
}

/// An answer that is not as it must be.
macro_rules! hold {
    ($condition:expr, $($what:tt)+) => {
        if !$condition {
            return Err(format!($($what)+));
        }
    };
}
pub(crate) use hold;
