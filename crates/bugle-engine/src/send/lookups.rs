//! Names become addresses: by the system's resolver, which blocks a thread for as long as it takes.
//!
//! A resolver that does not answer keeps its thread for half a minute, long after the attempt has run into its time limit,
//! and the next attempt would take another one. So each name has a few threads and no more: one that does not resolve
//! cannot use up those that all others need.

use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Semaphore;

/// Lookups of one name at a time. Two, so that a lookup that was lost on the way does not hold up the next one.
const PER_NAME_MAX: usize = 2;
/// Names that are remembered before those without a lookup under way are forgotten.
const NAMES_MAX: usize = 256;

/// The lookups under way, by name. All clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Lookups(Arc<Mutex<HashMap<String, Arc<Semaphore>>>>);

impl Lookups {
    /// The addresses of `host`, in the resolver's order. Dropping this leaves a lookup that has begun to end by itself.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let name = host.to_owned();
        self.run(host, move || Ok((name.as_str(), port).to_socket_addrs()?.collect())).await
    }

    async fn run<T: Send + 'static>(
        &self,
        host: &str,
        lookup: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let place = self.places(host).acquire_owned().await.map_err(io::Error::other)?;
        let found = tokio::task::spawn_blocking(move || {
            let found = lookup();
            drop(place);
            found
        });
        found.await.map_err(io::Error::other)?
    }

    fn places(&self, host: &str) -> Arc<Semaphore> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= NAMES_MAX {
            names.retain(|_, places| Arc::strong_count(places) > 1);
        }
        let places = names.entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(PER_NAME_MAX)));
        Arc::clone(places)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[tokio::test]
    async fn a_name_that_hangs_keeps_few_threads_and_no_other_name_waiting() {
        let lookups = Lookups::default();
        let (began, beginnings) = mpsc::channel();
        let (end, ends) = mpsc::channel::<()>();
        let ends = Arc::new(Mutex::new(ends));
        for _ in 0..20 {
            let (began, ends) = (began.clone(), Arc::clone(&ends));
            let hanging = lookups.run("hangs.example", move || {
                began.send(()).unwrap();
                ends.lock().unwrap().recv().unwrap();
                Ok(())
            });
            // As an attempt does that runs into its time limit.
            assert!(tokio::time::timeout(Duration::from_millis(5), hanging).await.is_err());
        }
        assert_eq!(lookups.run("other.example", || Ok(7)).await.unwrap(), 7);
        assert!(beginnings.try_iter().count() <= PER_NAME_MAX);
        for _ in 0..PER_NAME_MAX {
            end.send(()).unwrap();
        }
        assert_eq!(lookups.run("hangs.example", || Ok(8)).await.unwrap(), 8, "its places are free again");
    }

    #[tokio::test]
    async fn names_without_a_lookup_are_forgotten() {
        let lookups = Lookups::default();
        for number in 0..NAMES_MAX * 2 {
            lookups.run(&number.to_string(), || Ok(())).await.unwrap();
        }
        assert!(lookups.0.lock().unwrap().len() <= NAMES_MAX);
    }
}
