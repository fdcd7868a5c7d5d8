//! Models.

use http::Method;

use super::Chapter;
use super::operation::Operation;
use super::schema::{kind, list, named, object, text, time};

pub(super) fn chapter() -> Chapter {
    let of_one = text("The name of the model; it may have slashes.");
    let model = object(
        "A model that the lines of a batch may name.",
        [
            ("id", text("Its name.")),
            ("object", kind("model")),
            (
                "created",
                time("When it was made, as far as its upstream says."),
            ),
            (
                "owned_by",
                text("Whose it is, as far as its upstream says."),
            ),
        ],
    );
    let models = object(
        "The models of all upstreams.",
        [
            ("object", kind("list")),
            ("data", list(&named("Model"), "The models by their names.")),
        ],
    );
    Chapter {
        tag: "Models",
        about: "What the upstreams serve.",
        operations: vec![
            Operation::new(Method::GET, "/v1/models", "listModels", "Lists the models.")
                .answers("All models.", &named("ModelList")),
            Operation::new(
                Method::GET,
                "/v1/models/{id}",
                "retrieveModel",
                "Shows a model.",
            )
            .in_path(&of_one)
            .answers("The model.", &named("Model"))
            .refuses([404]),
        ],
        schemas: vec![("Model", model), ("ModelList", models)],
    }
}
