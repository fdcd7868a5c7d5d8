use overnight_store::status::{ServedModel, UpstreamHealth, UpstreamStatus};

use super::*;

impl Server {
    /// Two upstreams that serve `org/m`, one of which serves `b` as well.
    pub(super) async fn save_models(&self) {
        let upstream = |name: &str, models: Vec<ServedModel>| UpstreamStatus {
            worker: worker(),
            name: name.to_owned(),
            url: format!("http://{name}/v1"),
            health: UpstreamHealth::Healthy,
            reason: None,
            models,
            any_model: false,
            in_flight: 2,
            limit: 8,
            updated_at: self.now(),
        };
        let model = |id: &str, created: Option<u64>, owner: Option<&str>| ServedModel {
            id: id.to_owned(),
            created,
            owned_by: owner.map(str::to_owned),
        };
        let upstreams = [
            upstream(
                "a",
                vec![model("org/m", None, None), model("b", None, None)],
            ),
            upstream("b", vec![model("org/m", Some(7), Some("vllm"))]),
        ];
        let saved = self.store.save_upstreams(&worker(), &upstreams).await;
        saved.expect("saved upstreams");
    }
}

async fn with_upstreams() -> Server {
    let server = Server::new();
    server.save_models().await;
    server
}

#[tokio::test]
async fn the_models_are_those_of_all_upstreams_each_once() {
    let answer = with_upstreams().await.get("/v1/models").await;
    insta::assert_snapshot!(answer.text(), @r#"
    {
      "object": "list",
      "data": [
        {
          "id": "b",
          "object": "model",
          "created": 1761896208,
          "owned_by": "system"
        },
        {
          "id": "org/m",
          "object": "model",
          "created": 7,
          "owned_by": "vllm"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn a_model_is_found_by_a_name_with_slashes_encoded_or_not() {
    let server = with_upstreams().await;
    for path in ["/v1/models/org/m", "/v1/models/org%2Fm"] {
        assert_eq!(server.get(path).await.json()["id"], "org/m", "{path}");
    }
    let answer = server.get("/v1/models/fake_id").await;
    let message = "The model 'fake_id' does not exist";
    answer.is_refusal(404, message, Some("model"), Some("model_not_found"));
}

#[tokio::test]
async fn upstreams_are_shown_to_whoever_runs_the_server() {
    let answer = with_upstreams().await.get("/admin/upstreams").await.json();
    insta::assert_snapshot!(serde_json::to_string(&answer["data"][0]).expect("JSON"), @r#"{"any_model":false,"health":"healthy","in_flight":2,"limit":8,"models":["org/m","b"],"name":"a","object":"upstream","reason":null,"updated_at":1761896208,"url":"http://a/v1","worker":"worker_1"}"#);
}
