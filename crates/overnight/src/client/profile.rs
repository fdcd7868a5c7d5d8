//! Profiles: servers that a person asks again and again, each under a name, in a file of that person.
//!
//! ```toml
//! profile = "lab"                 # which one, when nobody says
//!
//! [profiles.lab]
//! server = "https://overnight.example.com"
//! key_file = "lab.key"            # or key_env = "LAB_KEY", or key = "sk-..."
//! ```

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use overnight_engine::upstream::settings::Secret;
use serde::Deserialize;
use toml::Spanned;

use crate::config::origin::{Origin, line_at};
use crate::failure::UsageError;

/// Where the file is, within the user's configuration.
const FILE: &str = "overnight/config.toml";

/// A value, and where it came from.
pub(crate) type Sourced<T> = (T, Origin);

/// What the file may hold.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Form {
    profile: Option<Spanned<String>>,
    profiles: BTreeMap<String, ProfileForm>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ProfileForm {
    server: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    key_file: Option<Spanned<PathBuf>>,
    key_env: Option<Spanned<String>>,
}

/// The file with the profiles.
#[derive(Default)]
pub(super) struct Profiles {
    /// Where it is, or would be.
    path: PathBuf,
    text: String,
    form: Form,
}

/// One of them.
#[derive(Debug, Default)]
pub(super) struct Profile {
    /// Its server.
    pub(super) server: Option<Sourced<String>>,
    /// Its key.
    pub(super) key: Option<Sourced<Secret>>,
}

impl Profiles {
    /// Reads the file of the user whose environment this is; nothing when there is none.
    ///
    /// # Errors
    ///
    /// It cannot be read, or something in it is wrong: the error names the line.
    pub(super) fn read(environment: &BTreeMap<String, String>) -> Result<Self, UsageError> {
        let Some(path) = place(environment) else {
            return Ok(Self::default());
        };
        let shown = path.display();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(UsageError(format!("{shown}: cannot be read: {error}"))),
        };
        let form = toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| line_at(&text, span.start));
            let line = line.map_or_else(String::new, |line| format!(":{line}"));
            // The message alone: what stands in the line may be a key.
            UsageError(format!("{shown}{line}: {}", error.message().trim()))
        })?;
        Ok(Self { path, text, form })
    }

    /// The profile that the file names.
    pub(super) fn named(&self) -> Option<Sourced<String>> {
        let name = self.form.profile.as_ref()?;
        Some((name.get_ref().clone(), self.origin(name)))
    }

    /// The profile of a name.
    ///
    /// # Errors
    ///
    /// There is none, or its key cannot be had.
    pub(super) fn get(
        &self,
        (name, origin): &Sourced<String>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Profile, UsageError> {
        let Some(form) = self.form.profiles.get(name) else {
            return Err(self.unknown(name, origin));
        };
        let server = form.server.as_ref();
        Ok(Profile {
            server: server.map(|url| (url.get_ref().clone(), self.origin(url))),
            key: self.key(form, environment)?,
        })
    }

    fn unknown(&self, name: &str, origin: &Origin) -> UsageError {
        let known: Vec<&str> = self.form.profiles.keys().map(String::as_str).collect();
        let there = match known.as_slice() {
            [] => "there is no profile at all; begin one in ~/.config/overnight/config.toml with \
                   [profiles.NAME] and `server = \"...\"`"
                .to_owned(),
            known => format!("{} has: {}", self.path.display(), known.join(", ")),
        };
        UsageError(format!("{origin}: there is no profile `{name}`; {there}"))
    }

    fn origin<T>(&self, value: &Spanned<T>) -> Origin {
        let line = line_at(&self.text, value.span().start);
        Origin::File(self.path.clone(), Some(line))
    }

    fn key(
        &self,
        form: &ProfileForm,
        environment: &BTreeMap<String, String>,
    ) -> Result<Option<Sourced<Secret>>, UsageError> {
        let wrong = |origin: &Origin, text: String| Err(UsageError(format!("{origin}: {text}")));
        let (key, origin) = match (&form.key, &form.key_file, &form.key_env) {
            (None, None, None) => return Ok(None),
            (Some(key), None, None) => (key.get_ref().clone(), self.origin(key)),
            (None, Some(file), None) => {
                let (path, origin) = (self.beside(file.get_ref(), environment), self.origin(file));
                match std::fs::read_to_string(&path) {
                    Ok(key) => (key, origin),
                    Err(error) => {
                        let text = format!("key_file: {} cannot be read: {error}", path.display());
                        return wrong(&origin, text);
                    }
                }
            }
            (None, None, Some(variable)) => {
                let (name, origin) = (variable.get_ref(), self.origin(variable));
                let Some(key) = environment.get(name) else {
                    let text = format!("key_env: the environment variable {name} is not set");
                    return wrong(&origin, text);
                };
                (key.clone(), origin)
            }
            (key, file, variable) => {
                let origins = key.iter().map(|key| self.origin(key));
                let origins = origins.chain(file.iter().map(|file| self.origin(file)));
                let mut origins = origins.chain(variable.iter().map(|name| self.origin(name)));
                let origin = origins.next().unwrap_or(Origin::Default);
                let text = "a profile has one of key, key_file and key_env".to_owned();
                return wrong(&origin, text);
            }
        };
        Ok(Some((Secret::new(key.trim().to_owned()), origin)))
    }

    /// A path as it is meant in the file: seen from the file's folder, or from the user's own with `~/`.
    fn beside(&self, path: &Path, environment: &BTreeMap<String, String>) -> PathBuf {
        let own = path.strip_prefix("~").ok().zip(environment.get("HOME"));
        if let Some((rest, home)) = own {
            return Path::new(home).join(rest);
        }
        let folder = self.path.parent().unwrap_or_else(|| Path::new(""));
        folder.join(path)
    }
}

/// Where the file is: in `XDG_CONFIG_HOME`, or else in `~/.config`. `None` for whoever has neither.
fn place(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let folder = |name: &str| {
        let path = environment.get(name).map(Path::new);
        // What is not absolute is to be passed over.
        path.filter(|path| path.is_absolute())
    };
    let folder = match folder("XDG_CONFIG_HOME") {
        Some(folder) => folder.to_owned(),
        None => folder("HOME")?.join(".config"),
    };
    Some(folder.join(FILE))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A user with that file, and with these variables besides.
    fn user(file: &str, variables: &[(&str, &str)]) -> (TempDir, BTreeMap<String, String>) {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".config/overnight");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.toml"), file).unwrap();
        let own = ("HOME", home.path().to_str().unwrap());
        let all = variables.iter().copied().chain([own]);
        let environment = all.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = environment.collect();
        (home, environment)
    }

    /// What is said about profile `a` of that file; its key when nothing is wrong.
    fn key(file: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let (home, environment) = user(file, variables);
        std::fs::write(home.path().join("own.key"), "from-home\n").unwrap();
        std::fs::write(home.path().join(".config/overnight/a.key"), "beside\n").unwrap();
        let name = ("a".to_owned(), Origin::Flag("--profile".to_owned()));
        let profiles = Profiles::read(&environment);
        let profile = profiles.and_then(|profiles| profiles.get(&name, &environment));
        let profile = profile.map_err(|error| {
            let home = home.path().display().to_string();
            error.0.replace(&format!("{home}/.config/overnight/"), "")
        })?;
        Ok(profile
            .key
            .map_or_else(String::new, |(key, _)| key.expose().to_owned()))
    }

    #[test]
    fn a_key_is_in_the_file_in_another_or_in_a_variable() {
        let of = |line: &str| key(&format!("[profiles.a]\n{line}\n"), &[("LAB_KEY", "lab")]);
        assert_eq!(of("key = \"plain\""), Ok("plain".to_owned()));
        assert_eq!(of("key_file = \"a.key\""), Ok("beside".to_owned()));
        assert_eq!(of("key_file = \"~/own.key\""), Ok("from-home".to_owned()));
        assert_eq!(of("key_env = \"LAB_KEY\""), Ok("lab".to_owned()));
        assert_eq!(of("server = \"http://a\""), Ok(String::new()));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_without_a_key() {
        let check = |file: &str, expected: &str| {
            let told = key(file, &[]).unwrap_err();
            assert!(told.starts_with(expected), "{told}");
            assert!(!told.contains("secret"), "{told}");
        };
        check("[profiles.a]\nkey = sk-secret\n", "config.toml:2: ");
        check(
            "[profiles.a]\nsever = \"x\"\n",
            "config.toml:2: unknown field `sever`",
        );
        check(
            "[profiles.a]\nkey_env = \"NONE\"\n",
            "config.toml:2: key_env: the environment variable NONE is not set",
        );
        check(
            "[profiles.a]\nkey = \"sk-secret\"\nkey_env = \"NONE\"\n",
            "config.toml:2: a profile has one of key, key_file and key_env",
        );
        check(
            "[profiles.b]\n",
            "--profile: there is no profile `a`; config.toml has: b",
        );
        check(
            "",
            "--profile: there is no profile `a`; there is no profile at all",
        );
    }

    #[test]
    fn the_folder_for_settings_may_be_another() {
        let of = |variables: &[(&str, &str)]| {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            place(&variables.iter().map(owned).collect())
        };
        let home = ("HOME", "/home/me");
        let expected = |path: &str| Some(PathBuf::from(path));
        assert_eq!(
            of(&[home, ("XDG_CONFIG_HOME", "/etc/me")]),
            expected("/etc/me/overnight/config.toml")
        );
        assert_eq!(
            of(&[home, ("XDG_CONFIG_HOME", "relative")]),
            expected("/home/me/.config/overnight/config.toml")
        );
        assert_eq!(of(&[]), None);
    }
}
