use futures_util::stream;
use proptest::prelude::*;

use super::*;
use crate::tests::arbitrary::seeded;

/// What a form said: each part's name, file name and bytes.
type Read = Vec<(String, Option<String>, Vec<u8>)>;

fn read(boundary: &str, pieces: Vec<Vec<u8>>) -> Result<Read, String> {
    let pieces = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    let content_type = format!("multipart/form-data; boundary={boundary}");
    let content_type = HeaderValue::try_from(content_type).expect("a header value");
    let mut form = Form::new(
        Some(&content_type),
        Body::from_stream(pieces),
        Duration::from_mins(1),
    )
    .expect("a form");
    let reading = async {
        let mut parts = Vec::new();
        while let Some(part) = form.next_part().await? {
            let mut bytes = Vec::new();
            while let Some(chunk) = form.chunk().await? {
                bytes.extend_from_slice(&chunk);
            }
            parts.push((part.name, part.filename, bytes));
        }
        Ok(parts)
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime
        .block_on(reading)
        .map_err(|error: FormError| error.to_string())
}

fn written(boundary: &str, parts: &[(String, Option<String>, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, filename, bytes) in parts {
        body.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        body.extend_from_slice(
            format!("Content-Disposition: form-data; name=\"{name}\"").as_bytes(),
        );
        if let Some(filename) = filename {
            body.extend_from_slice(format!("; filename=\"{filename}\"\r\nX-Other: 1").as_bytes());
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

fn pieces(body: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut rest = body;
    let mut pieces = Vec::new();
    for cut in cuts {
        let (piece, tail) = rest.split_at((*cut).min(rest.len()));
        pieces.push(piece.to_vec());
        rest = tail;
    }
    pieces.push(rest.to_vec());
    pieces
}

fn whole(body: &str) -> Result<Read, String> {
    read("b", vec![body.as_bytes().to_vec()])
}

#[test]
fn a_quoted_boundary_with_special_characters_is_understood() {
    let body = b"--a=_b\r\nContent-Disposition: form-data; name=x\r\n\r\n1\r\n--a=_b--".to_vec();
    let read = read("\"a=_b\"", vec![body]);
    assert_eq!(read, Ok(vec![("x".to_owned(), None, b"1".to_vec())]));
}

#[test]
fn a_preamble_and_an_epilogue_are_passed_over() {
    let body = "hello\r\n--b \r\ncontent-disposition:form-data;name=x\r\n\r\n\r\n--b--\r\nbye";
    assert_eq!(whole(body), Ok(vec![("x".to_owned(), None, Vec::new())]));
}

#[test]
fn a_form_that_stops_anywhere_before_its_end_is_refused() {
    let body = "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nvalue\r\n--b--";
    for end in 0..body.len() {
        let refused = whole(&body[..end]).expect_err("a form that stops");
        assert!(refused.contains("ended before"), "{end}: {refused}");
    }
    assert!(whole(body).is_ok());
}

#[test]
fn a_boundary_in_the_middle_of_a_line_is_content() {
    let body = "--b\r\nContent-Disposition: form-data; name=x\r\n\r\n1--b\n--b\r\n--b--";
    assert_eq!(
        whole(body),
        Ok(vec![("x".to_owned(), None, b"1--b\n--b".to_vec())])
    );
}

#[test]
fn endless_preambles_and_headers_are_refused_and_not_kept() {
    let pieces = vec![vec![b'x'; 64 * 1024]; 64];
    assert!(
        read("b", pieces)
            .expect_err("endless")
            .contains("too much besides")
    );
    let mut pieces = vec![b"--b\r\nContent-Disposition: form-data; name=x; a=".to_vec()];
    pieces.extend(vec![vec![b'x'; 8 * 1024]; 64]);
    assert!(read("b", pieces).expect_err("endless").contains("too long"));
    let mut pieces = vec![b"--b\r\n".to_vec()];
    pieces.extend(vec![b"X-Header: 0123456789\r\n".to_vec(); 2_000]);
    assert!(
        read("b", pieces)
            .expect_err("endless")
            .contains("headers of a part are too long")
    );
    let part = b"--b\r\nContent-Disposition: form-data; name=x\r\n\r\n1\r\n".to_vec();
    let parts = vec![part; PARTS_MAX + 1];
    assert!(
        read("b", parts)
            .expect_err("endless")
            .contains("too many parts")
    );
}

#[test]
fn a_part_without_a_name_is_refused() {
    assert!(
        whole("--b\r\n\r\nvalue\r\n--b--")
            .expect_err("no name")
            .contains("no name")
    );
}

proptest! {
    #![proptest_config(seeded(300))]

    #[test]
    fn any_chunking_gives_the_same_form(
        contents in proptest::collection::vec(
            proptest::collection::vec(
                prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b'b'), any::<u8>()],
                0..80,
            ),
            1..4,
        ),
        cuts in proptest::collection::vec(0_usize..12, 0..40),
    ) {
        let boundary = "b-b";
        let delimiter = format!("\r\n--{boundary}");
        // No client may choose a boundary that its content has.
        prop_assume!(contents.iter().all(|content| {
            memmem::find(&[b"\r\n", content.as_slice()].concat(), delimiter.as_bytes()).is_none()
        }));
        let parts: Read = contents
            .into_iter()
            .enumerate()
            .map(|(index, bytes)| {
                let filename = (index % 2 == 0).then(|| format!("{index}.jsonl"));
                (format!("part{index}"), filename, bytes)
            })
            .collect();
        let body = written(boundary, &parts);
        prop_assert_eq!(read(boundary, pieces(&body, &cuts)), Ok(parts));
    }

    #[test]
    fn any_header_is_a_boundary_or_none_and_any_disposition_has_a_base_name_or_none(
        header in prop::collection::vec(
            prop_oneof![
                3 => prop::sample::select(&b"\"\\;=' *%2Fa/"[..]),
                1 => prop_oneof![32_u8..127, 128_u8..=255],
            ],
            0..30,
        ),
        value in "[ -~]{1,20}",
    ) {
        let typed = [b"multipart/form-data; boundary=", header.as_slice()].concat();
        let typed = HeaderValue::from_bytes(&typed).expect("a header value");
        if let Some(boundary) = boundary(&typed) {
            prop_assert!((1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()));
        }
        let named = [b"form-data; filename=", header.as_slice()].concat();
        for disposition in [named.as_slice(), header.as_slice()] {
            if let Some(name) = Parameters::parse(disposition).filename() {
                prop_assert!(!name.is_empty() && !name.contains(['/', '\\', '\r', '\n']));
            }
        }
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let named = format!("form-data; x=\"a;b\"; name=\"{quoted}\"; y");
        prop_assert_eq!(Parameters::parse(named.as_bytes()).get("name"), Some(value));
    }

    #[test]
    fn arbitrary_bytes_never_make_it_panic(
        body in proptest::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b'b'), any::<u8>()],
            0..200,
        ),
        cuts in proptest::collection::vec(0_usize..12, 0..20),
    ) {
        let chunked = read("b", pieces(&body, &cuts));
        prop_assert_eq!(chunked, read("b", vec![body]));
    }
}
