//! An HTTP/1.1 client of the smallest kind: one blocking connection, kept alive. It spends next to no CPU, so that what
//! is measured is the server and not the load.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Longest wait for any one read or write.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest body that is read; every answer in these tests is far below it.
const BODY_BYTES_MAX: usize = 64 << 20;
/// Most header lines that are read.
const HEADERS_MAX: usize = 200;

/// One connection to a server.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: Headers,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends one whole request, written by [`request`], and reads its answer.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.get_mut().write_all(request)?;
        let (first, headers) = read_head(&mut self.stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or_else(malformed)?;
        let body = read_body(&mut self.stream, &headers)?;
        Ok(Answer { status, headers, body })
    }
}

/// Writes a request with a body of known length.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        bytes.push_str(name);
        bytes.push_str(": ");
        bytes.push_str(value);
        bytes.push_str("\r\n");
    }
    bytes.push_str("\r\n");
    let mut bytes = bytes.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Header names in lower case, and their values.
pub(crate) type Headers = Vec<(String, String)>;

/// The first header called `name`.
pub(crate) fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Reads the first line and the headers; `None` when the other side closed the connection before them.
pub(crate) fn read_head(stream: &mut impl BufRead) -> io::Result<Option<(String, Headers)>> {
    let mut first = String::new();
    if stream.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut headers = Headers::new();
    let mut line = String::new();
    while headers.len() < HEADERS_MAX {
        line.clear();
        stream.read_line(&mut line)?;
        let text = line.trim_end();
        if text.is_empty() {
            return Ok(Some((first.trim_end().to_owned(), headers)));
        }
        let (name, value) = text.split_once(':').ok_or_else(malformed)?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Err(malformed())
}

/// Reads a body, by its length or in chunks.
pub(crate) fn read_body(stream: &mut impl BufRead, headers: &Headers) -> io::Result<Vec<u8>> {
    if header(headers, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return read_chunks(stream);
    }
    let length = match header(headers, "content-length") {
        Some(text) => text.parse().map_err(|_| malformed())?,
        None => 0,
    };
    let mut body = Vec::new();
    read_more(stream, &mut body, length)?;
    Ok(body)
}

fn read_chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    let mut line = String::new();
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let length = usize::from_str_radix(digits, 16).map_err(|_| malformed())?;
        read_more(stream, &mut body, length)?;
        line.clear();
        stream.read_line(&mut line)?;
        if length == 0 {
            return Ok(body);
        }
    }
}

fn read_more(stream: &mut impl Read, body: &mut Vec<u8>, length: usize) -> io::Result<()> {
    if body.len().saturating_add(length) > BODY_BYTES_MAX {
        return Err(malformed());
    }
    let wanted = u64::try_from(length).map_err(|_| malformed())?;
    if stream.take(wanted).read_to_end(body)? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not an HTTP/1.1 message that this client reads")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> io::Result<Vec<u8>> {
        let mut stream = text.as_bytes();
        let (_, headers) = read_head(&mut stream)?.unwrap();
        read_body(&mut stream, &headers)
    }

    #[test]
    fn bodies_are_read_by_length_and_in_chunks() {
        assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef").unwrap(), b"abc");
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n";
        assert_eq!(read(chunked).unwrap(), b"abc");
        assert_eq!(read("HTTP/1.1 204 No Content\r\n\r\n").unwrap(), b"");
    }

    #[test]
    fn what_is_cut_short_is_an_error() {
        assert!(read("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc").is_err());
        assert!(read("HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\nabc").is_err());
        assert!(read_head(&mut "".as_bytes()).unwrap().is_none());
    }
}
