//! The world outside the services: its state, its clock, and what befalls a call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::dice::Dice;
use crate::faults::{Chances, Fate, Plan, Port};
use crate::log::state::LogState;
use crate::planted::Bug;
use crate::process::Process;
use crate::spool::Disk;
use crate::store::state::StoreState;
use crate::trace::Trace;

/// 2026-03-01T00:00:00Z: the clock of every run starts here.
pub(crate) const EPOCH_MS: i64 = 1_772_323_200_000;

/// What goes on outside at the moment.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) broker_away: bool,
    pub(crate) store_away: bool,
    /// Reads work, writes do not.
    pub(crate) store_full: bool,
    pub(crate) store_slow: bool,
    pub(crate) disk_full: bool,
}

/// Everything that outlives a process.
pub(crate) struct State {
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    pub(crate) weather: Weather,
    pub(crate) log: LogState,
    pub(crate) store: StoreState,
    pub(crate) disks: Vec<Disk>,
    /// Effects that are still under way although their calls have failed.
    pub(crate) late: usize,
    /// What must never happen and did.
    pub(crate) violations: Vec<String>,
}

struct Shared {
    state: Mutex<State>,
    chances: Chances,
    faulty: AtomicBool,
    start: Instant,
    /// What the clock says at the start.
    epoch_ms: i64,
    /// Something in the log has changed.
    changed: Notify,
    bug: Option<Bug>,
}

/// The world. Cheap to clone.
#[derive(Clone)]
pub(crate) struct World(Arc<Shared>);

impl World {
    pub(crate) fn new(seed: u64, disks: Vec<Disk>, chances: Chances, bug: Option<Bug>, lines: bool) -> Self {
        Self::at(EPOCH_MS, seed, disks, chances, bug, lines)
    }

    /// With another time at the start.
    pub(crate) fn at(
        epoch_ms: i64,
        seed: u64,
        disks: Vec<Disk>,
        chances: Chances,
        bug: Option<Bug>,
        lines: bool,
    ) -> Self {
        let state = State {
            dice: Dice::new(seed, 1),
            trace: Trace::new(lines),
            weather: Weather::default(),
            log: LogState::new(),
            store: StoreState::default(),
            disks,
            late: 0,
            violations: Vec::new(),
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            chances,
            faulty: AtomicBool::new(false),
            start: Instant::now(),
            epoch_ms,
            changed: Notify::new(),
            bug,
        }))
    }

    /// The state, for a moment: never across an await.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn start(&self) -> Instant {
        self.0.start
    }

    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.0.bug == Some(bug)
    }

    pub(crate) fn chances(&self) -> &Chances {
        &self.0.chances
    }

    pub(crate) fn set_faulty(&self, faulty: bool) {
        self.0.faulty.store(faulty, Ordering::Relaxed);
    }

    pub(crate) fn is_faulty(&self) -> bool {
        self.0.faulty.load(Ordering::Relaxed)
    }

    pub(crate) fn elapsed_ms(&self) -> u128 {
        self.0.start.elapsed().as_millis()
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.0.epoch_ms + i64::try_from(self.elapsed_ms()).unwrap_or(0)
    }

    pub(crate) fn changed(&self) -> &Notify {
        &self.0.changed
    }

    pub(crate) fn ring(&self) {
        self.0.changed.notify_waiters();
    }

    /// Notes an event of the run.
    pub(crate) fn note(&self, who: &str, what: &str, number: i64, detail: impl FnOnce() -> String) {
        let at = self.elapsed_ms();
        self.state().trace.note(at, who, what, number, detail);
    }

    /// Something that must never happen.
    pub(crate) fn violation(&self, what: String) {
        self.note("VIOLATION", &what, 0, String::new);
        self.state().violations.push(what);
    }

    /// What befalls the next call of a process.
    pub(crate) fn plan(&self, process: &Process, port: Port) -> Plan {
        if process.is_observer() {
            return Plan::CALM;
        }
        let mut state = self.state();
        let slow = state.weather.store_slow && port.is_store();
        if !self.is_faulty() {
            return Plan::quiet(&mut state.dice);
        }
        self.0.chances.plan(&mut state.dice, port, slow)
    }

    /// Lets an effect happen later, whatever becomes of the process that asked for it.
    pub(crate) fn later(
        &self,
        wait: Duration,
        what: &'static str,
        effect: impl FnOnce(&mut State) + Send + 'static,
    ) {
        self.state().late += 1;
        let world = self.clone();
        tokio::spawn(async move {
            sleep(wait).await;
            {
                let mut state = world.state();
                effect(&mut state);
                state.late -= 1;
                let at = world.elapsed_ms();
                state.trace.note(at, "network", what, 0, String::new);
            }
            world.ring();
        });
    }

    /// The time that a call takes, and the crash or failure before its effect.
    pub(crate) async fn before(&self, process: &Process, what: &str, plan: Plan) -> Result<(), ()> {
        process.pause(plan.before).await;
        match plan.fate {
            Fate::CrashBefore => {
                self.note(process.name(), what, 0, || "crash before".to_owned());
                process.crash(self).await
            }
            Fate::FailBefore => {
                self.note(process.name(), what, 0, || "fails before".to_owned());
                Err(())
            }
            _ => Ok(()),
        }
    }

    /// The time and the failure after the effect.
    pub(crate) async fn after(&self, process: &Process, what: &str, plan: Plan) -> Result<(), ()> {
        match plan.fate {
            Fate::CrashAfter => {
                self.note(process.name(), what, 0, || "crash after".to_owned());
                process.crash(self).await
            }
            Fate::FailAfter => {
                process.pause(plan.after).await;
                self.note(process.name(), what, 0, || "fails after".to_owned());
                Err(())
            }
            _ => {
                process.pause(plan.after).await;
                Ok(())
            }
        }
    }
}
