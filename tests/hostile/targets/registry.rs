//! Documents of the registry as `mongoexport` writes them.

use stardust_domain::registry::{Registry, for_each_document, parse_export};

use super::{HOLDS, Target, hold, ward};
use crate::bytes::mutated;

pub fn target() -> Target {
    let documents = ward::documents();
    let text = |documents: &[serde_json::Value]| -> Vec<String> {
        documents.iter().map(ToString::to_string).collect()
    };
    let mut samples = Vec::new();
    for kind in &documents {
        samples.push(text(kind).join("\n").into_bytes());
        samples.push(format!("[{}]", text(kind).join(",\n")).into_bytes());
        samples.push(serde_json::to_string_pretty(&kind[0]).unwrap().into_bytes());
    }
    let message = ward::messages().swap_remove(0);
    let mapping = ward::mapping();
    Target {
        name: "registry",
        weight: 14,
        holds: HOLDS,
        bytes: Box::new(move |numbers| mutated(numbers, &samples)),
        check: Box::new(move |numbers, bytes| {
            let read = match parse_export(bytes) {
                Ok(read) => read,
                Err(e) => {
                    hold!(e.line >= 1, "line {}", e.line);
                    hold!(
                        e.line <= 1 + bytes.iter().filter(|b| **b == b'\n').count(),
                        "line {}",
                        e.line
                    );
                    return Ok(false);
                }
            };
            let mut count = 0;
            let counted = for_each_document(bytes, |_| count += 1).map_err(|e| e.to_string())?;
            hold!(
                counted == read.len() && counted == count,
                "{counted} documents, or {count}"
            );
            // The damaged documents in one of the three places, the others as they should be.
            let mut all = ward::documents();
            all[numbers.below(3)] = read;
            let [boxes, devices, patients] = all;
            let (registry, report) = Registry::from_documents(boxes, devices, patients);
            hold!(
                report.devices_with_patient <= report.devices,
                "more devices with a patient than devices"
            );
            for (mac, _) in registry.gateways() {
                hold!(
                    mac.to_string().parse() == Ok(mac),
                    "a gateway whose address is none"
                );
            }
            for (mac, _, _) in registry.devices() {
                hold!(
                    mac.to_string().parse() == Ok(mac),
                    "a device whose address is none"
                );
            }
            ward::one_reading(&mapping, &registry, &message)?;
            Ok(true)
        }),
    }
}
