//! The templates that come with the service.

use serde_json::json;
use task_domain::SubscriptionLevel;

use crate::support::Stores;
use crate::support::build::object;

pub(crate) async fn the_nine_templates_come_by_category_and_name(stores: Stores) {
    let templates = stores.beside.templates.list_templates().await.unwrap();
    let shape: Vec<_> =
        templates.iter().map(|t| (t.template_id.as_str(), t.required_level, t.credits_per_run)).collect();
    assert_eq!(
        shape,
        [
            ("tpl_weather_alert", SubscriptionLevel::Pro, 1.5),
            ("tpl_calendar_event", SubscriptionLevel::Basic, 0.2),
            ("tpl_custom_webhook", SubscriptionLevel::Enterprise, 5.0),
            ("tpl_daily_news", SubscriptionLevel::Basic, 1.0),
            ("tpl_daily_weather", SubscriptionLevel::Free, 0.5),
            ("tpl_news_monitor", SubscriptionLevel::Pro, 3.0),
            ("tpl_price_tracker", SubscriptionLevel::Pro, 2.0),
            ("tpl_todo_basic", SubscriptionLevel::Free, 0.0),
            ("tpl_reminder_simple", SubscriptionLevel::Free, 0.1),
        ]
    );
    let calendar = &templates[1];
    assert_eq!((calendar.name.as_str(), calendar.category.as_str()), ("Calendar Event", "calendar"));
    assert_eq!(calendar.task_type, "calendar_event");
    assert_eq!(calendar.default_config, object(json!({"reminder_before": 15, "recurring": false})));
    assert_eq!(calendar.required_fields, ["name", "start_time", "end_time"]);
    assert_eq!(calendar.optional_fields, ["location", "attendees", "recurring"]);
    assert!(templates.iter().all(|t| t.is_active && t.config_schema.is_none()));
    assert!(templates.iter().all(|t| task_domain::types::is_builtin(&t.task_type)));
}
