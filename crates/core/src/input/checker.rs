//! Checks the lines of a file one after another, and writes the plan.

use std::borrow::Cow;
use std::sync::Arc;

use super::custom_ids::CustomIds;
use super::errors::Errors;
use super::fault::{self, Fault};
use super::models::{Models, UnknownModels};
use super::request::{Body, Content, Request};
use super::splitter::{Line, LineSplitter};
use super::token::{Kind, Token};
use super::{Rejection, Rules, Summary};
use crate::batch::InputError;
use crate::endpoint::Required;
use crate::json::Walk;
use crate::plan::{PlanEntry, PlanWriter};

/// Whether a line is a JSON object in UTF-8: what an upload's first line has to be.
#[must_use]
pub fn is_json_object(line: &[u8]) -> bool {
    let Ok(text) = simdutf8::basic::from_utf8(line) else {
        return false;
    };
    let mut walk = Walk::new(text);
    let members = walk.members(Walk::text_with_controls, |walk, _| walk.value().map(|_| ()));
    members.and_then(|()| walk.end()).is_ok()
}

/// Who is shown the lines that are wrong, each with its error, in the order of the file.
pub type Watch<'w> = dyn FnMut(Line<'_>, &InputError) + 'w;

/// Checks an input file that comes in chunks, and writes its plan.
///
/// Memory: some 20 to 40 bytes a line for `custom_id`s, one line, the models' names, and at most
/// [`crate::plan::BUFFERED_BYTES_MAX`] of plan entries. Lines over the limit are only counted.
#[derive(Debug)]
pub struct Checker {
    splitter: LineSplitter,
    lines: Lines,
    bytes: u64,
}

impl Checker {
    /// A checker of one file. `seed` keeps clients from making `custom_id`s that collide: give
    /// another one to each file.
    #[must_use]
    pub fn new(rules: Rules, seed: u64) -> Self {
        Self {
            splitter: LineSplitter::new(rules.limits.line_bytes_max),
            lines: Lines::new(rules, seed),
            bytes: 0,
        }
    }

    /// Takes the next bytes of the file, and appends to `plan` what is ready of the plan's blob.
    /// That may be taken out of `plan` between calls.
    pub fn push(&mut self, chunk: &[u8], plan: &mut Vec<u8>) {
        self.push_watched(chunk, plan, &mut |_, _| ());
    }

    /// As [`Self::push`]; each line that is wrong is shown to `watch` with its error, also those that the
    /// list of errors has no room for: a person who has the file at hand wants to see them all.
    pub fn push_watched(&mut self, chunk: &[u8], plan: &mut Vec<u8>, watch: &mut Watch<'_>) {
        self.bytes += chunk.len() as u64;
        if self.is_too_large() {
            return;
        }
        let Self {
            splitter, lines, ..
        } = self;
        splitter.push(chunk, |line| lines.take(line, plan, watch));
    }

    /// Ends the file: appends the rest of the plan's blob and says what the file holds.
    ///
    /// # Errors
    ///
    /// [`Rejection`] when one line or the whole file may not be run; what was written of the plan
    /// is then worth nothing.
    pub fn finish(self, plan: &mut Vec<u8>) -> Result<Summary, Rejection> {
        self.finish_watched(plan, &mut |_, _| ())
    }

    /// As [`Self::finish`]; the last line is shown to `watch` when it is wrong.
    ///
    /// # Errors
    ///
    /// As [`Self::finish`].
    pub fn finish_watched(
        mut self,
        plan: &mut Vec<u8>,
        watch: &mut Watch<'_>,
    ) -> Result<Summary, Rejection> {
        let max = self.lines.rules.limits.file_bytes_max;
        if self.is_too_large() {
            let errors = vec![fault::too_large(max, self.lines.models.first())];
            return Err(Rejection {
                errors,
                errors_total: 1,
                total: 0,
                unknown_models: Vec::new(),
            });
        }
        self.splitter
            .finish(|line| self.lines.take(line, plan, watch));
        self.lines.finish(self.bytes, plan)
    }

    const fn is_too_large(&self) -> bool {
        let max = self.lines.rules.limits.file_bytes_max;
        max != 0 && self.bytes > max
    }
}

/// What is known of the lines so far.
#[derive(Debug)]
struct Lines {
    rules: Rules,
    required: Required,
    counts_inputs: bool,
    /// The token of the only url that lines may have.
    url: String,
    custom_ids: CustomIds,
    models: Models,
    unknown_models: UnknownModels,
    plan: PlanWriter,
    errors: Errors,
    total: u64,
    body_bytes: u64,
    embedding_inputs: u64,
}

impl Lines {
    fn new(rules: Rules, seed: u64) -> Self {
        Self {
            required: rules.endpoint.required(),
            counts_inputs: rules.endpoint.counts_inputs(),
            url: format!("\"{}\"", rules.endpoint),
            rules,
            custom_ids: CustomIds::new(seed),
            models: Models::default(),
            unknown_models: UnknownModels::default(),
            plan: PlanWriter::new(),
            errors: Errors::capped(),
            total: 0,
            body_bytes: 0,
            embedding_inputs: 0,
        }
    }

    /// The most requests that a file may have: a plan entry's line number has 32 bits.
    fn lines_max(&self) -> u64 {
        match self.rules.limits.lines_max {
            0 => u64::from(u32::MAX),
            max => max.min(u64::from(u32::MAX)),
        }
    }

    fn take(&mut self, line: Line<'_>, plan: &mut Vec<u8>, watch: &mut Watch<'_>) {
        self.total += 1;
        // Lines over the limit are only counted: memory must not grow with them.
        if self.total > self.lines_max() {
            return;
        }
        match self.check(line) {
            Ok(entry) if self.errors.is_empty() => {
                self.body_bytes += u64::from(entry.body_len);
                self.plan.push(&entry, plan);
            }
            Ok(_) => {}
            Err(fault) => {
                let error = fault.into_error(line.no);
                watch(line, &error);
                self.errors.push(error);
            }
        }
    }

    /// Checks one line: its entry in the plan, or the first thing that is wrong with it.
    fn check<'a>(&mut self, line: Line<'a>) -> Result<PlanEntry, Fault<'a>> {
        let no = u32::try_from(line.no).map_err(|_| Fault::Number)?;
        let bytes = line.bytes.map_err(Fault::TooLong)?;
        let text = simdutf8::basic::from_utf8(bytes).map_err(|_| Fault::NotJson)?;
        let request = Request::read(text, content_key(self.required))?;
        let model = self.check_request(&request)?;
        let (id_start, id_len) = place(text, request.custom_id);
        let (body_start, body_len) = place(text, request.body.token);
        Ok(PlanEntry {
            line: no,
            offset: line.offset,
            length: narrow(bytes.len()),
            crc32c: crc32c::crc32c(bytes),
            model,
            id_start,
            id_len,
            body_start,
            body_len,
        })
    }

    /// Checks a line whose shape is right; gives the number of its model.
    fn check_request<'a>(&mut self, request: &Request<'a>) -> Result<u32, Fault<'a>> {
        // Noted also when another check fails: the next line of that id is a duplicate either way.
        let is_new = self.custom_ids.insert(&request.custom_id.text());
        if request.method.0 != "\"POST\"" && *request.method.text() != *b"POST" {
            return Err(Fault::Method(request.method.text_lossy()));
        }
        let endpoint = &self.rules.endpoint;
        if request.url.0 != self.url && *request.url.text() != *endpoint.as_str().as_bytes() {
            return Err(Fault::Url);
        }
        if !is_new {
            return Err(Fault::Duplicate(request.custom_id.text_lossy()));
        }
        self.check_body(request.body)
    }

    fn check_body<'a>(&mut self, body: Body<'a>) -> Result<u32, Fault<'a>> {
        let model = body
            .model
            .filter(|model| model.kind() != Kind::Null)
            .ok_or(Fault::NoModel)?;
        model.expect(Kind::String, "body.model")?;
        let model = model.text_lossy();
        if model.is_empty() {
            return Err(Fault::NoModel);
        }
        let content = body.content;
        let content = content.filter(|content| content.token().kind() != Kind::Null);
        if content.is_none() && self.required != Required::Nothing {
            return Err(Fault::NoContent(self.required));
        }
        let model = self.number_of(model)?;
        if body.stream.is_some_and(|stream| stream.0 == "true") {
            return Err(Fault::Streaming(self.rules.endpoint.clone()));
        }
        if self.counts_inputs {
            self.embedding_inputs += content.map_or(0, Content::inputs);
        }
        self.models.count(model);
        Ok(model)
    }

    /// The number of a model in the plan's table, when the line may name it.
    fn number_of<'a>(&mut self, model: Cow<'a, str>) -> Result<u32, Fault<'a>> {
        if let Some(number) = self.models.find(&model) {
            return Ok(number);
        }
        if !self.rules.catalog.contains(&model) {
            self.unknown_models.insert(&model);
            return Err(Fault::UnknownModel(model));
        }
        if self.rules.single_model && self.models.len() > 0 {
            return Err(Fault::OtherModel(model));
        }
        let max = self.rules.limits.models_max;
        if max != 0 && self.models.len() >= max {
            return Err(Fault::OneModelTooMany { model, max });
        }
        Ok(self.models.insert(&model))
    }

    fn finish(self, bytes: u64, plan: &mut Vec<u8>) -> Result<Summary, Rejection> {
        let about_the_file = self.about_the_file();
        if !about_the_file.is_empty() || !self.errors.is_empty() {
            return Err(Rejection {
                errors_total: about_the_file.len() as u64 + self.errors.total(),
                total: self.total,
                errors: self.errors.into_list(about_the_file),
                unknown_models: self.unknown_models.into_names(),
            });
        }
        let models = self.models.into_entries();
        self.plan.finish(
            models.iter().map(|(name, _)| Arc::clone(name)).collect(),
            plan,
        );
        let model = match models.as_slice() {
            [(name, _)] => Some(Arc::clone(name)),
            _ => None,
        };
        let (total, embedding_inputs) = (self.total, self.embedding_inputs);
        Ok(Summary {
            total,
            model,
            models,
            bytes,
            body_bytes: self.body_bytes,
            embedding_inputs,
        })
    }

    /// What is wrong with the file as a whole.
    fn about_the_file(&self) -> Vec<InputError> {
        let mut errors = Vec::new();
        if self.total == 0 {
            errors.push(fault::empty());
        }
        if self.total > self.lines_max() {
            errors.push(fault::too_many(self.total, "requests", self.lines_max()));
        }
        let max = self.rules.limits.embedding_inputs_max;
        if max != 0 && self.embedding_inputs > max {
            errors.push(fault::too_many(
                self.embedding_inputs,
                "embedding inputs",
                max,
            ));
        }
        errors
    }
}

/// The key of a body that holds its content.
const fn content_key(required: Required) -> &'static str {
    match required {
        Required::Messages => "messages",
        Required::Input => "input",
        Required::Prompt => "prompt",
        Required::Nothing => "",
    }
}

/// Where a token lies in the line that it was borrowed from: its offset and its length.
fn place(line: &str, token: Token<'_>) -> (u32, u32) {
    let offset = token.0.as_ptr().addr() - line.as_ptr().addr();
    debug_assert_eq!(line.get(offset..offset + token.0.len()), Some(token.0));
    (narrow(offset), narrow(token.0.len()))
}

/// A length inside of a line; the splitter gives out no line that is longer than 32 bits can say.
fn narrow(length: usize) -> u32 {
    debug_assert!(u32::try_from(length).is_ok());
    u32::try_from(length).unwrap_or(u32::MAX)
}
