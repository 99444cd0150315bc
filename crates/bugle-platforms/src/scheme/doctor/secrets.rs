//! What a sender may have made of a secret before it signed: copied with white space, decoded, or not decoded.

use base64::Engine as _;

use super::Finding;
use crate::scheme::{KeyForm, hmac::BASE64};

/// What may stand around a secret that was copied from a file or a page.
const AROUND: [(&str, &str); 4] = [("", "\n"), ("", "\r\n"), ("", " "), (" ", "")];
/// Shortest text that somebody may have meant as an encoding of a key.
const ENCODED_BYTES_MIN: usize = 16;

/// A key that a sender may have used in place of the one that the secret stands for.
pub(super) struct Variant {
    pub(super) text: String,
    pub(super) form: KeyForm,
    why: Why,
}

#[derive(Clone, Copy)]
enum Why {
    SpaceHere,
    SpaceThere,
    Quoted,
    DecodedThere(&'static str),
    TextThere,
}

impl Variant {
    pub(super) fn finding(&self) -> Finding {
        match self.why {
            Why::SpaceHere => Finding::new(
                "secret_with_whitespace",
                "the signature holds once the white space around this integration's secret is left out: set the secret here anew without it",
            ),
            Why::SpaceThere => Finding::new(
                "secret_with_whitespace",
                "the signature holds with white space or a line break beside the secret: the sender's copy has it, set it there anew without",
            ),
            Why::Quoted => Finding::new(
                "secret_with_quotes",
                "the secret stands in quotation marks on one of the two sides: set it without them on both",
            ),
            Why::DecodedThere(what) => Finding::new(
                "secret_encoding_differs",
                format!(
                    "the sender decodes the secret as {what} and signs with the bytes, and here its text is the key: let the sender use the text as it stands"
                ),
            ),
            Why::TextThere => Finding::new(
                "secret_encoding_differs",
                "the sender signs with the secret's text, and the key is what its base64 after `whsec_` stands for: let the sender decode it",
            ),
        }
    }
}

/// What a sender may have made of `secret`, which stands for a key in the form `due`.
pub(super) fn variants(secret: &str, due: KeyForm) -> Vec<Variant> {
    let mut found = Vec::new();
    let mut add = |text: String, form: KeyForm, why: Why| {
        if !text.is_empty() && (text != secret || form != due) {
            found.push(Variant { text, form, why });
        }
    };
    let trimmed = secret.trim();
    let bare = trimmed.strip_prefix("whsec_");
    match due {
        KeyForm::Text => {
            add(trimmed.to_owned(), KeyForm::Text, Why::SpaceHere);
            for (before, after) in AROUND {
                add(format!("{before}{secret}{after}"), KeyForm::Text, Why::SpaceThere);
            }
            add(trimmed.trim_matches(['"', '\'']).to_owned(), KeyForm::Text, Why::Quoted);
            add(format!("\"{trimmed}\""), KeyForm::Text, Why::Quoted);
            let encoded = bare.unwrap_or(trimmed);
            if bare.is_some() {
                add(encoded.to_owned(), KeyForm::Text, Why::DecodedThere("`whsec_` and text"));
            }
            if encoded.len() >= ENCODED_BYTES_MIN {
                if let Ok(bytes) = hex::decode(encoded) {
                    add(BASE64.encode(bytes), KeyForm::Base64, Why::DecodedThere("hexadecimal"));
                }
                if let Ok(bytes) = BASE64.decode(encoded) {
                    add(BASE64.encode(bytes), KeyForm::Base64, Why::DecodedThere("base64"));
                }
            }
        }
        KeyForm::Whsec | KeyForm::Base64 => {
            add(trimmed.to_owned(), KeyForm::Text, Why::TextThere);
            add(bare.unwrap_or(trimmed).to_owned(), KeyForm::Text, Why::TextThere);
            add(format!("{trimmed}\n"), KeyForm::Text, Why::TextThere);
        }
    }
    found
}
