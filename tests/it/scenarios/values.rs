//! Off scale, sentinels, implausible and impossible values.

use serde_json::{Value, json};
use stardust_scenarios::books::settled;
use stardust_scenarios::registry::{Device, Registry, gateway};
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{ids, ward, words};

const OXIMETER: &str = "Oximeter JUMPER";

pub fn what_a_value_can_be_decides_what_becomes_of_it(backend: Backend) {
    let stack = Stack::started(backend, &Registry::ward(1));
    let at = ward::now() - 900;
    let mac = gateway(1);
    let send = |n: i64, attribute: &str, device: Device, fields: &str| {
        let answer = stack.post(ward::single(&mac, attribute, &device.address(1), at + n, fields));
        (answer.receipt(), answer.observation_ids())
    };
    let id = |n: i64, device: Device, kind: &str, values: &str| {
        ids::observation(&device.address(1), kind, at + n, values)
    };

    // Off scale.
    let high = send(
        0,
        "Contour_Elite",
        Device::Glucose,
        r#""blood_glucose":"HI","marker":"Fasting""#,
    );
    let low = send(1, "Contour_Elite", Device::Glucose, r#""blood_glucose":" lo ""#);
    assert_eq!(high.1, [id(0, Device::Glucose, "glucose", ">600")]);
    assert_eq!(low.1, [id(1, Device::Glucose, "glucose", "<10")]);
    // Sentinels.
    let no_pulse = send(2, OXIMETER, Device::Oximeter, r#""spo2":97,"pulse":255,"pi":0"#);
    let no_spo2 = send(3, OXIMETER, Device::Oximeter, r#""spo2":127,"pulse":80,"pi":30"#);
    let nothing = send(4, OXIMETER, Device::Oximeter, r#""spo2":127,"pulse":255,"pi":0"#);
    assert_eq!(no_pulse.1, [id(2, Device::Oximeter, "spo2", "97")]);
    assert_eq!(no_spo2.1.len(), 2, "pulse and perfusion index");
    assert_eq!(nothing.1, [id(4, Device::Oximeter, "spo2", "absent")]);
    // Implausible and impossible.
    let high_pressure = send(
        5,
        "BP_BIOLIGTH",
        Device::Cuff,
        r#""bp_high":280,"bp_low":90,"PR":70"#,
    );
    let edge = send(
        6,
        "BP_BIOLIGTH",
        Device::Cuff,
        r#""bp_high":250,"bp_low":150,"PR":220"#,
    );
    let impossible = send(7, "BP_BIOLIGTH", Device::Cuff, r#""bp_high":301,"bp_low":90"#);
    let reversed = send(8, "BP_BIOLIGTH", Device::Cuff, r#""bp_high":80,"bp_low":120"#);
    let bad_pulse = send(
        9,
        "BP_BIOLIGTH",
        Device::Cuff,
        r#""bp_high":131,"bp_low":84,"PR":350"#,
    );
    assert_eq!(impossible.1.len() + reversed.1.len(), 0);
    assert_eq!(bad_pulse.1, [id(9, Device::Cuff, "blood-pressure", "131,84")]);
    let absent = send(10, "Contour_Elite", Device::Glucose, r#""blood_glucose":"""#);
    let words = send(11, "Contour_Elite", Device::Glucose, r#""blood_glucose":"abc""#);
    let exponent = send(12, "Contour_Elite", Device::Glucose, r#""blood_glucose":"1e2""#);

    let stored = settled(&stack);
    stored.counts(&[("stored", 8), ("dead", 5)]);
    assert_eq!(
        stored.count("no_place"),
        2,
        "no SpO2, no legacy document: {}",
        stored.books
    );

    for (reading, comparator, value, mark) in [(&high, ">", 600, "HI"), (&low, "<", 10, "LO")] {
        let resource = stored.observation(&reading.1[0]);
        assert_eq!(resource["valueQuantity"]["comparator"], comparator);
        assert_eq!(resource["valueQuantity"]["value"], value);
        assert_eq!(resource["status"], "final");
        let coding = &resource["interpretation"][0]["coding"][0];
        assert_eq!(
            coding["system"],
            "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
        );
        assert_eq!(coding["code"], comparator);
        let (_, document) = stored.legacy_of(&reading.1[0]);
        assert_eq!(document["data"][0]["off_scale"], mark, "{document}");
        assert_eq!(
            document["data"][0]["blood_glucose"].as_f64(),
            Some(f64::from(value))
        );
    }
    let failed = stored.observation(&nothing.1[0]);
    assert_eq!(failed["dataAbsentReason"]["coding"][0]["code"], "error");
    assert_eq!(failed["valueQuantity"], Value::Null);
    for preliminary in &high_pressure.1[..1] {
        let resource = stored.observation(preliminary);
        assert_eq!(resource["status"], "preliminary");
        assert!(resource["note"][0]["text"].is_string(), "{resource}");
    }
    for plain in &edge.1 {
        assert_eq!(
            stored.observation(plain)["status"],
            "final",
            "limits are inclusive"
        );
    }

    let letter = |receipt: &str| {
        let found: Vec<&Value> = stored
            .dead
            .iter()
            .filter(|l| l["receipt_id"] == receipt)
            .collect();
        assert_eq!(found.len(), 1, "one letter for {receipt}");
        (
            found[0]["reason"].clone(),
            found[0]["field"].clone(),
            found[0]["item_index"].clone(),
        )
    };
    assert_eq!(
        letter(&impossible.0),
        (json!("value impossible"), json!("bp_high"), json!(0))
    );
    assert_eq!(letter(&reversed.0).0, "value impossible");
    assert_eq!(
        letter(&bad_pulse.0),
        (json!("value impossible"), json!("PR"), json!(0))
    );
    assert_eq!(
        letter(&absent.0),
        (json!("value missing"), json!("blood_glucose"), json!(0))
    );
    assert_eq!(letter(&words.0).0, "value not numeric");
    assert_eq!(letter(&exponent.0).0, "value not numeric");
    let event = &stored.audit[&ids::audit(&bad_pulse.0, Some(0), "created")];
    assert!(event["outcome"]["detail"].to_string().contains("PR"), "{event}");
    assert!(
        !words::has(&event.to_string(), "350"),
        "a letter never holds the value"
    );
    for dead in [&impossible, &reversed, &absent, &words, &exponent] {
        assert!(stored.audited(&dead.0, Some(0), "dead"));
    }
}
