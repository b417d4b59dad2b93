//! One seed, from its first message to the check of every promise.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use stardust_domain::mapping::{Mapping, Settings};
use stardust_pipeline::topics::Topics;
use stardust_wire::Wire;
use tokio::time::sleep;

use crate::chaos::{Chaos, sweep};
use crate::check::Check;
use crate::devices::{Gateway, PostOffice};
use crate::dice::{Dice, hand_out};
use crate::faults::Chances;
use crate::fleet::{Fleet, Role};
use crate::planted::Bug;
use crate::spool::Disk;
use crate::ward::Ward;
use crate::world::{EPOCH_MS, World};

/// After the faults have stopped everything is done within this time: a lease of a process that died (60 s), the
/// longest wait between two tries and the door's patience with a publish come one after the other.
const DRAINED_WITHIN: Duration = Duration::from_secs(240);

/// What every run uses and no run changes.
#[derive(Debug, Clone)]
pub struct Rules {
    pub(crate) wire: Wire,
    pub(crate) mapping: Arc<Mapping>,
}

impl Rules {
    /// The rules as they are compiled in.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn builtin() -> Result<Self, String> {
        let settings = Settings {
            zone: "+07:00".parse().map_err(|_| "a zone".to_owned())?,
            identifier_base: "urn:stardust:".to_owned(),
        };
        Ok(Self {
            wire: Wire::builtin().map_err(|e| e.to_string())?,
            mapping: Arc::new(Mapping::builtin(settings).map_err(|e| e.to_string())?),
        })
    }
}

/// How much a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Messages that the door acknowledged.
    pub acknowledged: u64,
    /// Observations in the store.
    pub observations: u64,
    /// Lives of processes.
    pub lives: u64,
    /// Virtual time, milliseconds.
    pub virtual_ms: u64,
}

impl std::ops::AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.observations += other.observations;
        self.lives += other.lives;
        self.virtual_ms += other.virtual_ms;
    }
}

/// What came of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// A hash over everything that happened.
    pub hash: u64,
    /// The promises that were broken.
    pub violations: Vec<String>,
    /// The trace, where it was asked for.
    pub trace: Vec<String>,
    /// How much it did.
    pub stats: Stats,
}

/// The processes of a run, and how many spools they have.
fn roles(dice: &mut Dice) -> (Vec<Role>, usize) {
    let role = |name: &str| Role {
        instance: name.to_owned(),
        ..Role::default()
    };
    let door = |name: &str, disk| Role {
        door: Some(disk),
        ..role(name)
    };
    let parser = |name: &str| Role {
        parser: true,
        ..role(name)
    };
    let sink = |name: &str, router, recorder| Role {
        router,
        recorder,
        ..role(name)
    };
    match dice.below(6) {
        0 | 1 => {
            let disk = (dice.below(4) > 0).then_some(0);
            let all = Role {
                parser: true,
                router: true,
                recorder: true,
                ..door("up", disk)
            };
            (vec![all], 1)
        }
        2 | 3 => {
            let all = vec![door("door", Some(0)), parser("parser"), sink("sink", true, true)];
            (all, 1)
        }
        4 => {
            let all = vec![
                door("door-0", Some(0)),
                door("door-1", Some(1)),
                parser("parser-0"),
                parser("parser-1"),
                sink("sink", true, true),
            ];
            (all, 2)
        }
        _ => {
            let all = vec![
                door("door", Some(0)),
                parser("parser-0"),
                parser("parser-1"),
                parser("parser-2"),
                sink("router", true, false),
                sink("recorder-0", false, true),
                sink("recorder-1", false, true),
            ];
            (all, 1)
        }
    }
}

/// Runs a seed. It has to be called on a runtime of one thread whose clock is paused, once in each.
pub async fn run(seed: u64, rules: &Rules, bug: Option<Bug>, lines: bool) -> Outcome {
    let mut dice = Dice::new(seed, 0);
    let partitions = i32::try_from(dice.within(1, 3)).unwrap_or(1);
    let chances = Chances::drawn(&mut dice);
    let (roles, spools) = roles(&mut dice);
    let room = [2, 6, 500, 500][dice.index(4)];
    let disks = vec![Disk::new(room); spools];
    let world = World::new(seed, disks, chances, bug, lines);
    hand_out(Dice::new(seed, 2), world.start(), EPOCH_MS);

    let gateways = dice.index(3) + 1;
    let mut ward = Ward::drawn(&mut dice, gateways);
    let post = PostOffice::default();
    let count = 6 + dice.index(20);
    let calm = Duration::from_millis(dice.within(10_000, 40_000));
    let mut sent: Vec<Vec<(Duration, usize)>> = vec![Vec::new(); gateways];
    {
        let mut post = post.open();
        let longest = u64::try_from(calm.as_millis()).unwrap_or(0) * 2 * gateways as u64 / count as u64;
        for number in 0..count {
            let from = dice.index(gateways);
            let message = ward.message(&mut dice, from);
            post.messages.push(message);
            // Now and then all at once.
            let pause = if dice.coin() {
                Duration::ZERO
            } else {
                dice.millis(0, longest)
            };
            sent[from].push((pause, number));
        }
        post.busy = gateways;
    }

    let topics = Topics {
        partitions,
        ..Topics::default()
    };
    {
        let mut state = world.state();
        state.log.create(&topics.specs());
        state.store.registry = ward.documents();
        state.store.associations = ward.associations();
    }
    let fleet = Arc::new(Fleet::drawn(&world, rules, topics, roles, &mut dice));
    let ward = Arc::new(Mutex::new(ward));
    world.set_faulty(true);
    tokio::spawn(sweep(world.clone()));
    for at in 0..fleet.roles.len() {
        tokio::spawn(Arc::clone(&fleet).supervise(at, Dice::new(seed, 100 + at as u64)));
    }
    for (at, messages) in sent.into_iter().enumerate() {
        let gateway = Gateway {
            fleet: Arc::clone(&fleet),
            post: post.clone(),
            dice: Dice::new(seed, 200 + at as u64),
            messages,
        };
        tokio::spawn(gateway.run());
    }
    let chaos = Chaos {
        fleet: Arc::clone(&fleet),
        ward: Arc::clone(&ward),
        dice: Dice::new(seed, 3),
    };
    chaos.run(calm).await;

    let check = Check {
        fleet: Arc::clone(&fleet),
        post: post.clone(),
        ward,
    };
    let left = drained(&world, &check).await;
    if world.state().violations.is_empty() {
        if left.is_empty() {
            check.promises().await;
        }
        for what in left {
            world.violation(format!("waits for ever: {what}"));
        }
    }
    outcome(&world, &post)
}

/// Waits until nothing is under way; what still is after the time for it.
async fn drained(world: &World, check: &Check) -> Vec<String> {
    let end = tokio::time::Instant::now() + DRAINED_WITHIN;
    loop {
        let left = check.under_way();
        if left.is_empty() || tokio::time::Instant::now() >= end || !world.state().violations.is_empty() {
            return left;
        }
        sleep(Duration::from_millis(500)).await;
    }
}

fn outcome(world: &World, post: &PostOffice) -> Outcome {
    let acknowledged = post.open().acknowledged as u64;
    let virtual_ms = u64::try_from(world.elapsed_ms()).unwrap_or(0);
    let mut state = world.state();
    let observations = state.store.observations.len() as u64;
    Outcome {
        hash: state.trace.hash(),
        violations: std::mem::take(&mut state.violations),
        trace: state.trace.take(),
        stats: Stats {
            acknowledged,
            observations,
            lives: state.log.next_serial(),
            virtual_ms,
        },
    }
}
