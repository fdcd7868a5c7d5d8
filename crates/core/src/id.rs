//! Identifiers: their shapes, and how they are made from a time and some entropy.
//!
//! A new id starts with its time of creation, so ids of one kind sort by age and serve as the cursor
//! of a page. Clients treat ids as opaque but check the prefixes, so those are fixed.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Digits of a base-62 id in the order of their bytes, so that ids sort like the numbers they hold.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How many bits of a 128-bit id are random; the 52 above them are the time.
const RANDOM_BITS: u32 = 76;

/// Gives 128 random bits a call. Cloning shares the source.
#[derive(Clone)]
pub struct Entropy(Arc<dyn Fn() -> u128 + Send + Sync>);

impl Entropy {
    /// A source that answers with what `draw` returns.
    pub fn new(draw: impl Fn() -> u128 + Send + Sync + 'static) -> Self {
        Self(Arc::new(draw))
    }

    /// The next 128 random bits.
    #[must_use]
    pub fn draw(&self) -> u128 {
        (self.0)()
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}

/// 32 bits of seconds, 20 of microseconds, 76 random: the number that an id spells out.
fn numbered(at: Timestamp, entropy: u128) -> u128 {
    let seconds = u128::from(at.seconds()) & 0xffff_ffff;
    let micros = u128::from(at.micros() % 1_000_000);
    (seconds << (RANDOM_BITS + 20)) | (micros << RANDOM_BITS) | (entropy >> (128 - RANDOM_BITS))
}

/// 32 lowercase hexadecimal digits: 8 of seconds, 5 of microseconds, 19 random.
#[must_use]
pub fn hex32(at: Timestamp, entropy: u128) -> String {
    format!("{:032x}", numbered(at, entropy))
}

/// 22 base-62 digits that hold the same number as [`hex32`].
fn base62(at: Timestamp, entropy: u128) -> String {
    let mut number = numbered(at, entropy);
    let mut digits = [b'0'; 22];
    for digit in digits.iter_mut().rev() {
        let index = usize::try_from(number % 62).unwrap_or_default();
        *digit = BASE62.get(index).copied().unwrap_or(b'0');
        number /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

text_id! {
    /// Names a batch: `batch_` and 32 hexadecimal digits.
    BatchId
}
text_id! {
    /// Names a file: `file-` and 22 base-62 digits.
    FileId
}
text_id! {
    /// Names an upload: `upload_` and 32 hexadecimal digits.
    UploadId
}
text_id! {
    /// Names a part of an upload: `part_` and 32 hexadecimal digits.
    PartId
}
text_id! {
    /// Names a project, the unit of isolation: what one project has, another cannot see.
    ProjectId
}
text_id! {
    /// Names one running engine for as long as its process lives.
    WorkerId
}

impl BatchId {
    /// A new id for a batch created at that time.
    #[must_use]
    pub fn new(at: Timestamp, entropy: u128) -> Self {
        format!("batch_{}", hex32(at, entropy)).into()
    }
}

impl FileId {
    /// A new id for a file created at that time.
    #[must_use]
    pub fn new(at: Timestamp, entropy: u128) -> Self {
        format!("file-{}", base62(at, entropy)).into()
    }
}

impl UploadId {
    /// A new id for an upload created at that time.
    #[must_use]
    pub fn new(at: Timestamp, entropy: u128) -> Self {
        format!("upload_{}", hex32(at, entropy)).into()
    }
}

impl PartId {
    /// A new id for a part that came at that time.
    #[must_use]
    pub fn new(at: Timestamp, entropy: u128) -> Self {
        format!("part_{}", hex32(at, entropy)).into()
    }
}

impl WorkerId {
    /// A new id for a worker started at that time.
    #[must_use]
    pub fn new(at: Timestamp, entropy: u128) -> Self {
        format!("worker_{}", hex32(at, entropy)).into()
    }
}

impl ProjectId {
    /// The project that everything belongs to while no API keys are set.
    #[must_use]
    pub fn default_project() -> Self {
        "default".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_shapes_that_clients_check() {
        let at = Timestamp::from_micros(1_761_896_208_123_456);
        let batch = BatchId::new(at, u128::MAX);
        assert_eq!(batch.as_str(), "batch_690467101e240fffffffffffffffffff");
        assert_eq!(BatchId::new(at, 0).as_str().len(), 38);
        assert_eq!(FileId::new(at, 0).as_str().len(), 27);
        assert_eq!(UploadId::new(at, 0).as_str().len(), 39);
        assert_eq!(PartId::new(at, 0).as_str().len(), 37);
    }

    #[test]
    fn the_random_bits_of_an_id_are_those_that_were_drawn() {
        let entropy = Entropy::new(|| 0xabcd_ef01_2345_6789_abcd_ef01_2345_6789);
        assert_eq!(format!("{entropy:?}"), "Entropy");
        let at = Timestamp::from_micros(0xffff_ffff * 1_000_000 + 999_999);
        let spelled = hex32(at, entropy.draw());
        assert_eq!(spelled, "fffffffff423fabcdef0123456789abc");
        let id = BatchId::new(at, entropy.draw());
        assert_eq!(id.to_string(), format!("batch_{spelled}"));
        assert_eq!(format!("{id:?}"), format!("\"batch_{spelled}\""));
    }

    #[test]
    fn ids_sort_by_creation_whatever_the_entropy() {
        let earlier = Timestamp::from_micros(1_761_896_208_999_999);
        let later = Timestamp::from_micros(1_761_896_209_000_000);
        assert!(BatchId::new(earlier, u128::MAX) < BatchId::new(later, 0));
        assert!(FileId::new(earlier, u128::MAX) < FileId::new(later, 0));
    }
}
