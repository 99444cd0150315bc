//! Incidents that say something about another one.

use std::collections::BTreeSet;

use bugle_model::Incident;
use bugle_store::{IncidentFilter, PageRequest, StoreError};

use crate::{document::read_incident, filter, readers::Readers, sql::incidents as sql};

/// Those with its grouping key that are over, then those of its service, or of its host where it has none.
pub(crate) async fn related(
    readers: &Readers,
    to: Incident,
    limit: u32,
) -> Result<Vec<Incident>, StoreError> {
    readers
        .read("read related incidents", move |connection| {
            let mut statement = connection.prepare_cached(sql::RESOLVED_OF_KEY)?;
            let key = (&to.grouping_key, limit.saturating_add(1));
            let mut found: Vec<Incident> =
                statement.query_map(key, |row| read_incident(row, 0))?.collect::<Result<_, _>>()?;
            if let Some(filter) = beside(&to) {
                // Itself and those with its key may be among them again.
                let page = PageRequest { cursor: None, limit: limit.saturating_mul(2).saturating_add(1) };
                found.append(&mut filter::matching(connection, &filter, page)?.data);
            }
            let mut seen = BTreeSet::from([to.id]);
            found.retain(|other| seen.insert(other.id));
            found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(found)
        })
        .await
}

/// What is where it is.
fn beside(incident: &Incident) -> Option<IncidentFilter> {
    let Incident { service, host, .. } = incident;
    let query = host.clone().filter(|_| service.is_none());
    (service.is_some() || query.is_some()).then(|| IncidentFilter {
        service: service.clone(),
        query,
        ..IncidentFilter::default()
    })
}
