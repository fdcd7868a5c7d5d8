//! Walks over JSON text in one pass: checks its grammar, and says where values lie.
//!
//! Lines are read by the gigabyte, and of each only a few values are looked at. A walk builds
//! nothing and does not recurse; it allocates only for nesting that no sane request has. It leaves
//! UTF-8 to whoever made the text a `str`.

mod levels;
mod marks;
mod walk;

pub(crate) use self::walk::{NotJson, Value, Walk};

#[cfg(test)]
mod tests;
