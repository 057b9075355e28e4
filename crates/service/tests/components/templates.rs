//! Which templates a caller may use, and what becomes of a customization.

use std::sync::Arc;

use serde_json::{Value, json};
use task_domain::{JsonObject, SubscriptionLevel, Template, UserId};
use task_protocols::MockTemplateStore;
use task_service::{Access, Caller, Scope, ServiceError, TemplateService};

use crate::support::{key, levels, now, user};

fn template(id: &str, level: SubscriptionLevel) -> Template {
    Template {
        id: 1,
        template_id: id.into(),
        name: id.into(),
        description: None,
        category: if level == SubscriptionLevel::Free { "simple".into() } else { "rich".into() },
        task_type: "echo".into(),
        default_config: JsonObject::new(),
        required_fields: vec!["value".into()],
        optional_fields: Vec::new(),
        config_schema: None,
        required_level: level,
        credits_per_run: 0.0,
        tags: Vec::new(),
        metadata: None,
        is_active: true,
        created_at: now(),
        updated_at: now(),
    }
}

fn service(templates: Vec<Template>) -> TemplateService {
    let mut store = MockTemplateStore::new();
    store.expect_list_templates().times(1).return_once(|| Ok(templates));
    TemplateService::new(Arc::new(store), levels(SubscriptionLevel::Basic))
}

fn all_levels() -> TemplateService {
    service(SubscriptionLevel::ALL.iter().map(|level| template(level.as_str(), *level)).collect())
}

fn at_level(level: SubscriptionLevel) -> Caller {
    let mut caller = user("ann");
    caller.access = Access::User { user_id: UserId::new("ann").unwrap(), level: Some(level) };
    caller
}

fn object(json: Value) -> JsonObject {
    json.as_object().unwrap().clone()
}

#[tokio::test]
async fn a_caller_sees_the_templates_of_its_level_and_below() {
    let service = all_levels();
    for (caller, seen) in [
        (at_level(SubscriptionLevel::Free), 1),
        (user("ann"), 2),
        (at_level(SubscriptionLevel::Enterprise), 4),
        (key(&[Scope::TasksWrite], &[]), 4),
    ] {
        assert_eq!(service.list(&caller, None, None).await.unwrap().len(), seen, "{caller:?}");
    }
    let everything = key(&[], &[]);
    assert_eq!(service.list(&everything, Some("rich"), None).await.unwrap().len(), 3);
    assert_eq!(service.list(&everything, Some("simple"), Some("echo")).await.unwrap().len(), 1);
    assert_eq!(service.list(&everything, None, Some("todo")).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_template_above_the_level_says_which_level_it_needs() {
    let service = all_levels();
    let refused = service.get(&user("ann"), "pro").await.unwrap_err();
    let needs_pro = |error: &ServiceError| {
        matches!(
            error,
            ServiceError::Forbidden { action: "use_template", required_level: Some(SubscriptionLevel::Pro) }
        )
    };
    assert!(needs_pro(&refused));
    let refused = service.fill(&user("ann"), "pro", object(json!({"value": 1}))).await.unwrap_err();
    assert!(needs_pro(&refused));
    let unknown = service.get(&user("ann"), "nothing").await.unwrap_err();
    assert!(matches!(unknown, ServiceError::TemplateNotFound { .. }));
    let worker = key(&[Scope::TasksWork], &[]);
    let refused = service.fill(&worker, "free", object(json!({"value": 1}))).await.unwrap_err();
    assert!(matches!(refused, ServiceError::Forbidden { action: "create", .. }));
}

/// Field and kind of every problem.
async fn problems(template: Template, customization: Value) -> Vec<(String, &'static str)> {
    match service(vec![template]).fill(&user("ann"), "free", object(customization)).await {
        Err(ServiceError::Invalid(problems)) => problems.into_iter().map(|p| (p.field, p.kind)).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_missing_is_named_where_it_belongs() {
    let found = problems(template("free", SubscriptionLevel::Free), json!({"colour": "red"})).await;
    assert_eq!(
        found,
        [("customization.colour".to_owned(), "extra_forbidden"), ("customization.value".to_owned(), "missing")]
    );
}

#[tokio::test]
async fn a_schema_is_enforced_on_the_whole_config() {
    let schema = json!({
        "type": "object",
        "properties": {"value": {"type": "integer", "maximum": 5}, "list": {"items": {"type": "string"}}},
        "additionalProperties": false
    });
    let strict = || Template { config_schema: Some(schema.clone()), ..template("free", SubscriptionLevel::Free) };
    let filled = service(vec![strict()]).fill(&user("ann"), "free", object(json!({"value": 5}))).await.unwrap();
    assert_eq!(filled["config"], json!({"value": 5}));
    let found = problems(strict(), json!({"value": 6, "config": {"list": ["a", 1], "other": 1}})).await;
    let fields: Vec<&str> = found.iter().map(|(field, _)| field.as_str()).collect();
    assert!(fields.contains(&"customization.config.value"), "{fields:?}");
    assert!(fields.contains(&"customization.config.list.1"), "{fields:?}");
    assert!(fields.contains(&"customization.config"), "{fields:?}");
    let broken = Template { config_schema: Some(json!({"type": 7})), ..template("free", SubscriptionLevel::Free) };
    let error = service(vec![broken]).fill(&user("ann"), "free", object(json!({"value": 5}))).await.unwrap_err();
    assert!(matches!(error, ServiceError::BrokenTemplate { .. }));
}
