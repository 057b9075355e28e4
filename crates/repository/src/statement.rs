//! Hand-written statements that are prepared once, bound by type and read by position.
//!
//! diesel's own `sql_query` marks its statements as unfit for the cache of prepared statements: each
//! call would be parsed and planned anew, which costs more than running it.

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::connection::Connection;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::HasSqlType;
use diesel::{QueryResult, RunQueryDsl};

/// The text of a statement, with its parameters in it: `$1`, `$2`… on PostgreSQL, `?1`, `?2`… on SQLite.
pub(crate) struct Sql(pub(crate) &'static str);

/// A statement with one more parameter.
pub(crate) struct Bound<Q, V, ST> {
    before: Q,
    value: V,
    sql_type: PhantomData<fn() -> ST>,
}

/// A statement whose rows have the columns `ST`, in this order. One that selects `table.*` relies on
/// `schema.rs` naming the columns in the order in which the migrations made them.
pub(crate) struct Reading<Q, ST> {
    statement: Q,
    columns: PhantomData<fn() -> ST>,
}

/// What is added to a statement, in the order of its parameters.
pub(crate) trait Statement: Sized {
    fn bind<ST, V>(self, value: V) -> Bound<Self, V, ST> {
        Bound { before: self, value, sql_type: PhantomData }
    }

    fn reading<ST>(self) -> Reading<Self, ST> {
        Reading { statement: self, columns: PhantomData }
    }
}

impl Statement for Sql {}
impl<Q, V, ST> Statement for Bound<Q, V, ST> {}

impl<DB: Backend> QueryFragment<DB> for Sql {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(self.0);
        // diesel writes the name of each parameter where it takes the value: into this comment.
        out.push_sql("\n-- ");
        Ok(())
    }
}

impl<Q, V, ST, DB> QueryFragment<DB> for Bound<Q, V, ST>
where
    Q: QueryFragment<DB>,
    V: ToSql<ST, DB>,
    DB: Backend + HasSqlType<ST>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.before.walk_ast(out.reborrow())?;
        out.push_bind_param(&self.value)
    }
}

impl<Q: QueryFragment<DB>, ST, DB: Backend> QueryFragment<DB> for Reading<Q, ST> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.statement.walk_ast(out)
    }
}

// The cache finds these by their text.
impl QueryId for Sql {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q, V, ST> QueryId for Bound<Q, V, ST> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q, ST> QueryId for Reading<Q, ST> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q, ST> Query for Reading<Q, ST> {
    type SqlType = ST;
}

// For SQLite; diesel_async has an implementation for every query.
impl<Q, ST, C: Connection> RunQueryDsl<C> for Reading<Q, ST> {}

/// A statement of diesel's whose text depends on no value: the cache finds it by its type. diesel writes
/// the text of every INSERT and UPDATE anew to look it up by that, which costs more than binding its values.
pub(crate) struct Constant<Q, Name> {
    statement: Q,
    name: PhantomData<fn() -> Name>,
}

impl<Q, Name> Constant<Q, Name> {
    /// `Name` stands for this one statement: no other one may be named by it.
    pub(crate) fn new(statement: Q) -> Self {
        Self { statement, name: PhantomData }
    }
}

impl<Q: QueryFragment<DB>, Name, DB: Backend> QueryFragment<DB> for Constant<Q, Name> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.statement.walk_ast(out)
    }
}

impl<Q, Name: 'static> QueryId for Constant<Q, Name> {
    type QueryId = Constant<(), Name>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<Q: Query, Name> Query for Constant<Q, Name> {
    type SqlType = Q::SqlType;
}

impl<Q, Name, C: Connection> RunQueryDsl<C> for Constant<Q, Name> {}
