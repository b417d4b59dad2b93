//! Which letters a person means.

use stardust_domain::ids::Mac;
use stardust_domain::outcome::Stage;
use stardust_domain::time::Timestamp;
use stardust_pipeline::store::{Letter, LetterState, Shelf, Store, StoreError};

const PAGE: usize = 500;

/// Letters that wait for an answer: those that nobody has sent yet, and those on their way.
pub const WAITING: &[LetterState] = &[LetterState::Open, LetterState::Releasing];

/// Which letters: all that pass every condition.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of this reason, by its label.
    pub reason: Option<&'static str>,
    /// Only of this step.
    pub stage: Option<Stage>,
    /// Only of this gateway.
    pub gateway: Option<Mac>,
    /// Only of this sub-device.
    pub device: Option<Mac>,
    /// Only of this receipt.
    pub receipt: Option<String>,
    /// Only first tried at or after.
    pub since: Option<Timestamp>,
    /// Only first tried before.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// Whether a letter passes.
    #[must_use]
    pub fn passes(&self, letter: &Letter) -> bool {
        self.reason.is_none_or(|r| letter.reason == r)
            && self.stage.is_none_or(|s| letter.stage == s.label())
            && self.gateway.is_none_or(|g| letter.gateway == Some(g))
            && self.device.is_none_or(|d| letter.device == Some(d))
            && self.of_receipt(letter)
            && self.since.is_none_or(|t| letter.first_try >= t)
            && self.until.is_none_or(|t| letter.first_try < t)
    }

    fn of_receipt(&self, letter: &Letter) -> bool {
        let receipt = &letter.writer.receipt_id;
        self.receipt.as_ref().is_none_or(|wanted| wanted == receipt)
    }
}

/// Letters of a shelf that pass a filter, a page at a time, in the order of their ids.
#[derive(Debug)]
pub struct Pages<'a, S> {
    store: &'a S,
    shelf: Shelf,
    states: &'a [LetterState],
    filter: &'a Filter,
    after: Option<String>,
    ended: bool,
}

impl<'a, S: Store> Pages<'a, S> {
    /// From the first one on.
    pub fn new(store: &'a S, shelf: Shelf, states: &'a [LetterState], filter: &'a Filter) -> Self {
        Self {
            store,
            shelf,
            states,
            filter,
            // The ids of a receipt's letters stand together, behind the receipt itself.
            after: filter.receipt.clone(),
            ended: false,
        }
    }

    /// The next page; none at the end. A page may be empty where none of its letters passed.
    ///
    /// # Errors
    /// As the store has them.
    pub async fn next(&mut self) -> Result<Option<Vec<Letter>>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        let page = self
            .store
            .letters_after(self.shelf, self.states, self.after.as_deref(), PAGE)
            .await?;
        let Some(last) = page.last() else {
            self.ended = true;
            return Ok(None);
        };
        self.ended = !self.filter.of_receipt(last);
        self.after = Some(last.id.clone());
        let passing = page.into_iter().filter(|l| self.filter.passes(l));
        Ok(Some(passing.collect()))
    }
}
