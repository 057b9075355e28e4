//! Why a task is not running.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Double, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use task_domain::explain::{QueuePlace, TypeActivity};
use task_domain::{Handler, Task};
use task_protocols::{ExplainStore, StoreResult};

use super::statement::{Sql, Statement};
use super::{PostgresEngine, errors};
use crate::columns::Stamp;
use crate::rows::type_activity;

type ActivitySql = (Bool, Nullable<Timestamptz>, BigInt, BigInt, Nullable<Double>);

#[async_trait]
impl ExplainStore for PostgresEngine {
    async fn queue_place(&self, task: &Task, at_most: i64) -> StoreResult<QueuePlace> {
        let mut connection = self.pools.main().await?;
        let place: Option<(bool, bool, i64, i64)> = Sql(include_str!("sql/queue_place.sql"))
            .bind::<Text, _>(task.tenant_id.as_str())
            .bind::<BigInt, _>(task.id)
            .bind::<BigInt, _>(at_most)
            .reading::<(Bool, Bool, BigInt, BigInt)>()
            .get_result(&mut connection)
            .await
            .optional()
            .map_err(errors::failed)?;
        let place = place.map(|(claimable, parked, ahead, key_used)| QueuePlace { claimable, parked, ahead, key_used });
        Ok(place.unwrap_or_default())
    }

    async fn type_activity(&self, task: &Task) -> StoreResult<TypeActivity> {
        let tenant_id = (task.handler == Handler::Worker).then(|| task.tenant_id.as_str());
        let mut connection = self.pools.main().await?;
        let (leased, last_started, ended, sampled, span): (bool, Option<Stamp>, i64, i64, Option<f64>) =
            Sql(include_str!("sql/type_activity.sql"))
                .bind::<Nullable<Text>, _>(tenant_id)
                .bind::<Text, _>(task.claimed_as())
                .bind::<Text, _>(task.handler.as_str())
                .reading::<ActivitySql>()
                .get_result(&mut connection)
                .await
                .map_err(errors::failed)?;
        Ok(type_activity(leased, last_started, ended, sampled, span.unwrap_or_default()))
    }
}
