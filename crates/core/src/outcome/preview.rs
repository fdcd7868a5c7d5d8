//! The gist of an answer, for people who look through many of them.

use serde_json::Value;

/// How many characters a preview has at most.
const CHARS_MAX: usize = 200;

/// The text of an answer, cut at 200 characters and on one line: what a model wrote or refused, the
/// number of an embedding's dimensions, or else the start of the body as it stands.
#[must_use]
pub fn preview(body: &[u8]) -> String {
    let read = serde_json::from_slice::<Value>(body).ok();
    let text = read.as_ref().and_then(gist);
    one_line(&text.unwrap_or_else(|| String::from_utf8_lossy(start(body)).into_owned()))
}

/// What the answers of the common endpoints hold.
fn gist(body: &Value) -> Option<String> {
    let text = |place: &str| {
        body.pointer(place)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let places = [
        "/choices/0/message/content",
        "/choices/0/message/refusal",
        "/choices/0/text",
        "/error/message",
    ];
    if let Some(text) = places.iter().find_map(|place| text(place)) {
        return Some(text);
    }
    if let Some(embedding) = body.pointer("/data/0/embedding").and_then(Value::as_array) {
        return Some(format!("an embedding of {} dimensions", embedding.len()));
    }
    let items = body.get("output")?.as_array()?;
    let parts = items
        .iter()
        .filter_map(|item| item.get("content")?.as_array());
    let texts = parts
        .flatten()
        .filter_map(|part| part.get("text")?.as_str());
    let all: Vec<&str> = texts.collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// As many bytes as a preview can take.
fn start(body: &[u8]) -> &[u8] {
    body.get(..CHARS_MAX * 4).unwrap_or(body)
}

fn one_line(text: &str) -> String {
    let words = text.split(|char: char| char.is_whitespace() || char.is_control());
    let mut line = String::new();
    let mut left = CHARS_MAX;
    for word in words.filter(|word| !word.is_empty()) {
        if left == 0 {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
            left -= 1;
        }
        let before = line.len();
        line.extend(word.chars().take(left));
        left -= line.get(before..).unwrap_or_default().chars().count();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_common_answers_is_shown_on_one_line() {
        for (body, expected) in [
            (r#"{"choices":[{"message":{"content":"a\n  b"}}]}"#, "a b"),
            (
                r#"{"choices":[{"message":{"content":null,"refusal":"no"}}]}"#,
                "no",
            ),
            (r#"{"choices":[{"text":"c"}]}"#, "c"),
            (r#"{"error":{"message":"m"}}"#, "m"),
            (
                r#"{"data":[{"embedding":[0.1,2]}]}"#,
                "an embedding of 2 dimensions",
            ),
            (
                r#"{"output":[{"type":"reasoning"},{"content":[{"text":"d"},{"text":"e"}]}]}"#,
                "d e",
            ),
            (r#"{"x": 1}"#, r#"{"x": 1}"#),
            (r#"{"choices":[{"mess"#, r#"{"choices":[{"mess"#),
            ("", ""),
        ] {
            assert_eq!(preview(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn a_preview_is_never_longer_than_its_bound() {
        for text in ["\u{e4}".repeat(999), "ab ".repeat(999)] {
            let body = serde_json::json!({"choices": [{"text": text}]}).to_string();
            let shown = preview(body.as_bytes());
            assert!((199..=CHARS_MAX).contains(&shown.chars().count()));
            assert!(preview(text.as_bytes()).chars().count() <= CHARS_MAX);
        }
        // What is no JSON is shown as it is, whatever its letters take.
        let letters = "\u{1f600}".repeat(999);
        assert!((199..=CHARS_MAX).contains(&preview(letters.as_bytes()).chars().count()));
    }
}
