use super::create::with;
use super::*;

#[tokio::test]
async fn every_wrong_metadata_is_refused_with_its_documented_error() {
    let pairs: Vec<String> = (0..17).map(|index| format!("\"k{index}\":\"v\"")).collect();
    let cases = [
        (
            r#"{"tags":["a"]}"#.to_owned(),
            "Invalid type for 'metadata.tags': expected a string, but got an array instead.",
            "metadata.tags",
            "invalid_type",
        ),
        (
            r#""text""#.to_owned(),
            "Invalid type for 'metadata': expected a metadata object, but got a string instead.",
            "metadata",
            "invalid_type",
        ),
        (
            format!("{{{}}}", pairs.join(",")),
            "Invalid 'metadata': too many properties. Expected an object with at most 16 \
             properties, but got an object with 17 properties instead.",
            "metadata",
            "object_above_max_properties",
        ),
        (
            format!(r#"{{"k":"{}"}}"#, "é".repeat(513)),
            "Invalid 'metadata.k': string too long. Expected a string with maximum length 512, but \
             got a string with length 513 instead.",
            "metadata.k",
            "string_above_max_length",
        ),
        (
            format!(r#"{{"{}":"v"}}"#, "k".repeat(70)),
            "Invalid property name in 'metadata': 'kkk...kkk' is too long. Expected a string with \
             maximum length 64, but got a string with length 70 instead.",
            "metadata",
            "property_name_above_max_length",
        ),
    ];
    let server = Server::new();
    for (metadata, message, param, code) in cases {
        let answer = server
            .post("/v1/batches", &with(&format!("\"metadata\":{metadata}")))
            .await;
        answer.is_refusal(400, message, Some(param), Some(code));
    }
}

#[tokio::test]
async fn metadata_at_its_limits_is_echoed_in_its_order() {
    let mut pairs: Vec<String> = (1..16)
        .rev()
        .map(|index| format!("\"k{index}\":\"v\""))
        .collect();
    pairs.push(format!("\"{}\":\"{}\"", "é".repeat(64), "語".repeat(512)));
    let body = with(&format!("\"metadata\":{{{}}}", pairs.join(",")));
    let answer = Server::new().post("/v1/batches", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let echoed: String = answer.text().split_whitespace().collect();
    assert!(echoed.contains(&format!("\"metadata\":{{{}}}", pairs.join(","))));
}
