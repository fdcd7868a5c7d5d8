//! Whose request it is.
//!
//! Every handler that touches a project's objects takes a [`Caller`], so that no query can be
//! written without the project it is for.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use overnight_core::id::ProjectId;

use crate::api::Api;
use crate::errors::ApiError;

/// How a request finds its project.
#[derive(Clone, Debug)]
pub enum Access {
    /// No keys are set: any key or none is accepted, and everything belongs to this project.
    Open(ProjectId),
}

impl Access {
    /// The project of a request.
    fn project(&self, _parts: &Parts) -> ProjectId {
        match self {
            Self::Open(project) => project.clone(),
        }
    }
}

/// Who asks: the project whose objects the request may see.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Everything outside of it is missing, as far as the caller can tell.
    pub(crate) project: ProjectId,
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        Ok(Self {
            project: api.access.project(parts),
        })
    }
}
