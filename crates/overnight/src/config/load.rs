//! Reads the layers into [`Settings`]: flags over variables over the file over the defaults.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use toml::de::DeTable;

use super::check::check;
use super::errors::{ConfigError, Problem};
use super::origin::{Layers, Origin, line_at};
use super::setting::Setting;
use super::settings::Settings;

/// The file that is read when it is there and none is named.
pub(crate) const FILE_BY_DEFAULT: &str = "overnight.toml";

/// What every variable that sets something begins with.
const VARIABLE_PREFIX: &str = "OVERNIGHT_";

/// The variable that names the configuration file; it is no setting.
const FILE_VARIABLE: &str = "OVERNIGHT_CONFIG";

/// What commands that ask a server read; no settings of a server either.
const CLIENT_VARIABLES: [&str; 3] = ["OVERNIGHT_SERVER", "OVERNIGHT_KEY", "OVERNIGHT_PROFILE"];

/// A value that a flag sets.
pub(crate) struct Flag {
    /// The dotted key.
    pub(crate) key: &'static str,
    /// The flag as it is typed: `--listen`.
    pub(crate) name: &'static str,
    /// The value.
    pub(crate) value: Value,
}

/// Everything that settings can come from.
pub(crate) struct Sources {
    /// What the command line says.
    pub(crate) flags: Vec<Flag>,
    /// The environment of the process.
    pub(crate) environment: BTreeMap<String, String>,
    /// The configuration file that the command line names.
    pub(crate) file: Option<PathBuf>,
}

/// The settings, and where each came from.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// The effective settings; they passed every check.
    pub(crate) settings: Settings,
    /// Where they came from.
    pub(crate) layers: Layers,
}

/// Reads and checks the settings.
///
/// # Errors
///
/// [`ConfigError`] names everything that is wrong: which key, where it was set and what to do.
pub(crate) fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut layers = Layers::default();
    let mut figment = Figment::new();
    let named = sources
        .file
        .clone()
        .or_else(|| sources.environment.get(FILE_VARIABLE).map(PathBuf::from));
    if let Some((path, text)) = read_file(named)? {
        figment = figment.merge(Layer("file", parse_file(&path, &text)?));
        layers.file = Some((path, text));
    }
    let (variables, names) = read_variables(&sources.environment);
    figment = figment.merge(Layer("variables", variables));
    layers.variables = names;
    let mut flags = Dict::new();
    for flag in &sources.flags {
        insert(&mut flags, flag.key, flag.value.clone());
        layers
            .flags
            .insert(flag.key.to_owned(), flag.name.to_owned());
    }
    figment = figment.merge(Layer("flags", flags));
    let settings: Settings = figment.extract().map_err(|errors| {
        ConfigError(
            errors
                .into_iter()
                .map(|error| Problem::read(&layers, &error))
                .collect(),
        )
    })?;
    let problems = check(&settings, &sources.environment);
    if problems.is_empty() {
        return Ok(Loaded { settings, layers });
    }
    let located = problems
        .into_iter()
        .map(|(key, message)| Problem::at(&layers, &key, message));
    Err(ConfigError(located.collect()))
}

/// Values that were read already, as figment wants them.
struct Layer(&'static str, Dict);

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.0)
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.1.clone()))
    }
}

/// The text of the configuration file. One that is named must be there.
fn read_file(named: Option<PathBuf>) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let is_named = named.is_some();
    let path = named.unwrap_or_else(|| PathBuf::from(FILE_BY_DEFAULT));
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if error.kind() == ErrorKind::NotFound && !is_named => Ok(None),
        Err(error) => Err(file_problem(
            &path,
            None,
            format!("cannot be read: {error}"),
        )),
    }
}

fn parse_file(path: &Path, text: &str) -> Result<Dict, ConfigError> {
    if let Err(error) = DeTable::parse(text) {
        let line = error.span().map(|span| line_at(text, span.start));
        return Err(file_problem(
            path,
            line,
            format!("is not TOML: {}", error.message()),
        ));
    }
    let table: toml::Table = toml::from_str(text)
        .map_err(|error| file_problem(path, None, format!("is not TOML: {}", error.message())))?;
    match Value::serialize(&table) {
        Ok(Value::Dict(_, values)) => Ok(values),
        Ok(_) => Ok(Dict::new()),
        Err(error) => Err(file_problem(path, None, error.to_string())),
    }
}

fn file_problem(path: &Path, line: Option<usize>, message: String) -> ConfigError {
    let origin = Origin::File(path.to_owned(), line);
    ConfigError(vec![Problem {
        origin,
        key: String::new(),
        message,
    }])
}

/// The values of all variables that set something, and the variables by the key they set.
fn read_variables(environment: &BTreeMap<String, String>) -> (Dict, BTreeMap<String, String>) {
    let mut entries = Vec::new();
    Settings::default().list("", "", &mut entries);
    let is_text = |key: &str| {
        entries
            .iter()
            .any(|entry| entry.key == key && matches!(entry.kind, "text" | "path"))
    };
    let mut values = Dict::new();
    let mut names = BTreeMap::new();
    for (name, text) in environment {
        let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else {
            continue;
        };
        if name == FILE_VARIABLE || CLIENT_VARIABLES.contains(&name.as_str()) {
            continue;
        }
        let key = rest.to_lowercase().replace("__", ".");
        let value = if is_text(&key) {
            Value::from(text.as_str())
        } else {
            parse_value(text)
        };
        insert(&mut values, &key, value);
        names.insert(key, name.clone());
    }
    (values, names)
}

/// A variable's value: what it would be in the file (`true`, `5`, `["a", "b"]`), or just a text.
fn parse_value(text: &str) -> Value {
    let table = toml::from_str::<toml::Table>(&format!("value = {text}")).ok();
    let parsed = table
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"));
    let value = parsed.and_then(|value| Value::serialize(value).ok());
    value.unwrap_or_else(|| Value::from(text))
}

/// Puts a value at a dotted key, making the tables on the way.
fn insert(values: &mut Dict, key: &str, value: Value) {
    let Some((section, rest)) = key.split_once('.') else {
        values.insert(key.to_owned(), value);
        return;
    };
    let inner = values
        .entry(section.to_owned())
        .or_insert_with(|| Value::from(Dict::new()));
    if !matches!(inner, Value::Dict(..)) {
        *inner = Value::from(Dict::new());
    }
    if let Value::Dict(_, inner) = inner {
        insert(inner, rest, value);
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
