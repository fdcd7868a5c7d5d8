//! A server that does nothing but hand one file to the socket, inside the kernel.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;

/// Serves the file to one connection after another until the process ends; prints its address first.
pub(crate) fn serve(path: &Path) -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    #[expect(clippy::print_stdout, reason = "whoever started it reads the address")]
    {
        println!("http://{}", listener.local_addr()?);
    }
    for stream in listener.incoming() {
        let mut stream = stream?;
        let mut head = BufReader::new(stream.try_clone()?).lines();
        // A head ends with an empty line.
        while head
            .next()
            .transpose()?
            .is_some_and(|line| !line.is_empty())
        {}
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"
        )?;
        // From a file to a socket this is `sendfile`.
        std::io::copy(&mut file, &mut stream)?;
    }
    Ok(())
}
