//! Models as clients see them.

use serde::Serialize;

/// A model.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ModelObject {
    /// The name that `body.model` of a line may use.
    pub(crate) id: String,
    /// Always `model`.
    pub(crate) object: &'static str,
    /// Unix seconds.
    pub(crate) created: u64,
    /// Whose model it is.
    pub(crate) owned_by: String,
}
