//! What is said of documents that became resources, or did not.

use std::fmt;

macro_rules! remarks {
    ($($(#[$doc:meta])* $variant:ident = $label:literal),+ $(,)?) => {
        /// Something left out, or not as it should be. None of them stops a migration.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Remark { $($(#[$doc])* $variant),+ }

        impl Remark {
            /// Every remark, in the order of a report.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable label.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }
        }
    };
}

remarks! {
    /// A document that is no object: no resource.
    NotAnObject = "document is not an object",
    /// A document with `is_deleted`: no resource.
    Deleted = "document is deleted",
    /// A document whose `_id` cannot be read: no resource.
    NoUsableId = "document without a usable id",
    /// A second document with one `_id`: the first counts.
    IdTwice = "id occurs twice",
    /// A box without a usable address: no resource.
    NoAddress = "box without a usable address",
    /// A further box with an address: one Device for all of them.
    BoxTwice = "address on several boxes",
    /// An address of a box and of a sub-device: one Device with both identifiers.
    GatewayAndDevice = "address of a box and of a sub-device",
    /// A patient or a hospital without a name.
    NameMissing = "name missing",
    /// A text with control characters: absent.
    TextUnreadable = "text unreadable",
    /// A gender that is none of FHIR's: absent.
    GenderUnreadable = "gender unreadable",
    /// A birth date that is no date of our calendar: absent.
    BirthDateUnreadable = "birth date unreadable",
    /// A hospital that is not in `hospitals`: absent.
    HospitalUnknown = "hospital unknown",
    /// A sub-device without a patient, or with one that is not there: no DeviceAssociation.
    DeviceWithoutPatient = "sub-device without a patient",
    /// A sub-device of several patients: no DeviceAssociation.
    DeviceOfSeveral = "sub-device of several patients",
    /// A box without a patient, or with one that is not there: no DeviceAssociation.
    BoxWithoutPatient = "box without a patient",
    /// Boxes with one address that do not name one patient: no DeviceAssociation.
    BoxOfSeveral = "box of several patients",
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
