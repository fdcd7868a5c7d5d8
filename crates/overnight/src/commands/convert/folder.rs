//! Folders of texts and images to requests, in the order of their names.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::request::Requests;
use super::{ConvertArgs, Made};
use crate::failure::UsageError;
use crate::lines::output::Output;
use crate::show::Voice;

/// What a template of a folder may name.
const NAMES: [&str; 2] = ["text", "name"];

/// How deep folders may lie in each other.
const DEPTH_MAX: usize = 32;

/// The largest file that is read: as base64 it would hardly fit in a line.
const FILE_BYTES_MAX: u64 = 48 << 20;

/// The endings of images, and what they are called on the wire.
const IMAGES: [(&str, &str); 6] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("bmp", "image/bmp"),
];

/// Writes a request for each file that is a text or an image.
pub(super) fn convert(args: &ConvertArgs, voice: Voice) -> anyhow::Result<Made> {
    let [folder] = args.inputs.as_slice() else {
        return Ok(Made::default());
    };
    for (flag, value) in [("--id", &args.id), ("--image", &args.request.image)] {
        if value.is_some() {
            let text =
                format!("{flag}: a folder has no columns; its files are named by their paths");
            return Err(UsageError(text).into());
        }
    }
    let mut files = Vec::new();
    list(folder, 0, &mut files)?;
    files.sort_unstable();
    let names = NAMES.map(str::to_owned);
    let mut requests = Requests::new(
        &args.request,
        &names,
        Output::create(args.output.as_deref())?,
    )?;
    let mut without = 0;
    for path in files {
        let name = path
            .strip_prefix(folder)
            .unwrap_or(&path)
            .display()
            .to_string();
        if media_type(&path).is_some() {
            requests.put(&name, &["", &name], Some(&data_url(&path)?))?;
        } else if let Some(text) = text_of(&path)? {
            requests.put(&name, &[&text, &name], None)?;
        } else {
            without += 1;
            voice.say(&format!(
                "{}: neither text nor image; left out",
                path.display()
            ));
        }
    }
    let written = requests.finish()?;
    Ok(Made { written, without })
}

/// All files below a folder but those whose names begin with a point.
fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if depth > DEPTH_MAX {
        bail!(
            "{} lies more than {DEPTH_MAX} folders deep",
            folder.display()
        );
    }
    let cannot = || format!("{} cannot be read", folder.display());
    for entry in fs::read_dir(folder).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            list(&path, depth + 1, files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

fn media_type(path: &Path) -> Option<&'static str> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    let known = IMAGES.iter().find(|(known, _)| *known == ending);
    known.map(|(_, media_type)| *media_type)
}

/// The image that a row of a table names: a URL as it is, or a file that lies where the path says, seen from
/// the table's folder.
pub(super) fn image_url(table: &Path, image: &str) -> anyhow::Result<String> {
    if ["http://", "https://", "data:"]
        .iter()
        .any(|start| image.starts_with(start))
    {
        return Ok(image.to_owned());
    }
    let folder = table.parent().unwrap_or_else(|| Path::new(""));
    data_url(&folder.join(image))
}

fn data_url(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let Some(media_type) = media_type(path) else {
        let known: Vec<&str> = IMAGES.iter().map(|(ending, _)| *ending).collect();
        bail!("{shown} is no image that is known: {}", known.join(", "));
    };
    Ok(format!(
        "data:{media_type};base64,{}",
        STANDARD.encode(read(path)?)
    ))
}

/// The text of a file; `None` when it is none.
fn text_of(path: &Path) -> anyhow::Result<Option<String>> {
    let bytes = read(path)?;
    let text = String::from_utf8(bytes).ok();
    Ok(text.filter(|text| !text.contains('\0')))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let cannot = || format!("{} cannot be read", path.display());
    let bytes = path.metadata().with_context(cannot)?.len();
    if bytes > FILE_BYTES_MAX {
        bail!(
            "{} has {bytes} bytes; {FILE_BYTES_MAX} are the most that fit in a line",
            path.display()
        );
    }
    fs::read(path).with_context(cannot)
}
