//! One macro that gives an event enum its stable names, schema numbers and byte form, so that a variant without
//! them does not compile.

/// Declares an event family: `"type" @ schema => Variant(Data)`.
macro_rules! event_family {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $type:literal @ $schema:literal => $variant:ident($data:ty),)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $name {
            $($(#[$vdoc])* $variant($data),)+
        }

        impl $name {
            /// The type names of this family, in order of declaration.
            pub const TYPES: &'static [&'static str] = &[$($type),+];

            /// Stable dotted type name.
            #[must_use]
            pub const fn event_type(&self) -> &'static str {
                match self { $(Self::$variant(_) => $type,)+ }
            }

            /// Schema number that [`Self::encode`] writes.
            #[must_use]
            pub const fn schema(&self) -> u16 {
                match self { $(Self::$variant(_) => $schema,)+ }
            }

            /// The data as JSON text.
            #[must_use]
            pub fn encode(&self) -> alloc::vec::Vec<u8> {
                match self {
                    $(Self::$variant(data) => serde_json::to_vec(data),)+
                }
                .expect("event data has string keys only and always serialises")
            }

            /// Reads data of a type and schema that this family once wrote.
            ///
            /// # Errors
            /// See [`DecodeError`](crate::DecodeError).
            pub fn decode(event_type: &str, schema: u16, data: &[u8]) -> Result<Self, crate::DecodeError> {
                match event_type {
                    $($type => $crate::event::family::decode_as(event_type, schema, $schema, data).map(Self::$variant),)+
                    _ => Err(crate::DecodeError::UnknownType { event_type: event_type.into() }),
                }
            }
        }
    };
}

pub(crate) use event_family;

use alloc::string::ToString;

use serde::de::DeserializeOwned;

use crate::{DecodeError, upcast};

/// Reads `data` as `T`, raising it first where it was written with an older schema.
pub(crate) fn decode_as<T: DeserializeOwned>(
    event_type: &str,
    schema: u16,
    newest: u16,
    data: &[u8],
) -> Result<T, DecodeError> {
    let malformed = |error: serde_json::Error| DecodeError::Malformed {
        event_type: event_type.into(),
        schema,
        reason: error.to_string(),
    };
    let unknown = || DecodeError::UnknownSchema { event_type: event_type.into(), schema, newest };
    if schema == newest {
        return serde_json::from_slice(data).map_err(malformed);
    }
    if schema == 0 || schema > newest {
        return Err(unknown());
    }
    let old = serde_json::from_slice(data).map_err(malformed)?;
    let raised = upcast::raise(upcast::UPCASTERS, event_type, schema, newest, old).map_err(|_| unknown())?;
    serde_json::from_value(raised).map_err(malformed)
}
