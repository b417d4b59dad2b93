//! Letters as units: messages that are dead as a whole, and those that never came into the raw topic.

use std::collections::HashSet;

use stardust_domain::outcome::{AuditOutcome, Stage};
use stardust_pipeline::log::Log;
use stardust_pipeline::runs::Retractions;
use stardust_pipeline::store::{Letter, LetterState, Shelf, Store};

use crate::ledger::Outcome;
use crate::line::{Line, audit_id, unit};
use crate::reconcile::{BooksError, Reconciler};
use crate::stretch::{Patience, Stretch};

const PAGE: usize = 500;

impl<L: Log, S: Store + Retractions> Reconciler<L, S> {
    /// The units of messages: of one that is dead as a whole one, whatever the rules of today would make of it. Only a
    /// replay has it fall into its readings.
    pub(crate) async fn wholes(&self, messages: &[Vec<Line>]) -> Result<Vec<Line>, BooksError> {
        let receipts: HashSet<&str> = messages.iter().flatten().map(|l| l.receipt.as_str()).collect();
        let ids: Vec<String> = receipts
            .iter()
            .map(|receipt| Letter::id_of(receipt, None, None))
            .collect();
        let dead: HashSet<String> = self
            .store
            .letters(Shelf::Dead, &ids)
            .await?
            .into_iter()
            .flatten()
            .filter(|letter| letter.state != LetterState::Closed)
            .map(|letter| letter.writer.receipt_id)
            .collect();
        let mut lines = Vec::new();
        for message in messages {
            match message.first().filter(|line| dead.contains(&line.receipt)) {
                Some(first) => lines.push(Line {
                    unit: unit(&first.receipt, None),
                    item: None,
                    main: None,
                    ignored: false,
                    ..first.clone()
                }),
                None => lines.extend(message.iter().cloned()),
            }
        }
        Ok(lines)
    }

    /// Messages that the log refused: no raw partition has them, so they count by their letters, until a replay delivers
    /// them.
    pub(crate) async fn refused(&self, patience: &mut Patience) -> Result<Stretch, BooksError> {
        loop {
            let found = self.refused_now().await?;
            if found.sums.faults.is_empty() || !self.again(patience).await? {
                return Ok(found);
            }
        }
    }

    async fn refused_now(&self) -> Result<Stretch, BooksError> {
        let mut stretch = Stretch::default();
        let states = [LetterState::Open, LetterState::Releasing];
        let mut after: Option<String> = None;
        loop {
            let page = self
                .store
                .letters_after(Shelf::Dead, &states, after.as_deref(), PAGE)
                .await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            let refused: Vec<&Letter> = page
                .iter()
                .filter(|l| {
                    l.stage == Stage::Spool.label() && l.writer.position.topic == self.topics.dead.as_str()
                })
                .collect();
            let events: Vec<_> = refused
                .iter()
                .map(|l| audit_id(&l.writer.receipt_id, None, AuditOutcome::Dead))
                .collect();
            let present = self.store.audit_present(&events).await?;
            for ((letter, event), present) in refused.into_iter().zip(events).zip(present) {
                let receipt = &letter.writer.receipt_id;
                if present {
                    stretch.sums.audit_open += 1;
                } else {
                    let what = format!("audit event {event} (dead) is not recorded");
                    stretch.sums.fault(receipt, None, what);
                }
                let line = Line {
                    unit: unit(receipt, None),
                    receipt: receipt.clone(),
                    item: None,
                    gateway: letter.gateway,
                    received: letter.first_try,
                    main: None,
                    copy: true,
                    ignored: false,
                };
                stretch.ledger.note(&line, Outcome::Dead);
            }
        }
        Ok(stretch)
    }
}
