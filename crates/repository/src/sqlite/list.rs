//! Lists of tasks.

use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use task_domain::{Origin, Task, TaskStatus};
use task_protocols::{TaskFilter, TaskPage, TaskSort};

use super::schema::{task_states, user_tasks};
use super::{damaged, tasks};
use crate::columns::{Stamp, Word, contains};
use crate::rows::{StateRow, TaskRow, task_from_rows};

diesel::define_sql_function! {
    /// Lower case of every script; the connections of `mod.rs` bring it along.
    fn lower(text: Nullable<Text>) -> Nullable<Text>;
}

/// Teaches a connection the lower case that PostgreSQL knows: SQLite's own stops at ASCII.
pub(super) fn register(conn: &mut SqliteConnection) -> QueryResult<()> {
    lower_utils::register_impl(conn, |text: Option<String>| text.map(|text| text.to_lowercase()))
}

/// What the index `task_states_waiting` holds.
const WAITING: &str = "task_states.status IN ('pending', 'scheduled', 'blocked', 'queued', 'paused')";

/// The conditions of a filter, on a boxed query over both tables.
macro_rules! conditions {
    ($query:ident, $filter:ident) => {
        if let Some(user_id) = &$filter.user_id {
            $query = $query.filter(user_tasks::user_id.eq(user_id.as_str()));
        }
        if let Some(origin) = $filter.origin {
            $query = $query.filter(task_states::origin.eq(Word(origin)));
            if origin != Origin::TaskService {
                // Literally, so that the indexes of drop-in tasks are used.
                $query = $query.filter(task_states::origin.ne(sql::<Text>("'task_service'")));
            }
        }
        if let Some(status) = $filter.status {
            $query = $query.filter(task_states::status.eq(Word(status)));
        }
        if !$filter.statuses.is_empty() {
            let words: Vec<_> = $filter.statuses.iter().copied().map(Word).collect();
            $query = $query.filter(task_states::status.eq_any(words));
            if $filter.statuses.iter().all(|status| TaskStatus::WAITING.contains(status)) {
                // The same once more, as the index of waiting tasks says it.
                $query = $query.filter(sql::<Bool>(WAITING));
            }
        }
        if let Some(task_type) = &$filter.task_type {
            $query = $query.filter(user_tasks::task_type.eq(task_type));
        }
        if let Some(priority) = $filter.priority {
            $query = $query.filter(user_tasks::priority.eq(priority.number()));
        }
        if let Some(before) = $filter.due_before {
            $query = $query.filter(user_tasks::due_date.lt(Stamp(before)));
        }
        if let Some(after) = $filter.due_after {
            $query = $query.filter(user_tasks::due_date.ge(Stamp(after)));
        }
        if let Some(after) = $filter.created_after {
            $query = $query.filter(user_tasks::created_at.ge(Stamp(after)));
        }
        if let Some(text) = &$filter.text {
            let part = contains(text);
            $query = $query.filter(
                lower(user_tasks::name.nullable())
                    .like(part.clone())
                    .escape('\\')
                    .or(lower(user_tasks::description).like(part).escape('\\')),
            );
        }
        for tag in &$filter.tags {
            let has = sql::<Bool>("EXISTS (SELECT 1 FROM json_each(user_tasks.tags) AS e WHERE e.value = ");
            $query = $query.filter(has.bind::<Text, _>(tag.clone()).sql(")"));
        }
        for (name, value) in &$filter.attributes {
            let has = sql::<Bool>("EXISTS (SELECT 1 FROM json_each(user_tasks.attributes) AS e WHERE e.key = ");
            let has = has.bind::<Text, _>(name.clone()).sql(" AND e.type = 'text' AND e.value = ");
            $query = $query.filter(has.bind::<Text, _>(value.clone()).sql(")"));
        }
        for (name, value) in &$filter.labels {
            let has = sql::<Bool>("EXISTS (SELECT 1 FROM json_each(user_tasks.labels) AS e WHERE e.key = ");
            let has = has.bind::<Text, _>(name.clone()).sql(" AND e.value = ");
            $query = $query.filter(has.bind::<Text, _>(value.clone()).sql(")"));
        }
    };
}

/// How many conversation entries a task has, where it is asked for.
macro_rules! conversations {
    ($filter:ident) => {
        sql::<BigInt>("CASE WHEN ")
            .bind::<Bool, _>($filter.conversations)
            .sql(" THEN (SELECT count(*) FROM task_conversations AS c WHERE c.tenant_id = user_tasks.tenant_id AND c.task_id = user_tasks.id) ELSE 0 END")
    };
}

/// Live tasks of the filter's tenant, as a boxed query.
macro_rules! tasks_of {
    ($filter:ident, $columns:expr) => {
        user_tasks::table
            .inner_join(
                task_states::table
                    .on(task_states::tenant_id.eq(user_tasks::tenant_id).and(task_states::id.eq(user_tasks::id))),
            )
            .filter(user_tasks::tenant_id.eq($filter.tenant_id.as_str()).and(user_tasks::deleted_at.is_null()))
            .select($columns)
            .into_boxed()
    };
}

pub(super) fn list(conn: &mut SqliteConnection, filter: &TaskFilter) -> QueryResult<TaskPage> {
    let mut query = tasks_of!(filter, (user_tasks::all_columns, task_states::all_columns, conversations!(filter)));
    conditions!(query, filter);
    // Drop-in tasks are listed along the indexes of their states; without a user only the key of the
    // states has a tenant's tasks in their order.
    let drop_in = filter.origin.is_some_and(|origin| origin != Origin::TaskService);
    let by_state = drop_in || filter.user_id.is_none();
    query = match filter.sort {
        TaskSort::Newest if by_state => query.order(task_states::id.desc()),
        TaskSort::Oldest if by_state => query.order(task_states::id.asc()),
        TaskSort::Priority if drop_in => query.order((task_states::priority.asc(), task_states::id.asc())),
        TaskSort::Newest => query.order(user_tasks::id.desc()),
        TaskSort::Oldest => query.order(user_tasks::id.asc()),
        TaskSort::Due => {
            query.order((user_tasks::due_date.is_null(), user_tasks::due_date.asc(), user_tasks::id.asc()))
        }
        TaskSort::Priority => query.order((user_tasks::priority.asc(), user_tasks::id.asc())),
    };
    if let Some(after) = &filter.after {
        let later_id = user_tasks::id.gt(after.id);
        query = match (filter.sort, after.due_date.map(Stamp)) {
            (TaskSort::Newest, _) => query.filter(user_tasks::id.lt(after.id)),
            (TaskSort::Oldest, _) => query.filter(later_id),
            (TaskSort::Priority, _) => {
                let number = after.priority.number();
                query.filter(user_tasks::priority.gt(number).or(user_tasks::priority.eq(number).and(later_id)))
            }
            (TaskSort::Due, None) => query.filter(user_tasks::due_date.is_null().and(later_id)),
            (TaskSort::Due, Some(due)) => query.filter(
                user_tasks::due_date
                    .is_null()
                    .or(user_tasks::due_date.assume_not_null().gt(due))
                    .or(user_tasks::due_date.assume_not_null().eq(due).and(later_id)),
            ),
        };
    }
    // One more tells whether a page follows.
    let mut rows: Vec<(TaskRow, StateRow, i64)> =
        query.offset(filter.offset).limit(filter.limit.saturating_add(1)).load(conn)?;
    let limit = usize::try_from(filter.limit).unwrap_or(0);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let conversations = rows.iter().map(|(.., count)| *count).collect();
    let task = |(task, state, _): (TaskRow, StateRow, i64)| task_from_rows(task, state, None).map_err(damaged);
    let tasks: Vec<Task> = rows.into_iter().map(task).collect::<QueryResult<_>>()?;
    let total = match filter.total_of_last_page(tasks.len(), more) {
        _ if !filter.count => None,
        Some(total) => Some(total),
        None => Some(count(conn, filter)?),
    };
    Ok(TaskPage { tasks, more, total, conversations })
}

/// How many tasks there are that fit the filter.
fn count(conn: &mut SqliteConnection, filter: &TaskFilter) -> QueryResult<i64> {
    if let Some(origin) = filter.origin.filter(|_| filter.is_of_states_only()) {
        return Ok(filter.sum(&tasks::count_by_status(conn, &filter.tenant_id, origin)?));
    }
    let mut query = tasks_of!(filter, count_star());
    conditions!(query, filter);
    query.get_result(conn)
}
