//! The services on a virtual clock against a simulated log, store and spool, with seeded faults.
//!
//! One seed is one run: a small fleet of processes works the messages of a ward while the world around it fails in
//! every way that the ports allow. Then the faults stop, everything has to drain, and the promises are checked.
//! Everything is a function of the seed. `README.md` says what is simulated and what is not.
#![warn(missing_docs)]

mod chaos;
mod check;
mod devices;
mod dice;
mod faults;
mod fleet;
mod log;
mod planted;
mod process;
mod run;
mod spool;
mod store;
mod trace;
mod ward;
mod world;

pub mod fixture;

pub use log::{SimLog, SimMember};
pub use planted::Bug;
pub use run::{Outcome, Rules, Stats, run};
pub use store::SimStore;
