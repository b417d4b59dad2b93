//! The store against a server: `TEST_MONGODB_URI` names it (`tests/stack/mongo start DIR` prints one). Without it
//! these tests say so and pass.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bulk;
mod contract;
mod main_database;
mod outages;
mod proxy;
mod samples;
mod server;
mod wrapper;
