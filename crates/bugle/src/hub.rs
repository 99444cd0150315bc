//! The parts of a hub, put together: store, engine, web. The only place that names a concrete store.

use std::{
    fs::{File, OpenOptions},
    future::Future,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bugle_engine::{
    Engine, EngineSettings,
    accounts::{NewUser, Purpose},
    config::NewApiKey,
};
use bugle_model::{Scope, SystemClock};
use bugle_store_sqlite::{Options, SqliteStore};
use bugle_web::{WebSettings, Workers};
use secrecy::ExposeSecret;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::task::TaskTracker;

use crate::{config::ADMIN_KEY_FILE, memory};

/// The name of the key that the first start makes.
const FIRST_KEY_NAME: &str = "made by the first start";

/// Who looks at a demo.
const DEMO_USER: &str = "demo";

/// The exit code after a second signal, as shells report one that ended by SIGINT.
const EXIT_INTERRUPTED: i32 = 130;

/// A hub that is open and does not run yet.
#[derive(Debug)]
pub struct Hub {
    engine: Arc<Engine>,
    workers: Workers,
    /// Where the admin key was written, when this start made it.
    pub new_admin_key: Option<PathBuf>,
    /// Where the first user is made, once; none when there is one.
    pub first_user_path: Option<String>,
}

impl Hub {
    /// Opens the store in `data` and the engine on it. Makes an admin key when there is none yet.
    pub async fn open(data: &Path, settings: EngineSettings) -> anyhow::Result<Self> {
        let workers = Workers::for_this_machine().context("could not start the threads that serve")?;
        let folder = data.to_owned();
        let options = Options { rest: memory::rest(workers.runtimes()), ..Options::default() };
        let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&folder, options));
        let store =
            opened.await?.with_context(|| format!("could not open the data folder {}", data.display()))?;
        let engine = Engine::open(Arc::new(store), Arc::new(SystemClock), settings).await?;
        let new_admin_key = first_key(&engine, data).await?;
        let first_user_path = match engine.users().await?.as_slice() {
            [] => Some(link_path(&engine, Purpose::FirstAdmin)?),
            _ => None,
        };
        Ok(Self { engine, workers, new_admin_key, first_user_path })
    }

    /// Where whoever opens it first is signed in as an admin: for a hub that is only there to be looked at.
    pub async fn demo_path(&self) -> anyhow::Result<String> {
        let users = self.engine.users().await?;
        let user = if let Some(user) = users.into_iter().find(|user| user.name == DEMO_USER) {
            user
        } else {
            let new = NewUser { name: DEMO_USER.into(), role: Scope::Admin, password: None };
            self.engine.create_user(new).await?
        };
        link_path(&self.engine, Purpose::SignIn(user.id))
    }

    /// Serves on `listener` until `stop` ends, then drains: no new calls, those under way and the attempts under way get
    /// until `settings.shutdown_time_max`, all together.
    pub async fn run(
        self,
        listener: TcpListener,
        settings: WebSettings,
        stop: impl Future<Output = ()> + Send,
    ) -> anyhow::Result<()> {
        let within = settings.shutdown_time_max;
        self.engine.start();
        let told_to_stop = OnceLock::new();
        let stop = async {
            stop.await;
            tracing::info!(
                "stopping: what is under way gets {} s to finish; a second signal ends it at once",
                within.as_secs()
            );
            told_to_stop.get_or_init(Instant::now);
        };
        bugle_web::serve(listener, &self.workers, self.engine.clone(), settings, stop)
            .await
            .context("could not go on serving")?;
        let spent = told_to_stop.get().map(Instant::elapsed).unwrap_or_default();
        // The engine always gets a moment, or a slow caller would cut attempts short that are about to end.
        let left = within.saturating_sub(spent).max(Duration::from_millis(100));
        if tokio::time::timeout(left, self.engine.shutdown(left)).await.is_err() {
            tracing::warn!("not everything finished in time; it is kept and goes on at the next start");
        }
        Ok(())
    }
}

fn link_path(engine: &Engine, purpose: Purpose) -> anyhow::Result<String> {
    let token = engine.make_link(purpose).context("could not make a link to sign in with")?;
    Ok(format!("/welcome?link={}", token.expose_secret()))
}

/// Makes the first admin key and writes it into the data folder. A start that was killed between the two is made good by
/// the next one.
async fn first_key(engine: &Engine, data: &Path) -> anyhow::Result<Option<PathBuf>> {
    let path = data.join(ADMIN_KEY_FILE);
    let keys = engine.api_keys();
    let never_handed_out =
        keys.iter().all(|key| key.name == FIRST_KEY_NAME && key.last_used_at.is_none()) && !path.exists();
    if !keys.is_empty() && !never_handed_out {
        return Ok(None);
    }
    let new = NewApiKey { name: FIRST_KEY_NAME.into(), scope: Scope::Admin };
    let (_, key) = engine.create_api_key(new).await.context("could not make the admin key")?;
    write_private(&path, key.expose_secret())
        .with_context(|| format!("could not write the admin key to {}", path.display()))?;
    Ok(Some(path))
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let beside = path.with_extension("new");
    if let Err(error) = std::fs::remove_file(&beside)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Ends at the first SIGTERM or SIGINT. A second one ends the process at once.
pub fn signal_to_stop() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        TaskTracker::new().spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(EXIT_INTERRUPTED);
        });
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_private_file_is_replaced_whole_and_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.key");
        std::fs::write(folder.path().join("admin.new"), "left over").unwrap();
        for text in ["first", "second"] {
            write_private(&path, text).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{text}\n"));
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(!folder.path().join("admin.new").exists());
    }

    #[tokio::test]
    async fn the_first_start_makes_one_key_and_a_lost_file_is_made_good_until_it_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let start = async || {
            let hub = Hub::open(folder.path(), EngineSettings::default()).await.unwrap();
            let key = hub.new_admin_key.clone().map(|path| std::fs::read_to_string(path).unwrap());
            (hub, key)
        };
        let stop = async |hub: Hub| hub.engine.shutdown(Duration::from_secs(1)).await;
        let (hub, key) = start().await;
        assert!(key.is_some());
        stop(hub).await;
        let (hub, key) = start().await;
        assert_eq!(key, None);
        stop(hub).await;
        std::fs::remove_file(folder.path().join(ADMIN_KEY_FILE)).unwrap();
        let (hub, key) = start().await;
        assert!(hub.engine.authenticate(key.unwrap().trim()).is_some());
        stop(hub).await;
        std::fs::remove_file(folder.path().join(ADMIN_KEY_FILE)).unwrap();
        let (hub, key) = start().await;
        assert_eq!(key, None, "whoever used the key has it");
        stop(hub).await;
    }
}
