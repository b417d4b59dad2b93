//! Who gets which partition: members keep what they have as far as that is fair.

use std::collections::{BTreeMap, BTreeSet};

/// A partition: its number in the file, and its topic.
pub(crate) type Slot = (i64, i64);

/// Shares the partitions out. `members` maps each name to its topics, `current` each partition to its owner now.
/// Counts differ by at most one among members of the same topics, and no partition moves without need.
pub(crate) fn balance(
    members: &BTreeMap<String, BTreeSet<i64>>,
    slots: &[Slot],
    current: &BTreeMap<i64, String>,
) -> BTreeMap<i64, String> {
    let follows = |name: &str, topic: i64| members.get(name).is_some_and(|t| t.contains(&topic));
    let mut held: BTreeMap<&str, BTreeSet<Slot>> =
        members.keys().map(|m| (m.as_str(), BTreeSet::new())).collect();
    let mut free = Vec::new();
    for slot in slots {
        match current.get(&slot.0).filter(|owner| follows(owner, slot.1)) {
            Some(owner) => {
                held.entry(owner.as_str()).or_default().insert(*slot);
            }
            None => free.push(*slot),
        }
    }
    for slot in free {
        let poorest = held
            .iter()
            .filter(|(name, _)| follows(name, slot.1))
            .min_by_key(|(name, has)| (has.len(), **name))
            .map(|(name, _)| *name);
        if let Some(name) = poorest {
            held.entry(name).or_default().insert(slot);
        }
    }
    while let Some((slot, from, to)) = unfair(&held, &follows) {
        if let Some(has) = held.get_mut(from) {
            has.remove(&slot);
        }
        held.entry(to).or_default().insert(slot);
    }
    held.into_iter()
        .flat_map(|(name, has)| has.into_iter().map(move |(tp, _)| (tp, name.to_owned())))
        .collect()
}

/// A partition whose move makes the counts of two members more even. Each move lowers the sum of squares, so it ends.
fn unfair<'m>(
    held: &BTreeMap<&'m str, BTreeSet<Slot>>,
    follows: &impl Fn(&str, i64) -> bool,
) -> Option<(Slot, &'m str, &'m str)> {
    let mut by_count: Vec<_> = held.iter().collect();
    by_count.sort_by_key(|(name, has)| (has.len(), **name));
    for (rich, has) in by_count.iter().rev() {
        for (poor, few) in &by_count {
            if has.len() < few.len() + 2 {
                break;
            }
            if let Some(slot) = has.iter().rev().find(|slot| follows(poor, slot.1)) {
                return Some((*slot, **rich, **poor));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(names: &[&str], topics: &[i64]) -> BTreeMap<String, BTreeSet<i64>> {
        names
            .iter()
            .map(|n| ((*n).to_owned(), topics.iter().copied().collect()))
            .collect()
    }

    fn counts(owners: &BTreeMap<i64, String>) -> BTreeMap<&str, usize> {
        owners.values().fold(BTreeMap::new(), |mut counts, owner| {
            *counts.entry(owner.as_str()).or_default() += 1;
            counts
        })
    }

    #[test]
    fn a_lone_member_gets_everything_and_nobody_gets_nothing() {
        let slots: Vec<_> = (0..12).map(|tp| (tp, 1)).collect();
        let owners = balance(&members(&["a"], &[1]), &slots, &BTreeMap::new());
        assert_eq!(counts(&owners), BTreeMap::from([("a", 12)]));
        assert!(balance(&BTreeMap::new(), &slots, &owners).is_empty());
    }

    #[test]
    fn a_join_moves_only_the_newcomers_share_and_a_leave_only_the_leavers() {
        let slots: Vec<_> = (0..12).map(|tp| (tp, 1)).collect();
        let three = balance(&members(&["a", "b", "c"], &[1]), &slots, &BTreeMap::new());
        let four = balance(&members(&["a", "b", "c", "d"], &[1]), &slots, &three);
        assert_eq!(
            counts(&four),
            BTreeMap::from([("a", 3), ("b", 3), ("c", 3), ("d", 3)])
        );
        assert_eq!(three.iter().filter(|(tp, owner)| four[tp] != **owner).count(), 3);
        let back = balance(&members(&["b", "c", "d"], &[1]), &slots, &four);
        assert_eq!(counts(&back), BTreeMap::from([("b", 4), ("c", 4), ("d", 4)]));
        assert!(four.iter().all(|(tp, owner)| owner == "a" || back[tp] == *owner));
    }

    #[test]
    fn more_members_than_partitions_leave_some_without() {
        let slots = [(1, 1), (2, 1)];
        let owners = balance(&members(&["a", "b", "c"], &[1]), &slots, &BTreeMap::new());
        assert_eq!(counts(&owners), BTreeMap::from([("a", 1), ("b", 1)]));
    }

    #[test]
    fn nobody_gets_a_topic_that_it_does_not_follow() {
        let mut all = members(&["a"], &[1]);
        all.extend(members(&["b"], &[1, 2]));
        let slots: Vec<_> = (0..4).map(|tp| (tp, 1)).chain((4..8).map(|tp| (tp, 2))).collect();
        let owners = balance(&all, &slots, &BTreeMap::new());
        assert_eq!(counts(&owners), BTreeMap::from([("a", 4), ("b", 4)]));
        assert!((4..8).all(|tp| owners[&tp] == "b"));
    }
}
