//! `/sources/new`: the gallery of platforms, and the wizard's first step. The other steps are the new source's own page.

use askama::Template;
use axum::extract::State;
use bugle_engine::config::generate_secret;
use bugle_platforms::{Source, table};
use secrecy::ExposeSecret;

use super::{
    format::Tag,
    markdown::Markdown,
    page::{Page, Shown, show},
    session::Viewer,
};
use crate::{app::App, error::ApiError, input::Query};

#[derive(Template)]
#[template(path = "source_gallery.html")]
struct Gallery {
    page: Page,
    cards: Vec<Card>,
}

struct Card {
    href: String,
    title: &'static str,
    ways: Tag<'static>,
    proof: Markdown,
}

#[derive(Template)]
#[template(path = "source_new.html")]
struct New {
    page: Page,
    platform: &'static str,
    title: &'static str,
    proof: Markdown,
    /// Made for this form and known to nobody else until it is sent.
    secret: String,
}

/// `GET /sources/new`; `?platform=` chooses one.
pub(super) async fn page(State(_): State<App>, viewer: Viewer, query: Query) -> Shown {
    let twin = "/api/v1/integrations";
    let Some(chosen) = query.one("platform") else {
        let page = viewer.page("Add a source", twin);
        return show(&Gallery { page, cards: table::SOURCES.iter().map(|source| card(*source)).collect() });
    };
    let source = table::SOURCES.iter().find(|source| source.slug() == chosen);
    let source = source.ok_or_else(|| ApiError::not_found("platform", chosen))?;
    show(&New {
        page: viewer.page(format!("Add {}", source.title()), twin),
        platform: source.slug(),
        title: source.title(),
        proof: Markdown::inline(source.authentication()),
        secret: generate_secret()?.expose_secret().to_owned(),
    })
}

fn card(source: &dyn Source) -> Card {
    let goes_both_ways = table::dialect(source.slug()).is_some();
    Card {
        href: format!("/sources/new?platform={}", source.slug()),
        title: source.title(),
        ways: if goes_both_ways {
            Tag { tone: "accent", text: "In and out" }
        } else {
            Tag { tone: "quiet", text: "In" }
        },
        proof: Markdown::inline(source.authentication()),
    }
}
