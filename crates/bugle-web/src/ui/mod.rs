//! The pages that people look at. Rendered here, kept fresh by a few small scripts, without a build step.
//!
//! # How a page is made
//!
//! A page is one file here and one template of the same name in `templates/`. Its handler reads, at most five queries;
//! makes of it a struct of what is shown, down to the word; and renders that:
//!
//! ```text
//! pub(super) async fn page(State(app): State<App>, viewer: Viewer, query: Query) -> Shown {
//!     let incidents = app.store().incidents(filter(&query)?, query.page()?).await?;
//!     let page = viewer.page("Incidents", "/api/v1/incidents");
//!     show(&Incidents { page, rows: incidents.data.iter().map(Row::of).collect() })
//! }
//!
//! #[derive(Template)]
//! #[template(path = "incidents.html")]
//! struct Incidents { page: Page, rows: Vec<Row> }
//! ```
//!
//! Then one line in [`table`]: where it is, who may see it, and what the navigation calls it. The gate before the handler
//! finds the [`Viewer`]; without one it leads to `/sign-in` and back. An error of any kind becomes an error page: use `?`.
//! The second argument of [`Viewer::page`] is the page's JSON twin.
//!
//! - A template decides nothing: no comparison, no arithmetic, no default. A word, a class, whether something is shown: each
//!   is a field of its struct. What a viewer may not do is not shown: [`Viewer::may`].
//! - What is shown often has a type in [`format`]: [`format::Ago`], [`format::SeverityTag`], [`format::StatusTag`],
//!   [`format::Copyable`], [`format::Icon`]. Everything else is escaped by askama; never mark text safe.
//! - Scripts and styles are files in `assets/`, never in a page: the policy of every page forbids them there, `style="…"`
//!   too. A width that depends on data is an SVG or a `<progress>`.
//! - Components are classes of `assets/bugle.css`, listed at its top. Look at another page before inventing one.
//!
//! # How something is changed
//!
//! By the JSON API, and only so: a page has no way of its own to change anything. A form or a button says which call it
//! makes, and `assets/bugle.js` makes it, with the fields as JSON, the session's cookie and its CSRF token:
//!
//! ```html
//! <button data-call="POST /api/v1/incidents/{{ id }}/acknowledge" data-key="a">Acknowledge</button>
//! <form data-call="POST /api/v1/incidents/{{ id }}/resolve" data-done="Resolved.">
//!   <select name="resolution">…</select> <textarea name="comment"></textarea> <button>Resolve</button>
//! </form>
//! ```
//!
//! - A field's name is its path in the body: `settings.channel`. Empty fields are left out. `data-as` on a field says what
//!   it is when it is not text: `number`, `list` (of words or lines), `pairs` (lines of `name: value`),
//!   `setting` (text, or JSON where it looks so), `json`, `null` (empty is null). `data-empty`: an empty one counts.
//! - `data-then` says what follows: nothing refreshes what is on the page; a path is gone to, `{id}` in it being a field of
//!   the answer; `#id` shows that element, and every `data-answer="field"` in it holds that field; what is marked with
//!   `data-if-answer="field"` shows only when there is one, and a link with `data-answer-href="/sources/{id}"` leads there,
//!   `{id}` being a field again. Scripts of a page hear `answered`.
//! - `data-done` is said in passing, `data-confirm` is asked before.
//! - A `<dialog id="…">` is opened by a button with `data-open="#…"` and closed by one with `data-close` in it, or by a call
//!   that went well. `data-copy` copies its value, `data-copy-before` the text of what stands before it. A form that asks
//!   for a page, marked with `data-auto`, does so as soon as something is chosen.
//! - A refusal is shown at the field that the error names, else above the form's buttons or in passing.
//!
//! Only signing in and out are forms that the browser sends itself, as they set its cookie.
//!
//! # How a page stays fresh
//!
//! A `<section id="open" data-refresh="incident delivery">` is fetched again, at most twice a second, when the stream tells
//! of something whose name begins with one of these words (`incident`, `receipt`, `delivery`, `circuit`), and morphed: focus,
//! scrolling and selection stay. The page is rendered as ever and the sections are taken out of it, so there is nothing else
//! to write. `data-refresh-of="inc_…"` refreshes on news of that incident only. One connection serves all tabs of a browser.
//!
//! # Keys
//!
//! `data-key="a"` on a link or button, `data-key="g i"` for two in a row; `data-keys` on a list makes `j`, `k` and Enter move
//! in its rows. `?` lists those of the page by their `aria-label`, `title` or text.

pub(crate) mod assets;
pub(crate) mod csrf;
pub(crate) mod session;

mod account;
mod delivery;
mod destination;
mod destination_form;
mod destinations;
mod excerpt;
mod form;
mod format;
mod gate;
mod incident;
mod incidents;
mod markdown;
mod now;
mod oidc;
mod page;
mod receipt;
mod receipts;
mod routing;
mod settings;
mod sign_in;
mod source;
mod source_new;
mod sources;
mod welcome;

use std::sync::LazyLock;

use axum::{
    Router, middleware,
    routing::{MethodRouter, get, post},
};
use bugle_model::Scope;

use crate::app::App;
use gate::Gate;

pub(crate) use gate::{home, not_found, wants_html};

/// One page: where it is, who may see it, and whether the navigation leads to it.
pub(crate) struct Screen {
    pub(crate) path: &'static str,
    /// The least role that may see it; none where nobody has to be signed in.
    pub(crate) needs: Option<Scope>,
    nav: Option<Nav>,
    handler: MethodRouter<App>,
}

/// How the navigation shows a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nav {
    pub(crate) path: &'static str,
    pub(crate) needs: Scope,
    pub(crate) label: &'static str,
    /// A symbol of `assets/icons.svg`.
    pub(crate) icon: &'static str,
    /// The keys that lead there.
    pub(crate) keys: &'static str,
}

impl Screen {
    fn new(path: &'static str, needs: Scope, handler: MethodRouter<App>) -> Self {
        Self { path, needs: Some(needs), nav: None, handler }
    }

    /// A page before signing in.
    fn open(path: &'static str, handler: MethodRouter<App>) -> Self {
        Self { path, needs: None, nav: None, handler }
    }

    /// The navigation leads to it.
    fn in_nav(mut self, label: &'static str, icon: &'static str, keys: &'static str) -> Self {
        self.nav = self.needs.map(|needs| Nav { path: self.path, needs, label, icon, keys });
        self
    }
}

/// Every page, in the order of the navigation. `/` answers machines too, so the table of routes hands it over.
pub(crate) fn table() -> Vec<Screen> {
    vec![
        Screen::new("/", Scope::Read, get(now::page)).in_nav("Now", "now", "g n"),
        Screen::new("/incidents", Scope::Read, get(incidents::page)).in_nav("Incidents", "incidents", "g i"),
        Screen::new("/incidents/{id}", Scope::Read, get(incident::page)),
        Screen::new("/sources", Scope::Read, get(sources::page)).in_nav("Sources", "sources", "g s"),
        Screen::new("/sources/new", Scope::Admin, get(source_new::page)),
        Screen::new("/sources/{id}", Scope::Read, get(source::page)),
        Screen::new("/receipts", Scope::Read, get(receipts::log)),
        Screen::new("/receipts/{id}", Scope::Read, get(receipt::page)),
        Screen::new("/quarantine", Scope::Read, get(receipts::quarantine)),
        Screen::new("/destinations", Scope::Read, get(destinations::page)).in_nav(
            "Destinations",
            "destinations",
            "g d",
        ),
        Screen::new("/destinations/new", destination_form::NEEDS, get(destination_form::new)),
        Screen::new("/destinations/{id}", Scope::Read, get(destination::page)),
        Screen::new("/destinations/{id}/edit", destination_form::NEEDS, get(destination_form::edit)),
        Screen::new("/deliveries/{id}", Scope::Read, get(delivery::page)),
        Screen::new("/routing", Scope::Read, get(routing::page)).in_nav("Routing", "routing", "g r"),
        Screen::new("/settings", Scope::Read, get(settings::about::page))
            .in_nav("Settings", "settings", "g t"),
        Screen::new("/settings/users", Scope::Admin, get(settings::users::page)),
        Screen::new("/settings/users/{id}", Scope::Admin, get(settings::user::page)),
        Screen::new("/settings/api-keys", Scope::Admin, get(settings::api_keys::page)),
        Screen::new("/settings/audit", Scope::Admin, get(settings::audit::page)),
        Screen::new("/account", Scope::Read, get(account::page).post(account::change_password)),
        Screen::new("/sign-out", Scope::Read, post(account::sign_out)),
        Screen::open("/sign-in", get(sign_in::page).post(sign_in::submit)),
        Screen::open("/sign-in/oidc", get(oidc::page)),
        Screen::open("/welcome", get(welcome::page).post(welcome::submit)),
        Screen::open("/assets/{version}/{name}", get(assets::serve)),
    ]
}

/// What the navigation leads to.
static NAV: LazyLock<Vec<Nav>> =
    LazyLock::new(|| table().into_iter().filter_map(|screen| screen.nav).collect());

/// The pages beside `/`, each behind its gate.
pub(crate) fn router(app: &App) -> Router<App> {
    let pages = table().into_iter().filter(|screen| screen.path != "/");
    pages.fold(Router::new(), |router, screen| {
        let gate = Gate { app: app.clone(), needs: screen.needs };
        router
            .route(screen.path, screen.handler.route_layer(middleware::from_fn_with_state(gate, gate::pass)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::scope_word;

    #[test]
    fn who_may_see_what() {
        let rows = table()
            .into_iter()
            .map(|screen| format!("{:8} {}", screen.needs.map_or("open", scope_word), screen.path));
        insta::assert_snapshot!(rows.collect::<Vec<_>>().join("\n"));
    }
}
