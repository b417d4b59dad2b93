//! The recipes of ids, written down a second time: a scenario does not ask the program what an id should be.

use uuid::Uuid;

/// The namespace of every UUIDv5.
pub const NAMESPACE: Uuid = Uuid::from_u128(0xb6c7_e2b6_587e_5e38_b955_741a_ed66_a3e0);

/// The UUIDv5 of a key.
pub fn id(key: &str) -> String {
    Uuid::new_v5(&NAMESPACE, key.as_bytes()).to_string()
}

/// The id of an Observation whose device clock is in bounds.
pub fn observation(address: &str, kind: &str, device_time: i64, values: &str) -> String {
    id(&format!("obs|1|{address}|{kind}|{device_time}|{values}"))
}

/// The `_id` of the legacy document of a reading with this main Observation key: 24 hex digits.
pub fn legacy(main_key: &str) -> String {
    id(&format!("legacy|1|{main_key}")).replace('-', "")[..24].to_owned()
}

/// The id of an AuditEvent; no item for a message as a whole.
pub fn audit(receipt: &str, item: Option<usize>, outcome: &str) -> String {
    let item = item.map_or_else(|| "-".to_owned(), |i| i.to_string());
    id(&format!("audit|1|{receipt}|{item}|{outcome}"))
}

/// The reference of a sub-device.
pub fn device_reference(address: &str) -> String {
    format!("Device/{}", id(&format!("dev|1|{address}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_example_of_the_rules_comes_out() {
        assert_eq!(
            observation("020000bb0001", "blood-pressure", 1_836_900_001, "131,84"),
            "5b99101d-da84-585a-aa23-dbf9ed672ff4"
        );
        assert_eq!(Uuid::new_v5(&Uuid::NAMESPACE_URL, b"urn:stardust:1"), NAMESPACE);
    }
}
