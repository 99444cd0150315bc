//! Members of one object that share a name.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use super::{IllNamed, Member};

/// Objects of up to this many members are searched for duplicates without a hash table.
const MEMBERS_SEARCHED_MAX: usize = 24;

/// Where in a text (in bytes) which lone surrogate was replaced.
pub(super) type Surrogates = Vec<(usize, u16)>;

/// Of members with the same name the last value wins, at the place of the first.
pub(super) fn last_wins(members: Vec<Member<'_>>) -> Vec<Member<'_>> {
    if !has_duplicates(&members) {
        return members;
    }
    let mut places: HashMap<Cow<'_, str>, usize> = HashMap::with_capacity(members.len());
    let mut settled: Vec<Member<'_>> = Vec::with_capacity(members.len());
    for (name, value) in members {
        if let Some(earlier) = places.get(&name).and_then(|place| settled.get_mut(*place)) {
            earlier.1 = value;
        } else {
            places.insert(name.clone(), settled.len());
            settled.push((name, value));
        }
    }
    settled
}

/// The same where names hold lone surrogates: `ill_named` tells which members' names, and where in them.
pub(super) fn last_wins_exactly(
    members: Vec<Member<'_>>,
    ill_named: Vec<(usize, Surrogates)>,
) -> IllNamed<'_> {
    let mut ill_named = ill_named.into_iter().peekable();
    let mut places: HashMap<(Cow<'_, str>, Surrogates), usize> = HashMap::with_capacity(members.len());
    let mut settled = IllNamed { members: Vec::with_capacity(members.len()), surrogates: Vec::new() };
    for (position, (name, value)) in members.into_iter().enumerate() {
        let surrogates = ill_named.next_if(|(of, _)| *of == position).map(|(_, found)| found);
        let key = (name, surrogates.unwrap_or_default());
        if let Some(earlier) = places.get(&key).and_then(|place| settled.members.get_mut(*place)) {
            earlier.1 = value;
        } else {
            settled.members.push((key.0.clone(), value));
            settled.surrogates.push(key.1.as_slice().into());
            places.insert(key, settled.members.len() - 1);
        }
    }
    settled
}

fn has_duplicates(members: &[Member<'_>]) -> bool {
    if members.len() <= MEMBERS_SEARCHED_MAX {
        return members
            .iter()
            .enumerate()
            .any(|(position, (name, _))| members.iter().take(position).any(|(earlier, _)| earlier == name));
    }
    let mut seen = HashSet::with_capacity(members.len());
    members.iter().any(|(name, _)| !seen.insert(&**name))
}
