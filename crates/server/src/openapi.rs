//! The OpenAPI document: collected from the routes as they are registered.

use actix_web::App;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_actix_web::AppExt;

use crate::routes;

const DESCRIPTION: &str = "Tasks, their executions and their events. Users come through a gateway (`X-User-ID` vouched for by \
`X-Gateway-Secret`), services and workers with an API key (`X-API-Key` or `Authorization: Bearer`).";

/// What is said of the API beside its routes.
pub(crate) fn base() -> OpenApi {
    let key = |name: &str| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(name)));
    let mut components = Components::new();
    components.add_security_scheme("api_key", key("X-API-Key"));
    components.add_security_scheme("bearer_key", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    components.add_security_scheme("gateway_user", key("X-User-ID"));
    let info = InfoBuilder::new()
        .title("Task Service")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .build();
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([
            SecurityRequirement::new("api_key", Vec::<String>::new()),
            SecurityRequirement::new("bearer_key", Vec::<String>::new()),
            SecurityRequirement::new("gateway_user", Vec::<String>::new()),
        ]))
        .build()
}

/// The whole document, as served at `/openapi.json`.
pub fn document() -> OpenApi {
    let (_, document) = App::new().into_utoipa_app().openapi(base()).configure(routes::configure).split_for_parts();
    document
}
