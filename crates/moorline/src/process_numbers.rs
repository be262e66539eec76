//! Memory and processor time of this process in `/metrics`, so that a soak or a benchmark that runs elsewhere can show
//! them. Read at each scrape; where the system does not tell, they are left out.

use std::fmt;

use moorline_load::probe::of_process;
use moorline_server::Metrics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

#[derive(Debug)]
struct ProcessNumbers;

/// Adds the numbers of this process to `/metrics`.
pub fn register(metrics: &Metrics) {
    metrics.register(|to| to.register_collector(Box::new(ProcessNumbers)));
}

impl Collector for ProcessNumbers {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(load) = of_process(std::process::id()) else { return Ok(()) };
        let memory = ConstGauge::new(load.memory_bytes as f64);
        let (name, help) = ("process_resident_memory", "Memory that this process has in use");
        memory.encode(to.encode_descriptor(
            name,
            help,
            Some(&Unit::Bytes),
            memory.metric_type(),
        )?)?;
        let cpu = ConstCounter::new(load.cpu_seconds);
        let (name, help) = ("process_cpu", "Processor time of this process since its start");
        cpu.encode(to.encode_descriptor(name, help, Some(&Unit::Seconds), cpu.metric_type())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_scrape_tells_what_a_soak_looks_for() {
        let metrics = Metrics::default();
        register(&metrics);
        let text = metrics.render();
        let number = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} is not in:\n{text}")).parse::<f64>().unwrap()
        };
        assert!(number("moorline_process_resident_memory_bytes") > 1e5);
        assert!(number("moorline_process_cpu_seconds_total") >= 0.0);
    }
}
