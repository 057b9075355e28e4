//! The store of templates.

use async_trait::async_trait;
use task_domain::Template;

use crate::StoreResult;

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait TemplateStore: Send + Sync {
    /// The active templates, by category and name.
    async fn list_templates(&self) -> StoreResult<Vec<Template>>;
}
