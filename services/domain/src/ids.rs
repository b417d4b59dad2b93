//! Identifiers: addresses, patients and the recipes of every deterministic id.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::text::Hex;

/// The namespace of every UUIDv5 of this project: UUIDv5 of the URL namespace of RFC 9562 and `urn:stardust:1`.
///
/// ```
/// use stardust_domain::ids::NAMESPACE;
/// assert_eq!(NAMESPACE, uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, b"urn:stardust:1"));
/// ```
pub const NAMESPACE: Uuid = Uuid::from_u128(0xb6c7e2b6_587e_5e38_b955_741aed66a3e0);

/// The UUIDv5 of a key in [`NAMESPACE`].
///
/// ```
/// let id = stardust_domain::ids::uuid_of("obs|1|020000bb0001|blood-pressure|1836900001|131,84");
/// assert_eq!(id.to_string(), "5b99101d-da84-585a-aa23-dbf9ed672ff4");
/// ```
#[must_use]
pub fn uuid_of(key: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, key.as_bytes())
}

/// The SHA-256 of these bytes: 64 lower-case hex digits.
///
/// ```
/// let hash = stardust_domain::ids::sha256_hex(b"");
/// assert!(hash.starts_with("e3b0c442") && hash.len() == 64);
/// ```
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    Hex::<64>::lower(&Sha256::digest(bytes)).as_str().to_owned()
}

/// A 48-bit address of a gateway or a sub-device. Displays as 12 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mac([u8; 6]);

/// The text is not 12 hex digits once colons, dashes and blanks are taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address of 12 hex digits")]
pub struct MacError;

impl Mac {
    /// The six octets, most significant first.
    #[must_use]
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// The EUI-48 form of the FHIR identifier systems: `02-00-00-BB-00-01`.
    #[must_use]
    pub fn eui48(self) -> String {
        let digits = Hex::<12>::upper(&self.0);
        let digits = digits.as_str();
        let mut text = String::with_capacity(17);
        for at in (0..12).step_by(2) {
            if at > 0 {
                text.push('-');
            }
            text.push_str(&digits[at..at + 2]);
        }
        text
    }

    /// The id of the FHIR Device with this address: UUIDv5 of `dev|1|<12 lower hex>`.
    #[must_use]
    pub fn device_id(self) -> Uuid {
        let mut key = *b"dev|1|............";
        key[6..].copy_from_slice(self.hex().as_str().as_bytes());
        Uuid::new_v5(&NAMESPACE, &key)
    }

    /// The 12 lower-case hex digits.
    pub(crate) fn hex(self) -> Hex<12> {
        Hex::lower(&self.0)
    }
}

impl FromStr for Mac {
    type Err = MacError;

    /// Accepts any letter case, with colons, dashes or blanks anywhere; exactly 12 hex digits must remain.
    fn from_str(text: &str) -> Result<Self, MacError> {
        let mut octets = [0_u8; 6];
        let mut digits = 0_usize;
        for c in text.bytes() {
            let value = match c {
                b'0'..=b'9' => c - b'0',
                b'a'..=b'f' => c - b'a' + 10,
                b'A'..=b'F' => c - b'A' + 10,
                b':' | b'-' => continue,
                c if c.is_ascii_whitespace() => continue,
                _ => return Err(MacError),
            };
            let octet = octets.get_mut(digits / 2).ok_or(MacError)?;
            *octet = (*octet << 4) | value;
            digits += 1;
        }
        if digits == 12 {
            Ok(Self(octets))
        } else {
            Err(MacError)
        }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hex().as_str())
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mac({self})")
    }
}

/// A patient: the `_id` of the document in AMY `patients`. Displays as 24 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PatientId([u8; 12]);

/// The text is not 24 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of 24 hex digits")]
pub struct PatientIdError;

impl PatientId {
    /// The id with these twelve bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }

    /// The twelve bytes.
    #[must_use]
    pub const fn bytes(self) -> [u8; 12] {
        self.0
    }

    /// The 24 lower-case hex digits.
    pub(crate) fn hex(self) -> Hex<24> {
        Hex::lower(&self.0)
    }
}

impl FromStr for PatientId {
    type Err = PatientIdError;

    fn from_str(text: &str) -> Result<Self, PatientIdError> {
        if text.len() != 24 || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(PatientIdError);
        }
        let mut bytes = [0_u8; 12];
        for (byte, at) in bytes.iter_mut().zip((0..24).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| PatientIdError)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for PatientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hex().as_str())
    }
}

impl fmt::Debug for PatientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PatientId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_spelling_of_an_address_is_one_device() {
        let plain: Mac = "020000bb0001".parse().unwrap();
        for text in ["02:00:00:BB:00:01", " 02-00-00-bb-00-01 ", "0200 00BB 0001"] {
            assert_eq!(text.parse::<Mac>(), Ok(plain));
        }
        assert_eq!(plain.to_string(), "020000bb0001");
        assert_eq!(plain.eui48(), "02-00-00-BB-00-01");
    }

    #[test]
    fn an_address_of_another_length_or_alphabet_is_refused() {
        for text in [
            "",
            "020000bb00",
            "020000bb000102",
            "020000bb000g",
            "02_0000bb0001",
        ] {
            assert_eq!(text.parse::<Mac>(), Err(MacError));
        }
    }

    #[test]
    fn the_worked_examples_of_the_observation_key_hold() {
        let late = uuid_of("obs|1|020000bb0001|blood-pressure|1836900001|131,84|2026-03-01");
        assert_eq!(late.to_string(), "4fb33aa4-d54b-5257-b850-16f866249e4d");
    }

    #[test]
    fn a_patient_id_is_24_hex_digits() {
        let id: PatientId = "65A000000000000000000001".parse().unwrap();
        assert_eq!(id.to_string(), "65a000000000000000000001");
        assert!("65a00000000000000000000".parse::<PatientId>().is_err());
        assert!("65a0000000000000000000zz".parse::<PatientId>().is_err());
    }
}
