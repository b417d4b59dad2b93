//! The promises that every log keeps.

use stardust_kafka::KafkaLog;
use stardust_pipeline::contract::{LogFixture, log_contract};
use tokio::sync::{Mutex, OwnedRwLockReadGuard, OwnedRwLockWriteGuard};

use crate::stack;

struct Broker {
    brokers: String,
    hold: Mutex<Hold>,
}

/// What this suite has said to the other tests of the binary about the broker.
enum Hold {
    Stays(#[expect(dead_code, reason = "held")] OwnedRwLockReadGuard<()>),
    Goes(OwnedRwLockWriteGuard<()>),
    Between,
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
        let mut hold = self.hold.lock().await;
        if down {
            // Ours first, or the two wait for each other.
            *hold = Hold::Between;
            *hold = Hold::Goes(stack::broker_goes().await);
            stack::stack("stop", &folder).await;
        } else {
            stack::stack("start", &folder).await;
            if let Hold::Goes(guard) = std::mem::replace(&mut *hold, Hold::Between) {
                *hold = Hold::Stays(guard.downgrade());
            }
        }
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_keeps_its_promises() {
    let Some(brokers) = stack::brokers() else { return };
    let fixture = Broker {
        brokers,
        hold: Mutex::new(Hold::Stays(stack::broker_stays().await)),
    };
    log_contract(fixture).await.assert_kept();
}
