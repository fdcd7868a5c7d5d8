//! Reads a line for its four keys, and its body for the few that are checked, in one walk over it.
//!
//! Of a repeated key the last one counts, as in what most readers of JSON make of it.

use super::DEPTH_MAX;
use super::fault::Fault;
use super::token::{Kind, Token};
use crate::json::{NotJson, Value, Walk};

/// The parts of a line, each of the right type.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) custom_id: Token<'a>,
    pub(super) method: Token<'a>,
    pub(super) url: Token<'a>,
    pub(super) body: Body<'a>,
}

/// The body of a line, and what of it is checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a> {
    pub(super) token: Token<'a>,
    depth: usize,
    pub(super) model: Option<Token<'a>>,
    pub(super) stream: Option<Token<'a>>,
    pub(super) content: Option<Content<'a>>,
}

/// What an endpoint needs beside the model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content<'a>(Value<'a>);

impl<'a> Request<'a> {
    /// Reads a line, in whose body the content has that key.
    pub(super) fn read(line: &'a str, content_key: &str) -> Result<Self, Fault<'a>> {
        let found = Found::read(line, content_key).map_err(|NotJson| Fault::NotJson)?;
        if found.body.is_some_and(|body| body.depth > DEPTH_MAX) {
            return Err(Fault::TooDeep);
        }
        // What is missing comes before what has the wrong type.
        let custom_id = found.custom_id.ok_or(Fault::Missing("custom_id"))?;
        let method = found.method.ok_or(Fault::Missing("method"))?;
        let url = found.url.ok_or(Fault::Missing("url"))?;
        let body = found.body.ok_or(Fault::Missing("body"))?;
        custom_id.expect(Kind::String, "custom_id")?;
        method.expect(Kind::String, "method")?;
        url.expect(Kind::String, "url")?;
        body.token.expect(Kind::Object, "body")?;
        Ok(Self {
            custom_id,
            method,
            url,
            body,
        })
    }
}

impl<'a> Content<'a> {
    pub(super) fn token(self) -> Token<'a> {
        Token(self.0.text)
    }

    /// How many inputs the `input` of an embeddings request holds: a text or a list of token
    /// numbers is one, a list of those is as many as it has elements.
    pub(super) fn inputs(self) -> u64 {
        if self.token().kind() != Kind::Array {
            return 1;
        }
        let first = self.0.text.get(1..).unwrap_or_default().trim_start();
        if first.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return 1;
        }
        self.0.elements
    }
}

/// The values of a line's keys, as far as it has them.
#[derive(Debug, Default)]
struct Found<'a> {
    custom_id: Option<Token<'a>>,
    method: Option<Token<'a>>,
    url: Option<Token<'a>>,
    body: Option<Body<'a>>,
}

impl<'a> Found<'a> {
    fn read(line: &'a str, content_key: &str) -> Result<Self, NotJson> {
        let mut walk = Walk::new(line);
        let mut found = Self::default();
        walk.members(Walk::text_with_controls, |walk, key| {
            let slot = match &*Token(key).text() {
                b"custom_id" => &mut found.custom_id,
                b"method" => &mut found.method,
                b"url" => &mut found.url,
                b"body" => {
                    found.body = Some(Body::read(walk, content_key)?);
                    return Ok(());
                }
                _ => return walk.value().map(|_| ()),
            };
            *slot = Some(Token(walk.value()?.text));
            Ok(())
        })?;
        walk.end()?;
        Ok(found)
    }
}

impl<'a> Body<'a> {
    fn read(walk: &mut Walk<'a>, content_key: &str) -> Result<Self, NotJson> {
        if walk.peek() != Some(b'{') {
            let value = walk.value()?;
            return Ok(Self::of(Token(value.text), value.depth));
        }
        let start = walk.at();
        let mut body = Self::of(Token(""), 1);
        walk.members(Walk::text, |walk, key| {
            let value = walk.value()?;
            body.depth = body.depth.max(value.depth + 1);
            match &*Token(key).text() {
                b"model" => body.model = Some(Token(value.text)),
                b"stream" => body.stream = Some(Token(value.text)),
                key if key == content_key.as_bytes() => body.content = Some(Content(value)),
                _ => {}
            }
            Ok(())
        })?;
        body.token = Token(walk.since(start));
        Ok(body)
    }

    const fn of(token: Token<'a>, depth: usize) -> Self {
        Self {
            token,
            depth,
            model: None,
            stream: None,
            content: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_compared_by_what_they_say() {
        let line = r#"{"\ud800":1,"c\u0075stom_id":"\ud800","method":"a","url":"b","method":"c",
            "body":[1],"b\u006fdy":{"model":1,"\u006dodel":"m","x":[1,2],"prompt":["p","q"]}}"#;
        let request = Request::read(line, "prompt").unwrap();
        assert_eq!(request.custom_id, Token(r#""\ud800""#));
        assert_eq!(request.method, Token(r#""c""#));
        assert_eq!(request.body.model, Some(Token(r#""m""#)));
        assert_eq!(request.body.stream, None);
        assert_eq!(request.body.content.unwrap().inputs(), 2);
    }

    #[test]
    fn a_later_body_takes_the_place_of_an_earlier_one_with_all_that_is_in_it() {
        let line = r#"{"custom_id":"a","method":"a","url":"b","body":{"model":"m","stream":true},
            "body":{}}"#;
        let body = Request::read(line, "prompt").unwrap().body;
        assert_eq!(
            (body.token, body.model, body.stream),
            (Token("{}"), None, None)
        );
    }

    #[test]
    fn inputs_are_texts_or_lists_of_token_numbers() {
        let inputs = [
            (r#""text""#, 1),
            (r#"["a","b"]"#, 2),
            ("[ 1, 2, 3]", 1),
            ("[[1,2],[3]]", 2),
            ("[ ]", 0),
            ("[\"[1]\" , \"b\"]", 2),
            ("{}", 1),
        ];
        for (input, count) in inputs {
            let value = Walk::new(input).value().unwrap();
            assert_eq!(Content(value).inputs(), count, "{input}");
        }
    }
}
