//! References to Devices.

use crate::ids::Mac;

/// `valueReference` of the gateway: its Device by reference and Ethernet address, as JSON.
pub(crate) fn ethernet_device(mac: Mac) -> String {
    device(mac, "ETHMAC", "ethernet")
}

/// A sub-device: its Device by reference and Bluetooth address, as JSON.
pub(crate) fn bluetooth_device(mac: Mac) -> String {
    device(mac, "BTMAC", "bluetooth")
}

fn device(mac: Mac, code: &str, system: &str) -> String {
    let mut id = uuid::Uuid::encode_buffer();
    [
        r#"{"reference":"Device/"#,
        mac.device_id().hyphenated().encode_lower(&mut id),
        r#"","identifier":{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/ContinuaDeviceIdentifiers","code":""#,
        code,
        r#""}]},"system":"http://hl7.org/fhir/sid/eui-48/"#,
        system,
        r#"","value":""#,
        &mac.eui48(),
        r#""}}"#,
    ]
    .concat()
}
