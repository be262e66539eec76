//! `moorline layer inspect`: what lies in Redis, as tables or as JSON.

use std::io::Write;

use moorline_layer::{Bounds, Contents};
use serde_json::{Value as Json, json};

use super::InspectArgs;
use crate::admin::shown::{self, clean, lasting, say, table};
use crate::failure::Failure;

pub(super) fn bounds(args: &InspectArgs) -> Bounds {
    let usual = Bounds::default();
    let most = 100_000;
    Bounds {
        found: args.limit.unwrap_or(usual.found).clamp(1, most),
        members: args.members.unwrap_or(usual.members).clamp(1, most),
        ..usual
    }
}

pub(super) fn tell(hosts: &[Contents], as_json: bool, out: &mut impl Write) -> Result<(), Failure> {
    if as_json {
        return shown::json(out, &json!({"hosts": hosts.iter().map(json_of).collect::<Json>()}));
    }
    for host in hosts {
        say(out, &format!("Redis at {}\n", host.host))?;
        say(out, &queues(host))?;
        say(out, &groups(host))?;
        say(out, &subscriptions(host))?;
        if !host.is_complete {
            say(out, "\nThere is more than is shown: --limit shows more.\n")?;
        }
    }
    Ok(())
}

fn ms(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn queues(host: &Contents) -> String {
    if host.queues.is_empty() {
        return "\nno messages wait in queues\n".to_owned();
    }
    let row = |queue: &moorline_layer::Queue| {
        let kind = if queue.is_in_flight { "taken, not said to have arrived" } else { "" };
        vec![
            clean(&queue.channel),
            format!("{} of {}", queue.waiting, queue.capacity),
            lasting(ms(queue.oldest)),
            kind.to_owned(),
        ]
    };
    let rows: Vec<_> = host.queues.iter().map(row).collect();
    format!("\n{}", table(&["QUEUE", "WAITING", "OLDEST", ""], &rows))
}

fn groups(host: &Contents) -> String {
    if host.groups.is_empty() {
        return "\nno groups have members\n".to_owned();
    }
    let mut rows = Vec::new();
    for group in &host.groups {
        let ghosts = group.members.iter().filter(|member| member.is_ghost).count();
        let ghosts = if ghosts > 0 { format!("{ghosts} ghosts") } else { String::new() };
        rows.push(vec![clean(&group.name), group.count.to_string(), String::new(), ghosts]);
        for member in &group.members {
            let ghost = if member.is_ghost { "ghost: nobody reads it" } else { "" };
            let age = lasting(ms(member.age));
            rows.push(vec![
                format!("  {}", clean(&member.channel)),
                String::new(),
                age,
                ghost.into(),
            ]);
        }
    }
    format!("\n{}", table(&["GROUP", "MEMBERS", "AGE", ""], &rows))
}

fn subscriptions(host: &Contents) -> String {
    if host.subscriptions.is_empty() {
        return "\nnobody is subscribed by Pub/Sub\n".to_owned();
    }
    let row = |subscription: &moorline_layer::Subscription| {
        let kind = if subscription.is_group { "group" } else { "channel" };
        vec![clean(&subscription.name), kind.to_owned(), subscription.subscribers.to_string()]
    };
    let rows: Vec<_> = host.subscriptions.iter().map(row).collect();
    format!("\n{}", table(&["SUBSCRIBED", "KIND", "SUBSCRIBERS"], &rows))
}

fn json_of(host: &Contents) -> Json {
    let queues = host.queues.iter().map(|queue| {
        json!({
            "channel": queue.channel, "waiting": queue.waiting, "capacity": queue.capacity,
            "oldest_ms": ms(queue.oldest), "in_flight": queue.is_in_flight,
        })
    });
    let groups = host.groups.iter().map(|group| {
        let members = group.members.iter().map(|member| {
            json!({"channel": member.channel, "age_ms": ms(member.age), "ghost": member.is_ghost})
        });
        json!({"name": group.name, "count": group.count, "members": members.collect::<Json>()})
    });
    let subscriptions = host.subscriptions.iter().map(|subscription| {
        json!({
            "name": subscription.name, "group": subscription.is_group,
            "subscribers": subscription.subscribers,
        })
    });
    json!({
        "host": host.host, "complete": host.is_complete, "queues": queues.collect::<Json>(),
        "groups": groups.collect::<Json>(), "subscriptions": subscriptions.collect::<Json>(),
    })
}
