//! Reads a list of models, as leniently as the engines differ.

use std::collections::BTreeMap;

use overnight_store::status::ServedModel;
use serde_json::Value;

/// The models of an answer to `/v1/models`: `{"data": [{"id": ...}]}`, or the bare list that some
/// send. No list (`null`) is an empty one, entries without a name are left out; `None` when it is
/// something else.
pub(super) fn read(body: &[u8]) -> Option<Vec<ServedModel>> {
    let entries = match serde_json::from_slice(body).ok()? {
        Value::Array(entries) => entries,
        Value::Object(mut list) => match list.remove("data")? {
            Value::Array(entries) => entries,
            Value::Null => Vec::new(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => return None,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    };
    Some(entries.iter().filter_map(model).collect())
}

fn model(entry: &Value) -> Option<ServedModel> {
    let text = |value: &Value| {
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let field = |name: &str| entry.get(name);
    Some(ServedModel {
        id: text(field("id").unwrap_or(entry))?,
        created: field("created").and_then(Value::as_u64),
        owned_by: field("owned_by").and_then(text),
    })
}

/// Models that are named in the settings.
pub(super) fn named(names: &[String]) -> Vec<ServedModel> {
    names
        .iter()
        .map(|name| ServedModel {
            id: name.clone(),
            created: None,
            owned_by: None,
        })
        .collect()
}

/// The list as lines see it: each alias stands in it too, with what is known of its model, in the
/// place of a model of the same name.
pub(super) fn with_aliases(
    mut models: Vec<ServedModel>,
    served_as: &BTreeMap<String, String>,
) -> Vec<ServedModel> {
    let aliases: Vec<ServedModel> = served_as
        .iter()
        .map(|(alias, own_name)| {
            let known = models.iter().find(|model| model.id == *own_name);
            ServedModel {
                id: alias.clone(),
                created: known.and_then(|model| model.created),
                owned_by: known.and_then(|model| model.owned_by.clone()),
            }
        })
        .collect();
    models.retain(|model| !served_as.contains_key(&model.id));
    models.extend(aliases);
    models
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body: &str) -> Option<Vec<String>> {
        Some(
            read(body.as_bytes())?
                .into_iter()
                .map(|model| model.id)
                .collect(),
        )
    }

    #[test]
    fn the_lists_of_the_engines_are_read() {
        let vllm = br#"{"object":"list","data":[{"id":"m","object":"model","created":1700000000,
            "owned_by":"vllm","root":"/m","permission":[{"id":"p"}]}]}"#;
        let expected = ServedModel {
            id: "m".to_owned(),
            created: Some(1_700_000_000),
            owned_by: Some("vllm".to_owned()),
        };
        assert_eq!(read(vllm), Some(vec![expected]));
        let odd = r#"{"models":[],"data":[{"id":"a","created":1.5,"owned_by":null},{"id":7},"b"]}"#;
        assert_eq!(names(odd), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(names(r#"[{"id":"a"}]"#), Some(vec!["a".to_owned()]));
        assert_eq!(names(r#"{"data":null}"#), Some(vec![]));
    }

    #[test]
    fn what_is_no_list_is_none() {
        for body in [
            "",
            "<html>",
            "{}",
            "3",
            r#"{"data":{}}"#,
            r#"{"error":"x"}"#,
        ] {
            assert_eq!(names(body), None, "{body}");
        }
    }

    #[test]
    fn aliases_stand_in_the_list() {
        let models = read(br#"[{"id":"big","created":5},{"id":"taken"}]"#).unwrap();
        let served_as = [("gpt-4o", "big"), ("taken", "big"), ("far", "unlisted")]
            .map(|(alias, own_name)| (alias.to_owned(), own_name.to_owned()));
        let seen: Vec<(String, Option<u64>)> = with_aliases(models, &served_as.into())
            .into_iter()
            .map(|model| (model.id, model.created))
            .collect();
        let expected = [
            ("big", Some(5)),
            ("far", None),
            ("gpt-4o", Some(5)),
            ("taken", Some(5)),
        ];
        assert_eq!(seen, expected.map(|(id, created)| (id.to_owned(), created)));
    }
}
