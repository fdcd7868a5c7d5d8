//! What each endpoint answers to a request that is right.

use crate::running::{Running, chat, instant};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use overnight_sim::settings::{SimSettings, TokenRange};
use serde_json::{Value, json};

fn words(text: &Value) -> u64 {
    text.as_str().unwrap().split_whitespace().count() as u64
}

#[tokio::test]
async fn a_chat_says_that_it_is_simulated_and_counts_its_words() {
    let sim = Running::start(instant()).await;
    let answer = sim.post("/v1/chat/completions", &chat("12345678")).await;
    let body = answer.json();
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["model"], "sim");
    assert_eq!(body["system_fingerprint"], "overnight-sim");
    let choice = &body["choices"][0];
    let text = &choice["message"]["content"];
    assert!(
        text.as_str().unwrap().starts_with("Simulated answer"),
        "{text}"
    );
    assert_eq!(choice["finish_reason"], "stop");
    let usage = &body["usage"];
    assert_eq!(usage["prompt_tokens"], 2);
    assert_eq!(usage["completion_tokens"], words(text));
    assert_eq!(usage["total_tokens"], 2 + words(text));
    assert!((16..=64).contains(&words(text)));
}

#[tokio::test]
async fn limits_cut_answers_and_say_so() {
    let sim = Running::start(instant()).await;
    for limit in ["max_tokens", "max_completion_tokens"] {
        let body = json!({"model":"sim","messages":[{"role":"user","content":"x"}], limit: 3});
        let answer = sim
            .post("/v1/chat/completions", &body.to_string())
            .await
            .json();
        assert_eq!(answer["choices"][0]["finish_reason"], "length");
        assert_eq!(
            answer["choices"][0]["message"]["content"],
            "Simulated answer by"
        );
        assert_eq!(answer["usage"]["completion_tokens"], 3);
    }
    let body = json!({"model":"sim","prompt":"x","max_tokens":500,"ignore_eos":true});
    let answer = sim.post("/v1/completions", &body.to_string()).await.json();
    assert_eq!(words(&answer["choices"][0]["text"]), 500);
}

#[tokio::test]
async fn equal_bodies_get_equal_bytes_and_other_seeds_other_ones() {
    let one = Running::start(instant()).await;
    let again = Running::start(instant()).await;
    let other = Running::start(SimSettings {
        seed: 1,
        ..instant()
    })
    .await;
    let path = "/v1/chat/completions";
    again.post(path, &chat("something else first")).await;
    let (first, second) = (
        one.post(path, &chat("a")).await,
        again.post(path, &chat("a")).await,
    );
    assert_eq!(first.bytes, second.bytes);
    assert_ne!(first.bytes, other.post(path, &chat("a")).await.bytes);
    assert_ne!(first.bytes, one.post(path, &chat("b")).await.bytes);
}

#[tokio::test]
async fn choices_are_several_texts() {
    let sim = Running::start(instant()).await;
    let body = json!({"model":"sim","messages":[{"role":"user","content":"x"}],"n":3});
    let answer = sim
        .post("/v1/chat/completions", &body.to_string())
        .await
        .json();
    let choices = answer["choices"].as_array().unwrap();
    let total: u64 = choices
        .iter()
        .map(|choice| words(&choice["message"]["content"]))
        .sum();
    assert_eq!(choices.len(), 3);
    assert_eq!(answer["usage"]["completion_tokens"], total);
    let body = json!({"model":"sim","prompt":["a","b"],"n":2});
    let answer = sim.post("/v1/completions", &body.to_string()).await.json();
    assert_eq!(answer["object"], "text_completion");
    assert_eq!(answer["choices"].as_array().unwrap().len(), 4);
    assert_eq!(answer["choices"][3]["index"], 3);
}

#[tokio::test]
async fn responses_are_completed_or_incomplete() {
    let sim = Running::start(instant()).await;
    let body = json!({"model":"sim","input":"12345678","instructions":"1234"});
    let answer = sim.post("/v1/responses", &body.to_string()).await.json();
    let text = &answer["output"][0]["content"][0]["text"];
    assert_eq!(
        (&answer["object"], &answer["status"]),
        (&json!("response"), &json!("completed"))
    );
    assert_eq!(answer["incomplete_details"], Value::Null);
    assert_eq!(answer["instructions"], "1234");
    assert_eq!(answer["usage"]["input_tokens"], 3);
    assert_eq!(answer["usage"]["output_tokens"], words(text));
    assert_eq!(answer["usage"]["total_tokens"], 3 + words(text));
    let body = json!({"model":"sim","max_output_tokens":2,
        "input":[{"role":"user","content":[{"type":"input_text","text":"x"}]}]});
    let answer = sim.post("/v1/responses", &body.to_string()).await.json();
    assert_eq!(answer["status"], "incomplete");
    assert_eq!(answer["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(
        answer["output"][0]["content"][0]["text"],
        "Simulated answer"
    );
}

#[tokio::test]
async fn embeddings_take_every_form_of_input() {
    let sim = Running::start(instant()).await;
    for (input, count, tokens) in [
        (json!("12345678"), 1, 2),
        (json!(["a", "b", "c"]), 3, 1),
        (json!([1, 2, 3, 4]), 1, 4),
        (json!([[1, 2], [3]]), 2, 3),
    ] {
        let body = json!({"model":"sim","input":input});
        let answer = sim.post("/v1/embeddings", &body.to_string()).await.json();
        let data = answer["data"].as_array().unwrap();
        assert_eq!(data.len(), count, "{input}");
        assert_eq!(data[count - 1]["index"], count - 1);
        assert_eq!(data[0]["embedding"].as_array().unwrap().len(), 64);
        assert_eq!(
            answer["usage"],
            json!({"prompt_tokens":tokens,"total_tokens":tokens})
        );
    }
}

#[tokio::test]
async fn embeddings_in_base64_are_the_same_numbers() {
    let sim = Running::start(instant()).await;
    let plain = json!({"model":"sim","input":"a","dimensions":7});
    let coded = json!({"model":"sim","input":"a","dimensions":7,"encoding_format":"base64"});
    let plain = sim.post("/v1/embeddings", &plain.to_string()).await.json();
    let coded = sim.post("/v1/embeddings", &coded.to_string()).await.json();
    let bytes = STANDARD
        .decode(coded["data"][0]["embedding"].as_str().unwrap())
        .unwrap();
    let floats: Vec<f32> = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|four| f32::from_le_bytes(*four))
        .collect();
    let expected: Vec<f32> = serde_json::from_value(plain["data"][0]["embedding"].clone()).unwrap();
    assert_eq!(floats, expected);
    assert_eq!(floats.len(), 7);
}

#[tokio::test]
async fn moderations_need_no_model_and_flag_nothing() {
    let sim = Running::start(instant()).await;
    for (input, count) in [
        (json!("a"), 1),
        (json!(["a", "b"]), 2),
        (
            json!([{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"b"}}]),
            1,
        ),
    ] {
        let body = json!({ "input": input }).to_string();
        let answer = sim.post("/v1/moderations", &body).await.json();
        assert_eq!(answer["results"].as_array().unwrap().len(), count);
        assert_eq!(answer["results"][0]["flagged"], false);
        assert_eq!(answer["results"][0]["categories"]["violence"], false);
        assert_eq!(answer["results"][0]["category_scores"]["violence"], 0.0);
    }
}

#[tokio::test]
async fn reranked_documents_come_by_falling_score() {
    let sim = Running::start(instant()).await;
    let body = json!({"model":"sim","query":"q","documents":["a","b","c\n"],"top_n":2});
    let answer = sim.post("/v1/rerank", &body.to_string()).await.json();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    let score = |at: usize| results[at]["relevance_score"].as_f64().unwrap();
    assert!(score(0) >= score(1));
    let at = usize::try_from(results[0]["index"].as_u64().unwrap()).unwrap();
    assert_eq!(results[0]["document"]["text"], body["documents"][at]);
}

#[tokio::test]
async fn scores_are_given_to_each_pair() {
    let sim = Running::start(instant()).await;
    let body = json!({"model":"sim","text_1":"q","text_2":["a","b"]});
    let answer = sim.post("/v1/score", &body.to_string()).await.json();
    assert_eq!(answer["data"].as_array().unwrap().len(), 2);
    assert!((0.0..1.0).contains(&answer["data"][1]["score"].as_f64().unwrap()));
}

#[tokio::test]
async fn an_answer_can_be_megabytes_long() {
    let output_tokens = TokenRange {
        min: 600_000,
        max: 600_000,
    };
    let sim = Running::start(SimSettings {
        output_tokens,
        ..instant()
    })
    .await;
    let answer = sim.post("/v1/chat/completions", &chat("x")).await;
    assert!(answer.bytes.len() > 4_000_000);
    assert_eq!(
        words(&answer.json()["choices"][0]["message"]["content"]),
        600_000
    );
}

#[tokio::test]
async fn models_are_listed_by_name() {
    let models = vec!["a".to_owned(), "org/b".to_owned()];
    let sim = Running::start(SimSettings {
        models,
        ..instant()
    })
    .await;
    let list = sim.get("/v1/models").await.json();
    assert_eq!(list["data"][1]["id"], "org/b");
    assert_eq!(sim.get("/v1/models/org/b").await.json()["object"], "model");
    assert_eq!(sim.get("/v1/models/c").await.error().0, "model_not_found");
    assert_eq!(sim.get("/health").await.status, 200);
    let unlisted = Running::start(SimSettings {
        list_models: false,
        ..instant()
    })
    .await;
    assert_eq!(unlisted.get("/v1/models").await.status, 404);
}
