//! An input that was refused: every line that is wrong, as `file:line code message`.

use std::io::Write as _;

use overnight_core::batch::InputError;

use super::paths::Paths;

/// Tells what is wrong with the input, on stderr.
pub(super) fn tell(errors: &[InputError], paths: &Paths) {
    let mut stderr = std::io::stderr().lock();
    for error in errors {
        // When there is nobody to tell, the exit code says it.
        let _ = writeln!(
            stderr,
            "{}",
            line_of(error, &paths.input.display().to_string())
        );
    }
    let _ = writeln!(stderr, "the input was refused; nothing was sent");
}

fn line_of(error: &InputError, file: &str) -> String {
    let code = serde_json::to_value(error.code).unwrap_or_default();
    let code = code.as_str().unwrap_or("invalid_request");
    let message = &error.message;
    match error.line {
        Some(line) => format!("{file}:{line} {code} {message}"),
        None => format!("{file} {code} {message}"),
    }
}

#[cfg(test)]
mod tests {
    use overnight_core::batch::InputErrorCode;

    use super::*;

    #[test]
    fn an_error_is_told_with_its_place_code_and_message() {
        let error = |line| InputError {
            code: InputErrorCode::InvalidJsonLine,
            message: "This line is not JSON.".to_owned(),
            param: None,
            line,
        };
        let told = line_of(&error(Some(3)), "in.jsonl");
        assert_eq!(told, "in.jsonl:3 invalid_json_line This line is not JSON.");
        let told = line_of(&error(None), "in.jsonl");
        assert_eq!(told, "in.jsonl invalid_json_line This line is not JSON.");
    }
}
