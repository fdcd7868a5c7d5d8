//! Whose turn it is: projects take turns, and within a project its batches, line by line.
//!
//! So a batch of ten lines overtakes one of a million without a priority, and a project with a
//! hundred batches gets no more than one with a single batch. Only batches with a line to send take part.

use std::collections::VecDeque;
use std::hash::Hash;

use hashbrown::HashMap;

/// The turns of one lane. `P` names a project, `B` a batch.
#[derive(Debug)]
pub struct Turns<P, B> {
    /// Projects with a batch that takes part; the next one to be served first.
    projects: VecDeque<P>,
    /// The batches of each of them; the next one to be served first.
    batches: HashMap<P, VecDeque<B>>,
    /// Batches whose deadline is at risk, the soonest deadline first. Every second turn is theirs.
    urgent: Vec<(u64, B)>,
    is_urgent_turn: bool,
}

impl<P, B> Default for Turns<P, B> {
    fn default() -> Self {
        Self {
            projects: VecDeque::new(),
            batches: HashMap::new(),
            urgent: Vec::new(),
            is_urgent_turn: false,
        }
    }
}

impl<P: Clone + Eq + Hash, B: Copy + Eq> Turns<P, B> {
    /// A batch has a line to send. It comes last in its project; a batch that takes part already
    /// keeps its place.
    pub fn add(&mut self, project: &P, batch: B) {
        let Some(batches) = self.batches.get_mut(project) else {
            self.projects.push_back(project.clone());
            self.batches
                .insert(project.clone(), VecDeque::from([batch]));
            return;
        };
        if !batches.contains(&batch) {
            batches.push_back(batch);
        }
    }

    /// A batch has nothing to send any more.
    pub fn remove(&mut self, project: &P, batch: B) {
        let Some(batches) = self.batches.get_mut(project) else {
            return;
        };
        batches.retain(|other| *other != batch);
        if batches.is_empty() {
            self.batches.remove(project);
            self.projects.retain(|other| other != project);
        }
    }

    /// Says which batches are at risk of missing their deadline, each with that deadline.
    pub fn set_urgent(&mut self, mut urgent: Vec<(u64, B)>) {
        urgent.sort_by_key(|(deadline, _)| *deadline);
        self.urgent = urgent;
    }

    /// Offers the turn to one batch after another, beginning with the one whose turn it is, until one
    /// takes it; then the turn passes on. Each batch is asked at most once (an urgent one twice).
    ///
    /// Every second turn is offered to the batches at risk first. The others keep theirs, so that a
    /// batch that cannot make its deadline any more does not starve the rest.
    pub fn serve<T>(&mut self, mut offer: impl FnMut(B) -> Option<T>) -> Option<T> {
        self.is_urgent_turn = !self.is_urgent_turn;
        if self.is_urgent_turn
            && let Some(taken) = self.urgent.iter().find_map(|(_, batch)| offer(*batch))
        {
            return Some(taken);
        }
        for turn in 0..self.projects.len() {
            let project = self.projects.get(turn)?;
            let batches = self.batches.get_mut(project)?;
            let taken = batches
                .iter()
                .enumerate()
                .find_map(|(at, batch)| Some((at, offer(*batch)?)));
            if let Some((at, taken)) = taken {
                batches
                    .remove(at)
                    .into_iter()
                    .for_each(|batch| batches.push_back(batch));
                self.projects
                    .remove(turn)
                    .into_iter()
                    .for_each(|last| self.projects.push_back(last));
                return Some(taken);
            }
        }
        None
    }

    /// Whether any batch takes part.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.projects.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(pairs: &[(&'static str, u32)]) -> Turns<&'static str, u32> {
        let mut turns = Turns::default();
        for (project, batch) in pairs {
            turns.add(project, *batch);
        }
        turns
    }

    fn take(turns: &mut Turns<&'static str, u32>, count: usize) -> Vec<u32> {
        (0..count).filter_map(|_| turns.serve(Some)).collect()
    }

    #[test]
    fn projects_take_turns_before_batches_do() {
        let mut turns = turns(&[("a", 1), ("a", 2), ("b", 3)]);
        assert_eq!(take(&mut turns, 6), [1, 3, 2, 3, 1, 3]);
    }

    #[test]
    fn a_batch_without_lines_takes_no_turn() {
        let mut turns = turns(&[("a", 1), ("b", 2), ("b", 3)]);
        turns.remove(&"b", 2);
        assert_eq!(take(&mut turns, 4), [1, 3, 1, 3]);
        turns.remove(&"a", 1);
        assert_eq!(take(&mut turns, 2), [3, 3]);
        turns.remove(&"b", 3);
        assert!(turns.is_empty());
        assert_eq!(turns.serve(Some), None);
    }

    #[test]
    fn turns_are_empty_only_without_any_batch() {
        let mut turns = turns(&[("a", 1), ("a", 2)]);
        turns.remove(&"a", 1);
        turns.remove(&"b", 2);
        assert!(!turns.is_empty());
        assert_eq!(take(&mut turns, 2), [2, 2]);
    }

    #[test]
    fn a_batch_that_takes_part_keeps_its_place() {
        let mut turns = turns(&[("a", 1), ("a", 2)]);
        turns.add(&"a", 1);
        assert_eq!(take(&mut turns, 3), [1, 2, 1]);
    }

    #[test]
    fn every_second_turn_is_for_the_batch_at_risk_with_the_soonest_deadline() {
        let mut turns = turns(&[("a", 1), ("b", 2), ("c", 3)]);
        turns.set_urgent(vec![(20, 2), (10, 3)]);
        assert_eq!(take(&mut turns, 6), [3, 1, 3, 2, 3, 3]);
        turns.set_urgent(Vec::new());
        assert_eq!(take(&mut turns, 3), [1, 2, 3]);
    }

    #[test]
    fn a_batch_that_does_not_take_its_turn_holds_up_nobody() {
        let mut turns = turns(&[("a", 1), ("b", 2), ("b", 3), ("b", 4)]);
        turns.set_urgent(vec![(10, 2)]);
        let only = |wanted: u32| move |batch: u32| (batch == wanted).then_some(batch);
        for wanted in [4, 3, 1, 4] {
            assert_eq!(turns.serve(only(wanted)), Some(wanted));
        }
        assert_eq!(turns.serve(only(5)), None);
    }
}
