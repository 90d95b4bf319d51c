//! Angles without the platform's mathematics library.
//!
//! Where an animal stands depends on how far its body reaches, so that a scene would depend on the last bit of
//! a cosine. These use only operations that IEEE 754 fixes exactly, and so give the same bits everywhere.

/// Sine and cosine of an angle in degrees, within ±720°.
pub(super) fn sin_cos(degrees: f32) -> (f32, f32) {
    // Into -45..=45 around the nearest quarter turn, where a few terms of the series suffice.
    let quarter = (f64::from(degrees) / 90.0).round();
    let x = (f64::from(degrees) - quarter * 90.0) * (std::f64::consts::PI / 180.0);
    let y = x * x;
    let sin = x * (1.0 - y / 6.0 * (1.0 - y / 20.0 * (1.0 - y / 42.0 * (1.0 - y / 72.0))));
    let cos = 1.0 - y / 2.0 * (1.0 - y / 12.0 * (1.0 - y / 30.0 * (1.0 - y / 56.0)));
    let (sin, cos) = match (quarter as i64).rem_euclid(4) {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    };
    (sin as f32, cos as f32)
}

/// The angle in degrees of a slope: `rise` over a positive `run`.
pub(super) fn slope(rise: f32, run: f32) -> f32 {
    // Halving the angle twice brings it below 22.5 degrees; the series then converges fast.
    let half = |t: f64| t / (1.0 + (1.0 + t * t).sqrt());
    let t = half(half(f64::from(rise) / f64::from(run)));
    let y = t * t;
    let series = t
        * (1.0 - y * (1.0 / 3.0 - y * (1.0 / 5.0 - y * (1.0 / 7.0 - y * (1.0 / 9.0 - y / 11.0)))));
    (4.0 * series * (180.0 / std::f64::consts::PI)) as f32
}

/// The distance of a point from the origin.
pub(super) fn distance(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_agree_with_the_library() {
        for step in -700_i16..700 {
            let degrees = f32::from(step) + 0.37;
            let (sin, cos) = sin_cos(degrees);
            let angle = f64::from(degrees).to_radians();
            assert!((f64::from(sin) - angle.sin()).abs() < 1e-6, "{degrees}");
            assert!((f64::from(cos) - angle.cos()).abs() < 1e-6, "{degrees}");
            let rise = f32::from(step) / 50.0;
            assert!(
                (slope(rise, 1.0) - rise.atan().to_degrees()).abs() < 1e-2,
                "{rise}"
            );
        }
    }
}
