//! The suite that every backend must pass, on a real file.
#![expect(clippy::expect_used, reason = "a test stops at the first problem")]

use bugle_store::Store;
use bugle_store_sqlite::{Options, SqliteStore};
use tempfile::TempDir;

struct Fresh {
    store: SqliteStore,
    _folder: TempDir,
}

impl AsRef<dyn Store> for Fresh {
    fn as_ref(&self) -> &(dyn Store + 'static) {
        &self.store
    }
}

#[expect(clippy::unused_async, reason = "other backends wait for a server")]
async fn open() -> Fresh {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = SqliteStore::open(folder.path(), Options::default()).expect("a new store");
    Fresh { store, _folder: folder }
}

bugle_store::conformance_tests!(super::open);
