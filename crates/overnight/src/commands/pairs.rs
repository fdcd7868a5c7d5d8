//! Pairs on the command line: `KEY=VALUE`.

use serde_json::Value;

/// Reads a note of a batch, such as `run=nightly`.
///
/// # Errors
///
/// What it must be like.
pub(super) fn parse_note(text: &str) -> Result<(String, String), String> {
    let (key, value) = divided(text, "run=nightly")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Reads a key of a body, such as `max_tokens=200`; the value is JSON, or else a text.
///
/// # Errors
///
/// What it must be like.
pub(super) fn parse_set(text: &str) -> Result<(String, Value), String> {
    let (key, value) = divided(text, "max_tokens=200")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((key.to_owned(), value))
}

fn divided<'a>(text: &'a str, example: &str) -> Result<(&'a str, &'a str), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    pair.ok_or_else(|| format!("must be like {example}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_json_where_it_can_be() {
        let set = |text: &str| parse_set(text).map(|(_, value)| value);
        assert_eq!(set("a=5"), Ok(json!(5)));
        assert_eq!(set("a=five=5"), Ok(json!("five=5")));
        assert_eq!(set("a="), Ok(json!("")));
        assert!(set("=5").is_err() && set("a").is_err());
        assert_eq!(parse_note("a=5"), Ok(("a".to_owned(), "5".to_owned())));
    }
}
