//! The samples of every attribute, as gateways send them.

use serde_json::json;

use crate::fixture::*;

#[test]
fn the_blood_pressure_sample_becomes_a_panel_and_a_pulse() {
    let reading = one(judge(SAMPLES[0]));
    let [bp, pulse] = <[_; 2]>::try_from(observations(&reading)).unwrap();
    assert_eq!(
        bp,
        json!({
            "resourceType": "Observation",
            "id": "4fb33aa4-d54b-5257-b850-16f866249e4d",
            "meta": {
                "source": "urn:stardust:gateway:020000aa0001",
                "profile": ["http://hl7.org/fhir/StructureDefinition/bp"]
            },
            "extension": [{
                "url": "http://hl7.org/fhir/StructureDefinition/observation-gatewayDevice",
                "valueReference": {
                    "reference": "Device/2326c57d-c579-57ca-b19f-b66d7af3b59b",
                    "identifier": {
                        "type": {"coding": [{
                            "system": "http://terminology.hl7.org/CodeSystem/ContinuaDeviceIdentifiers",
                            "code": "ETHMAC"
                        }]},
                        "system": "http://hl7.org/fhir/sid/eui-48/ethernet",
                        "value": "02-00-00-AA-00-01"
                    }
                }
            }],
            "identifier": [{
                "system": "urn:stardust:observation-key",
                "value": "obs|1|020000bb0001|blood-pressure|1836900001|131,84|2026-03-01"
            }],
            "status": "final",
            "category": [
                {"coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                    "code": "vital-signs", "display": "Vital Signs"
                }]},
                {"coding": [{
                    "system": "http://hl7.org/fhir/uv/phd/CodeSystem/PhdObservationCategories",
                    "code": "phd"
                }]}
            ],
            "code": {"coding": [
                {"system": "http://loinc.org", "code": "85354-9",
                 "display": "Blood pressure panel with all children optional"},
                {"system": "urn:iso:std:iso:11073:10101", "code": "150020", "display": "MDC_PRESS_BLD_NONINV"}
            ]},
            "subject": {"reference": format!("Patient/{PATIENT}")},
            "effectiveDateTime": "2026-03-01T07:00:00+07:00",
            "_effectiveDateTime": {"extension": [
                {"url": "urn:stardust:device-time", "valueDateTime": "2028-03-17T17:00:01+07:00"},
                {"url": "urn:stardust:clock-rule", "valueCode": "message-offset"}
            ]},
            "issued": "2026-03-01T00:00:00.123Z",
            "device": {
                "reference": "Device/aca63290-3729-5754-853e-6563b49bcdc2",
                "identifier": {
                    "type": {"coding": [{
                        "system": "http://terminology.hl7.org/CodeSystem/ContinuaDeviceIdentifiers",
                        "code": "BTMAC"
                    }]},
                    "system": "http://hl7.org/fhir/sid/eui-48/bluetooth",
                    "value": "02-00-00-BB-00-01"
                }
            },
            "component": [
                {
                    "code": {"coding": [
                        {"system": "http://loinc.org", "code": "8480-6", "display": "Systolic blood pressure"},
                        {"system": "urn:iso:std:iso:11073:10101", "code": "150021",
                         "display": "MDC_PRESS_BLD_NONINV_SYS"}
                    ]},
                    "valueQuantity": {"value": 131, "unit": "mmHg", "system": "http://unitsofmeasure.org",
                                      "code": "mm[Hg]"}
                },
                {
                    "code": {"coding": [
                        {"system": "http://loinc.org", "code": "8462-4", "display": "Diastolic blood pressure"},
                        {"system": "urn:iso:std:iso:11073:10101", "code": "150022",
                         "display": "MDC_PRESS_BLD_NONINV_DIA"}
                    ]},
                    "valueQuantity": {"value": 84, "unit": "mmHg", "system": "http://unitsofmeasure.org",
                                      "code": "mm[Hg]"}
                }
            ]
        })
    );
    assert_eq!(pulse["code"]["coding"][1]["code"], "149546");
    assert_eq!(pulse["valueQuantity"]["value"], 71);
    assert_eq!(reading.main_id, reading.observation_ids.first().copied());
    assert_eq!(reading.observations[0].code, "85354-9");
    assert_eq!(
        legacy(&reading),
        json!({
            "_id": {"$oid": "05379d4a73985f18945b5aa7"},
            "patient_id": {"$oid": PATIENT},
            "device_id": "020000bb0001",
            "device_type": "BP_BIOLIGTH",
            "data": [{
                "systolic": 131, "diastolic": 84, "pulse": 71,
                "timestamp": {"$date": "2026-03-01T00:00:00Z"},
                "device_id": "020000bb0001", "device_type": "BP_BIOLIGTH"
            }],
            "timestamp": {"$date": "2026-03-01T00:00:00Z"},
            "created_at": {"$date": "2026-03-01T00:00:00.123Z"},
            "updated_at": {"$date": "2026-03-01T00:00:00.123Z"},
            "source": "stardust"
        })
    );
}

#[test]
fn the_door_names_the_ids_that_get_stored() {
    for sample in SAMPLES {
        let reading = one(judge(sample));
        let admission = mapping().admit(sample.as_bytes(), RECEIVED, false).unwrap();
        assert_eq!(admission.observation_ids, reading.observation_ids);
        assert_eq!(admission.gateway.to_string(), "020000aa0001");
        assert!(!admission.api_call);
        assert_eq!(
            reading.observation_ids,
            reading.observations.iter().map(|o| o.id).collect::<Vec<_>>()
        );
    }
}

#[test]
fn judging_twice_gives_the_same_bytes() {
    for sample in SAMPLES {
        let (a, b) = (one(judge(sample)), one(judge(sample)));
        assert_eq!(
            a.observations.iter().map(|o| &o.json).collect::<Vec<_>>(),
            b.observations.iter().map(|o| &o.json).collect::<Vec<_>>()
        );
        assert_eq!(a.legacy, b.legacy);
    }
}
