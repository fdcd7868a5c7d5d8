//! What every request passes, whatever its route: tolerant paths, the guard against foreign pages,
//! the headers of the live service, the rendering of errors, panics, and one log line.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::header::{
    ALLOW, CONTENT_LENGTH, RETRY_AFTER, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use overnight_core::id::hex32;
use tokio::time::Instant;
use tower::{Service, ServiceExt as _};

use crate::api::Api;
use crate::auth::Caller;
use crate::cors::Sharing;
use crate::dashboard::Dashboard;
use crate::drain::drain_unread;
use crate::errors::{ApiError, Kind, Retry, chain};
use crate::gates::{self, Gate, Gates, Reading};
use crate::shares::Client;
use crate::{json, path, wire};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PROCESSING_MS: HeaderName = HeaderName::from_static("openai-processing-ms");
const VERSION: HeaderName = HeaderName::from_static("openai-version");
const ORGANIZATION: HeaderName = HeaderName::from_static("openai-organization");
const PROJECT: HeaderName = HeaderName::from_static("openai-project");
/// What a 401 asks for. It does not name Basic, for which a browser would ask its user and then send
/// the key by itself, for pages of other sites as well.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"overnight\"");
/// Shown as the project where nobody needs to be anybody.
const NO_PROJECT: HeaderValue = HeaderValue::from_static("default");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The routes, and what surrounds them.
#[derive(Clone)]
pub(crate) struct Surface {
    pub(crate) routes: Router,
    pub(crate) api: Arc<Api>,
    pub(crate) gates: Arc<Gates>,
    /// Where there is one: an address for metrics alone has none.
    pub(crate) dashboard: Option<Arc<Dashboard>>,
}

/// The pattern of the route that answered, for the log: it has no ids in it.
#[derive(Clone)]
struct Route(MatchedPath);

/// Tells the surface which route answered.
pub(crate) async fn note_route(
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(Route(route));
    }
    response
}

impl Service<Request> for Surface {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let surface = self.clone();
        Box::pin(async move { Ok(surface.serve(request).await) })
    }
}

impl Surface {
    async fn serve(self, mut request: Request) -> Response {
        let started = Instant::now();
        let id = format!(
            "req_{}",
            hex32(self.api.clock.now(), self.api.entropy.draw())
        );
        let method = request.method().clone();
        if let Some(tidy) = path::tidied(request.uri()) {
            *request.uri_mut() = tidy;
        }
        let path = request.uri().path();
        let files = path.starts_with("/v1/files");
        let sharing = Sharing::of(&self.api.access, path);
        let mut caller = None;
        let shown = sharing.preflight(&request).or_else(|| self.page(&request));
        let answer = match (shown, self.admit(&request)) {
            (Some(answer), _) => answer,
            (None, Ok(admitted)) => {
                caller.clone_from(&admitted);
                if let Some(admitted) = admitted {
                    request.extensions_mut().insert(admitted);
                }
                self.let_in(request, &id).await
            }
            (None, Err(refusal)) => self.turn_away(request, refusal),
        };
        let error = error_of(&answer);
        let mut response = match &error {
            Some(error) => rendered(answer, error, &id, files),
            None => answer,
        };
        let elapsed = started.elapsed().as_millis();
        self.add_headers(&mut response, &id, elapsed);
        self.add_project(&mut response, caller.as_ref());
        sharing.add_headers(response.headers_mut());
        log(&Served {
            method,
            response: &response,
            error: error.as_deref(),
            key: caller.as_ref().and_then(|caller| caller.key.as_deref()),
            id: &id,
            elapsed,
        });
        if error.is_some_and(|error| error.kind == Kind::Fatal) {
            self.api.damaged.cancel();
        }
        response
    }

    /// The dashboard's answer to a request for it. Its files are nobody's, so they need no key, and a
    /// link on a page of another site may lead here; but never by a foreign name.
    fn page(&self, request: &Request) -> Option<Response> {
        let page = self.dashboard.as_ref()?.answer(request)?;
        let checked = self
            .check_head(request)
            .and_then(|()| check_framing(request))
            .and_then(|()| self.api.settings.browsers.check_name(request));
        Some(checked.map_or_else(IntoResponse::into_response, |()| page))
    }

    /// Who asks, when the request may be answered.
    fn admit(&self, request: &Request) -> Result<Option<Caller>, ApiError> {
        self.check_head(request)?;
        check_framing(request)?;
        self.api.settings.browsers.check(request)?;
        self.api.access.admit(request)
    }

    /// Refuses a head that is larger than it may be.
    fn check_head(&self, request: &Request) -> Result<(), ApiError> {
        let settings = &self.api.settings;
        let (headers, headers_max) = (request.headers(), settings.headers_max);
        if headers.len() > headers_max {
            let count = headers.len();
            return Err(ApiError::head_too_large(format!(
                "The request has {count} headers: at most {headers_max} are taken."
            )));
        }
        let line = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
        let path = request.uri().path_and_query();
        let bytes =
            path.map_or(0, |path| path.as_str().len()) + headers.iter().map(line).sum::<usize>();
        if bytes > settings.head_bytes_max {
            let bytes_max = settings.head_bytes_max;
            return Err(ApiError::head_too_large(format!(
                "The path and the headers of the request have {bytes} bytes: at most {bytes_max} \
                 are taken."
            )));
        }
        Ok(())
    }

    /// Answers a request once it may pass its gate: one with a JSON body when all of it is there.
    async fn let_in(&self, mut request: Request, id: &str) -> Response {
        let (method, path) = (request.method(), request.uri().path());
        let gate = Gate::of(method, path);
        if gates::takes_json(method, path) {
            let settings = &self.api.settings;
            let body = std::mem::take(request.body_mut());
            match json::read(body, settings.json_bytes_max, settings.body_idle_max).await {
                Ok(bytes) => *request.body_mut() = bytes.into(),
                Err(refusal) => return refusal.into_response(),
            }
        }
        let client = Client::of(&request);
        let reading = Reading::new(Arc::clone(&self.gates), client.clone());
        request.extensions_mut().insert(reading);
        match self.gates.pass(gate, &client).await {
            Ok(passed) => passed.answered(self.answer(request, id).await),
            Err(refusal) => self.turn_away(request, refusal),
        }
    }

    /// Refuses a request of whose body nothing was read.
    fn turn_away(&self, request: Request, refusal: ApiError) -> Response {
        let (parts, body) = request.into_parts();
        drain_unread(&self.api, &parts.headers, body);
        refusal.into_response()
    }

    /// What the route answers, or a 500 when it panics.
    async fn answer(&self, request: Request, id: &str) -> Response {
        let routed = AssertUnwindSafe(self.routes.clone().oneshot(request)).catch_unwind();
        match routed.await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(panic) => {
                let panic = panic_text(&*panic);
                tracing::error!(request.id = id, panic, "a request made its route panic");
                ApiError::unexplained().into_response()
            }
        }
    }

    fn add_headers(&self, response: &mut Response, id: &str, elapsed_ms: u128) {
        let settings = &self.api.settings;
        let headers = response.headers_mut();
        let made = |text: String| HeaderValue::try_from(text).ok();
        let values = [
            (REQUEST_ID, made(id.to_owned())),
            (PROCESSING_MS, made(elapsed_ms.to_string())),
            (VERSION, Some(HeaderValue::from_static("2020-10-01"))),
            (ORGANIZATION, Some(settings.organization.clone())),
            (
                STRICT_TRANSPORT_SECURITY,
                Some(HeaderValue::from_static(
                    "max-age=31536000; includeSubDomains; preload",
                )),
            ),
            (
                X_CONTENT_TYPE_OPTIONS,
                Some(HeaderValue::from_static("nosniff")),
            ),
        ];
        for (name, value) in values {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
    }

    /// The project whose objects the request could see, unless the operator chose another text.
    fn add_project(&self, response: &mut Response, caller: Option<&Caller>) {
        let own = caller.and_then(|caller| HeaderValue::from_str(caller.project.as_str()).ok());
        let chosen = self.api.settings.project.clone();
        let shown = chosen.or(own).unwrap_or(NO_PROJECT);
        response.headers_mut().insert(PROJECT, shown);
    }
}

/// Refuses a body with two lengths, which two servers in a row could read as different requests. Where
/// the library has dropped the second length already, it closes the connection after the answer.
fn check_framing(request: &Request) -> Result<(), ApiError> {
    let headers = request.headers();
    if headers.contains_key(CONTENT_LENGTH) && headers.contains_key(TRANSFER_ENCODING) {
        return Err(ApiError::bad_request(
            "A request must not have both Content-Length and Transfer-Encoding.",
        ));
    }
    Ok(())
}

/// The error that a response stands for. A 405 comes from the router, which has no words for it.
fn error_of(response: &Response) -> Option<Arc<ApiError>> {
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        return Some(Arc::new(ApiError::method_not_allowed(&accepted(response))));
    }
    response.extensions().get::<Arc<ApiError>>().cloned()
}

/// The methods of the route as a person would list them; `HEAD` goes with `GET` without saying.
fn accepted(response: &Response) -> String {
    let allow = response
        .headers()
        .get(ALLOW)
        .and_then(|allow| allow.to_str().ok());
    let methods: Vec<&str> = allow
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|method| !method.is_empty() && *method != Method::HEAD.as_str())
        .collect();
    methods.join(" and ")
}

/// The documented body of an error, in the place of an empty one.
fn rendered(bare: Response, error: &ApiError, id: &str, files: bool) -> Response {
    let message = match error.status {
        StatusCode::INTERNAL_SERVER_ERROR => format!(
            "{} (Please include the request ID {id} when you report it.)",
            error.message
        ),
        _ => error.message.clone(),
    };
    let body = wire::Refusal::new(error, &message, files);
    let mut response = json::pretty(&body).unwrap_or_else(|_| error.status.into_response());
    *response.status_mut() = error.status;
    let (parts, _) = bare.into_parts();
    *response.extensions_mut() = parts.extensions;
    for (name, value) in &parts.headers {
        if !response.headers().contains_key(name) && *name != CONTENT_LENGTH {
            response.headers_mut().insert(name, value.clone());
        }
    }
    if error.status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
    }
    match error.retry {
        Retry::ByStatus => {}
        Retry::Never => {
            response
                .headers_mut()
                .insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        Retry::AfterSeconds(seconds) => {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(u16::from(seconds)));
        }
    }
    response
}

struct Served<'a> {
    method: Method,
    response: &'a Response,
    error: Option<&'a ApiError>,
    key: Option<&'a str>,
    id: &'a str,
    elapsed: u128,
}

/// One line a request. Reading what is there is for whoever looks closely; changes and refusals are
/// for everyone; what failed inside comes with its cause.
fn log(served: &Served<'_>) {
    let Served {
        method,
        response,
        error,
        key,
        id,
        elapsed,
    } = served;
    let extensions = response.extensions();
    let route = extensions
        .get::<Route>()
        .map_or("none", |Route(route)| route.as_str());
    let status = response.status().as_u16();
    let cause = error
        .and_then(|error| error.cause.as_deref())
        .map(|cause| chain(cause));
    macro_rules! served {
        ($level:ident) => {
            tracing::$level!(
                http.method = %method,
                http.route = route,
                http.status = status,
                http.elapsed_ms = elapsed,
                request.id = id,
                key.name = key,
                error = cause,
                "{method} {route} answered {status}"
            )
        };
    }
    if status >= 500 {
        served!(error);
    } else if status >= 400 || !method.is_safe() {
        served!(info);
    } else {
        served!(debug);
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
