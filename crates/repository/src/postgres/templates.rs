//! Templates.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use task_domain::Template;
use task_protocols::{StoreResult, TemplateStore};

use super::schema::task_templates;
use super::{PostgresEngine, errors};
use crate::rows::TemplateRow;

#[async_trait]
impl TemplateStore for PostgresEngine {
    async fn list_templates(&self) -> StoreResult<Vec<Template>> {
        let mut connection = self.pools.main().await?;
        let rows: Vec<TemplateRow> = task_templates::table
            .filter(task_templates::is_active)
            .order((task_templates::category, task_templates::name))
            .load(&mut connection)
            .await
            .map_err(errors::failed)?;
        Ok(rows.into_iter().map(Template::from).collect())
    }
}
