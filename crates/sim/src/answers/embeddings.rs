//! `POST /v1/embeddings`: a unit vector for each input. It depends on the seed and that input
//! alone, so equal inputs have equal vectors, in whichever request they come.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::answers::Job;
use crate::answers::json::Json;
use crate::ask::{read_integer, read_text};
use crate::draw::{Draw, Question};
use crate::meter::{items, tokens};
use crate::reply::Refusal;

/// The longest vector that can be asked for.
pub(crate) const DIMENSIONS_MAX: usize = 4096;

/// The vectors of a request.
#[derive(Debug)]
pub(crate) struct Vectors<'a> {
    inputs: Vec<&'a RawValue>,
    dimensions: usize,
    encoding: Encoding,
    pub(super) prompt_tokens: u64,
}

/// How the numbers of a vector are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// A list of numbers.
    Float,
    /// Little-endian 32-bit floats, in base64.
    Base64,
}

pub(super) fn plan<'a>(job: &Job<'a>) -> Result<Vectors<'a>, Refusal> {
    let fields = job.ask.fields();
    let input = fields.input.ok_or_else(|| Refusal::missing("input"))?;
    let asked = read_integer(fields.dimensions, "dimensions", 1, DIMENSIONS_MAX as u64)?;
    let dimensions = asked.and_then(|asked| usize::try_from(asked).ok());
    let encoding = match fields.encoding_format {
        None => Encoding::Float,
        Some(raw) => match &*read_text(raw, "encoding_format")? {
            "float" => Encoding::Float,
            "base64" => Encoding::Base64,
            _ => {
                let known = "it must be float or base64.";
                return Err(Refusal::wrong_value("encoding_format", known));
            }
        },
    };
    Ok(Vectors {
        inputs: items(input, "input")?,
        dimensions: dimensions.unwrap_or(job.settings.dimensions),
        encoding,
        prompt_tokens: tokens(input)?,
    })
}

pub(super) fn write(vectors: &Vectors<'_>, job: &Job<'_>) -> Vec<u8> {
    const NUMBER_BYTES: usize = 13;
    let room = vectors.inputs.len() * (64 + vectors.dimensions * NUMBER_BYTES);
    let mut json = Json::with_capacity(256 + room);
    json.raw(r#"{"object":"list","data":["#);
    for (index, input) in (0_u64..).zip(&vectors.inputs) {
        let vector = unit_vector(job.settings.seed, input, vectors.dimensions);
        json.comma(index)
            .raw(r#"{"object":"embedding","index":"#)
            .value(&index)
            .raw(r#","embedding":"#);
        match vectors.encoding {
            Encoding::Float => json.value(&vector),
            Encoding::Base64 => json.value(&in_base64(&vector)),
        };
        json.raw("}");
    }
    json.raw(r#"],"model":"#)
        .value(job.model)
        .raw(r#","usage":{"prompt_tokens":"#)
        .value(&vectors.prompt_tokens)
        .raw(r#","total_tokens":"#)
        .value(&vectors.prompt_tokens)
        .raw(r#"},"system_fingerprint":"overnight-sim"}"#);
    json.into_bytes()
}

fn unit_vector(seed: u64, input: &RawValue, dimensions: usize) -> Vec<f32> {
    let mut walk = Draw::new(seed, input.get().as_bytes()).walk(Question::Vector, 0);
    let raw: Vec<f64> = (0..dimensions).map(|_| 2.0 * walk.unit() - 1.0).collect();
    // A draw of nothing but zeros does not happen in practice; its vector stays zero.
    let length = raw
        .iter()
        .map(|x| x * x)
        .sum::<f64>()
        .sqrt()
        .max(f64::MIN_POSITIVE);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "embeddings are 32-bit floats"
    )]
    raw.iter().map(|x| (x / length) as f32).collect()
}

fn in_base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_have_length_one_and_belong_to_their_input() {
        let input = |text: &str| RawValue::from_string(format!("\"{text}\"")).unwrap();
        let one = unit_vector(1, &input("a"), 100);
        let length = one.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
        assert_eq!(one, unit_vector(1, &input("a"), 100));
        assert_ne!(one, unit_vector(1, &input("b"), 100));
        assert_ne!(one, unit_vector(2, &input("a"), 100));
    }
}
