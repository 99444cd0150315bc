//! Incidents that have what is asked for, page by page.
//!
//! Each thing that is asked for has an index, which gives the ids of those that have it from the newest on. A page is what
//! stands in all of these: each index in turn is asked for the next id at or below the one before, so that the rarest leads
//! and what is common is jumped over. Where they never meet, the page ends early with a cursor to go on from: its cost does
//! not grow with what is stored.

use std::collections::VecDeque;

use bugle_model::{Incident, IncidentStatus, Page, Severity};
use bugle_store::{IncidentFilter, PageRequest, StoreError};
use rusqlite::{CachedStatement, Connection, ToSql, params};

use crate::{
    codec::Code,
    incidents::one_of,
    page::{Pager, below, rows},
    readers::Readers,
    sql::incidents as sql,
    words::Search,
};

/// The owner of those that nobody has.
const NOBODY: &str = "";
/// Documents that are opened for one page; what is in no column is looked for in them.
const OPENED_MAX: u32 = 1_000;
/// What may be spent on ids for one page, as [`Index::cost`] counts.
const COST_MAX: u32 = 8_000;
/// With so many ids of a search in between, it is faster to ask whether it finds one than to go on to it.
const FAR: i64 = 256;
/// What it takes to ask that, in microseconds: 57 for a word, with a million incidents and while the index kept places too.
const COST_OF_ONE: u32 = 100;

/// A page of incidents.
pub(crate) async fn page(
    readers: &Readers,
    filter: IncidentFilter,
    page: PageRequest,
) -> Result<Page<Incident>, StoreError> {
    readers.read("list incidents", move |connection| matching(connection, &filter, page)).await
}

/// As [`page`], within a reading of more.
pub(crate) fn matching(
    connection: &Connection,
    filter: &IncidentFilter,
    page: PageRequest,
) -> rusqlite::Result<Page<Incident>> {
    matching_within(connection, filter, page, COST_MAX)
}

fn matching_within(
    connection: &Connection,
    filter: &IncidentFilter,
    page: PageRequest,
    room: u32,
) -> rusqlite::Result<Page<Incident>> {
    let mut pager = Pager::new(page);
    let Some(search) = Search::of(connection, filter)? else { return Ok(pager.finish()) };
    let mut common = Common { connection, runs: runs(filter, search.asked(), rows(page)), room };
    let (mut opened, mut below) = (0, below(page));
    while !pager.is_full() {
        let id = match common.next_below(below)? {
            Next::Id(id) => id,
            Next::End => break,
            Next::NoRoom { below } => return Ok(pager.finish_early(below)),
        };
        let found: Option<Incident> = one_of(connection, sql::ONE, params![id])?;
        (opened, below) = (opened + 1, id);
        let mut is_enough = opened == OPENED_MAX;
        match found.filter(|found| holds(filter, found) && search.holds(found)) {
            Some(incident) => pager.push(id, incident),
            None => is_enough |= common.room == 0,
        }
        if is_enough && !pager.is_full() {
            return Ok(pager.finish_early(below));
        }
    }
    Ok(pager.finish())
}

/// Whether an incident has what is asked for besides the words. The indexes say so already, but for the service and the
/// labels: the words of these may stand elsewhere in it.
fn holds(filter: &IncidentFilter, incident: &Incident) -> bool {
    let is_of_service = filter.service.is_none() || filter.service == incident.service;
    let mut labels = filter.labels.iter();
    is_of_service
        && labels.all(|(name, value)| incident.labels.get(name) == Some(value))
        && (filter.statuses.is_empty() || filter.statuses.contains(&incident.status))
        && filter.severity.is_none_or(|wanted| wanted == incident.severity)
        && filter
            .owner
            .as_deref()
            .is_none_or(|wanted| wanted == incident.owner.as_deref().unwrap_or_default())
        && filter.platform.as_ref().is_none_or(|wanted| *wanted == incident.platform)
}

/// The ids that stand in every run.
struct Common<'c, 'f> {
    connection: &'c Connection,
    runs: Vec<Run<'f>>,
    /// What may still be spent on them.
    room: u32,
}

/// What comes next.
enum Next {
    Id(i64),
    End,
    /// Those below this id were not looked at.
    NoRoom {
        below: i64,
    },
}

impl Common<'_, '_> {
    fn next_below(&mut self, below: i64) -> rusqlite::Result<Next> {
        let (mut at, mut agreeing) = (below.saturating_sub(1), 0);
        while let Some(run) = self.runs.get_mut(agreeing) {
            let Some(id) = run.at_most(self.connection, at, &mut self.room)? else { return Ok(Next::End) };
            // The first ones lead: those after them are only asked where all before them meet.
            let is_there = id == at || agreeing == 0;
            agreeing = if is_there { agreeing + 1 } else { 0 };
            at = id;
            if !is_there && self.room == 0 {
                return Ok(Next::NoRoom { below: at.saturating_add(1) });
            }
        }
        Ok(Next::Id(at))
    }
}

/// An index, and the ids that were read of it last.
struct Run<'f> {
    index: Index<'f>,
    ids: VecDeque<i64>,
    is_over: bool,
    /// How many are read next: more each time while all are needed, few while most are jumped over.
    asked: u32,
    read: Option<Read>,
}

/// Where a run was read to.
struct Read {
    oldest: i64,
    /// How far its ids were from each other.
    apart: i64,
}

impl Read {
    fn is_far_from(&self, id: i64) -> bool {
        self.oldest.saturating_sub(id) / self.apart >= FAR
    }
}

/// All that is asked for, each as a run. One alone is asked for as many as the page needs.
fn runs<'f>(filter: &'f IncidentFilter, search: Option<&'f str>, needed: u32) -> Vec<Run<'f>> {
    let statuses = filter.statuses.as_slice();
    let owner = filter.owner.as_deref();
    let by_status = match filter.severity {
        Some(severity) => Some(Index::Severity(severity, statuses, owner)),
        None if statuses.is_empty() => None,
        None if owner == Some(NOBODY) => Some(Index::NobodysIn(statuses)),
        None => Some(Index::Statuses(statuses)),
    };
    let by_words = search.map(Index::Words);
    let by_owner = owner.filter(|owner| *owner != NOBODY || by_status.is_none()).map(Index::Owner);
    let by_platform = filter.platform.as_deref().map(Index::Platform);
    let mut indexes: Vec<_> = [by_owner, by_platform, by_status, by_words].into_iter().flatten().collect();
    if indexes.is_empty() {
        indexes.push(Index::All);
    }
    let is_alone = indexes.len() == 1;
    let run = |index: Index<'f>| Run {
        index,
        ids: VecDeque::new(),
        is_over: false,
        asked: if is_alone { needed } else { index.asked().0 },
        read: None,
    };
    indexes.into_iter().map(run).collect()
}

impl Run<'_> {
    /// The largest id that is no larger than `most`. It never grows from one call to the next.
    fn at_most(
        &mut self,
        connection: &Connection,
        most: i64,
        room: &mut u32,
    ) -> rusqlite::Result<Option<i64>> {
        let mut jumped = 0;
        loop {
            while let Some(id) = self.ids.front() {
                if *id <= most {
                    return Ok(Some(*id));
                }
                self.ids.pop_front();
                jumped += 1;
            }
            if self.is_over {
                return Ok(None);
            }
            if let Index::Words(search) = self.index
                && self.read.as_ref().is_some_and(|read| read.is_far_from(most))
            {
                *room = room.saturating_sub(COST_OF_ONE);
                if connection.prepare_cached(sql::HAS_WORDS)?.exists(params![most, search])? {
                    return Ok(Some(most));
                }
            }
            let (fewest, most_asked) = self.index.asked();
            let is_jumping = jumped > 1 && !matches!(self.index, Index::Words(_));
            if is_jumping {
                self.asked = fewest;
            }
            self.read(connection, most.saturating_add(1))?;
            *room = room.saturating_sub(self.index.cost(self.asked));
            self.asked = self.asked.saturating_mul(2).min(most_asked);
        }
    }

    fn read(&mut self, connection: &Connection, below: i64) -> rusqlite::Result<()> {
        let mut statement = self.index.statement(connection)?;
        statement.raw_bind_parameter(1, below)?;
        statement.raw_bind_parameter(2, self.asked)?;
        let mut rows = statement.raw_query();
        let mut count = 0;
        while let Some(row) = rows.next()? {
            self.ids.push_back(row.get(0)?);
            count += 1;
        }
        self.is_over = count < self.asked;
        self.read = self.ids.front().zip(self.ids.back()).map(|(newest, oldest)| Read {
            oldest: *oldest,
            apart: ((newest - oldest) / i64::from(count)).max(1),
        });
        Ok(())
    }
}

/// An index, and what is looked for in it.
#[derive(Clone, Copy)]
enum Index<'f> {
    All,
    Words(&'f str),
    Owner(&'f str),
    Platform(&'f str),
    Statuses(&'f [IncidentStatus]),
    /// Of any status where none is given. Where an owner is, only those that somebody has, or only those that nobody has.
    Severity(Severity, &'f [IncidentStatus], Option<&'f str>),
    /// What nobody has of these statuses.
    NobodysIn(&'f [IncidentStatus]),
}

impl Index<'_> {
    /// How many ids are asked for at a time, at first and at most: few where they stand among the documents. A search takes
    /// long to begin, so that going on in one is cheaper than jumping.
    const fn asked(self) -> (u32, u32) {
        match self {
            Self::All => (32, 64),
            Self::Words(_) => (64, 8_192),
            Self::Owner(_)
            | Self::Platform(_)
            | Self::Statuses(_)
            | Self::Severity(..)
            | Self::NobodysIn(_) => (16, 256),
        }
    }

    /// What it takes to ask for so many, in microseconds: roughly, as measured with a million incidents.
    const fn cost(self, asked: u32) -> u32 {
        match self {
            Self::Words(_) => 1_000 + asked / 8,
            Self::All | Self::Owner(_) | Self::Platform(_) | Self::Statuses(_) | Self::Severity(..) => {
                10 + asked / 4
            }
            // Five times as many runs are begun.
            Self::NobodysIn(_) => 30 + asked / 4,
        }
    }

    /// The statement with all its values but the first two: below what, and how many.
    fn statement(self, connection: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
        let by = |text: &str, value: &dyn ToSql| {
            let mut statement = connection.prepare_cached(text)?;
            statement.raw_bind_parameter(3, value)?;
            Ok::<_, rusqlite::Error>(statement)
        };
        let by_status = |text: &str, statuses: &[IncidentStatus]| {
            let mut statement = connection.prepare_cached(text)?;
            for (parameter, status) in (3..).zip(IncidentStatus::ALL) {
                let is_wanted = statuses.is_empty() || statuses.contains(&status);
                statement.raw_bind_parameter(parameter, is_wanted.then(|| status.code()))?;
            }
            Ok::<_, rusqlite::Error>(statement)
        };
        match self {
            Self::All => connection.prepare_cached(sql::IDS),
            Self::Words(search) => by(sql::IDS_WITH_WORDS, &search),
            Self::Owner(owner) => by(sql::IDS_WITH_OWNER, &owner),
            Self::Platform(platform) => by(sql::IDS_OF_PLATFORM, &platform),
            Self::Statuses(statuses) => by_status(sql::IDS_IN_STATUSES, statuses),
            Self::Severity(severity, statuses, owner) => {
                let mut statement = by_status(sql::IDS_WITH_SEVERITY_IN_STATUSES, statuses)?;
                statement.raw_bind_parameter(10, severity.code())?;
                statement.raw_bind_parameter(11, (owner != Some(NOBODY)).then_some(0))?;
                statement.raw_bind_parameter(12, owner.is_none_or(|owner| owner == NOBODY).then_some(1))?;
                Ok(statement)
            }
            Self::NobodysIn(statuses) => by_status(sql::IDS_OF_NOBODY_IN_STATUSES, statuses),
        }
    }
}

#[cfg(test)]
mod tests;
