//! The promises that every log keeps.

use stardust_kafka::KafkaLog;
use stardust_pipeline::contract::{LogFixture, log_contract};
use tokio::sync::{Mutex, OwnedRwLockWriteGuard};

use crate::stack;

struct Broker {
    brokers: String,
    down: Mutex<Option<OwnedRwLockWriteGuard<()>>>,
}

impl LogFixture for Broker {
    type Log = KafkaLog;

    async fn log(&self, instance: &str) -> KafkaLog {
        stack::open(&self.brokers, instance, &[])
    }

    async fn outage(&self, down: bool) -> bool {
        let Some(folder) = stack::folder() else {
            return false;
        };
        let mut guard = self.down.lock().await;
        if down {
            *guard = Some(stack::broker_goes().await);
            stack::stack("stop", &folder).await;
        } else {
            stack::stack("start", &folder).await;
            *guard = None;
        }
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_keeps_its_promises() {
    let Some(brokers) = stack::brokers() else { return };
    let fixture = Broker {
        brokers,
        down: Mutex::new(None),
    };
    // Other tests of this binary may stop the broker: not while this one runs, except at its own end.
    log_contract(fixture).await.assert_kept();
}
