//! Times: wrong clocks, buffered readings, every way a time is written.

use serde_json::Value;
use stardust_scenarios::books::{key_of, settled};
use stardust_scenarios::registry::{Device, Registry, gateway};
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::ward::{self, date, local, message};

const DAY: i64 = 86_400;

fn rule(observation: &Value) -> Option<String> {
    let extensions = observation["_effectiveDateTime"]["extension"].as_array()?;
    let rule = extensions
        .iter()
        .find(|e| e["url"] == "urn:stardust:clock-rule")?;
    rule["valueCode"].as_str().map(str::to_owned)
}

fn seconds_between(text: &str, from: i64, to: i64) -> bool {
    (from..=to).any(|t| local(t) == text)
}

pub fn a_wrong_clock_loses_nothing(backend: Backend) {
    let stack = Stack::started(backend, &Registry::ward(1));
    let (mac, cuff) = (gateway(1), Device::Cuff.address(1));
    let fields = r#""bp_high":131,"bp_low":84"#;
    let before = ward::now();
    let send = |time: &str, scan: &str| {
        let one = format!(r#"{{{scan}"ble_addr":"{cuff}",{fields}}}"#);
        let body = message(&mac, "BP_BIOLIGTH", 0, &[one]).replace("\"time\":0,", time);
        stack.post(&body).observation_ids().remove(0)
    };
    let now = before;
    let at = |t: i64| format!(r#""time":{t},"#);
    let scan = |t: i64| format!(r#""scan_time":{t},"#);

    let future = send(&at(1_836_900_001), &scan(1_836_900_001));
    let lost_clock = send(&at(now), &scan(0));
    let negative = send(&at(now), &scan(-5));
    let buffered = send(&at(now), &scan(now - 100 * DAY));
    let month = send(&at(now), &scan(now - 29 * DAY));
    let offset = send(&at(now - 200 * DAY), &scan(now - 200 * DAY - 600));
    let milliseconds = send(&at(now), &scan((now - 60) * 1_000 + 789));
    let text = send(&at(now), &format!(r#""scan_time":"{}","#, now - 61));
    let no_scan_time = send(&at(now - 62), "");
    let none = send("", "");
    let after = ward::now();

    // An older reading after a newer one is only one more reading.
    let stored = settled(&stack);
    stored.counts(&[("stored", 10)]);
    let get = |id: &String| stored.observation(id);
    let effective = |id: &String| get(id)["effectiveDateTime"].as_str().unwrap().to_owned();
    for id in stored.observations.keys() {
        assert!(effective(id).ends_with("+07:00"), "{}", effective(id));
    }

    assert_eq!(rule(get(&future)).as_deref(), Some("message-offset"));
    assert!(seconds_between(&effective(&future), before, after + 60));
    let keys =
        [date(before), date(after)].map(|d| format!("obs|1|{cuff}|blood-pressure|1836900001|131,84|{d}"));
    assert!(keys.contains(&key_of(get(&future))), "{}", key_of(get(&future)));
    let extensions = get(&future)["_effectiveDateTime"]["extension"].to_string();
    assert!(
        extensions.contains("urn:stardust:device-time") && extensions.contains("2028-03-17T"),
        "{extensions}"
    );
    assert_eq!(
        get(&future)["status"],
        "final",
        "a bad clock alone changes no status"
    );

    assert_eq!(rule(get(&lost_clock)).as_deref(), Some("receipt"));
    assert!(seconds_between(&effective(&lost_clock), before, after + 60));
    assert_eq!(rule(get(&negative)).as_deref(), Some("receipt"));

    for (id, time) in [
        (&buffered, now - 100 * DAY),
        (&month, now - 29 * DAY),
        (&milliseconds, now - 60),
        (&text, now - 61),
    ] {
        assert_eq!(effective(id), local(time));
        assert_eq!(rule(get(id)), None, "in bounds");
    }
    assert_eq!(rule(get(&offset)).as_deref(), Some("message-offset"));
    assert!(seconds_between(&effective(&offset), before - 600, after - 540));

    assert_eq!(effective(&no_scan_time), local(now - 62));
    assert_eq!(get(&no_scan_time)["status"], "preliminary");
    assert_eq!(rule(get(&none)).as_deref(), Some("receipt"));
    assert!(
        key_of(get(&none)).contains("|blood-pressure|-|131,84|"),
        "{}",
        key_of(get(&none))
    );
}
