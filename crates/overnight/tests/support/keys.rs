//! API keys, made as a person makes them.

use std::fs;
use std::path::Path;

use super::{check_code, overnight};

/// A key, and what to configure for it.
pub(crate) struct MadeKey {
    /// What requests show.
    pub(crate) key: String,
    /// The table for the configuration file.
    pub(crate) table: String,
}

impl MadeKey {
    /// What `overnight key new` prints with these flags.
    pub(crate) fn new(folder: &Path, flags: &[&str]) -> Self {
        let output = overnight(folder)
            .args(["key", "new"])
            .args(flags)
            .output()
            .unwrap();
        check_code(&output, 0);
        let stdout = String::from_utf8(output.stdout).unwrap();
        let (key, table) = stdout.split_once("\n\n").unwrap();
        Self {
            key: key.to_owned(),
            table: table.to_owned(),
        }
    }

    /// The header that most clients send.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.key)
    }
}

/// Writes a configuration file with these keys; answers its path.
pub(crate) fn write_config(folder: &Path, keys: &[&MadeKey]) -> String {
    let path = folder.join("keys.toml");
    let tables: Vec<&str> = keys.iter().map(|key| key.table.as_str()).collect();
    fs::write(&path, tables.join("\n")).unwrap();
    path.display().to_string()
}
