//! One setting: its key, what kind of value it takes, the value, and what it means.
//!
//! A [`section!`] is a struct of settings that is written down once, with a meaning and a default each;
//! reading, listing and documenting it follow from that.

use std::path::PathBuf;

use super::units::{Share, Size, Span};

/// One line of the reference or of the effective settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The dotted key: `limits.lines_max`.
    pub(crate) key: String,
    /// What kind of value it takes, for a person.
    pub(crate) kind: &'static str,
    /// The value as TOML; `None` when it is not set.
    pub(crate) value: Option<String>,
    /// What it means, with its unit and special values.
    pub(crate) meaning: String,
}

/// A value that can be set, or a section of them.
pub(crate) trait Setting {
    /// Adds the entry of this value, or those of the section, under that key.
    fn list(&self, key: &str, meaning: &str, entries: &mut Vec<Entry>);
}

/// A single value.
pub(crate) trait Value {
    /// What kind of value it is, for a person.
    const KIND: &'static str;

    /// The value as TOML.
    fn show(&self) -> String;
}

/// The key of a setting in a section.
pub(crate) fn join(section: &str, name: &str) -> String {
    if section.is_empty() {
        name.to_owned()
    } else {
        format!("{section}.{name}")
    }
}

/// A text as TOML.
pub(crate) fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn entry<V: Value>(key: &str, meaning: &str, value: Option<&V>) -> Entry {
    let meaning = meaning.split_whitespace().collect::<Vec<_>>().join(" ");
    Entry {
        key: key.to_owned(),
        kind: V::KIND,
        value: value.map(Value::show),
        meaning,
    }
}

impl<V: Value> Setting for V {
    fn list(&self, key: &str, meaning: &str, entries: &mut Vec<Entry>) {
        entries.push(entry(key, meaning, Some(self)));
    }
}

impl<V: Value> Setting for Option<V> {
    fn list(&self, key: &str, meaning: &str, entries: &mut Vec<Entry>) {
        entries.push(entry(key, meaning, self.as_ref()));
    }
}

macro_rules! value {
    ($kind:ty, $name:literal, $show:expr) => {
        impl $crate::config::setting::Value for $kind {
            const KIND: &'static str = $name;

            fn show(&self) -> String {
                ($show)(self)
            }
        }
    };
}
pub(crate) use value;

value!(bool, "true or false", |value: &bool| value.to_string());
value!(u8, "number", |value: &u8| value.to_string());
value!(u32, "number", |value: &u32| value.to_string());
value!(u64, "number", |value: &u64| value.to_string());
value!(String, "text", |value: &String| quote(value));
value!(PathBuf, "path", |value: &PathBuf| quote(
    &value.display().to_string()
));
value!(Span, "time", |value: &Span| quote(&value.to_string()));
value!(Share, "share", |value: &Share| value.0.to_string());
value!(Size, "size", |value: &Size| quote(&value.to_string()));

/// Declares a section: `name: Kind = default;` with a doc comment that is the setting's meaning.
macro_rules! section {
    ($(#[doc = $head:literal])* $name:ident {
        $($(#[doc = $doc:literal])+ $field:ident: $kind:ty = $default:expr;)*
    }) => {
        $(#[doc = $head])*
        #[derive(Clone, Debug, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[doc = $doc])+ pub(crate) $field: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::config::setting::Setting for $name {
            fn list(
                &self,
                key: &str,
                _meaning: &str,
                entries: &mut Vec<$crate::config::setting::Entry>,
            ) {
                $($crate::config::setting::Setting::list(
                    &self.$field,
                    &$crate::config::setting::join(key, stringify!($field)),
                    concat!($($doc),+),
                    entries,
                );)*
            }
        }
    };
}
pub(crate) use section;
