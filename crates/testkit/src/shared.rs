//! Servers that all test processes share: started by the first that wants one, and ended some seconds
//! after the last has let go.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A server that is there for as long as the value is.
#[derive(Debug)]
pub(crate) struct SharedServer {
    /// What it serves from.
    pub(crate) folder: PathBuf,
    /// Tells this value from every other.
    pub(crate) number: u64,
    /// Locked for as long as the server is wanted.
    _wanted: File,
}

impl SharedServer {
    /// The server of that name. Unless it is there already, `command` starts it in the folder that
    /// it is given; `signal` ends it.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub(crate) fn find(
        name: &str,
        signal: &str,
        is_there: impl Fn(&Path) -> bool,
        command: impl FnOnce(&Path) -> Vec<PathBuf>,
    ) -> io::Result<Self> {
        let folder = place(&format!("shared-{name}"));
        fs::create_dir_all(&folder)?;
        let mut turn = file(&folder.join("turn"))?;
        turn.lock()?;
        let wanted = file(&folder.join("users"))?;
        wanted.lock_shared()?;
        let server = folder.join("server");
        if !is_there(&server) {
            let mut keeper = Command::new(root().join("scripts/parts/shared.sh"));
            keeper.arg(&folder).arg(signal).args(command(&server));
            // Not of the process group of a test, which is ended as a whole when it hangs.
            keeper.process_group(0);
            until_ready(keeper)?;
        }
        let number = next(&mut turn)?;
        Ok(Self {
            folder: server,
            number,
            _wanted: wanted,
        })
    }
}

/// Starts what prints `ready` when it is.
pub(crate) fn until_ready(mut command: Command) -> io::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut first = String::new();
    if let Some(said) = child.stdout.take() {
        BufReader::new(said).read_line(&mut first)?;
    }
    if first.trim() == "ready" {
        return Ok(child);
    }
    let ended = child.wait()?;
    let program = command.get_program().display();
    Err(io::Error::other(format!(
        "{program} did not start its server ({ended}); the scripts that fetch say what is missing"
    )))
}

/// A folder in memory where there is one. Its name is short: a socket's path has a hundred
/// characters at most.
pub(crate) fn place(name: &str) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() {
        memory
    } else {
        Path::new("/tmp")
    };
    // Work trees beside each other may differ in what they start.
    let tree = root().to_string_lossy().bytes().fold(0_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    parent.join(format!("overnight-{tree:x}-{name}"))
}

/// The root of the work tree.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

/// Counts in a file that the caller has locked.
fn next(file: &mut File) -> io::Result<u64> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    let next = text.trim().parse::<u64>().unwrap_or(0) + 1;
    file.rewind()?;
    file.set_len(0)?;
    write!(file, "{next}")?;
    Ok(next)
}
