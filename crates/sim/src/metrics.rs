//! `GET /metrics`: the gauges and counters that people read on vLLM, under its names, in the text
//! form of Prometheus. The engine is one, so its numbers stand under the first model alone and a
//! sum over models is right.

use std::sync::atomic::Ordering::Relaxed;

use crate::models;
use crate::sim::Inner;

/// One number with its name, type and meaning.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    samples: Vec<(&'static str, f64)>,
}

/// The whole page.
pub(crate) fn page(sim: &Inner) -> String {
    let model = escaped(models::first(&sim.settings));
    let mut lines = Vec::new();
    for Family {
        name,
        kind,
        help,
        samples,
    } in families(sim)
    {
        lines.push(format!("# HELP {name} {help}"));
        lines.push(format!("# TYPE {name} {kind}"));
        for (labels, value) in samples {
            let model_name = format!("model_name=\"{model}\"");
            lines.push(format!(
                "{name}{{engine=\"0\"{labels},{model_name}}} {value:?}"
            ));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

fn families(sim: &Inner) -> [Family; 6] {
    let load = sim.queue.load();
    let tally = &sim.tally;
    let gauge = |name, help, value| Family {
        name,
        kind: "gauge",
        help,
        samples: vec![("", value)],
    };
    let counter = |name, help, samples| Family {
        name,
        kind: "counter",
        help,
        samples,
    };
    let running = float(load.running as u64);
    // Each slot stands for an equal part of the cache; when slots were taken away, it is full.
    let cache = (running / float(load.slots as u64)).min(1.0);
    [
        gauge(
            "vllm:num_requests_running",
            "Requests that hold a slot.",
            running,
        ),
        gauge(
            "vllm:num_requests_waiting",
            "Requests in line for a slot.",
            float(load.waiting as u64),
        ),
        gauge(
            "vllm:kv_cache_usage_perc",
            "Share of the slots that is held; 1 is all.",
            cache,
        ),
        counter(
            "vllm:prompt_tokens_total",
            "Tokens read.",
            vec![("", float(tally.prompt_tokens.load(Relaxed)))],
        ),
        counter(
            "vllm:generation_tokens_total",
            "Tokens written.",
            vec![("", float(tally.completion_tokens.load(Relaxed)))],
        ),
        counter(
            "vllm:request_success_total",
            "Whole answers, by what ended them.",
            vec![
                (
                    ",finished_reason=\"stop\"",
                    float(tally.ended_stop.load(Relaxed)),
                ),
                (
                    ",finished_reason=\"length\"",
                    float(tally.ended_length.load(Relaxed)),
                ),
            ],
        ),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus numbers are floats")]
fn float(count: u64) -> f64 {
    count as f64
}

fn escaped(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
