//! The numbers of what goes to other programs and comes from them, read at each scrape of `/metrics`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moorline_chat::{Django, DjangoCounts, Outlet, Reason};
use moorline_server::Metrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::publish::Publishing;

pub(super) fn register_django(metrics: &Metrics, django: &Django) {
    let numbers =
        DjangoNumbers { counts: Arc::clone(django.counts()), outlet: django.outlet().cloned() };
    metrics.register(|to| to.register_collector(Box::new(numbers)));
}

pub(super) fn register_events(metrics: &Metrics, line: &Arc<Publishing>) {
    let numbers = EventNumbers(Arc::clone(line));
    metrics.register(|to| to.register_collector(Box::new(numbers)));
}

struct DjangoNumbers {
    counts: Arc<DjangoCounts>,
    outlet: Option<Arc<Outlet>>,
}

struct EventNumbers(Arc<Publishing>);

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn counter(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), fmt::Error> {
    let counter = ConstCounter::new(value);
    counter.encode(to.encode_descriptor(name, help, None, counter.metric_type())?)
}

impl Collector for DjangoNumbers {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = &self.counts;
        let dropped = self.outlet.as_ref().map_or(0, |outlet| outlet.dropped());
        for (name, help, value) in [
            ("django_events_sent", "Events sent to Django's groups", read(&counts.sent)),
            (
                "django_events_dropped",
                "Events for Django that the layer did not take, or that found too many waiting",
                read(&counts.unsent) + dropped,
            ),
            ("django_notices", "Notices of Django given to people", read(&counts.notices)),
            ("django_posts", "Messages of Django stored", read(&counts.posts)),
            (
                "django_posts_repeated",
                "Messages of Django that were stored before",
                read(&counts.repeated),
            ),
            (
                "django_answers_dropped",
                "Answers to Django that the layer did not take",
                read(&counts.unanswered),
            ),
        ] {
            counter(&mut to, name, help, value)?;
        }
        let help = "Messages on the channel `moorline` that were refused";
        let mut refused =
            to.encode_descriptor("django_refused", help, None, MetricType::Counter)?;
        for reason in Reason::ALL {
            let labels = [("reason", reason.word())];
            let counter = ConstCounter::new(counts.refused(*reason));
            counter.encode(refused.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Collector for EventNumbers {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let published = read(&self.0.published);
        counter(&mut to, "domain_events_published", "Domain events published", published)?;
        let help = "Domain events that were not published: Redis was away for too long, or lost";
        counter(&mut to, "domain_events_dropped", help, self.0.dropped())?;
        let gauge = ConstGauge::new(u64::from(self.0.is_up()) as f64);
        let help = "Whether the Redis for domain events is connected";
        gauge.encode(to.encode_descriptor("domain_events_up", help, None, gauge.metric_type())?)
    }
}

macro_rules! debug {
    ($($kind:ident)+) => {
        $(impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($kind))
            }
        })+
    };
}

debug! { DjangoNumbers EventNumbers }
