//! `If-Match`: changes on condition that the task is as it was read.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::IF_MATCH;
use actix_web::{FromRequest, HttpRequest};
use task_service::Precondition;

/// The condition of a request. `*` and no header ask nothing, because a task that is not there is
/// a 404 anyway; a weak or unknown tag matches no version (RFC 9110, strong comparison).
pub(crate) struct IfMatch(pub(crate) Precondition);

impl FromRequest for IfMatch {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut given = false;
        let mut versions = Vec::new();
        for value in request.headers().get_all(IF_MATCH) {
            given = true;
            for tag in value.to_str().unwrap_or_default().split(',').map(str::trim) {
                if tag == "*" {
                    return ready(Ok(Self(Precondition::None)));
                }
                let version = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                versions.extend(version.and_then(|text| text.parse::<i64>().ok()));
            }
        }
        ready(Ok(Self(if given { Precondition::Version(versions) } else { Precondition::None })))
    }
}
