//! Templates.

use async_trait::async_trait;
use diesel::prelude::*;
use task_domain::Template;
use task_protocols::{StoreResult, TemplateStore};

use super::SqliteEngine;
use super::schema::task_templates;
use crate::rows::TemplateRow;

#[async_trait]
impl TemplateStore for SqliteEngine {
    async fn list_templates(&self) -> StoreResult<Vec<Template>> {
        self.read(|conn| {
            let rows: Vec<TemplateRow> = task_templates::table
                .filter(task_templates::is_active)
                .order((task_templates::category, task_templates::name))
                .load(conn)?;
            Ok(rows.into_iter().map(Template::from).collect())
        })
        .await
    }
}
