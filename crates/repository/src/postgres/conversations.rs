//! Conversations.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use task_domain::{Conversation, LeaseToken, TaskId, TenantId};
use task_protocols::{ConversationStore, StoreResult};

use super::clock::clock_timestamp;
use super::schema::{task_conversations, user_tasks};
use super::statement::{Sql, Statement};
use super::{PostgresEngine, errors};
use crate::rows::{ConversationRow, conversation};

macro_rules! columns {
    () => {
        (
            task_conversations::id,
            task_conversations::content,
            task_conversations::status,
            task_conversations::created_at,
            task_conversations::updated_at,
        )
    };
}

/// The bigint id of a live task.
async fn live_id(
    connection: &mut AsyncPgConnection,
    tenant_id: &TenantId,
    task_id: &TaskId,
) -> QueryResult<Option<i64>> {
    user_tasks::table
        .filter(user_tasks::tenant_id.eq(tenant_id.as_str()).and(user_tasks::task_id.eq(task_id.as_str())))
        .filter(user_tasks::deleted_at.is_null())
        .select(user_tasks::id)
        .get_result(connection)
        .await
        .optional()
}

async fn find(connection: &mut AsyncPgConnection, tenant_id: &TenantId, id: i64) -> QueryResult<Option<Conversation>> {
    let same_task =
        user_tasks::tenant_id.eq(task_conversations::tenant_id).and(user_tasks::id.eq(task_conversations::task_id));
    let found: Option<(String, ConversationRow)> = task_conversations::table
        .inner_join(user_tasks::table.on(same_task))
        .filter(task_conversations::tenant_id.eq(tenant_id.as_str()).and(task_conversations::id.eq(id)))
        .filter(user_tasks::deleted_at.is_null())
        .select((user_tasks::task_id, columns!()))
        .get_result(connection)
        .await
        .optional()?;
    Ok(found.map(|(task_id, row)| conversation(TaskId::from_stored(task_id), row)))
}

#[async_trait]
impl ConversationStore for PostgresEngine {
    async fn add_conversation(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        content: &str,
        status: &str,
    ) -> StoreResult<Option<Conversation>> {
        let mut connection = self.pools.main().await?;
        let task = live_id(&mut connection, tenant_id, task_id).await.map_err(errors::failed)?;
        let Some(task) = task else { return Ok(None) };
        let row: ConversationRow = diesel::insert_into(task_conversations::table)
            .values((
                task_conversations::tenant_id.eq(tenant_id.as_str()),
                task_conversations::task_id.eq(task),
                task_conversations::content.eq(content),
                task_conversations::status.eq(status),
                task_conversations::created_at.eq(clock_timestamp()),
                task_conversations::updated_at.eq(clock_timestamp()),
            ))
            .returning(columns!())
            .get_result(&mut connection)
            .await
            .map_err(errors::failed)?;
        Ok(Some(conversation(task_id.clone(), row)))
    }

    async fn list_conversations(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        after: i64,
        limit: i64,
    ) -> StoreResult<Vec<Conversation>> {
        let same_task =
            user_tasks::tenant_id.eq(task_conversations::tenant_id).and(user_tasks::id.eq(task_conversations::task_id));
        let mut connection = self.pools.main().await?;
        let rows: Vec<ConversationRow> = user_tasks::table
            .inner_join(task_conversations::table.on(same_task))
            .filter(user_tasks::tenant_id.eq(tenant_id.as_str()).and(user_tasks::task_id.eq(task_id.as_str())))
            .filter(user_tasks::deleted_at.is_null())
            .filter(task_conversations::id.gt(after))
            .order(task_conversations::id)
            .limit(limit)
            .select(columns!())
            .load(&mut connection)
            .await
            .map_err(errors::failed)?;
        Ok(rows.into_iter().map(|row| conversation(task_id.clone(), row)).collect())
    }

    async fn find_conversation(&self, tenant_id: &TenantId, id: i64) -> StoreResult<Option<Conversation>> {
        let mut connection = self.pools.main().await?;
        find(&mut connection, tenant_id, id).await.map_err(errors::failed)
    }

    async fn edit_conversation<'a>(
        &self,
        tenant_id: &TenantId,
        id: i64,
        content: Option<&'a str>,
        status: Option<&'a str>,
    ) -> StoreResult<Option<Conversation>> {
        let mut connection = self.pools.main().await?;
        let Some(found) = find(&mut connection, tenant_id, id).await.map_err(errors::failed)? else { return Ok(None) };
        let row: Option<ConversationRow> = diesel::update(
            task_conversations::table
                .filter(task_conversations::tenant_id.eq(tenant_id.as_str()).and(task_conversations::id.eq(id))),
        )
        .set((
            content.map(|content| task_conversations::content.eq(content)),
            status.map(|status| task_conversations::status.eq(status)),
            task_conversations::updated_at.eq(clock_timestamp()),
        ))
        .returning(columns!())
        .get_result(&mut connection)
        .await
        .optional()
        .map_err(errors::failed)?;
        Ok(row.map(|row| conversation(found.task_id, row)))
    }

    async fn delete_conversation(&self, tenant_id: &TenantId, id: i64) -> StoreResult<bool> {
        let mut connection = self.pools.main().await?;
        if find(&mut connection, tenant_id, id).await.map_err(errors::failed)?.is_none() {
            return Ok(false);
        }
        let deleted = diesel::delete(
            task_conversations::table
                .filter(task_conversations::tenant_id.eq(tenant_id.as_str()).and(task_conversations::id.eq(id))),
        );
        Ok(deleted.execute(&mut connection).await.map_err(errors::failed)? > 0)
    }

    async fn mark_conversations(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        status: &str,
    ) -> StoreResult<Option<u64>> {
        let mut connection = self.pools.main().await?;
        let (held, marked): (bool, i64) = Sql(include_str!("sql/mark_conversations.sql"))
            .bind::<Text, _>(tenant_id.as_str())
            .bind::<Text, _>(task_id.as_str())
            .bind::<SqlUuid, _>(token.as_uuid())
            .bind::<Text, _>(status)
            .reading::<(Bool, BigInt)>()
            .get_result(&mut connection)
            .await
            .map_err(errors::failed)?;
        Ok(held.then(|| marked.unsigned_abs()))
    }
}
