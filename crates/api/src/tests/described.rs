//! Whether an answer is what the description promises.
//!
//! A checker of the few words of JSON Schema that the description uses. It knows each of them and
//! refuses any other, so that nothing is promised that is not looked at. Objects are closed here,
//! though not for clients: a key that nobody described is found.

use serde_json::{Map, Value};

use super::*;

/// Words that say nothing about which values are valid.
const SILENT: [&str; 4] = ["description", "format", "contentMediaType", "propertyNames"];

/// A description of a surface.
pub(super) struct Described(pub(super) Value);

impl Described {
    /// What is wrong with an answer to a request; nothing when the request was for no route.
    pub(super) fn check(&self, method: &Method, path: &str, answer: &Answer) -> Vec<String> {
        let Some(operation) = self.operation(method, path) else {
            return Vec::new();
        };
        let status = answer.status.to_string();
        let Some(response) = operation["responses"].get(&status) else {
            return vec![format!("the status {status} is not described")];
        };
        let response = self.resolved(response);
        let mut wrong = self.check_headers(response, answer);
        let content = response["content"].as_object().expect("a content");
        let (media_type, described) = content.iter().next().expect("a media type");
        if answer.header("content-type") != media_type {
            wrong.push(format!("it is not {media_type}"));
        } else if media_type == "application/json" && *method != Method::HEAD {
            self.walk(&described["schema"], &answer.json(), "", &mut wrong);
        }
        wrong
    }

    /// The operation that a request is for. A refusal of the router is no operation's answer.
    fn operation(&self, method: &Method, path: &str) -> Option<&Value> {
        let asked: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (_, methods) = self.0["paths"]
            .as_object()?
            .iter()
            .find(|(template, _)| is_for(template, &asked))?;
        let method = match *method {
            Method::HEAD => "get".to_owned(),
            _ => method.as_str().to_ascii_lowercase(),
        };
        methods.get(&method)
    }

    fn check_headers(&self, response: &Value, answer: &Answer) -> Vec<String> {
        let mut wrong = Vec::new();
        let described = response["headers"].as_object().expect("headers");
        for (name, header) in described {
            let header = self.resolved(header);
            if let Some(value) = answer.headers.get(name) {
                let text = value.to_str().expect("text");
                let number = text.parse::<u64>().map(Value::from);
                let value = match self.resolved(&header["schema"])["type"].as_str() {
                    Some("integer") => number.unwrap_or_else(|_| text.into()),
                    _ => text.into(),
                };
                self.walk(&header["schema"], &value, name, &mut wrong);
            } else if header["required"] == true {
                wrong.push(format!("the header {name} is missing"));
            }
        }
        wrong
    }

    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(place) => {
                let pointer = place.strip_prefix('#').expect("a place in this document");
                self.0.pointer(pointer).expect(place)
            }
            None => value,
        }
    }

    /// Whether a value is what a schema says.
    pub(super) fn is_valid(&self, schema: &Value, value: &Value) -> bool {
        let mut wrong = Vec::new();
        self.walk(schema, value, "", &mut wrong);
        wrong.is_empty()
    }

    fn walk(&self, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
        let schema = self.resolved(schema).as_object().expect("a schema");
        for (keyword, rule) in schema {
            let fine = match keyword.as_str() {
                "type" => is_of_type(rule, value),
                "enum" => rule.as_array().expect("words").contains(value),
                "minimum" => value.as_f64().is_none_or(|got| Some(got) >= rule.as_f64()),
                "maximum" => value.as_f64().is_none_or(|got| Some(got) <= rule.as_f64()),
                "pattern" => value.as_str().is_none_or(|text| matches(rule, text)),
                "maxLength" => longest(rule, value.as_str().map(|text| text.chars().count())),
                "maxProperties" => longest(rule, value.as_object().map(Map::len)),
                "anyOf" => rule
                    .as_array()
                    .expect("schemas")
                    .iter()
                    .any(|schema| self.is_valid(schema, value)),
                "allOf" => rule
                    .as_array()
                    .expect("schemas")
                    .iter()
                    .all(|schema| self.is_valid(schema, value)),
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.walk(rule, item, &format!("{at}/{index}"), wrong);
                    }
                    true
                }
                "properties" | "required" | "additionalProperties" => true,
                silent if SILENT.contains(&silent) => true,
                unknown => panic!("the checker does not know '{unknown}'"),
            };
            if !fine {
                wrong.push(format!("{at}: {value} is against {keyword} {rule}"));
            }
        }
        if let Some(value) = value.as_object() {
            self.walk_keys(schema, value, at, wrong);
        }
    }

    /// The keys of an object. A schema that names none leaves them free.
    fn walk_keys(
        &self,
        schema: &Map<String, Value>,
        value: &Map<String, Value>,
        at: &str,
        wrong: &mut Vec<String>,
    ) {
        for key in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if !value.contains_key(key.as_str().expect("a key")) {
                wrong.push(format!("{at}: {key} is missing"));
            }
        }
        let properties = schema.get("properties");
        let others = schema
            .get("additionalProperties")
            .filter(|others| others.is_object());
        for (key, value) in value {
            let at = format!("{at}/{key}");
            match properties
                .and_then(|properties| properties.get(key))
                .or(others)
            {
                Some(schema) => self.walk(schema, value, &at, wrong),
                None if properties.is_some() => wrong.push(format!("{at} is not described")),
                None => {}
            }
        }
    }
}

/// Whether a path is of this form. Only the name of a model spans more than one part.
fn is_for(template: &str, asked: &[&str]) -> bool {
    let parts: Vec<&str> = template
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let spans = template == "/v1/models/{id}" && asked.len() > parts.len();
    (spans || parts.len() == asked.len())
        && parts
            .iter()
            .zip(asked)
            .all(|(part, asked)| part.starts_with('{') || part == asked)
}

fn is_of_type(rule: &Value, value: &Value) -> bool {
    let is = |kind: &Value| match kind.as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("null") => value.is_null(),
        other => panic!("the checker does not know the type {other:?}"),
    };
    rule.as_array()
        .map_or_else(|| is(rule), |kinds| kinds.iter().any(is))
}

/// The only pattern of an answer is that of a request's id.
fn matches(rule: &Value, text: &str) -> bool {
    assert_eq!(rule, "^req_[0-9a-f]{32}$");
    text.strip_prefix("req_").is_some_and(|hex| {
        hex.len() == 32
            && hex
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn longest(rule: &Value, length: Option<usize>) -> bool {
    length.is_none_or(|length| Some(length as u64) <= rule.as_u64())
}

/// Asserts that an answer is as described. What the router refuses by itself is not described: it
/// belongs to no operation.
#[track_caller]
pub(super) fn assert_described(described: &Described, asked: &(Method, String), answer: &Answer) {
    let (method, path) = asked;
    let is_unrouted =
        answer.status == 405 || (answer.status == 404 && answer.text().contains("Invalid URL ("));
    if is_unrouted {
        return;
    }
    let wrong = described.check(method, path, answer);
    assert!(wrong.is_empty(), "{method} {path}: {wrong:#?}");
}
