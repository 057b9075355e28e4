//! A drop-in API as an application of its own, and its listener.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{ALLOW, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Condition, Next, from_fn};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;
use task_domain::Origin;
use task_server::plumbing::{ApiError, ApiName, KnownPaths, check_headers, track};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_actix_web::AppExt;
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_swagger_ui::SwaggerUi;

use super::DropIn;

/// What one drop-in API is.
pub struct Api {
    /// Of the tasks it makes, and the only ones it sees; its name for logs and metrics.
    pub origin: Origin,
    pub title: &'static str,
    pub description: &'static str,
    /// Registers its routes.
    pub routes: fn(&mut ServiceConfig<'_>),
    /// The body of an error that no handler gave, of its status and detail.
    pub error: fn(StatusCode, Value) -> Value,
    /// Whether a path that is known but for its trailing slash answers 307 with the right one.
    pub redirects_slashes: bool,
}

fn base(api: &Api) -> OpenApi {
    let info = InfoBuilder::new()
        .title(api.title)
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(api.description))
        .build();
    let mut components = Components::new();
    components.add_security_scheme("api_key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-API-Key"))));
    OpenApiBuilder::new().info(info).components(Some(components)).build()
}

/// The OpenAPI document of an API, as it serves it at `/openapi.json`.
pub fn document(api: &Api) -> OpenApi {
    let (_, document) = App::new().into_utoipa_app().openapi(base(api)).configure(api.routes).split_for_parts();
    document
}

async fn no_route(request: HttpRequest, known: web::Data<KnownPaths>, drop_in: web::Data<DropIn>) -> HttpResponse {
    let api = drop_in.api;
    if let Some(allowed) = known.allowed(request.path()) {
        if request.method() == Method::OPTIONS {
            return HttpResponse::NoContent().insert_header((ALLOW, allowed)).finish();
        }
        return ApiError::NoMethod { allowed: allowed.to_owned() }.answer_as(api.error);
    }
    let other = match request.path().strip_suffix('/') {
        Some(without) => without.to_owned(),
        None => format!("{}/", request.path()),
    };
    // Never `//…`: a client would read it as another host.
    if api.redirects_slashes && !other.starts_with("//") && known.allowed(&other).is_some() {
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        return HttpResponse::TemporaryRedirect().insert_header((LOCATION, format!("{other}{query}"))).finish();
    }
    ApiError::NoRoute.answer_as(api.error)
}

/// Middleware: what is refused by its headers, in the API's own shape.
async fn limit_headers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let refused = request.app_data::<web::Data<DropIn>>().and_then(|drop_in| {
        let error = check_headers(request.headers(), &drop_in.engine.auth).err()?;
        Some(error.answer_as(drop_in.api.error))
    });
    match refused {
        Some(answer) => Ok(request.into_response(answer).map_into_right_body()),
        None => Ok(next.call(request).await?.map_into_left_body()),
    }
}

fn app(
    drop_in: web::Data<DropIn>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl actix_web::body::MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let api = drop_in.api;
    let (app, document) = App::new().into_utoipa_app().openapi(base(api)).configure(api.routes).split_for_parts();
    let known = web::Data::new(KnownPaths::of(&document));
    let cors = Condition::new(drop_in.cors.is_on(), drop_in.cors.middleware());
    app.app_data(web::Data::from(Arc::clone(&drop_in.engine)))
        .app_data(drop_in)
        .app_data(known)
        .app_data(ApiName(api.origin.as_str()))
        .service(web::redirect("/docs", "/docs/"))
        .service(SwaggerUi::new("/docs/{_:.*}").url("/openapi.json", document))
        .default_service(web::to(no_route))
        .wrap(from_fn(limit_headers))
        .wrap(cors)
        .wrap(from_fn(track))
}

/// Starts serving on a listener that is bound already.
///
/// # Errors
/// When the listener cannot be taken over.
pub fn run(listener: TcpListener, drop_in: DropIn, workers: usize) -> std::io::Result<Server> {
    let drop_in = web::Data::new(drop_in);
    let server = HttpServer::new(move || app(drop_in.clone()))
        .workers(workers)
        .client_request_timeout(Duration::from_secs(5))
        .keep_alive(task_server::KEEP_ALIVE)
        // A half-closed connection is a client that has gone: streams to it must end.
        .h1_allow_half_closed(false)
        .disable_signals()
        .shutdown_timeout(5)
        .listen(listener)?;
    Ok(server.run())
}
