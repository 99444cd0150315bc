//! A line of JSON with bytes behind it: how long the line is (4 bytes, little-endian), the line, the bytes. What is JSON itself,
//! or no text at all, takes its time to write as a string in another JSON, and is larger there.

use serde::{Serialize, de, ser};

const LENGTH: usize = size_of::<u32>();
/// Bytes that a line usually takes.
const USUAL: usize = 1_024;

/// Writes a line; `behind` bytes will be added.
pub(crate) fn write(line: &impl Serialize, behind: usize) -> serde_json::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(USUAL + behind);
    bytes.extend_from_slice(&[0; LENGTH]);
    serde_json::to_writer(&mut bytes, line)?;
    let length = u32::try_from(bytes.len() - LENGTH).map_err(ser::Error::custom)?;
    if let Some(place) = bytes.first_chunk_mut() {
        *place = length.to_le_bytes();
    }
    Ok(bytes)
}

/// The line, and what is behind it.
pub(crate) fn split(bytes: &[u8]) -> serde_json::Result<(&str, &[u8])> {
    let short = || de::Error::custom("it is too short");
    let (length, rest) = bytes.split_first_chunk::<LENGTH>().ok_or_else(short)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(de::Error::custom)?;
    let (line, behind) = rest.split_at_checked(length).ok_or_else(short)?;
    Ok((str::from_utf8(line).map_err(de::Error::custom)?, behind))
}
