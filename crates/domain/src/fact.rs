//! Facts: short texts to remember, with tags and metadata.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{JsonObject, TenantId, UserId};

#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    pub id: Uuid,
    pub tenant_id: TenantId,
    /// `None`: made by a key, so the tenant's: its users read it, its keys edit it.
    pub user_id: Option<UserId>,
    pub text: String,
    pub tags: Vec<String>,
    pub meta_data: JsonObject,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// An edit; `None` leaves a field alone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FactPatch {
    pub text: Option<String>,
    pub tags: Option<Vec<String>>,
    pub meta_data: Option<JsonObject>,
}
