//! Facts on behalf of a caller.
//!
//! A user sees its own facts and the tenant's, and changes its own. A key with scope `facts` sees
//! and changes the tenant's, one with scope `admin` everything in the tenant; a key that acts for a
//! user is that user.

use std::sync::Arc;

use task_domain::{Fact, FactPatch, JsonObject};
use task_protocols::{FactFilter, FactPage, FactScope, FactStore, TaskStore};
use uuid::Uuid;

use crate::{Caller, Scope, ServiceError};

/// A new fact as its caller describes it; texts and sizes were checked at the edge.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FactDraft {
    pub text: String,
    pub tags: Vec<String>,
    pub meta_data: JsonObject,
}

/// What a search asks for; every condition given must hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FactSearch {
    /// A part of the text or of the metadata, in either case.
    pub text: Option<String>,
    /// A whole tag.
    pub tag: Option<String>,
    pub limit: i64,
    pub offset: i64,
}

/// Adds, finds, edits and deletes facts. Another tenant's fact is answered exactly as one that does
/// not exist, one that the caller may not see or change with [`ServiceError::Forbidden`].
pub struct FactService {
    facts: Arc<dyn FactStore>,
    clock: Arc<dyn TaskStore>,
}

impl FactService {
    /// `clock` is asked for the time.
    pub fn new(facts: Arc<dyn FactStore>, clock: Arc<dyn TaskStore>) -> Self {
        Self { facts, clock }
    }

    /// Adds a fact: the user's that the call is for, else the tenant's.
    pub async fn add(&self, caller: &Caller, draft: FactDraft) -> Result<Fact, ServiceError> {
        caller.need(Scope::Facts, "create")?;
        let now = self.clock.now().await?;
        let fact = Fact {
            id: Uuid::now_v7(),
            tenant_id: caller.tenant_id.clone(),
            user_id: caller.user_id().cloned(),
            text: draft.text,
            tags: draft.tags,
            meta_data: draft.meta_data,
            created_at: now,
            updated_at: now,
        };
        self.facts.add_fact(&fact).await?;
        Ok(fact)
    }

    /// Reads one fact.
    pub async fn get(&self, caller: &Caller, id: Uuid) -> Result<Fact, ServiceError> {
        self.load(caller, id, "read").await
    }

    /// One page of the facts that the caller sees, newest first.
    pub async fn search(&self, caller: &Caller, search: FactSearch) -> Result<FactPage, ServiceError> {
        caller.need(Scope::Facts, "read")?;
        let scope = match caller.user_id() {
            Some(user_id) => FactScope::User(user_id.clone()),
            None if caller.has(Scope::Admin) => FactScope::Everything,
            None => FactScope::Tenant,
        };
        let FactSearch { text, tag, limit, offset } = search;
        let filter = FactFilter { tenant_id: caller.tenant_id.clone(), scope, text, tag, limit, offset };
        Ok(self.facts.search_facts(&filter).await?)
    }

    /// Replaces what `patch` gives; a patch that gives nothing changes nothing, `updated_at` included.
    pub async fn edit(&self, caller: &Caller, id: Uuid, patch: &FactPatch) -> Result<Fact, ServiceError> {
        let fact = self.load(caller, id, "update").await?;
        if *patch == FactPatch::default() {
            return Ok(fact);
        }
        let edited = self.facts.edit_fact(&caller.tenant_id, id, patch).await?;
        edited.ok_or_else(|| not_found(id))
    }

    pub async fn delete(&self, caller: &Caller, id: Uuid) -> Result<(), ServiceError> {
        self.load(caller, id, "delete").await?;
        let was_there = self.facts.delete_fact(&caller.tenant_id, id).await?;
        if was_there { Ok(()) } else { Err(not_found(id)) }
    }

    async fn load(&self, caller: &Caller, id: Uuid, action: &'static str) -> Result<Fact, ServiceError> {
        caller.need(Scope::Facts, action)?;
        let fact = self.facts.find_fact(&caller.tenant_id, id).await?.ok_or_else(|| not_found(id))?;
        if may(caller, &fact, action == "read") {
            Ok(fact)
        } else {
            Err(ServiceError::Forbidden { action, required_level: None })
        }
    }
}

/// Whether the caller may read, or else change, a fact of its tenant.
fn may(caller: &Caller, fact: &Fact, read: bool) -> bool {
    match (caller.user_id(), &fact.user_id) {
        (Some(user_id), Some(owner)) => user_id == owner,
        (Some(_), None) => read,
        (None, Some(_)) => caller.has(Scope::Admin),
        (None, None) => true,
    }
}

fn not_found(id: Uuid) -> ServiceError {
    ServiceError::FactNotFound { fact_id: id.to_string() }
}
