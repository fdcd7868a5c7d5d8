//! Makes the requests of an input file from texts that are filled in.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde::Serialize;
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
#[derive(Serialize)]
struct Line<'a> {
    custom_id: &'a str,
    method: &'static str,
    url: &'a str,
    body: &'a Map<String, Value>,
}

/// Makes and writes requests.
pub(super) struct Requests {
    endpoint: String,
    system: Option<Template>,
    user: Template,
    /// What all bodies have.
    fixed: Map<String, Value>,
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
        if let Some(path) = &args.schema {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("--schema: {} cannot be read", path.display()))?;
            let schema = serde_json::from_str(&text)
                .with_context(|| format!("--schema: {} is no JSON", path.display()))?;
            let (key, value) = schema_of(&args.endpoint, &schema)?;
            fixed.insert(key.to_owned(), value);
        }
        fixed.extend(args.set.iter().cloned());
        Ok(Self {
            user: Template::parse("--user", &user, names)?,
            system: system.transpose()?,
            endpoint: args.endpoint.clone(),
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
        let body = self.body(values, image)?;
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

/// What asks for answers of a schema: the key of the body and its value.
fn schema_of(endpoint: &str, schema: &Value) -> Result<(&'static str, Value), UsageError> {
    let named = json!({ "name": "answer", "schema": schema, "strict": true });
    match endpoint {
        CHAT => Ok((
            "response_format",
            json!({ "type": "json_schema", "json_schema": named }),
        )),
        RESPONSES => {
            let format = json!({
                "type": "json_schema", "name": "answer", "schema": schema, "strict": true,
            });
            Ok(("text", json!({ "format": format })))
        }
        other => Err(UsageError(format!("--schema: {other} has no schemas"))),
    }
}
