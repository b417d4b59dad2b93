//! What happens to the world: processes die, servers go away, partitions move, the registry changes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stardust_domain::time::Timestamp;
use tokio::time::sleep;

use crate::dice::Dice;
use crate::fleet::{Fleet, LETTERS, PARSER, RECORDER, ROUTER};
use crate::ward::Ward;
use crate::world::{Weather, World};

/// How long the broker lets a transaction be open.
const TRANSACTION_MS: i64 = 10_000;
/// How often the broker looks at sessions and transactions.
const SWEEP: Duration = Duration::from_millis(500);

/// The broker's own clock: sessions end, and transactions of those who are gone.
pub(crate) async fn sweep(world: World) {
    loop {
        sleep(SWEEP).await;
        let now_ms = world.now_ms();
        let mut state = world.state();
        let aborted = state.log.has_open() && state.log.abort_older(now_ms - TRANSACTION_MS, now_ms);
        let expired = state.log.expire(now_ms);
        drop(state);
        if aborted || expired {
            world.note("broker", "sweeps", 0, || {
                format!("aborted: {aborted} expired: {expired}")
            });
            world.ring();
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Kill,
    Stop,
    Move,
    PutOut,
    Registry,
    BrokerAway,
    StoreAway,
    StoreFull,
    StoreSlow,
    DiskFull,
}

const EVENTS: [Event; 10] = [
    Event::Kill,
    Event::Stop,
    Event::Move,
    Event::PutOut,
    Event::Registry,
    Event::BrokerAway,
    Event::StoreAway,
    Event::StoreFull,
    Event::StoreSlow,
    Event::DiskFull,
];

/// The trouble of one run.
pub(crate) struct Chaos {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) ward: Arc<Mutex<Ward>>,
    pub(crate) dice: Dice,
}

impl Chaos {
    /// Troubles the world for this long, then leaves it in peace.
    pub(crate) async fn run(mut self, time: Duration) {
        // Some kinds of events, and how many.
        let mut kinds: Vec<Event> = EVENTS.into_iter().filter(|_| self.dice.coin()).collect();
        // Two members that work one record, each under another registry: see the README.
        let settled = self.fleet.world.chances().deaf > 0;
        kinds.retain(|kind| !settled || !matches!(kind, Event::Registry));
        if kinds.is_empty() {
            kinds.push(Event::Kill);
        }
        let count = self.dice.below(10);
        let most = u64::try_from(time.as_millis()).unwrap_or(0);
        let mut moments: Vec<u64> = (0..count).map(|_| self.dice.below(most)).collect();
        moments.sort_unstable();
        let mut now = 0;
        for moment in moments {
            sleep(Duration::from_millis(moment - now)).await;
            now = moment;
            let event = kinds[self.dice.index(kinds.len())];
            self.happens(event);
        }
        sleep(Duration::from_millis(most - now)).await;
        let world = &self.fleet.world;
        world.set_faulty(false);
        world.state().weather = Weather::default();
        if self.dice.below(3) > 0 && !settled {
            self.ward().register_all();
        }
        if self.dice.coin() && !settled {
            self.tell_periods();
        }
        self.tell_registry();
        world.note("world", "is at peace", 0, String::new);
        world.ring();
    }

    fn ward(&self) -> std::sync::MutexGuard<'_, Ward> {
        self.ward.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_registry(&self) {
        let documents = self.ward().documents();
        self.fleet.world.state().store.registry = documents;
    }

    /// As an import of periods does it.
    fn tell_periods(&self) {
        let periods = self.ward().tell();
        let world = &self.fleet.world;
        world.note("registry", "periods are imported", 0, String::new);
        let now_ms = world.now_ms();
        let mut state = world.state();
        state.store.associations.imported = periods;
        state.store.associations.imported_at = Some(Timestamp::from_millis(now_ms));
    }

    fn happens(&mut self, event: Event) {
        let world = self.fleet.world.clone();
        world.note("world", "event", 0, || format!("{event:?}"));
        match event {
            Event::Kill => self.fleet.kill(self.dice.index(self.fleet.roles.len())),
            Event::Stop => self.fleet.stop(self.dice.index(self.fleet.roles.len())),
            Event::Move => {
                let group = [PARSER, ROUTER, RECORDER, LETTERS][self.dice.index(4)];
                world.state().log.shuffle(group, &mut self.dice);
            }
            Event::PutOut => {
                let group = [PARSER, ROUTER, RECORDER, LETTERS][self.dice.index(4)];
                let mut state = world.state();
                let seats = state
                    .log
                    .groups
                    .get(group)
                    .map(|g| g.seats.keys().copied().collect());
                let seats: Vec<u64> = seats.unwrap_or_default();
                if !seats.is_empty() {
                    state.log.remove(group, seats[self.dice.index(seats.len())]);
                }
            }
            Event::Registry => {
                let what = {
                    let mut ward = self.ward.lock().unwrap_or_else(PoisonError::into_inner);
                    ward.change(&mut self.dice)
                };
                world.note("registry", what, 0, String::new);
                self.tell_registry();
            }
            Event::BrokerAway => self.while_it_lasts(30_000, |w, on| w.broker_away = on),
            Event::StoreAway => self.while_it_lasts(20_000, |w, on| w.store_away = on),
            Event::StoreFull => self.while_it_lasts(20_000, |w, on| w.store_full = on),
            Event::StoreSlow => self.while_it_lasts(20_000, |w, on| w.store_slow = on),
            Event::DiskFull => self.while_it_lasts(20_000, |w, on| w.disk_full = on),
        }
        world.ring();
    }

    fn while_it_lasts(&mut self, most_ms: u64, set: fn(&mut Weather, bool)) {
        let world = self.fleet.world.clone();
        set(&mut world.state().weather, true);
        let time = self.dice.millis(200, most_ms);
        tokio::spawn(async move {
            sleep(time).await;
            set(&mut world.state().weather, false);
            world.note("world", "is better", 0, String::new);
            world.ring();
        });
    }
}
