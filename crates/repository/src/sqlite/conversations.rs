//! Conversations.

use async_trait::async_trait;
use diesel::prelude::*;
use task_domain::{Conversation, LeaseToken, TaskId, TenantId};
use task_protocols::{ConversationStore, StoreResult};

use super::schema::{task_conversations, user_tasks};
use super::{SqliteEngine, executions, tasks};
use crate::columns::Stamp;
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

fn find(conn: &mut SqliteConnection, tenant_id: &TenantId, id: i64) -> QueryResult<Option<Conversation>> {
    let found: Option<(String, ConversationRow)> = task_conversations::table
        .inner_join(user_tasks::table.on(
            user_tasks::tenant_id.eq(task_conversations::tenant_id).and(user_tasks::id.eq(task_conversations::task_id)),
        ))
        .filter(task_conversations::tenant_id.eq(tenant_id.as_str()).and(task_conversations::id.eq(id)))
        .filter(user_tasks::deleted_at.is_null())
        .select((user_tasks::task_id, columns!()))
        .get_result(conn)
        .optional()?;
    Ok(found.map(|(task_id, row)| conversation(TaskId::from_stored(task_id), row)))
}

#[async_trait]
impl ConversationStore for SqliteEngine {
    async fn add_conversation(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        content: &str,
        status: &str,
    ) -> StoreResult<Option<Conversation>> {
        let (tenant_id, task_id) = (tenant_id.clone(), task_id.clone());
        let (content, status) = (content.to_owned(), status.to_owned());
        self.write(move |conn, now| {
            let Some(task) = tasks::live_id(conn, &tenant_id, &task_id)? else { return Ok(None) };
            let row: ConversationRow = diesel::insert_into(task_conversations::table)
                .values((
                    task_conversations::tenant_id.eq(tenant_id.as_str()),
                    task_conversations::task_id.eq(task),
                    task_conversations::content.eq(&content),
                    task_conversations::status.eq(&status),
                    task_conversations::created_at.eq(Stamp(now)),
                    task_conversations::updated_at.eq(Stamp(now)),
                ))
                .returning(columns!())
                .get_result(conn)?;
            Ok(Some(conversation(task_id.clone(), row)))
        })
        .await
    }

    async fn list_conversations(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        after: i64,
        limit: i64,
    ) -> StoreResult<Vec<Conversation>> {
        let (tenant_id, task_id) = (tenant_id.clone(), task_id.clone());
        self.read(move |conn| {
            let Some(task) = tasks::live_id(conn, &tenant_id, &task_id)? else { return Ok(Vec::new()) };
            let rows: Vec<ConversationRow> = task_conversations::table
                .filter(task_conversations::tenant_id.eq(tenant_id.as_str()).and(task_conversations::task_id.eq(task)))
                .filter(task_conversations::id.gt(after))
                .order(task_conversations::id)
                .limit(limit)
                .select(columns!())
                .load(conn)?;
            Ok(rows.into_iter().map(|row| conversation(task_id.clone(), row)).collect())
        })
        .await
    }

    async fn find_conversation(&self, tenant_id: &TenantId, id: i64) -> StoreResult<Option<Conversation>> {
        let tenant_id = tenant_id.clone();
        self.read(move |conn| find(conn, &tenant_id, id)).await
    }

    async fn edit_conversation<'a>(
        &self,
        tenant_id: &TenantId,
        id: i64,
        content: Option<&'a str>,
        status: Option<&'a str>,
    ) -> StoreResult<Option<Conversation>> {
        let tenant_id = tenant_id.clone();
        let (content, status) = (content.map(str::to_owned), status.map(str::to_owned));
        self.write(move |conn, now| {
            if find(conn, &tenant_id, id)?.is_none() {
                return Ok(None);
            }
            diesel::update(
                task_conversations::table
                    .filter(task_conversations::tenant_id.eq(tenant_id.as_str()).and(task_conversations::id.eq(id))),
            )
            .set((
                content.as_ref().map(|content| task_conversations::content.eq(content)),
                status.as_ref().map(|status| task_conversations::status.eq(status)),
                task_conversations::updated_at.eq(Stamp(now)),
            ))
            .execute(conn)?;
            find(conn, &tenant_id, id)
        })
        .await
    }

    async fn delete_conversation(&self, tenant_id: &TenantId, id: i64) -> StoreResult<bool> {
        let tenant_id = tenant_id.clone();
        self.write(move |conn, _| {
            if find(conn, &tenant_id, id)?.is_none() {
                return Ok(false);
            }
            let deleted = diesel::delete(
                task_conversations::table
                    .filter(task_conversations::tenant_id.eq(tenant_id.as_str()).and(task_conversations::id.eq(id))),
            );
            Ok(deleted.execute(conn)? > 0)
        })
        .await
    }

    async fn mark_conversations(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        status: &str,
    ) -> StoreResult<Option<u64>> {
        let (tenant_id, task_id, status) = (tenant_id.clone(), task_id.clone(), status.to_owned());
        self.write(move |conn, now| {
            let Some(task) = tasks::live_id(conn, &tenant_id, &task_id)? else { return Ok(None) };
            if !executions::holds(conn, &tenant_id, task, token, now)? {
                return Ok(None);
            }
            let marked = diesel::update(
                task_conversations::table
                    .filter(
                        task_conversations::tenant_id.eq(tenant_id.as_str()).and(task_conversations::task_id.eq(task)),
                    )
                    .filter(task_conversations::status.ne(&status)),
            )
            .set((task_conversations::status.eq(&status), task_conversations::updated_at.eq(Stamp(now))))
            .execute(conn)?;
            Ok(Some(marked as u64))
        })
        .await
    }
}
