//! What an import of the registry met.

use std::collections::BTreeMap;
use std::fmt;

macro_rules! oddities {
    ($($(#[$doc:meta])* $variant:ident = $label:literal),+ $(,)?) => {
        /// Something in the documents that is not as it should be. None of them stops an import.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Oddity { $($(#[$doc])* $variant),+ }

        impl Oddity {
            /// Every oddity, in the order of a report.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable label.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }
        }
    };
}

oddities! {
    /// A document that is no object.
    NotAnObject = "document is not an object",
    /// A document with `is_deleted`.
    Deleted = "document is deleted",
    /// `is_deleted` is neither a truth value nor a number nor a known word: read as not deleted.
    DeletedFlagOdd = "is_deleted unreadable",
    /// An address field that is an empty text.
    AddressEmpty = "address empty",
    /// An address with blanks around or inside.
    AddressBlanks = "address with blanks",
    /// An address that is not 12 hex digits.
    AddressUnusable = "address unusable",
    /// An address of zeros or of ones throughout.
    AddressPlaceholder = "address is a placeholder",
    /// A box without an address.
    BoxWithoutAddress = "box without address",
    /// A patient id that is hex text.
    PatientIdHexText = "patient id is hex text",
    /// A patient id that is the JSON text of an `$oid`.
    PatientIdJsonText = "patient id is JSON text",
    /// A patient id that is the text of a language's own spelling.
    PatientIdReprText = "patient id is repr text",
    /// No patient id, or null.
    PatientIdMissing = "patient id missing",
    /// A patient id that says in words that it is unknown.
    PatientIdUnknown = "patient id says unknown",
    /// A patient id of another form.
    PatientIdUnreadable = "patient id unreadable",
    /// A document of `patients` whose `_id` cannot be read: it is left out.
    PatientUnusable = "patient without usable id",
    /// A sub-device or box names a patient that is not in `patients`, or is deleted.
    PatientNotFound = "patient not found",
    /// A sub-device that stands with two patients under one kind (or only under other kinds).
    DeviceAmbiguous = "device of two patients",
    /// A gateway on two boxes that do not name one patient.
    GatewayAmbiguous = "gateway of two patients",
    /// A gateway whose box and `patients` name different patients: the box counts.
    GatewayDisputed = "box and patient disagree",
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// What an import read and met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Documents of `amy_boxes`.
    pub box_documents: u64,
    /// Documents of `amy_devices`.
    pub device_documents: u64,
    /// Documents of `patients`.
    pub patient_documents: u64,
    /// Gateways known in the end.
    pub gateways: u64,
    /// Sub-devices known in the end, whether or not they have a patient.
    pub devices: u64,
    /// Of those, the ones whose readings are stored at once: one patient, who exists.
    pub devices_with_patient: u64,
    /// Patients that are not deleted.
    pub patients: u64,
    /// How often each oddity was met; those never met are absent.
    pub oddities: BTreeMap<Oddity, u64>,
}

impl ImportReport {
    /// How often this was met.
    #[must_use]
    pub fn count(&self, oddity: Oddity) -> u64 {
        self.oddities.get(&oddity).copied().unwrap_or(0)
    }

    pub(super) fn met(&mut self, oddity: Oddity) {
        *self.oddities.entry(oddity).or_default() += 1;
    }
}
