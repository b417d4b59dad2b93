//! Bodies of the operators' switch.

use serde_json::Value;
use stardust_ingest::wanted_mode;

use super::{HOLDS, Target, hold};
use crate::bytes::mutated;

pub fn target() -> Target {
    let samples = [
        r#"{"enabled":true}"#,
        r#" {"enabled" : false , "by":"night shift"} "#,
        r#"{"enabled":null}"#,
        r#"[true]"#,
    ];
    let samples = samples.map(|sample| sample.as_bytes().to_vec()).to_vec();
    Target {
        name: "mode",
        weight: 1,
        holds: HOLDS,
        bytes: Box::new(move |numbers| mutated(numbers, &samples)),
        check: Box::new(|_, bytes| {
            let Ok(mode) = wanted_mode(bytes) else {
                return Ok(false);
            };
            // Only what says so in plain words switches a door.
            let read: Option<Value> = serde_json::from_slice(bytes).ok();
            let said = read.as_ref().and_then(|body| body["enabled"].as_bool());
            hold!(said == Some(mode), "a mode that nobody asked for");
            Ok(true)
        }),
    }
}
