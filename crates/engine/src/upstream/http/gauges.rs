//! Reads the gauges of the engines that people run from their `/metrics`.

use crate::upstream::Gauges;

/// The names of what runs and what waits, by engine.
const ENGINES: [(&str, &str); 4] = [
    ("vllm:num_requests_running", "vllm:num_requests_waiting"),
    ("sglang:num_running_reqs", "sglang:num_queue_reqs"),
    ("llamacpp:requests_processing", "llamacpp:requests_deferred"),
    ("tgi_batch_current_size", "tgi_queue_size"),
];

/// The gauges of the first engine that is known by its names, summed over its label sets; `None`
/// when there is none.
pub(super) fn read(text: &str) -> Option<Gauges> {
    let mut sums = [(None, None); ENGINES.len()];
    for (name, value) in text.lines().filter_map(sample) {
        for ((running, waiting), sum) in ENGINES.iter().zip(&mut sums) {
            if name == *running {
                sum.0 = Some(sum.0.unwrap_or(0.0) + value);
            } else if name == *waiting {
                sum.1 = Some(sum.1.unwrap_or(0.0) + value);
            }
        }
    }
    sums.into_iter().find_map(|(running, waiting)| {
        Some(Gauges {
            running: whole(running?),
            waiting: whole(waiting?),
        })
    })
}

/// A gauge counts requests; what is below zero or no number is none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast stops at the bounds, which is what is wanted"
)]
const fn whole(value: f64) -> u64 {
    value as u64
}

/// Name and value of a line `name{labels} value [time]`.
fn sample(line: &str) -> Option<(&str, f64)> {
    let line = line.trim_start();
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.starts_with('#') {
        return None;
    }
    let value = match rest.strip_prefix('{') {
        Some(labels) => labels.get(labels_end(labels)?..)?,
        None => rest,
    };
    let number: f64 = value.split_whitespace().next()?.parse().ok()?;
    Some((name, number))
}

/// Where the labels end: after the first brace that stands in no string.
fn labels_end(labels: &str) -> Option<usize> {
    let (mut in_text, mut is_escaped) = (false, false);
    for (at, byte) in labels.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_text,
            b'"' => in_text = !in_text,
            b'}' if !in_text => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(u64, u64)>) {
        let found = read(text).map(|gauges| (gauges.running, gauges.waiting));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn label_sets_are_summed() {
        check(
            "# HELP vllm:num_requests_running Number of requests\n\
             # TYPE vllm:num_requests_running gauge\n\
             vllm:num_requests_running{engine=\"0\",model_name=\"m\"} 3.0\n\
             vllm:num_requests_running{engine=\"1\",model_name=\"m\"} 4.0\n\
             vllm:num_requests_waiting{engine=\"0\",model_name=\"a} \\\" 9\"} 1e+02 1700000000\n",
            Some((7, 100)),
        );
    }

    #[test]
    fn each_engine_is_known_by_its_names() {
        check(
            "sglang:num_running_reqs{a=\"b\"} 2\nsglang:num_queue_reqs{a=\"b\"} 1\n",
            Some((2, 1)),
        );
        check(
            "llamacpp:requests_processing 8\nllamacpp:requests_deferred 0\n",
            Some((8, 0)),
        );
        check("tgi_batch_current_size 5\ntgi_queue_size 6\n", Some((5, 6)));
    }

    #[test]
    fn what_is_not_known_or_no_number_is_no_gauge() {
        check("", None);
        check(
            "process_open_fds 5\nvllm:num_requests_running_total 5\n",
            None,
        );
        check("vllm:num_requests_running 5\n", None);
        check(
            "llamacpp:requests_processing NaN\nllamacpp:requests_deferred -1\n",
            Some((0, 0)),
        );
        check(
            "llamacpp:requests_processing{x=\"\nllamacpp:requests_deferred\n{}\n",
            None,
        );
    }
}
