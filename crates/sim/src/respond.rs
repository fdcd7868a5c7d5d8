//! The life of one request, in one direction:
//!
//! ```text
//! body -> mode (outage?) -> ask (400, 404) -> fault drawn -> queue (429) -> time -> answer
//! ```
//!
//! A client that goes away drops this future wherever it stands, and with it the slot or the place
//! in line.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::Notify;

use crate::answers::{Job, Plan};
use crate::ask::Ask;
use crate::body::{SimBody, Unread, read};
use crate::draw::Draw;
use crate::faults::Fault;
use crate::mode::Mode;
use crate::queue::Full;
use crate::reply::{Refusal, Reply};
use crate::routes::{Endpoint, Route};
use crate::sim::Inner;
use crate::tally::End;
use crate::visit::Visit;
use crate::{control, metrics, models};

const GARBAGE: &str =
    "{\"id\":\"chatcmpl-sim-garbage\",\"choices\":[{\"message\":<<<simulated garbage";
const HTML: &str = "<!doctype html><title>Sign in</title><p>Simulated page of a proxy.</p>\n";

/// Answers one request. `hang_up` makes its connection reset itself.
pub(crate) async fn respond(
    sim: Arc<Inner>,
    request: Request<Incoming>,
    hang_up: Arc<Notify>,
) -> Result<Response<SimBody>, Infallible> {
    let (head, body) = request.into_parts();
    let route = Route::of(&head.method, head.uri.path());
    if let Route::Answer(endpoint) = route {
        return Ok(infer(&sim, endpoint, head.uri.path(), body, hang_up).await);
    }
    let outage = if route.is_control() {
        None
    } else {
        outage(sim.modes.for_request().await)
    };
    let reply = match outage {
        Some(reply) => Ok(reply),
        None => plain(&sim, route, &head, body).await,
    };
    let retry_after = sim.settings.retry_after_seconds;
    let reply = reply.unwrap_or_else(|refusal| refusal.into_reply(retry_after));
    Ok(reply.into_http(SimBody::Whole))
}

/// Everything that takes no slot.
async fn plain(
    sim: &Inner,
    route: Route<'_>,
    head: &http::request::Parts,
    body: Incoming,
) -> Result<Reply, Refusal> {
    const CONTROL_BYTES_MAX: usize = 4096;
    let path = head.uri.path();
    match route {
        Route::Models => models::list(&sim.settings),
        Route::Model(name) => models::get(&sim.settings, name),
        Route::Health => Ok(Reply::text("text/plain; charset=utf-8", "")),
        Route::Metrics if sim.settings.metrics => Ok(Reply::text(
            "text/plain; version=0.0.4; charset=utf-8",
            metrics::page(sim),
        )),
        Route::Stats => Ok(control::stats(sim)),
        Route::SetSlots | Route::SetMode => {
            let body = read(body, CONTROL_BYTES_MAX).await;
            let body = body.map_err(|_| Refusal::too_large(CONTROL_BYTES_MAX))?;
            if route == Route::SetSlots {
                control::set_slots(sim, &body)
            } else {
                control::set_mode(sim, &body)
            }
        }
        Route::Only(accepted) => Err(Refusal::wrong_method(accepted)),
        Route::Answer(_) | Route::Metrics | Route::Unknown => {
            Err(Refusal::no_path(head.method.as_str(), path))
        }
    }
}

/// Everything that takes a slot: counted, logged, subject to faults.
async fn infer(
    sim: &Inner,
    endpoint: Endpoint,
    path: &str,
    body: Incoming,
    hang_up: Arc<Notify>,
) -> Response<SimBody> {
    let mut visit = Visit::begin(sim, path);
    let made = match read(body, sim.settings.body_bytes_max).await {
        Ok(bytes) => make(sim, endpoint, &bytes, &mut visit).await,
        Err(Unread::TooLarge) => Err(Refusal::too_large(sim.settings.body_bytes_max)),
        Err(Unread::Gone) => {
            drop(visit);
            hang_up.notify_one();
            return Response::new(SimBody::Whole(Bytes::new()));
        }
    };
    let retry_after = sim.settings.retry_after_seconds;
    let Made { reply, end, cut } = made.unwrap_or_else(|refusal| {
        let end = end_of(&refusal);
        Made {
            reply: refusal.into_reply(retry_after),
            end,
            cut: false,
        }
    });
    visit.end(end, reply.status);
    reply.into_http(|bytes| {
        if cut {
            SimBody::cut(&bytes, hang_up)
        } else {
            SimBody::Whole(bytes)
        }
    })
}

/// A reply, how it counts, and whether its body is cut.
struct Made {
    reply: Reply,
    end: End,
    cut: bool,
}

async fn make(
    sim: &Inner,
    endpoint: Endpoint,
    bytes: &Bytes,
    visit: &mut Visit<'_>,
) -> Result<Made, Refusal> {
    let draw = Draw::new(sim.settings.seed, bytes);
    visit.note_body(draw, bytes.len());
    if let Some(reply) = outage(sim.modes.for_request().await) {
        return Ok(Made {
            reply,
            end: End::Failed,
            cut: false,
        });
    }
    let ask = Ask::read(bytes)?;
    visit.note_ask(&ask);
    let model = models::serving(&sim.settings, endpoint, &ask)?;
    let job = Job {
        settings: &sim.settings,
        ask: &ask,
        draw,
        model,
    };
    let plan = Plan::new(endpoint, &job)?;
    let fault = ask.fault()?.or_else(|| sim.faults.next(draw));
    if let Some(fault) = fault {
        visit.note_fault(fault);
    }
    if fault == Some(Fault::Busy) {
        return Err(Refusal::busy());
    }
    let seat = sim
        .queue
        .enter()
        .map_err(|Full| Refusal::busy())?
        .seat()
        .await;
    if let Some(time) = draw.duration(&sim.settings, plan.longest()) {
        tokio::time::sleep(time).await;
    }
    let made = finish(sim, &plan, &job, fault).await;
    drop(seat);
    made
}

/// The end of a request whose time has come.
async fn finish(
    sim: &Inner,
    plan: &Plan<'_>,
    job: &Job<'_>,
    fault: Option<Fault>,
) -> Result<Made, Refusal> {
    match fault {
        None => {
            sim.tally.add_usage(plan.usage());
            Ok(Made {
                reply: Reply::json(plan.write(job)),
                end: End::Answered,
                cut: false,
            })
        }
        Some(Fault::Timeout) => std::future::pending().await,
        Some(Fault::Cut) => Ok(Made {
            reply: Reply::json(plan.write(job)),
            end: End::Failed,
            cut: true,
        }),
        Some(Fault::Garbage) => Ok(Made {
            reply: Reply::json(GARBAGE),
            end: End::Failed,
            cut: false,
        }),
        Some(Fault::Error) => Err(Refusal::simulated(StatusCode::INTERNAL_SERVER_ERROR)),
        Some(Fault::Busy) => Err(Refusal::busy()),
    }
}

/// The reply of an outage mode, if this is one that replies.
fn outage(mode: Mode) -> Option<Reply> {
    match mode {
        Mode::Status(code) => {
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            Some(Refusal::simulated(status).into_reply(None))
        }
        Mode::Html => Some(Reply::text("text/html; charset=utf-8", HTML)),
        // A request on a connection that is just being closed is still answered; a stall is over
        // when a request comes here.
        Mode::Normal | Mode::Refuse | Mode::Reset | Mode::Stall => None,
    }
}

fn end_of(refusal: &Refusal) -> End {
    if refusal.status == StatusCode::TOO_MANY_REQUESTS {
        End::Refused
    } else if refusal.status.is_client_error() {
        End::Rejected
    } else {
        End::Failed
    }
}
