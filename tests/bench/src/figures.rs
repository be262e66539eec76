//! Small arithmetic over measured values: median, percentiles, spread.

/// The middle value; of an even number, the mean of the two in the middle. 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted[count / 2],
        count => (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0,
    }
}

/// The smallest and the largest value.
pub(crate) fn spread(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (least, most)
}

/// The value that `share` of all do not exceed, in milliseconds; the values are microseconds.
pub(crate) fn percentile_ms(values_us: &mut [u32], share: f64) -> f64 {
    values_us.sort_unstable();
    let place = (values_us.len() as f64 * share).ceil() as usize;
    let value = values_us.get(place.saturating_sub(1)).or(values_us.last());
    value.map_or(0.0, |&us| f64::from(us) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_the_spread_are_what_they_are_called() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), (1.0, 3.0));
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let mut values: Vec<u32> = (1..=1000).rev().map(|ms| ms * 1000).collect();
        assert_eq!(percentile_ms(&mut values, 0.5), 500.0);
        assert_eq!(percentile_ms(&mut values, 0.99), 990.0);
        assert_eq!(percentile_ms(&mut [], 0.99), 0.0);
    }
}
