//! Documents of the registry as `mongoexport` writes them, and periods of its devices.

use stardust_domain::registry::{Associations, Registry, for_each_document, parse_export, parse_periods};
use stardust_domain::time::Timestamp;

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
    samples.extend(periods());
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
            // As a file of periods too: what is taken of it cannot contradict itself.
            let mut kept = Associations::default();
            kept.note(&registry.changes(&kept, NOW), NOW);
            if let Ok(periods) = parse_periods(bytes, NOW) {
                for period in &periods {
                    let ends = period
                        .start
                        .zip(period.end)
                        .is_none_or(|(start, end)| start < end);
                    hold!(ends, "a period that ends before it starts");
                    let past = period.start.into_iter().chain(period.end).all(|at| at <= NOW);
                    hold!(past, "a period of the future");
                }
                (kept.imported, kept.imported_at) = (periods, Some(NOW));
            }
            let registry = registry.under(&kept);
            hold!(
                registry.histories().iter().all(|(_, _, all)| !all.is_empty()),
                "a device without a history"
            );
            ward::one_reading(&mapping, &registry, &message)?;
            Ok(true)
        }),
    }
}

/// 2026-03-01T00:00:00Z.
const NOW: Timestamp = Timestamp::from_seconds(1_772_323_200);

/// Files of periods: a document a line with times of every form, and one array.
fn periods() -> [Vec<u8>; 2] {
    let one = r#"{"device":"02:00:00:BB:00:01","patient_id":{"$oid":"65a000000000000000000001"},"end":"2026-02-01T08:00:00+07:00"}"#;
    let two = r#"{"device":"020000bb0001","patient_id":"65a000000000000000000002","start":{"$date":"2026-02-01T01:00:00.000Z"},"end":{"$date":{"$numberLong":"1772000000000"}}}"#;
    let three = r#"{"device":"020000bb0001","patient_id":"65a000000000000000000001","start":{"$date":1772000000000},"end":null}"#;
    [
        [one, two, three].join("\n").into_bytes(),
        format!("[{}]", [one, two, three].join(",")).into_bytes(),
    ]
}
