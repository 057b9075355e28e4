//! The actix application and its listener.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use utoipa::openapi::OpenApi;
use utoipa_actix_web::AppExt;
use utoipa_swagger_ui::SwaggerUi;

use crate::errors::ApiError;
use crate::middleware::{head_as_get, limit_headers};
use crate::request_context;
use crate::routes;
use crate::state::ApiState;

/// The methods that each path knows: tells a wrong method from an unknown path.
pub struct KnownPaths(Vec<(actix_web::dev::ResourceDef, String)>);

impl KnownPaths {
    /// Those of a document.
    pub fn of(document: &OpenApi) -> Self {
        let known = document.paths.paths.iter().map(|(path, item)| {
            let methods = [
                (&item.get, "GET"),
                (&item.post, "POST"),
                (&item.put, "PUT"),
                (&item.patch, "PATCH"),
                (&item.delete, "DELETE"),
            ];
            let allowed: Vec<_> =
                methods.into_iter().filter(|(operation, _)| operation.is_some()).map(|(_, name)| name).collect();
            (actix_web::dev::ResourceDef::new(path.as_str()), allowed.join(", "))
        });
        Self(known.collect())
    }

    /// The methods of a path, comma separated; `None` when it is no path of this API.
    pub fn allowed(&self, path: &str) -> Option<&str> {
        self.0.iter().find(|(resource, _)| resource.is_match(path)).map(|(_, allowed)| allowed.as_str())
    }
}

async fn no_route(request: HttpRequest, known: web::Data<KnownPaths>) -> Result<HttpResponse, ApiError> {
    // Where GET is, HEAD is.
    match known.allowed(request.path()).map(|allowed| allowed.replacen("GET", "GET, HEAD", 1)) {
        Some(allowed) if request.method() == Method::OPTIONS => {
            Ok(HttpResponse::NoContent().insert_header(("Allow", allowed)).finish())
        }
        Some(allowed) => Err(ApiError::NoMethod { allowed }),
        None => Err(ApiError::NoRoute),
    }
}

/// The canonical API as an actix application.
pub fn canonical_app(
    state: web::Data<ApiState>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl actix_web::body::MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let (app, document) =
        App::new().into_utoipa_app().openapi(crate::openapi::base()).configure(routes::configure).split_for_parts();
    let known = web::Data::new(KnownPaths::of(&document));
    app.app_data(state)
        .app_data(known)
        .service(web::redirect("/docs", "/docs/"))
        .service(SwaggerUi::new("/docs/{_:.*}").url("/openapi.json", document))
        .default_service(web::to(no_route))
        .wrap(from_fn(head_as_get))
        .wrap(from_fn(limit_headers))
        .wrap(from_fn(request_context::track))
}

/// How long a connection is kept without a request: longer than proxies keep theirs (nginx: 60 s), so
/// that none sends a request into a connection that is being closed.
pub const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Starts serving on a listener that is bound already.
///
/// # Errors
/// When the listener cannot be taken over.
pub fn run(listener: TcpListener, state: Arc<ApiState>, workers: usize) -> std::io::Result<Server> {
    let state = web::Data::from(state);
    let server = HttpServer::new(move || canonical_app(state.clone()))
        .workers(workers)
        .client_request_timeout(Duration::from_secs(5))
        .keep_alive(KEEP_ALIVE)
        // A half-closed connection is a client that has gone: streams to it must end.
        .h1_allow_half_closed(false)
        .disable_signals()
        .shutdown_timeout(5)
        .listen(listener)?;
    Ok(server.run())
}
