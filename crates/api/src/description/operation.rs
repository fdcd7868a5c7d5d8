//! One method of one path.

use http::Method;
use serde_json::{Map, Value, json};

use super::shared::optional_key;

/// A method of a path, what it takes and what it answers. Every one may also answer that the head
/// is too large (431), that it cannot be done now (503) or that the server is at fault (500).
#[derive(Debug)]
pub(super) struct Operation {
    method: Method,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: Map<String, Value>,
    /// Who may ask, where that is not as everywhere.
    security: Option<Value>,
}

impl Operation {
    /// An operation by the name that generated clients give to its function.
    pub(super) fn new(
        method: Method,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        let operation = Self {
            method,
            path,
            id,
            summary,
            parameters: Vec::new(),
            body: None,
            answers: Map::new(),
            security: None,
        };
        operation.refuses([401, 403, 431, 500, 503])
    }

    /// The variable of its path.
    pub(super) fn in_path(self, schema: &Value) -> Self {
        self.also_in_path("id", schema)
    }

    /// A second variable of its path.
    pub(super) fn also_in_path(mut self, name: &str, schema: &Value) -> Self {
        self.parameters
            .push(json!({"in": "path", "name": name, "required": true, "schema": schema}));
        self
    }

    /// A parameter of its query, which may be left out. An empty one counts as none.
    pub(super) fn in_query(mut self, name: &str, schema: &Value) -> Self {
        self.parameters
            .push(json!({"in": "query", "name": name, "allowEmptyValue": true, "schema": schema}));
        self
    }

    /// Another parameter.
    pub(super) fn parameter(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// A parameter that is described once, under that name.
    pub(super) fn takes(mut self, parameter: &str) -> Self {
        let parameter = format!("#/components/parameters/{parameter}");
        self.parameters.push(json!({"$ref": parameter}));
        self
    }

    /// A body of that type, which it needs.
    pub(super) fn body(mut self, media_type: &str, schema: &Value) -> Self {
        self.body = Some(json!({"required": true, "content": content(media_type, schema)}));
        self
    }

    /// A body of that type, which may be left out.
    pub(super) fn optional_body(mut self, media_type: &str, schema: &Value) -> Self {
        self.body = Some(json!({"required": false, "content": content(media_type, schema)}));
        self
    }

    /// 200 with a JSON object.
    pub(super) fn answers(self, about: &str, schema: &Value) -> Self {
        self.answers_with(200, about, "application/json", schema)
    }

    /// Another answer than an error.
    pub(super) fn answers_with(
        mut self,
        status: u16,
        about: &str,
        media_type: &str,
        schema: &Value,
    ) -> Self {
        let answer = json!({
            "description": about,
            "headers": {"x-request-id": {"$ref": "#/components/headers/RequestId"}},
            "content": content(media_type, schema),
        });
        self.answers.insert(status.to_string(), answer);
        self
    }

    /// A header of an answer that was described before.
    pub(super) fn with_header(mut self, status: u16, name: &str, header: &Value) -> Self {
        let answer = self.answers.get_mut(&status.to_string());
        if let Some(Value::Object(headers)) = answer.and_then(|answer| answer.get_mut("headers")) {
            headers.insert(name.to_owned(), header.clone());
        }
        self
    }

    /// Errors of these statuses.
    pub(super) fn refuses<const N: usize>(mut self, statuses: [u16; N]) -> Self {
        for status in statuses {
            let response = format!("#/components/responses/Error{status}");
            self.answers
                .insert(status.to_string(), json!({"$ref": response}));
        }
        self
    }

    /// No key is needed.
    pub(super) fn public(mut self) -> Self {
        self.security = Some(json!([]));
        self.answers.remove("401");
        self
    }

    /// From some places no key is needed.
    pub(super) fn sometimes_public(mut self) -> Self {
        self.security = Some(optional_key());
        self
    }

    pub(super) fn path(&self) -> String {
        self.path.to_owned()
    }

    pub(super) fn method(&self) -> String {
        self.method.as_str().to_ascii_lowercase()
    }

    /// The object that stands for it in the document.
    pub(super) fn described(self, tag: &str) -> Value {
        let mut described = json!({
            "operationId": self.id,
            "tags": [tag],
            "summary": self.summary,
            "parameters": self.parameters,
            "responses": self.answers,
        });
        if let Value::Object(described) = &mut described {
            described.extend(self.body.map(|body| ("requestBody".to_owned(), body)));
            described.extend(
                self.security
                    .map(|security| ("security".to_owned(), security)),
            );
        }
        described
    }
}

fn content(media_type: &str, schema: &Value) -> Value {
    json!({media_type: {"schema": schema}})
}
