//! The door: HTTP in, raw records out.
//!
//! ```text
//!  request ─▶ body (bounded) ─▶ rules ─▶ raw record ─▶ lane of its partition ─▶ log ─▶ 200 queued
//!                                │                        │    ▲
//!                                ▼                        ▼    │ in order
//!                         4xx, nothing taken            spool ─┴▶ 200 spooled
//! ```
//!
//! - An answer of 2xx means that every record of the request is durable, in the log or in the spool.
//! - A [lane](crate::Door) publishes one batch of its partition at a time, to a broker every few milliseconds. While the
//!   spool holds a record of a partition, that partition's new records go behind it.
//! - A client that goes away changes nothing for what a lane has taken.
//! - In the synchronous mode the answer waits for the store: `fallback/mod.rs` has the picture.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod backlog;
pub mod batch;
mod body;
mod clock;
mod config;
mod door;
mod fallback;
mod fault;
mod forward;
mod intake;
mod lane;
mod letter;
mod metrics;
mod registry;
mod reply;
mod request;
mod routes;
mod rules;
mod server;
mod spoolless;
mod stop;
mod views;

pub use clock::Clock;
pub use config::{DoorConfig, HttpConfig};
pub use door::{Door, DoorError, Message, Running, Taken};
pub use fallback::{Fallback, Held, Journaled, Local, Mode};
pub use fault::{Code, Fault};
pub use lane::Processing;
pub use registry::{RegistryView, follow};
pub use request::{Ask, RequestId};
pub use routes::{operations, routes, wanted_mode};
pub use rules::Rules;
pub use server::{ServeError, bind, serve};
pub use spoolless::NoSpool;
pub use views::{Away, Component, Health, QueueStats, ReceiptView, State, Views};
