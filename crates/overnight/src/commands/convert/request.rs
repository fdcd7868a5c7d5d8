//! Makes the requests of an input file from texts that are filled in.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::template::Template;
use crate::commands::pairs::parse_set;
use crate::config::settings::Settings;
use crate::failure::UsageError;
use crate::lines::ID_KEY;
use crate::lines::ids::LineId;
use crate::lines::output::Output;

/// The endpoint whose requests are conversations.
const CHAT: &str = "/v1/chat/completions";

/// The endpoint whose requests are conversations of the newer form.
const RESPONSES: &str = "/v1/responses";

/// What requests are made of.
#[derive(Debug, clap::Args)]
pub(crate) struct RequestArgs {
    /// The model that is asked.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// What the model is told first; `{column}` stands for a value of the row.
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// What the model is asked, or what is embedded; `{column}` stands for a value of the row, in a folder
    /// `{text}` for a file's text and `{name}` for its name.
    #[arg(long, value_name = "TEXT")]
    pub(super) user: Option<String>,
    /// A column with the path or the URL of an image that is shown to the model.
    #[arg(long, value_name = "COLUMN")]
    pub(super) image: Option<String>,
    /// The endpoint of the requests.
    #[arg(long, value_name = "PATH", default_value = CHAT)]
    endpoint: String,
    /// A file with the JSON schema that answers have to follow.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// A further key of each body, such as `max_tokens=200`; the value is JSON, or else a text.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_set)]
    set: Vec<(String, Value)>,
}

/// One line of an input file.
#[derive(serde::Serialize)]
struct Line<'a> {
    custom_id: &'a str,
    method: &'static str,
    url: &'a str,
    body: &'a Body<'a>,
}

/// The body of a request.
struct Body<'a> {
    keys: Map<String, Value>,
    /// What asks for answers of a schema, and under which key.
    schema: Option<&'a (&'static str, Box<RawValue>)>,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &self.keys {
            map.serialize_entry(key, value)?;
        }
        if let Some((key, value)) = self.schema {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Makes and writes requests.
pub(super) struct Requests {
    endpoint: String,
    system: Option<Template>,
    user: Template,
    /// What all bodies have.
    fixed: Map<String, Value>,
    /// What asks for answers of a schema, its keys in the order of the file: engines answer in that order.
    schema: Option<(&'static str, Box<RawValue>)>,
    ids: BTreeSet<LineId>,
    line_bytes_max: u64,
    output: Output,
    /// How many were written.
    pub(super) written: u64,
}

impl Requests {
    /// Requests whose texts may name these values.
    ///
    /// # Errors
    ///
    /// A flag is missing or wrong.
    pub(super) fn new(
        args: &RequestArgs,
        names: &[String],
        output: Output,
    ) -> anyhow::Result<Self> {
        let required = |value: &Option<String>, flag: &str, example: &str| {
            let text = format!("{flag} is needed: say {flag} {example}");
            value.clone().ok_or(UsageError(text))
        };
        let model = required(&args.model, "--model", "NAME")?;
        let user = required(&args.user, "--user", "'...{column}...'")?;
        let system = args.system.as_deref();
        let system = system.map(|text| Template::parse("--system", text, names));
        let mut fixed = Map::from_iter([("model".to_owned(), Value::from(model))]);
        fixed.extend(args.set.iter().cloned());
        let schema = args.schema.as_deref();
        let schema = schema.map(|path| read_schema(&args.endpoint, path));
        let schema = schema.transpose()?;
        Ok(Self {
            user: Template::parse("--user", &user, names)?,
            system: system.transpose()?,
            endpoint: args.endpoint.clone(),
            schema: schema.filter(|(key, _)| !fixed.contains_key(*key)),
            fixed,
            ids: BTreeSet::new(),
            line_bytes_max: Settings::default().limits.line_bytes_max.0,
            output,
            written: 0,
        })
    }

    /// Writes one request; `image` is shown to the model besides the text.
    ///
    /// # Errors
    ///
    /// An earlier request has the id, an image is of no use at the endpoint, or the line is too long.
    pub(super) fn put(
        &mut self,
        id: &str,
        values: &[&str],
        image: Option<&str>,
    ) -> anyhow::Result<()> {
        if !self.ids.insert(LineId::of(id)) {
            bail!("the {ID_KEY} `{id}` is there twice; name another column with --id");
        }
        let body = Body {
            keys: self.body(values, image)?,
            schema: self.schema.as_ref(),
        };
        let line = serde_json::to_vec(&Line {
            custom_id: id,
            method: "POST",
            url: &self.endpoint,
            body: &body,
        })?;
        if line.len() as u64 > self.line_bytes_max {
            bail!(
                "the request `{id}` would have {} bytes, and {} are the most",
                line.len(),
                self.line_bytes_max
            );
        }
        self.written += 1;
        self.output.put_line(&line)
    }

    fn body(&self, values: &[&str], image: Option<&str>) -> anyhow::Result<Map<String, Value>> {
        let user = self.user.fill(values);
        let system = self.system.as_ref().map(|system| system.fill(values));
        let mut body = self.fixed.clone();
        let mut put = |key: &str, value: Value| body.insert(key.to_owned(), value);
        match (self.endpoint.as_str(), image) {
            (CHAT, image) => {
                let content = image.map_or_else(
                    || Value::from(user.as_str()),
                    |image| {
                        json!([
                            { "type": "text", "text": user },
                            { "type": "image_url", "image_url": { "url": image } },
                        ])
                    },
                );
                let system = system.map(|text| json!({ "role": "system", "content": text }));
                let user = json!({ "role": "user", "content": content });
                put("messages", system.into_iter().chain([user]).collect());
            }
            (RESPONSES, image) => {
                let input = image.map_or_else(
                    || Value::from(user.as_str()),
                    |image| {
                        json!([{ "role": "user", "content": [
                            { "type": "input_text", "text": user },
                            { "type": "input_image", "image_url": image },
                        ] }])
                    },
                );
                put("input", input);
                if let Some(text) = system {
                    put("instructions", text.into());
                }
            }
            (endpoint, Some(_)) => bail!("images cannot be sent to {endpoint}"),
            (_, None) if system.is_some() => {
                let text = format!("--system: {} has no such text", self.endpoint);
                return Err(UsageError(text).into());
            }
            ("/v1/embeddings" | "/v1/moderations", None) => {
                put("input", user.into());
            }
            (_, None) => {
                put("prompt", user.into());
            }
        }
        Ok(body)
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub(super) fn finish(self) -> anyhow::Result<u64> {
        self.output.finish()?;
        Ok(self.written)
    }
}

/// What asks for answers of the schema in a file: the key of the body and its value.
fn read_schema(endpoint: &str, path: &Path) -> anyhow::Result<(&'static str, Box<RawValue>)> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("--schema: {shown} cannot be read"))?;
    let schema: &RawValue = serde_json::from_str(text.trim())
        .with_context(|| format!("--schema: {shown} is no JSON"))?;
    let schema = without_spaces(schema.get());
    let named = format!(r#""name":"answer","schema":{schema},"strict":true"#);
    let (key, value) = match endpoint {
        CHAT => (
            "response_format",
            format!(r#"{{"type":"json_schema","json_schema":{{{named}}}}}"#),
        ),
        RESPONSES => (
            "text",
            format!(r#"{{"format":{{"type":"json_schema",{named}}}}}"#),
        ),
        other => {
            let text = format!("--schema: {other} has no schemas");
            return Err(UsageError(text).into());
        }
    };
    Ok((key, RawValue::from_string(value)?))
}

/// JSON without the spaces and line ends between its values, which a line could not hold.
fn without_spaces(json: &str) -> String {
    let (mut in_text, mut is_escaped) = (false, false);
    json.chars()
        .filter(|letter| {
            let is_kept = in_text || !letter.is_ascii_whitespace();
            if *letter == '"' && !is_escaped {
                in_text = !in_text;
            }
            is_escaped = in_text && *letter == '\\' && !is_escaped;
            is_kept
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_keeps_the_order_of_its_keys_and_fits_in_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("schema.json");
        let text = "{\n  \"z\": \"a \\\" b\",\r\n\t\"a\": [1, 2e9]\n}\n";
        std::fs::write(&path, text).unwrap();
        let (key, value) = read_schema(CHAT, &path).unwrap();
        let expected = r#"{"type":"json_schema","json_schema":{"name":"answer","schema":{"z":"a \" b","a":[1,2e9]},"strict":true}}"#;
        assert_eq!((key, value.get()), ("response_format", expected));
        let (key, value) = read_schema(RESPONSES, &path).unwrap();
        assert_eq!(key, "text");
        assert!(value.get().contains(r#""schema":{"z":"#), "{}", value.get());
        assert!(read_schema("/v1/embeddings", &path).is_err());
        std::fs::write(&path, "{").unwrap();
        assert!(read_schema(CHAT, &path).is_err());
    }
}
