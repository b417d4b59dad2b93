//! What can become of a reading, and why.

use std::fmt;

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $label:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable label: in records, exports, metrics.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }

            /// The value with this label.
            #[must_use]
            pub fn from_label(label: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.label() == label)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.label())
            }
        }
    };
}

labels! {
    /// Where a raw record came from.
    Source {
        /// A device or a person over HTTP.
        Http = "http",
        /// Old messages sent in bulk: their event times count as they are.
        Backfill = "backfill",
        /// Documents of an existing database.
        Migration = "migration",
        /// A dead letter sent again.
        Replay = "replay",
        /// A parked reading whose device is known by now.
        Release = "release",
    }
}

labels! {
    /// Why a reading can never become an Observation as it stands.
    DeadReason {
        /// The bytes are not a message.
        Unreadable = "unreadable",
        /// A message of a type that carries no readings we know.
        UnknownMessageType = "unknown message type",
        /// An attribute that is not in the device catalogue.
        UnknownAttribute = "unknown attribute",
        /// More than 1,000 items in one message.
        TooManyItems = "too many items",
        /// No sub-device address.
        AddressMissing = "address missing",
        /// A sub-device address that is not 12 hex digits.
        AddressUnusable = "address unusable",
        /// A required value is absent, null or blank.
        ValueMissing = "value missing",
        /// A value that is no plain decimal.
        ValueNotNumeric = "value not numeric",
        /// A value outside what the quantity can be.
        ValueImpossible = "value impossible",
        /// Migration: no time that can be placed.
        UnknownTime = "unknown time",
        /// Migration: a document of no patient.
        NoPatient = "no patient",
        /// Migration: a value whose unit cannot be told.
        UnitUnknown = "unit unknown",
        /// The log takes no such record, whatever is tried.
        RefusedByTheLog = "refused by the log",
    }
}

labels! {
    /// Why a good reading has to wait.
    ParkReason {
        /// The sub-device (API call: the gateway's box) is not registered.
        DeviceUnknown = "device unknown",
        /// The device names no patient, or one that does not exist.
        PatientUnknown = "patient unknown",
        /// The device stands with more than one patient.
        PatientAmbiguous = "patient ambiguous",
        /// The device changed hands around the reading's time.
        AssociationUncertain = "association uncertain",
    }
}

labels! {
    /// What an AuditEvent says of a reading.
    AuditOutcome {
        /// Stored as a new Observation.
        Created = "created",
        /// The same reading was stored before, from another receipt.
        Duplicate = "duplicate",
        /// Waits for its device or patient.
        Parked = "parked",
        /// In the dead letters.
        Dead = "dead",
        /// Changed by a re-mapping.
        Amended = "amended",
        /// Removed with the migration run that wrote it.
        RolledBack = "rolled-back",
    }
}

labels! {
    /// The step that wrote a letter.
    Stage {
        /// Reading the bytes of the message.
        Payload = "payload",
        /// Judging the values against the device catalogue.
        Mapping = "mapping",
        /// Looking up the device and the patient.
        Registry = "registry",
        /// Forwarding from the door's spool.
        Spool = "spool",
        /// Writing to the store, which refuses the document for good.
        Store = "store",
    }
}
